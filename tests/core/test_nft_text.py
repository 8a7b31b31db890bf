"""The text that nfjail gives to nft: names, ports, timeouts, elements, and the order within one transaction."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.model import Ban, Unban, parse_subject
from nfjail.firewall import Gate, nft_text
from nfjail.firewall.nft_text import Names, Plan

NOW = 1_700_000_000.0
NAMES = Names("nfjail", "prerouting", "raw")
SSHD = Gate("sshd", ("22",))
PLAN = Plan({"sshd": SSHD}, {"sshd": "sshd"}, ())
WIDTHS = {"sshd": set(nft_text.WIDTHS)}


def ban(address: str, seconds: float | None = 600, jail: str = "sshd") -> Ban:
    return Ban(jail, parse_subject(address), NOW, None if seconds is None else NOW + seconds)


def unban(address: str, jail: str = "sshd") -> Unban:
    return Unban(jail, parse_subject(address), NOW, "ctl")


def lines(*decisions: Ban | Unban) -> list[str]:
    return nft_text.batch(NAMES, PLAN, WIDTHS, decisions, NOW).text.splitlines()


@pytest.mark.parametrize(
    ("jail", "key"),
    [("sshd", "sshd"), ("nginx-http-auth", "nginx-http-auth"), ("3proxy", "_3proxy"), ("_x", "__x"),
     ("ignore", "_ignore"), ("prerouting", "_prerouting"), ("input", "_input")],
)  # fmt: skip
def test_a_jail_that_nft_or_nfjail_would_misunderstand_gets_an_underscore(jail: str, key: str):
    assert nft_text.key_of(jail) == key
    assert nft_text.jail_of(key) == jail


def test_a_word_of_nft_gets_an_underscore():
    assert nft_text.key_of("tcp", reserved=True) == "_tcp"


@pytest.mark.parametrize("jail", ["", "a b", "x; flush ruleset", "x\n", 'x"', "ä", "x" * 201])
def test_what_is_no_name_never_gets_into_a_command(jail: str):
    with pytest.raises(ValueError, match="no name for a jail"):
        nft_text.key_of(jail)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (("a; b", "prerouting", "raw"), "table"),
        (("t", "output", "raw"), "hook"),
        (("t", "input", "raw; drop"), "priority"),
    ],
)
def test_settings_that_are_no_names_are_refused(settings: tuple[str, str, str], complaint: str):
    with pytest.raises(ValueError, match=complaint):
        nft_text.checked_names(*settings)


@pytest.mark.parametrize("priority", ["raw", "filter - 10", "mangle+5", -300, "0"])
def test_priorities_are_words_numbers_or_both(priority: str | int):
    assert nft_text.checked_names("nfjail", "input", priority).priority == str(priority)


@given(st.sampled_from(["sshd", "sshd-6", "sshd-4", "a-6-04"]), st.sampled_from([(4, n) for n in range(1, 33)]))
def test_set_names_can_be_read_back(key: str, width: tuple[int, int]):
    assert nft_text.parse_set_name(nft_text.set_name(key, width)) == (key, width)


def test_no_two_jails_share_a_set():
    widths = [(4, n) for n in range(1, 33)] + [(6, n) for n in range(1, 129)]
    keys = ("sshd", "sshd-4", "sshd-6", "sshd-6-6")
    assert len({nft_text.set_name(key, width) for key in keys for width in widths}) == len(keys) * len(widths)


@pytest.mark.parametrize("name", ["sshd", "sshd-5", "sshd-4-32", "sshd-6-8", "sshd-4-240", "-4"])
def test_other_names_are_no_sets_of_ours(name: str):
    assert nft_text.parse_set_name(name) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0001, "1ms"), (600, "600000ms"), (1.0004, "1001ms"), (86400 * 30, "30d0ms"), (100_000.5, "1d13600500ms")],
)
def test_a_timeout_is_rounded_up_and_in_numbers_that_nft_takes(seconds: float, text: str):
    assert nft_text.duration(seconds) == text


@pytest.mark.parametrize(
    ("ports", "text"),
    [(["22"], "22"), (["80", "22"], "22, 80"), (["8000-8080", "8010", "8080-9000"], "8000-9000"), (["22", "22"], "22")],
)
def test_ports_are_merged(ports: list[str], text: str):
    assert nft_text.ports_text(ports) == text


@pytest.mark.parametrize(
    ("gate", "rule"),
    [
        (Gate("j", ("22",)), "meta l4proto { tcp } th dport { 22 } jump j"),
        (Gate("j", ("53",), ("tcp", "udp")), "meta l4proto { tcp, udp } th dport { 53 } jump j"),
        (Gate("j", (), ("tcp",)), "meta l4proto { tcp } jump j"),
        (Gate("j", (), ()), "jump j"),
        (Gate("j", ("53",), ()), "meta l4proto { tcp, udp, sctp, dccp } th dport { 53 } jump j"),
    ],
)
def test_a_packet_finds_its_jail_by_protocol_and_port(gate: Gate, rule: str):
    assert nft_text.dispatch(gate, "j") == rule


@pytest.mark.parametrize(
    ("width", "match"),
    [
        ((4, 32), "ip saddr @j-4"),
        ((4, 24), "ip saddr & 255.255.255.0 @j-4-24"),
        ((4, 9), "ip saddr & 255.128.0.0 @j-4-09"),
        ((6, 128), "ip6 saddr @j-6"),
        ((6, 64), "ip6 saddr & ffff:ffff:ffff:ffff:: @j-6-64"),
    ],
)
def test_one_lookup_finds_a_network(width: tuple[int, int], match: str):
    assert nft_text.rules("j", width, Gate("j", blocktype="drop")) == [f"{match} counter packets 0 bytes 0 drop"]


def test_tcp_reset_is_for_tcp_and_the_rest_is_rejected():
    tcp, rest = nft_text.rules("j", (4, 32), Gate("j", blocktype="tcp-reset"), stopped=(5, 300))
    assert tcp == "meta l4proto tcp ip saddr @j-4 counter reject with tcp reset"
    assert rest == "ip saddr @j-4 counter packets 5 bytes 300 reject with icmpx type port-unreachable"


def test_a_ban_is_added_deleted_and_added_with_its_end():
    assert lines(ban("192.0.2.1")) == [
        "add element inet nfjail sshd-4 { 192.0.2.1 }",
        "delete element inet nfjail sshd-4 { 192.0.2.1 }",
        "add element inet nfjail sshd-4 { 192.0.2.1 timeout 600000ms }",
    ]


def test_a_ban_for_ever_has_no_timeout():
    assert lines(ban("2001:db8::/64", None))[-1] == "add element inet nfjail sshd-6-64 { 2001:db8:: }"
    assert lines(ban("192.0.2.1", 1e12))[-1] == "add element inet nfjail sshd-4 { 192.0.2.1 }"


@pytest.mark.parametrize("ended", [unban("192.0.2.1"), ban("192.0.2.1", 0), ban("192.0.2.1", -5)])
def test_what_has_ended_is_only_taken_out(ended: Ban | Unban):
    assert [line.split()[0] for line in lines(ended)] == ["add", "delete"]


def test_the_last_decision_about_a_subject_counts():
    assert lines(ban("192.0.2.1"), unban("192.0.2.1")) == lines(unban("192.0.2.1"))
    assert lines(unban("192.0.2.1"), ban("192.0.2.1")) == lines(ban("192.0.2.1"))
    assert lines(ban("192.0.2.1", 60), ban("192.0.2.1", 600)) == lines(ban("192.0.2.1", 600))


def test_the_first_network_of_its_size_makes_a_set_and_a_rule():
    batch = nft_text.batch(NAMES, PLAN, WIDTHS, [ban("192.0.2.0/24")], NOW)
    first, second, *_ = batch.text.splitlines()
    assert first == "add set inet nfjail sshd-4-24 { type ipv4_addr; flags timeout; }"
    assert second.startswith("add rule inet nfjail sshd ip saddr & 255.255.255.0 @sshd-4-24 ")
    assert batch.new == {"sshd": {(4, 24)}}


def test_nothing_is_said_about_a_network_that_no_set_can_hold():
    assert lines(unban("192.0.2.0/24"), unban("192.0.2.1", jail="gone")) == []


def test_the_table_holds_the_live_bans_of_its_jails_only():
    bans = [ban("192.0.2.1"), ban("192.0.2.2", 0), ban("192.0.2.3", jail="other"), ban("2001:db8::/48", None)]
    groups = nft_text.grouped(bans, ["sshd"], NOW)
    assert groups == {
        "sshd": {(4, 32): ["192.0.2.1 timeout 600000ms"], (6, 128): [], (6, 64): [], (6, 48): ["2001:db8::"]}
    }
    text = nft_text.table(NAMES, PLAN, groups, {"sshd": (7, 420)})
    assert text.startswith("add table inet nfjail\ndelete table inet nfjail\ntable inet nfjail {\n")
    assert "counter packets 7 bytes 420" in text


@pytest.mark.parametrize(("hook", "guarded"), [("prerouting", True), ("input", False)])
def test_what_is_only_routed_is_let_through_where_it_passes(hook: str, guarded: bool):
    names = Names("nfjail", hook, "filter")
    text = nft_text.table(names, PLAN, nft_text.grouped([], ["sshd"], NOW), {})
    assert f"type filter hook {hook} priority filter; policy accept;" in text
    assert ("fib daddr type != local return" in text) is guarded
