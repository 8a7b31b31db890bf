"""iptables stops real TCP connections: v4 and v6, nft and legacy back ends, a rule per address and ipset."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time
from collections.abc import Iterator

import pytest
from iptables_bed import NOW, SERVER, SSHD, Bed, ban, inside, new_namespace, run, unban

from nfjail.core.model import parse_subject
from nfjail.firewall import FirewallError, Gate
from nfjail.firewall.iptables import IptablesFirewall

KINDS = [(back_end, sets) for back_end in ("iptables-nft", "iptables-legacy") for sets in (False, True)]
KIND_IDS = [f"{back_end}{'-ipset' if sets else ''}" for back_end, sets in KINDS]


@pytest.fixture
def bed() -> Iterator[Bed]:
    with new_namespace() as server, new_namespace() as attackers, inside(server):
        made = Bed(server, attackers)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(params=KINDS, ids=KIND_IDS)
def firewall(request: pytest.FixtureRequest, bed: Bed) -> IptablesFirewall:
    back_end, sets = request.param
    made = IptablesFirewall(command=back_end, use_ipset=sets)
    made.configure([SSHD], [])
    made.sync([], NOW)
    return made


@pytest.mark.parametrize(("attacker", "other"), [("192.0.2.10", "192.0.2.11"), ("2001:db8::10", "2001:db8::11")])
def test_banned_is_cut_others_are_served_and_unbanned_is_served_again(
    bed: Bed, firewall: IptablesFirewall, attacker: str, other: str
) -> None:
    assert bed.serves(attacker)
    firewall.apply([ban(attacker)], NOW)
    assert bed.cuts(attacker)
    assert bed.serves(other)
    firewall.apply([unban(attacker)], NOW)
    assert bed.serves(attacker)


@pytest.mark.parametrize("attacker", ["192.0.2.10", "2001:db8::10"])
@pytest.mark.parametrize("back_end", ["iptables-nft", "iptables-legacy"])
def test_with_ipset_the_kernel_itself_ends_a_ban(bed: Bed, back_end: str, attacker: str) -> None:
    firewall = IptablesFirewall(command=back_end, use_ipset=True)
    firewall.configure([SSHD], [])
    firewall.sync([], NOW)
    firewall.apply([ban(attacker, until=NOW + 1)], NOW)
    assert bed.cuts(attacker)
    deadline = time.monotonic() + 5
    while not bed.serves(attacker):
        assert time.monotonic() < deadline


def test_with_ipset_a_ban_that_is_there_takes_its_new_end(bed: Bed) -> None:
    firewall = IptablesFirewall(use_ipset=True)
    firewall.configure([SSHD], [])
    firewall.sync([ban("192.0.2.10", until=NOW + 1)], NOW)
    firewall.apply([ban("192.0.2.10", until=NOW + 500)], NOW)
    assert firewall.adopt(NOW)[0].until in (NOW + 500, NOW + 499)


@pytest.mark.parametrize("attacker", ["192.0.2.10", "2001:db8::10"])
def test_an_open_connection_is_cut_although_others_rules_accept_it(
    bed: Bed, firewall: IptablesFirewall, attacker: str
) -> None:
    for program in ("iptables-nft", "iptables-legacy", "ip6tables-nft", "ip6tables-legacy"):
        run(program, "-A", "INPUT", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "ACCEPT")
    with bed.connect(attacker) as client:
        client.sendall(b"first")
        assert client.recv(10) == b"first"
        firewall.apply([ban(attacker)], NOW)
        client.settimeout(0.5)
        client.sendall(b"second")
        with pytest.raises(OSError):
            client.recv(10)


def test_a_network_is_cut_as_a_whole(bed: Bed, firewall: IptablesFirewall) -> None:
    firewall.apply([ban("2001:db8:10::/64"), ban("192.0.2.12/31")], NOW)
    assert bed.cuts("2001:db8:10::1")
    assert bed.cuts("2001:db8:10::2")
    assert bed.serves("2001:db8::10")
    assert bed.cuts("192.0.2.12")
    assert bed.cuts("192.0.2.13")
    assert bed.serves("192.0.2.14")


def test_everybody_can_be_banned_and_unbanned(bed: Bed, firewall: IptablesFirewall) -> None:
    firewall.apply([ban("0.0.0.0/0"), ban("::/0")], NOW)
    assert bed.cuts("192.0.2.10")
    assert bed.cuts("2001:db8::10")
    firewall.apply([unban("0.0.0.0/0"), unban("::/0")], NOW)
    assert bed.serves("192.0.2.10")
    assert bed.serves("2001:db8::10")


def test_a_jail_stops_only_at_its_own_ports(bed: Bed, firewall: IptablesFirewall) -> None:
    many = Gate("many", (*map(str, range(1000, 1040, 2)), "2000-2010", "3000"))  # more than one rule holds
    firewall.configure([SSHD, many, Gate("manual", (), ())], [])
    firewall.sync([ban("192.0.2.10"), ban("192.0.2.11", "many"), ban("192.0.2.12", "manual")], NOW)
    assert bed.cuts("192.0.2.10", 22)
    assert bed.serves("192.0.2.10", 80)
    for port in (1000, 1038, 2005, 3000):
        assert bed.cuts("192.0.2.11", port)
    assert bed.serves("192.0.2.11", 22)
    assert bed.serves("192.0.2.11", 2011)
    assert bed.cuts("192.0.2.12", 22)
    assert bed.cuts("192.0.2.12", 4711)


def test_who_is_ignored_is_served_whatever_is_banned(bed: Bed, firewall: IptablesFirewall) -> None:
    firewall.configure([SSHD], [parse_subject("192.0.2.16/30"), parse_subject("2001:db8::10")])
    firewall.sync([ban("192.0.2.0/24"), ban("2001:db8::/32")], NOW)
    assert bed.serves("192.0.2.17")
    assert bed.cuts("192.0.2.15")
    assert bed.serves("2001:db8::10")
    assert bed.cuts("2001:db8::11")


@pytest.mark.parametrize(
    ("blocktype", "source", "answer"),
    [
        ("reject", "192.0.2.10", errno.ECONNREFUSED),
        ("tcp-reset", "192.0.2.10", errno.ECONNREFUSED),
        ("tcp-reset", "2001:db8::10", errno.ECONNREFUSED),
        ("drop", "192.0.2.10", None),
        ("drop", "2001:db8::10", None),
    ],
)
def test_blocktype_is_what_the_attacker_sees(
    bed: Bed, firewall: IptablesFirewall, blocktype: str, source: str, answer: int | None
) -> None:
    firewall.configure([SSHD._replace(blocktype=blocktype)], [])
    firewall.sync([ban(source)], NOW)
    with pytest.raises(OSError) as caught:
        bed.connect(source, timeout=0.5).close()
    assert caught.value.errno == answer or (answer is None and isinstance(caught.value, TimeoutError))


def test_tcp_reset_rejects_what_is_not_tcp(bed: Bed, firewall: IptablesFirewall) -> None:
    firewall.configure([Gate("dns", ("53",), ("tcp", "udp"), "tcp-reset")], [])
    firewall.sync([], NOW)
    firewall.apply([ban("192.0.2.10", "dns")], NOW)
    with pytest.raises(ConnectionRefusedError):
        bed.connect("192.0.2.10", 53)
    with inside(bed.attackers):
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inside(bed.server):
        server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with client, server:
        server.bind((SERVER[4], 53))
        server.settimeout(0.2)
        client.bind(("192.0.2.10", 0))
        client.connect((SERVER[4], 53))
        client.send(b"?")
        with pytest.raises(ConnectionRefusedError):  # the ICMP port-unreachable
            client.send(b"?")
        with pytest.raises(TimeoutError):
            server.recv(10)
    firewall.apply([unban("192.0.2.10", "dns")], NOW)
    assert bed.serves("192.0.2.10", 53)


def test_banned_in_two_jails_and_unbanned_in_one_stays_cut(bed: Bed, firewall: IptablesFirewall) -> None:
    firewall.configure([SSHD, Gate("recidive", (), ())], [])
    firewall.sync([ban("192.0.2.10"), ban("192.0.2.10", "recidive")], NOW)
    firewall.apply([unban("192.0.2.10")], NOW)
    assert bed.cuts("192.0.2.10")
    firewall.apply([unban("192.0.2.10", "recidive")], NOW)
    assert bed.serves("192.0.2.10")


@pytest.mark.parametrize("attacker", ["192.0.2.10", "2001:db8::10"])
def test_no_connection_gets_through_while_sync_replaces_everything(
    bed: Bed, firewall: IptablesFirewall, attacker: str
) -> None:
    bans = [ban(f"198.51.{n // 250}.{n % 250}") for n in range(1000)] + [ban(attacker)]
    firewall.sync(bans, NOW)
    with inside(bed.server):
        listener = socket.create_server((SERVER[6 if ":" in attacker else 4], 2222), family=_family(attacker))
    passed, tries, over = [], [], threading.Event()

    def knock() -> None:
        with inside(bed.attackers):
            while not over.is_set():
                with contextlib.suppress(OSError), socket.socket(_family(attacker)) as client:
                    tries.append(1)
                    client.settimeout(0.01)
                    client.bind((attacker, 0))
                    client.connect((SERVER[6 if ":" in attacker else 4], 2222))
                    passed.append(1)

    firewall.configure([Gate("sshd", ("2222",))], [])
    firewall.sync(bans, NOW)
    thread = threading.Thread(target=knock)
    thread.start()
    try:
        for turn in range(15):
            other = [Gate("other", ("80",))] if turn % 2 else []
            firewall.configure([*other, Gate("sshd", ("2222",), blocktype="drop" if turn % 3 else "reject")], [])
            firewall.sync(bans, NOW)
        passed_while_banned = list(passed)
        firewall.sync([], NOW)
        deadline = time.monotonic() + 10
        while not passed and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        over.set()
        thread.join()
        listener.close()
    assert not passed_while_banned
    assert len(tries) > 20
    assert passed  # so these connections do succeed as soon as there is no ban


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


@pytest.mark.parametrize(
    "vandalism",
    [
        ["{} -D INPUT 1"],
        ["{} -F nfjail"],
        ["{} -F", "{} -X"],
        ["{} -F nfjail-sshd", "{} -F nfjail", "{} -F INPUT"],
    ],
)
def test_when_a_stranger_has_removed_the_rules_apply_is_refused_and_sync_restores(
    bed: Bed, firewall: IptablesFirewall, vandalism: list[str], request: pytest.FixtureRequest
) -> None:
    back_end = request.node.callspec.params["firewall"][0]
    for command in vandalism:
        run(*command.format(back_end).split())
    assert bed.serves("192.0.2.10")
    with pytest.raises(FirewallError):
        firewall.apply([ban("192.0.2.10")], NOW)
    firewall.sync([ban("192.0.2.10")], NOW)
    assert bed.cuts("192.0.2.10")


@pytest.mark.parametrize("sets", [False, True], ids=["rules", "ipset"])
def test_nft_flush_ruleset_is_repaired_by_sync(bed: Bed, sets: bool) -> None:
    firewall = IptablesFirewall(command="iptables-nft", use_ipset=sets)
    firewall.configure([SSHD], [])
    firewall.sync([ban("192.0.2.10"), ban("2001:db8::10")], NOW)
    run("nft", "flush", "ruleset")
    assert bed.serves("192.0.2.10")
    with pytest.raises(FirewallError):
        firewall.apply([ban("192.0.2.11")], NOW)
    firewall.sync([ban("192.0.2.10"), ban("2001:db8::10")], NOW)
    assert bed.cuts("192.0.2.10")
    assert bed.cuts("2001:db8::10")
