"""nftables stops packets by address, network, port and protocol, with each kind of answer, and lets them in again."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from iptables_bed import SERVER, Bed, inside, new_namespace, run

from nfjail.core.model import Ban, Unban, parse_subject
from nfjail.firewall import Gate
from nfjail.firewall.nft import NftFirewall

NOW = 1_700_000_000.0
SSHD = Gate("sshd", ("22",), blocktype="drop")


def ban(address: str, jail: str = "sshd", seconds: float | None = 600, nth: int = 1) -> Ban:
    return Ban(jail, parse_subject(address), NOW, None if seconds is None else NOW + seconds, nth)


def unban(address: str, jail: str = "sshd") -> Unban:
    return Unban(jail, parse_subject(address), NOW, "ctl")


@pytest.fixture
def bed() -> Iterator[Bed]:
    with new_namespace() as server, new_namespace() as attackers, inside(server):
        made = Bed(server, attackers)
        try:
            yield made
        finally:
            made.close()


def firewall(*gates: Gate, ignore: tuple[str, ...] = (), bans: tuple[Ban, ...] = ()) -> NftFirewall:
    made = NftFirewall()
    made.configure(gates or (SSHD,), [parse_subject(text) for text in ignore])
    made.sync(bans, NOW)
    return made


def hears(bed: Bed, source: str, port: int) -> bool:
    """Whether a UDP packet from that address arrives at the server."""
    with inside(bed.attackers):
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with sender, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind((SERVER[4], port))
        receiver.settimeout(0.2)
        sender.bind((source, 0))
        sender.sendto(b"x", (SERVER[4], port))
        with contextlib.suppress(TimeoutError):
            return receiver.recv(10) == b"x"
    return False


def answer(bed: Bed, source: str, timeout: float = 3.0) -> tuple[str, float]:
    """The name of the error that a new connection gets, and after how many seconds."""
    begin = time.monotonic()
    try:
        bed.connect(source, timeout=timeout).close()
    except TimeoutError:
        return "timeout", time.monotonic() - begin
    except OSError as error:
        return errno.errorcode[error.errno or 0], time.monotonic() - begin
    return "served", time.monotonic() - begin


def test_a_banned_address_is_cut_off_and_others_are_served(bed: Bed):
    nft = firewall()
    assert bed.serves("192.0.2.10")
    nft.apply([ban("192.0.2.10")], NOW)
    assert bed.cuts("192.0.2.10")
    assert bed.serves("192.0.2.11")
    nft.apply([unban("192.0.2.10")], NOW)
    assert bed.serves("192.0.2.10")


def test_an_ipv6_ban_by_64_takes_the_whole_network(bed: Bed):
    firewall().apply([ban("2001:db8:10::/64")], NOW)
    assert bed.cuts("2001:db8:10::1")
    assert bed.cuts("2001:db8:10::2")
    assert bed.serves("2001:db8::10")


def test_an_ipv6_ban_of_one_address_takes_one(bed: Bed):
    firewall().apply([ban("2001:db8:10::1")], NOW)
    assert bed.cuts("2001:db8:10::1")
    assert bed.serves("2001:db8:10::2")


@pytest.mark.parametrize("at_once", [True, False])
def test_networks_of_any_size_are_banned(bed: Bed, at_once: bool):
    bans = (ban("192.0.2.12/30"), ban("2001:db8:10::/48"), ban("198.51.100.0/24"))
    nft = firewall(bans=bans if at_once else ())
    if not at_once:
        nft.apply(bans, NOW)
    assert [bed.cuts(f"192.0.2.{n}") for n in (11, 12, 15, 16)] == [False, True, True, False]
    assert bed.cuts("2001:db8:10::2")
    assert bed.serves("2001:db8::10")
    nft.apply([unban("192.0.2.12/30")], NOW)
    assert bed.serves("192.0.2.12")


def test_only_the_jails_ports_are_closed(bed: Bed):
    firewall(Gate("web", ("80", "8000-8080"), blocktype="drop")).apply([ban("192.0.2.10", "web")], NOW)
    assert [bed.cuts("192.0.2.10", port) for port in (22, 80, 8000, 8040, 8080, 8081)] == [
        False, True, True, True, True, False
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("protocols", "tcp", "udp"),
    [(("tcp",), False, True), (("udp",), True, False), (("tcp", "udp"), False, False), ((), False, False)],
)
@pytest.mark.parametrize("ports", [("53",), ()])
def test_only_the_jails_protocols_are_closed(
    bed: Bed, ports: tuple[str, ...], protocols: tuple[str, ...], tcp: bool, udp: bool
):
    firewall(Gate("dns", ports, protocols, "drop")).apply([ban("192.0.2.10", "dns")], NOW)
    assert bed.cuts("192.0.2.10", 53) is not tcp
    assert hears(bed, "192.0.2.10", 53) is udp


def test_an_ignored_address_is_never_stopped(bed: Bed):
    firewall(ignore=("192.0.2.10", "192.0.2.8/30", "2001:db8:10::/48", "192.0.2.10")).apply(
        [ban("192.0.2.0/24"), ban("192.0.2.10"), ban("2001:db8:10::/64")], NOW
    )
    assert bed.serves("192.0.2.10")
    assert bed.serves("2001:db8:10::1")
    assert bed.cuts("192.0.2.12")


def test_the_server_itself_is_never_stopped(bed: Bed):
    firewall().apply([ban("192.0.2.1"), ban("127.0.0.1")], NOW)
    with socket.create_server((SERVER[4], 22)), socket.create_connection((SERVER[4], 22), timeout=1):
        pass


@pytest.mark.parametrize(
    ("blocktype", "error", "at_least"),
    [("reject", "ECONNREFUSED", 0), ("tcp-reset", "ECONNREFUSED", 0), ("drop", "timeout", 0.5)],
)
def test_reject_answers_at_once_and_drop_lets_them_wait(bed: Bed, blocktype: str, error: str, at_least: float):
    gate = Gate("sshd", ("22",), blocktype=blocktype)  # type: ignore[arg-type]
    firewall(gate).apply([ban("192.0.2.10")], NOW)
    name, seconds = answer(bed, "192.0.2.10", timeout=0.5)
    assert name == error
    assert at_least <= seconds < at_least + 0.4


@pytest.mark.parametrize("blocktype", ["reject", "tcp-reset"])
def test_ipv6_is_answered_too(bed: Bed, blocktype: str):
    gate = Gate("sshd", ("22",), blocktype=blocktype)  # type: ignore[arg-type]
    firewall(gate).apply([ban("2001:db8:10::/64")], NOW)
    assert answer(bed, "2001:db8:10::1")[0] == "ECONNREFUSED"


@pytest.mark.parametrize("blocktype", ["reject", "tcp-reset", "drop"])
def test_an_open_connection_is_cut(bed: Bed, blocktype: str):
    nft = firewall(Gate("sshd", ("22",), blocktype=blocktype))  # type: ignore[arg-type]
    with bed.connect("192.0.2.10", timeout=0.4) as client:
        client.sendall(b"one")
        assert client.recv(10) == b"one"
        nft.apply([ban("192.0.2.10")], NOW)
        client.sendall(b"two")
        with pytest.raises(ConnectionResetError if blocktype == "tcp-reset" else TimeoutError):
            client.recv(10)


def test_the_kernel_ends_a_ban_by_itself(bed: Bed):
    firewall(bans=(ban("192.0.2.10", seconds=1),)).apply([ban("192.0.2.11", seconds=1.0)], NOW)
    assert bed.cuts("192.0.2.10")
    assert bed.cuts("192.0.2.11")
    time.sleep(0.8)
    assert bed.serves("192.0.2.10")
    assert bed.serves("192.0.2.11")


@pytest.mark.parametrize(
    ("first", "second", "banned"), [(1, 600, True), (600, 1, False), (1, None, True), (None, 1, False)]
)
def test_a_second_ban_sets_the_end_anew(bed: Bed, first: float | None, second: float | None, banned: bool):
    nft = firewall()
    nft.apply([ban("192.0.2.10", seconds=first)], NOW)
    nft.apply([ban("192.0.2.10", seconds=second)], NOW)
    time.sleep(1.1)
    assert bed.cuts("192.0.2.10") is banned


def test_unbanned_in_one_jail_it_stays_banned_in_another(bed: Bed):
    nft = firewall(SSHD, Gate("manual", (), (), "drop"))
    nft.apply([ban("192.0.2.10"), ban("192.0.2.10", "manual", None)], NOW)
    nft.apply([unban("192.0.2.10")], NOW)
    assert bed.cuts("192.0.2.10")
    nft.apply([unban("192.0.2.10", "manual")], NOW)
    assert bed.serves("192.0.2.10")


def test_a_ban_on_a_containers_published_port_holds(bed: Bed):
    with new_namespace() as container, inside(container):
        peer = f"/proc/{os.getpid()}/fd/{bed.server}"
        run("ip", "link", "add", "eth0", "type", "veth", "peer", "name", "docker0", "netns", peer)
        run("ip", "addr", "add", "172.17.0.2/16", "dev", "eth0")
        run("ip", "-batch", "-", text="link set eth0 up\nroute add default via 172.17.0.1\n")
        with inside(bed.server):
            run("ip", "-batch", "-", text="addr add 172.17.0.1/16 dev docker0\nlink set docker0 up\n")
            run("sysctl", "-qw", "net.ipv4.ip_forward=1")
            nat = "type nat hook prerouting priority dstnat; ip daddr 192.0.2.1 tcp dport 8080 dnat to 172.17.0.2:80"
            run("nft", f"table ip docker {{ chain prerouting {{ {nat}; }}; }}")
            nft = firewall(Gate("web", ("8080",), blocktype="drop"))
        with socket.create_server(("172.17.0.2", 80)), inside(bed.attackers):
            socket.create_connection((SERVER[4], 8080), timeout=2, source_address=("192.0.2.10", 0)).close()
            nft.apply([ban("192.0.2.10", "web")], NOW)
            with pytest.raises(TimeoutError):
                socket.create_connection((SERVER[4], 8080), timeout=0.3, source_address=("192.0.2.10", 0))
            socket.create_connection((SERVER[4], 8080), timeout=2, source_address=("192.0.2.11", 0)).close()


ATTACK = """
import socket, sys
server, banned, free = sys.argv[1:]
def sender(address):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made
bad, good = sender(banned), sender(free)
print("on", flush=True)
turn = 0
while True:
    turn += 1
    bad.sendto(b"bad", (server, 5000))
    if turn % 20 == 0:
        good.sendto(b"good", (server, 5000))
        with socket.socket() as knock:
            knock.setblocking(False)
            knock.bind((banned, 0))
            knock.connect_ex((server, 5001))
