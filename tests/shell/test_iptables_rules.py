"""What iptables' firewall writes into the kernel's tables, reads back from them, and leaves alone."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator

import pytest
from iptables_bed import NOW, SSHD, ban, firewall_with, inside, new_namespace, rules, run, saved, sets, unban

from nfjail.core.model import parse_subject
from nfjail.firewall import FirewallError, Gate
from nfjail.firewall.iptables import IptablesFirewall

LONG = "a-jail-whose-name-is-much-longer-than-iptables-allows"


@pytest.fixture(autouse=True)
def own_network() -> Iterator[None]:
    with new_namespace() as namespace, inside(namespace):
        yield


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def back_end(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_whole_layout(back_end: str) -> None:
    firewall = IptablesFirewall(command=back_end)
    web = Gate("web", ("80", "8000-8080"), ("tcp", "udp"), "drop")
    firewall.configure([SSHD, web], [parse_subject("198.51.100.0/24")])
    firewall.sync([ban("192.0.2.7"), ban("192.0.2.8", "web"), ban("2001:db8::/64")], NOW)
    assert rules("INPUT", back_end) == ["-m comment --comment nfjail -j nfjail"]
    assert rules("nfjail", back_end) == [
        "-i lo -j RETURN",
        "-s 198.51.100.0/24 -j RETURN",
        "-p tcp -m multiport --dports 22 -j nfjail-sshd",
        "-p tcp -m multiport --dports 80,8000:8080 -j nfjail-web",
        "-p udp -m multiport --dports 80,8000:8080 -j nfjail-web",
    ]
    assert rules("nfjail-sshd", back_end) == [
        "-s 192.0.2.7/32 -j REJECT --reject-with icmp-port-unreachable",
        '-m comment --comment "nfjail:sshd" -j RETURN',
    ]
    assert rules("nfjail-web", back_end)[0] == "-s 192.0.2.8/32 -j DROP"
    twin = back_end.replace("iptables", "ip6tables")
    assert rules("nfjail-sshd", twin)[0] == "-s 2001:db8::/64 -j REJECT --reject-with icmp6-port-unreachable"


@pytest.mark.parametrize("use_ipset", [False, True])
def test_tcp_is_reset_before_the_rest_is_rejected(back_end: str, use_ipset: bool) -> None:
    firewall = IptablesFirewall(command=back_end, use_ipset=use_ipset)
    firewall.configure([Gate("dns", ("53",), ("tcp", "udp"), "tcp-reset")], [])
    firewall.sync([ban("192.0.2.7", "dns")], NOW)
    firewall.apply([ban("192.0.2.8", "dns")], NOW)
    answers = [rule.split()[-1] for rule in rules("nfjail-dns", back_end) if "REJECT" in rule]
    assert answers == ["tcp-reset", "icmp-port-unreachable"] * (1 if use_ipset else 2)


def test_with_ipset_one_rule_stands_for_all_bans(back_end: str) -> None:
    firewall_with(ban("192.0.2.7"), ban("192.0.2.8"), command=back_end, use_ipset=True)
    assert rules("nfjail-sshd", back_end) == [
        "-m set --match-set nfjail-sshd-4 src -j REJECT --reject-with icmp-port-unreachable",
        '-m comment --comment "nfjail:sshd" -j RETURN',
    ]
    assert sets() == ["nfjail-sshd-4", "nfjail-sshd-6"]


def test_the_jump_is_there_once_and_first_after_every_sync(back_end: str) -> None:
    firewall = firewall_with(command=back_end)
    for _ in range(3):
        run(back_end, "-I", "INPUT", "1", "-p", "tcp", "-j", "ACCEPT")
        firewall.sync([ban("192.0.2.7")], NOW)
        firewall_with(command=back_end)  # a daemon that starts anew
    assert rules("INPUT", back_end) == ["-m comment --comment nfjail -j nfjail", *["-p tcp -j ACCEPT"] * 3]


def test_another_chain_of_the_configuration_moves_the_jump(back_end: str) -> None:
    firewall_with(command=back_end)
    for program in (back_end, back_end.replace("iptables", "ip6tables")):
        run(program, "-N", "DOCKER-USER")
    IptablesFirewall(chain="DOCKER-USER", command=back_end).sync([], NOW)
    assert rules("INPUT", back_end) == []
    assert rules("DOCKER-USER", back_end) == ["-m comment --comment nfjail -j nfjail"]


def test_a_chain_that_does_not_exist_is_named(back_end: str) -> None:
    run(back_end, "-N", "DOCKER-USER")
    twin = back_end.replace("iptables", "ip6tables")
    with pytest.raises(FirewallError, match=f"{twin} has no chain DOCKER-USER: create it: {twin} -N DOCKER-USER"):
        IptablesFirewall(chain="DOCKER-USER", command=back_end).sync([], NOW)


@pytest.mark.parametrize("use_ipset", [False, True])
def test_flush_leaves_everything_as_it_was_before(back_end: str, use_ipset: bool) -> None:
    twin = back_end.replace("iptables", "ip6tables")
    for program in (back_end, twin):
        run(program, "-N", "nfjail2")
        foreign = ("INPUT -i lo -j ACCEPT", "INPUT -p tcp -j nfjail2", "nfjail2 -m comment --comment nfjail -j RETURN")
        for rule in foreign:
            run(program, "-A", *rule.split())
        run(program, "-P", "FORWARD", "DROP")
    run("ipset", "create", "nfjail-of-somebody-else", "hash:ip")
    before = saved(back_end), saved(twin), sets()
    firewall = firewall_with(ban("192.0.2.7"), ban("2001:db8::7"), command=back_end, use_ipset=use_ipset)
    firewall.apply([ban("192.0.2.8")], NOW)
    if use_ipset:
        run("ipset", "create", "nfjail~4", "hash:net")  # as a sync leaves it that is killed
    assert saved(back_end) != before[0]
    assert saved(twin) != before[1]
    firewall.flush()
    assert (saved(back_end), saved(twin), sets()) == before
    firewall.flush()  # again: nothing to do


def test_a_chain_that_others_use_is_emptied_and_kept(back_end: str, caplog: pytest.LogCaptureFixture) -> None:
    firewall = firewall_with(ban("192.0.2.7"), command=back_end)
    run(back_end, "-A", "FORWARD", "-j", "nfjail-sshd")
    firewall.flush()
    assert rules("nfjail-sshd", back_end) == []
    assert rules("FORWARD", back_end) == ["-j nfjail-sshd"]
    assert ":nfjail - " not in saved(back_end)
    assert "other rules jump to them: nfjail-sshd" in caplog.text


@pytest.mark.parametrize("use_ipset", [False, True])
def test_what_belongs_to_a_removed_jail_goes_with_the_next_sync(back_end: str, use_ipset: bool) -> None:
    former = IptablesFirewall(command=back_end, use_ipset=use_ipset)
    former.configure([SSHD, Gate(LONG)], [])
    former.sync([ban("192.0.2.7"), ban("192.0.2.8", LONG), ban("2001:db8::8", LONG)], NOW)
    firewall_with(ban("192.0.2.7"), command=back_end, use_ipset=use_ipset)
    chains = [line.split()[0] for line in saved(back_end) if line.startswith(":nfjail")]
    assert chains == [":nfjail", ":nfjail-sshd"]
    assert sets() == (["nfjail-sshd-4", "nfjail-sshd-6"] if use_ipset else [])


def test_two_instances_leave_each_other_alone(back_end: str) -> None:
    one = firewall_with(ban("192.0.2.7"), command=back_end, use_ipset=True)
    firewall_with(ban("192.0.2.8"), command=back_end, use_ipset=True, table="nfjail-2")
    one.sync([], NOW)
    one.flush()
    assert rules("INPUT", back_end) == ["-m comment --comment nfjail-2 -j nfjail-2"]
    assert rules("nfjail-2", back_end)[-1] == "-p tcp -m multiport --dports 22 -j nfjail-2-sshd"
    assert sets() == ["nfjail-2-sshd-4", "nfjail-2-sshd-6"]


def test_from_rules_to_sets_and_back(back_end: str) -> None:
    bans = [ban("192.0.2.7"), ban("2001:db8::7")]
    firewall_with(*bans, command=back_end)
    firewall_with(*bans, command=back_end, use_ipset=True)
    assert "192.0.2.7" not in " ".join(saved(back_end))
    assert "192.0.2.7" in run("ipset", "list", "nfjail-sshd-4")
    firewall_with(*bans, command=back_end)
    assert rules("nfjail-sshd", back_end)[0].startswith("-s 192.0.2.7/32 ")
    assert sets() == []


@pytest.mark.parametrize("use_ipset", [False, True])
def test_apply_can_be_repeated(back_end: str, use_ipset: bool) -> None:
    firewall = firewall_with(command=back_end, use_ipset=use_ipset)
    for until in (NOW + 60, NOW + 600, None):
        firewall.apply([ban("192.0.2.7", until=until), ban("192.0.2.7", until=until)], NOW)
    assert [str(found.subject) for found in firewall.adopt(NOW)] == ["192.0.2.7"]
    for _ in range(2):
        firewall.apply([unban("192.0.2.7"), unban("192.0.2.9"), unban("192.0.2.7", "no-such-jail")], NOW)
    assert firewall.adopt(NOW) == []


@pytest.mark.parametrize("use_ipset", [False, True])
def test_the_last_word_in_a_batch_counts(use_ipset: bool) -> None:
    firewall = firewall_with(ban("192.0.2.7"), use_ipset=use_ipset)
    firewall.apply([unban("192.0.2.7"), ban("192.0.2.8"), ban("192.0.2.7"), unban("192.0.2.8")], NOW)
    assert [str(found.subject) for found in firewall.adopt(NOW)] == ["192.0.2.7"]


def test_a_refused_batch_changes_nothing(back_end: str) -> None:
    firewall = firewall_with(ban("192.0.2.7"), command=back_end)
    run(back_end, "-D", "nfjail-sshd", "1")
    before = saved(back_end)
    with pytest.raises(FirewallError):
        firewall.apply([ban("192.0.2.8"), unban("192.0.2.7")], NOW)
    assert saved(back_end) == before


def test_apply_before_the_first_sync_and_for_an_unknown_jail_is_refused() -> None:
    firewall = IptablesFirewall()
    with pytest.raises(FirewallError, match="not set up yet"):
        firewall.apply([ban("192.0.2.7")], NOW)
    firewall.sync([ban("192.0.2.7", "no-such-jail")], NOW)
    with pytest.raises(FirewallError, match="not in the kernel yet: jail no-such-jail"):
        firewall.apply([ban("192.0.2.7", "no-such-jail")], NOW)


def test_a_few_new_bans_do_not_rewrite_the_others(back_end: str) -> None:
    firewall = firewall_with(ban("192.0.2.7"), command=back_end)
    run(back_end, "-I", "nfjail-sshd", "1", "-s", "203.0.113.1", "-j", "DROP")  # would not outlive it
    firewall.apply([ban("192.0.2.8"), ban("192.0.2.9")], NOW)
    assert [rule.split()[1] for rule in rules("nfjail-sshd", back_end)[:4]] == [
        "192.0.2.8/32",
        "192.0.2.9/32",
        "203.0.113.1/32",
        "192.0.2.7/32",
    ]


@pytest.mark.parametrize("use_ipset", [False, True])
def test_thousands_of_bans_are_quick(back_end: str, use_ipset: bool) -> None:
    many = [ban(f"198.51.{n // 250}.{n % 250}") for n in range(5000)]
    firewall = firewall_with(command=back_end, use_ipset=use_ipset)
    start = time.monotonic()
    firewall.apply(many[:2000], NOW)
    firewall.sync(many, NOW)
    firewall.apply([ban(f"203.0.113.{n}") for n in range(100)], NOW)
    firewall.apply([unban(str(gone.subject)) for gone in many[2000:]], NOW)
    taken = time.monotonic() - start
    assert len(firewall.adopt(NOW)) == 2100
    assert taken < 10  # most often 0.1 to 0.6 s; one program per ban would take 30 s and more


@pytest.mark.parametrize("use_ipset", [False, True])
def test_adopt_finds_the_bans_of_all_jails_again(back_end: str, use_ipset: bool) -> None:
    former = IptablesFirewall(command=back_end, use_ipset=use_ipset)
    former.configure([SSHD, Gate(LONG, (), ())], [parse_subject("198.51.100.1")])
    bans = [ban("192.0.2.7"), ban("192.0.2.0/28", LONG), ban("2001:db8::/64", LONG), ban("2001:db8::7", until=None)]
    former.sync(bans, NOW)
    found = IptablesFirewall(command=back_end, use_ipset=use_ipset).adopt(NOW)
    assert {(one.jail, str(one.subject)) for one in found} == {(one.jail, str(one.subject)) for one in bans}
    assert {one.origin for one in found} == {"kernel"}
    assert all(one.until is not None and one.since == NOW for one in found)  # never for ever by accident
    ends = {str(one.subject): (one.until or 0) - NOW for one in found}
    if use_ipset:
        assert 590 <= ends["192.0.2.7"] <= 600
        assert ends["2001:db8::7"] == 2_147_483
    else:
        assert ends["192.0.2.7"] == 86_400
        assert "tells no end" in found[0].reason


def test_a_ban_longer_than_ipset_counts_has_no_timeout_in_the_kernel() -> None:
    firewall_with(ban("192.0.2.7", until=NOW + 2_147_484), ban("192.0.2.8", until=NOW + 2_147_483.0), use_ipset=True)
    text = run("ipset", "save", "nfjail-sshd-4")
    assert "add nfjail-sshd-4 192.0.2.7 timeout 0\n" in text
    assert re.search(r"add nfjail-sshd-4 192\.0\.2\.8 timeout 214748\d\n", text)


@pytest.mark.parametrize("use_ipset", [False, True])
def test_bans_that_are_over_are_not_put_back(use_ipset: bool) -> None:
    firewall = firewall_with(ban("192.0.2.7", until=NOW), ban("192.0.2.8"), use_ipset=use_ipset)
    firewall.apply([ban("192.0.2.9", until=NOW - 1), ban("192.0.2.8", until=NOW - 1)], NOW)
    assert firewall.adopt(NOW) == []


def test_long_names_are_cut_but_stay_different(back_end: str) -> None:
    firewall = IptablesFirewall(command=back_end, use_ipset=True)
    jails = [LONG + "-one", LONG + "-two" + "o" * 60]
    firewall.configure([Gate(jail) for jail in jails], [])
    firewall.sync([ban("192.0.2.7", jails[0]), ban("192.0.2.8", jails[1])], NOW)
    chains = [line.split()[0][1:] for line in saved(back_end) if line.startswith(":nfjail-")]
    assert len(set(chains)) == 2
    assert max(map(len, chains)) == 28
    assert len(sets()) == 4
    assert max(map(len, sets())) == 31
    assert {(one.jail, str(one.subject)) for one in firewall.adopt(NOW)} == {
        (jails[0], "192.0.2.7"),
        (jails[1], "192.0.2.8"),
    }


@pytest.mark.parametrize("use_ipset", [False, True])
def test_report_counts_packets_over_unbans_and_syncs(back_end: str, use_ipset: bool) -> None:
    firewall = IptablesFirewall(command=back_end, use_ipset=use_ipset)
    firewall.configure([Gate("all", (), ()), Gate("idle", ("1",))], [])
    firewall.sync([ban("127.0.0.2", "all")], NOW)
    run(back_end, "-D", "nfjail", "1")  # let loopback's packets come to the jail
    for source in ("127.0.0.2", "127.0.0.3"):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((source, 0))
            for _ in range(3):
                sender.sendto(b"knock", ("127.0.0.1", 9))
    assert firewall.report() == {"all": 3, "idle": 0}
    firewall.apply([unban("127.0.0.2", "all")], NOW)
    assert firewall.report() == {"all": 3, "idle": 0}
    firewall.sync([], NOW)
    assert firewall.report() == {"all": 3, "idle": 0}
