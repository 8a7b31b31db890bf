"""What nfjail's nftables table holds, and that a refused change changes nothing. The real kernel, no traffic."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from iptables_bed import inside, new_namespace, run

from nfjail.core.model import Ban, Unban, parse_subject
from nfjail.firewall import FirewallError, Gate
from nfjail.firewall.nft import NftFirewall, available

NOW = 1_700_000_000.0
SSHD = Gate("sshd", ("22",))


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    with new_namespace() as made, inside(made):
        yield


def ban(address: str, jail: str = "sshd", seconds: float | None = 600) -> Ban:
    return Ban(jail, parse_subject(address), NOW, None if seconds is None else NOW + seconds)


def unban(address: str, jail: str = "sshd") -> Unban:
    return Unban(jail, parse_subject(address), NOW, "ctl")


def firewall(*jails: str, bans: tuple[Ban, ...] = (), table: str = "nfjail") -> NftFirewall:
    made = NftFirewall(table)
    made.configure([Gate(jail, ("22",)) for jail in jails or ("sshd",)], [])
    made.sync(bans, NOW)
    return made


def banned(nft: NftFirewall) -> set[tuple[str, str]]:
    return {(each.jail, str(each.subject)) for each in nft.adopt(NOW)}


def tables() -> list[str]:
    return run("nft", "list", "tables").splitlines()


def test_asking_whether_nftables_is_there_changes_nothing():
    assert available() is None
    assert tables() == []


def test_making_and_configuring_a_firewall_changes_nothing():
    nft = NftFirewall()
    nft.configure([SSHD], [])
    assert tables() == []
    assert nft.adopt(NOW) == []
    assert nft.report() == {}


def test_what_was_banned_is_found_again():
    bans = [
        ban("192.0.2.1", seconds=90.5),
        ban("192.0.2.2", seconds=None),
        ban("198.51.100.0/24"),
        ban("2001:db8::/64"),
        ban("2001:db8::1", seconds=30 * 86400.0),
        ban("2000::/8", "other"),
    ]
    firewall("sshd", "other", bans=tuple(bans))
    found = {each.subject: each for each in NftFirewall().adopt(NOW)}
    assert len(found) == len(bans)
    for each in bans:
        again = found[each.subject]
        assert (again.jail, again.origin) == (each.jail, "kernel")
        assert again.since == pytest.approx(NOW, abs=2)
        assert again.until == (each.until if each.until is None else pytest.approx(each.until, abs=2))


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::/64", "192.0.2.0/24"])
def test_bans_and_unbans_may_come_twice(address: str):
    nft = firewall()
    for _ in range(2):
        nft.apply([ban(address), ban(address)], NOW)
        assert banned(nft) == {("sshd", address)}
    for _ in range(2):
        nft.apply([unban(address)], NOW)
        assert banned(nft) == set()


def test_in_one_batch_the_last_decision_about_an_address_counts():
    nft = firewall()
    nft.apply([ban("192.0.2.1"), unban("192.0.2.1"), unban("192.0.2.2"), ban("192.0.2.2")], NOW)
    assert banned(nft) == {("sshd", "192.0.2.2")}


def test_a_ban_that_has_ended_already_does_not_stay():
    nft = firewall(bans=(ban("192.0.2.1", seconds=0), ban("192.0.2.2", seconds=-1)))
    nft.apply([ban("192.0.2.3", seconds=0), ban("198.51.100.0/24", seconds=-1)], NOW)
    assert banned(nft) == set()


def test_sync_holds_exactly_the_given_bans():
    nft = firewall(bans=(ban("192.0.2.1"), ban("192.0.2.2")))
    nft.apply([ban("192.0.2.3")], NOW)
    nft.sync([ban("192.0.2.2"), ban("192.0.2.4"), ban("192.0.2.4"), ban("192.0.2.5", "unknown")], NOW)
    assert banned(nft) == {("sshd", "192.0.2.2"), ("sshd", "192.0.2.4")}


def test_a_jail_that_is_configured_away_leaves_nothing():
    nft = firewall("sshd", "web", bans=(ban("192.0.2.1"), ban("192.0.2.1", "web")))
    nft.configure([SSHD], [])
    nft.apply([ban("192.0.2.2", "web")], NOW)  # it is there until the next sync
    nft.sync([ban("192.0.2.1")], NOW)
    assert banned(nft) == {("sshd", "192.0.2.1")}
    assert "web" not in run("nft", "list", "ruleset")
    nft.apply([unban("192.0.2.2", "web")], NOW)


NAMES = ["tcp", "log", "ct", "all", "3proxy", "ignore", "prerouting", "input", "_x", "sshd-6", "sshd-4", "a.b", "last"]


def test_a_jail_may_be_called_like_a_word_of_nft():
    subjects = ("192.0.2.1", "2000::/4", "2000::/6", "128.0.0.0/4")
    bans = [ban(subject, jail) for jail in [*NAMES, "sshd"] for subject in subjects]
    nft = firewall("sshd", *NAMES)
    nft.apply(bans, NOW)
    assert banned(nft) == {(each.jail, str(each.subject)) for each in bans}
    nft.sync(bans, NOW)
    assert banned(nft) == {(each.jail, str(each.subject)) for each in bans}
    assert set(nft.report()) == {"sshd", *NAMES}


def test_a_name_that_is_none_is_refused():
    with pytest.raises(FirewallError, match="no name for a jail"):
        NftFirewall().configure([Gate("x; flush ruleset")], [])


@pytest.mark.parametrize("everybody", ["0.0.0.0/0", "::/0"])
def test_nobody_can_ban_everybody(everybody: str):
    nft = firewall()
    with pytest.raises(FirewallError, match="would cut everybody off"):
        nft.apply([ban("192.0.2.1"), ban(everybody)], NOW)
    assert banned(nft) == set()
    nft.sync([ban("192.0.2.1"), ban(everybody)], NOW)  # the rest of the store must be enforced all the same
    assert banned(nft) == {("sshd", "192.0.2.1")}


def test_a_refused_batch_changes_nothing_and_a_sync_repairs():
    nft = firewall(bans=(ban("192.0.2.1"),))
    run("nft", "delete table inet nfjail")
    with pytest.raises(FirewallError, match="No such file or directory"):
        nft.apply([ban("192.0.2.2"), ban("198.51.100.0/24")], NOW)
    assert tables() == []
    nft.sync([ban("192.0.2.1")], NOW)
    nft.apply([ban("198.51.100.0/24")], NOW)  # its set is not thought to be there
    assert banned(nft) == {("sshd", "192.0.2.1"), ("sshd", "198.51.100.0/24")}


def test_a_batch_is_carried_out_as_a_whole_or_not_at_all():
    nft = firewall()
    run("nft", "-f", "-", text="flush chain inet nfjail sshd\ndelete set inet nfjail sshd-6-64")
    with pytest.raises(FirewallError):
        nft.apply([ban("192.0.2.1"), ban("2001:db8::/64")], NOW)
    assert banned(nft) == set()


def test_a_refused_sync_leaves_the_old_table():
    nft = firewall(bans=(ban("192.0.2.1"),))
    nft.configure([Gate("sshd", ("22",), ("nosuchprotocol",))], [])
    with pytest.raises(FirewallError):
        nft.sync([], NOW)
    assert banned(nft) == {("sshd", "192.0.2.1")}


def test_the_words_of_a_refusal_are_few():
    nft = firewall()
    nft.flush()
    with pytest.raises(FirewallError) as caught:
        nft.apply([ban(f"10.0.{n >> 8}.{n & 255}") for n in range(3000)], NOW)
    assert len(str(caught.value)) < 500


def test_a_ban_in_an_unknown_jail_is_an_error():
    with pytest.raises(FirewallError, match="web is not in the kernel"):
        firewall().apply([ban("192.0.2.1", "web")], NOW)


def test_other_tables_are_not_touched():
    run("nft", "-f", "-", text="table inet mine { chain c { tcp dport 22 accept; }; }\ntable ip nfjail { }")
    before = run("nft", "list", "ruleset")
    other = firewall(table="nfjail-2", bans=(ban("192.0.2.9"),))
    nft = firewall(bans=(ban("192.0.2.1"),))
    nft.apply([ban("192.0.2.2")], NOW)
    assert banned(other) == {("sshd", "192.0.2.9")}
    nft.flush()
    other.flush()
    assert run("nft", "list", "ruleset") == before


def test_flush_removes_the_table_if_it_is_there():
    nft = firewall(bans=(ban("192.0.2.1"),))
    nft.flush()
    nft.flush()
    assert tables() == []


FOREIGN = """
add set inet nfjail theirs-4 { type ipv4_addr; }
add element inet nfjail theirs-4 { 10.0.0.1 }
add set inet nfjail odd-4 { type ipv4_addr . inet_service; flags timeout; }
add element inet nfjail odd-4 { 10.0.0.2 . 22 timeout 1h }
add set inet nfjail nets-4 { type ipv4_addr; flags interval, timeout; }
add element inet nfjail nets-4 { 10.0.0.0/8 timeout 1h }
add map inet nfjail m-4 { type ipv4_addr : verdict; flags timeout; }
add element inet nfjail m-4 { 10.0.0.4 timeout 1h : drop }
add set inet nfjail mac-6 { type ether_addr; flags timeout; }
add element inet nfjail mac-6 { 02:00:00:00:00:01 timeout 1h }
add chain inet nfjail theirs
add rule inet nfjail theirs counter accept
"""


def test_foreign_content_in_the_table_is_no_ban():
    nft = firewall(bans=(ban("192.0.2.1"),))
    run("nft", "-f", "-", text=FOREIGN)
    assert banned(nft) == {("sshd", "192.0.2.1")}
    assert nft.report() == {"sshd": 0}
    nft.sync([], NOW)
    assert "theirs" not in run("nft", "list", "ruleset")


def test_the_ignore_sets_are_no_bans():
    nft = NftFirewall()
    nft.configure([SSHD], [parse_subject("192.0.2.0/24"), parse_subject("2001:db8::1"), parse_subject("0.0.0.0/0")])
    nft.sync([], NOW)
    assert banned(nft) == set()


def test_counters_go_on_after_a_sync():
    nft = firewall()
    run("nft", "add rule inet nfjail sshd counter packets 41 bytes 4100 drop")
    run("nft", "add rule inet nfjail sshd counter packets 1 bytes 60 drop")
    assert nft.report() == {"sshd": 42}
    nft.sync([ban("192.0.2.1")], NOW)
    assert nft.report() == {"sshd": 42}
    assert NftFirewall().report() == {}


def test_the_hook_and_its_priority_can_be_chosen():
    nft = NftFirewall("nfjail", "input", "filter - 10")
    nft.configure([SSHD], [])
    nft.sync([ban("192.0.2.1")], NOW)
    rules = json.loads(run("nft", "-j", "list", "chain", "inet", "nfjail", "input"))["nftables"]
    chain = next(item["chain"] for item in rules if "chain" in item)
    assert (chain["hook"], chain["prio"]) == ("input", -10)


def test_a_wrong_setting_is_said():
    with pytest.raises(FirewallError, match="is no hook"):
        NftFirewall(hook="output")


def test_the_missing_module_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "nftables", None)
    assert "python3-nftables" in str(available())
    with pytest.raises(FirewallError, match="install the package python3-nftables"):
        NftFirewall()


def test_without_permission_it_is_said_what_is_needed():
    program = "from nfjail.firewall.nft import *; print(available()); NftFirewall()"
    command = ["setpriv", "--bounding-set=-net_admin", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert "CAP_NET_ADMIN" in done.stdout
    last = done.stderr.splitlines()[-1]
    assert "FirewallError" in last
    assert "CAP_NET_ADMIN" in last


def memory() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4  # KiB


def test_thousands_of_changes_leave_no_memory_behind():
    nft = firewall()
    decisions = [[ban(f"10.{n >> 8}.{n & 255}.1")] for n in range(4000)]
    for each in decisions[:1000]:
        nft.apply(each, NOW)
    before = memory()
    for each in decisions[1000:]:
        nft.apply(each, NOW)
    assert memory() - before < 1500


def test_many_bans_are_one_change_and_their_memory_is_given_back():
    bans = [ban(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(50_000)]
    nft = firewall()
    nft.sync(bans[:10], NOW)
    before = memory()
    nft.sync(bans, NOW)
    assert memory() - before < 15_000
    assert len(banned(nft)) == 50_000
    nft.apply([unban(str(each.subject)) for each in bans[:40_000]], NOW)
    assert len(banned(nft)) == 10_000


IN_CONTAINER = """
import sys
from nfjail.core.model import Ban, Subject
from nfjail.firewall import Gate, nft
nft._SEND_BUFFER = int(sys.argv[1])
firewall = nft.NftFirewall()
firewall.configure([Gate("sshd", ("22",))], [])
monitor = firewall.monitor()
for count in (1000, 10_000):
    bans = [Ban("sshd", Subject(4, (0x0A000000 + n).to_bytes(4, "big"), 32), 1.0, 600.0) for n in range(count)]
    firewall.sync(bans, 1.0)
    print(len(firewall.adopt(1.0)))
"""


def in_container(send_buffer: int) -> subprocess.CompletedProcess[str]:
    """Ten thousand bans where nobody has the host's CAP_NET_ADMIN, and the host allows to send so much at once."""
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-c", IN_CONTAINER, str(send_buffer)]
    return subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)


def test_an_unprivileged_container_holds_as_many_bans_as_its_host_allows():
    assert in_container(4_000_000).stdout.split() == ["1000", "10000"]


def test_more_bans_than_that_are_refused_with_advice():
    done = in_container(100_000)
    if done.returncode == 0:  # nft 1.1 sees to its buffer itself
        assert done.stdout.split() == ["1000", "10000"]
    else:
        assert done.stdout.split() == ["1000"]
        assert "raise the host's sysctl net.core.wmem_max" in done.stderr