"""


def test_not_one_packet_of_a_banned_address_gets_through_while_everything_is_replaced(bed: Bed):
    gate = Gate("all", (), (), "drop")
    others = [ban(f"10.0.{n >> 8}.{n & 255}", "all") for n in range(2000)]
    nft = firewall(gate, bans=(ban("192.0.2.10", "all"),))
    command = [sys.executable, "-c", ATTACK, SERVER[4], "192.0.2.10", "192.0.2.11"]
    with contextlib.ExitStack() as stack:
        receiver = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        receiver.bind((SERVER[4], 5000))
        receiver.setblocking(False)
        listener = stack.enter_context(socket.create_server((SERVER[4], 5001)))
        listener.setblocking(False)
        with inside(bed.attackers):
            attacker = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE))
        stack.callback(attacker.send_signal, signal.SIGKILL)
        assert attacker.stdout is not None
        attacker.stdout.readline()
        heard: set[bytes] = set()
        for turn in range(100):
            nft.sync([*others[: turn * 20], ban("192.0.2.10", "all"), ban("192.0.2.0/29", "all")], NOW)
            with contextlib.suppress(BlockingIOError):
                while True:
                    heard.add(receiver.recv(10))
            with pytest.raises(BlockingIOError):
                listener.accept()
        assert heard == {b"good"}
        assert nft.report()["all"] > 1000  # the attack was on all the time
