"""A server and an attackers' host for tests: two network namespaces of this very process, joined by a veth pair.

A namespace belongs to a thread, and sockets and child processes are born into it. So a test runs in the server's
namespace simply by entering it, and nothing of it is left when the last descriptor is closed, however the test ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import socket
import subprocess
import threading
from collections.abc import Iterator

from nfjail.core.model import Ban, Unban, parse_subject
from nfjail.firewall import Gate
from nfjail.firewall.iptables import IptablesFirewall

NOW = 1_700_000_000.0
SSHD = Gate("sshd", ("22",))
SERVER = {4: "192.0.2.1", 6: "2001:db8::1"}
_CLONE_NEWNET = 0x40000000
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_libc = ctypes.CDLL(None, use_errno=True)


def run(*argv: str, text: str = "") -> str:
    """What the command printed; fails loudly when the command does."""
    done = subprocess.run(argv, input=text, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, (argv, done.stderr, text[:500])
    return done.stdout


def _check(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _here() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


@contextlib.contextmanager
def inside(namespace: int) -> Iterator[None]:
    """This thread is in that namespace meanwhile."""
    back = _here()
    try:
        _check(_libc.setns(namespace, _CLONE_NEWNET))
        yield
    finally:
        _check(_libc.setns(back, _CLONE_NEWNET))
        os.close(back)


@contextlib.contextmanager
def new_namespace() -> Iterator[int]:
    """A network namespace with nothing but lo in it; this thread does not enter it."""
    back = _here()
    try:
        _check(_libc.unshare(_CLONE_NEWNET))
        namespace = _here()
    finally:
        _check(_libc.setns(back, _CLONE_NEWNET))
        os.close(back)
    try:
        with inside(namespace):
            run("ip", "link", "set", "lo", "up")
        yield namespace
    finally:
        os.close(namespace)


class Bed:
    """Attackers 192.0.2.10 to .19, 2001:db8::10 to ::19 and 2001:db8:10::1, ::2; a server that greets on every port."""

    def __init__(self, server: int, attackers: int) -> None:
        self.server, self.attackers = server, attackers
        self._listening: dict[tuple[int, int], socket.socket] = {}
        peer = f"/proc/{os.getpid()}/fd/{attackers}"
        with inside(server):
            run("ip", "link", "add", "srv0", "type", "veth", "peer", "name", "atk0", "netns", peer)
            self._up("srv0", ["192.0.2.1/24"], ["2001:db8::1/32"])
        with inside(attackers):
            v6 = [f"2001:db8::{n}/32" for n in range(10, 20)] + ["2001:db8:10::1/32", "2001:db8:10::2/32"]
            self._up("atk0", [f"192.0.2.{n}/24" for n in range(10, 20)], v6)

    def _up(self, device: str, v4: list[str], v6: list[str]) -> None:
        lines = [f"addr add {address} dev {device}" for address in v4]
        lines += [f"addr add {address} dev {device} nodad" for address in v6]
        run("ip", "-batch", "-", text="\n".join([*lines, f"link set {device} up", ""]))

    def _listen(self, family: int, port: int) -> None:
        if (family, port) in self._listening:
            return
        with inside(self.server):
            listener = socket.create_server((SERVER[family], port), family=_FAMILY[family], backlog=50)
        self._listening[family, port] = listener
        threading.Thread(target=_greet, args=(listener,), daemon=True).start()

    def connect(self, source: str, port: int = 22, timeout: float = 5.0) -> socket.socket:
        """A connection from that address to the server, which has already greeted. Raises OSError."""
        family = 6 if ":" in source else 4
        self._listen(family, port)
        with inside(self.attackers):
            client = socket.socket(_FAMILY[family])
        try:
            client.settimeout(timeout)
            client.bind((source, 0))
            client.connect((SERVER[family], port))
            assert client.recv(6) == b"hello\n"
        except BaseException:
            client.close()
            raise
        return client

    def serves(self, source: str, port: int = 22) -> bool:
        with contextlib.suppress(OSError), self.connect(source, port):
            return True
        return False

    def cuts(self, source: str, port: int = 22) -> bool:
        """Refused, or no answer within 0.3 s (an IPv6 reject may be heard only after a second: not awaited)."""
        try:
            self.connect(source, port, timeout=0.3).close()
        except OSError:
            return True
        return False

    def close(self) -> None:
        for listener in self._listening.values():
            listener.shutdown(socket.SHUT_RDWR)  # ends the accept() that waits in the thread
            listener.close()


def _greet(listener: socket.socket) -> None:
    """Says hello and echoes what comes, one thread per connection."""
    with contextlib.suppress(OSError):
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with contextlib.suppress(OSError), connection:
        connection.sendall(b"hello\n")
        while data := connection.recv(100):
            connection.sendall(data)


def ban(address: str, jail: str = "sshd", until: float | None = NOW + 600) -> Ban:
    return Ban(jail, parse_subject(address), NOW, until)


def unban(address: str, jail: str = "sshd") -> Unban:
    return Unban(jail, parse_subject(address), NOW, "expired")


def saved(program: str = "iptables") -> list[str]:
    """The rules and chains of the table filter, without counters and comments."""
    text = run(f"{program}-save", "-t", "filter")
    return [re.sub(r"\[\d+:\d+\]", "", line) for line in text.splitlines() if not line.startswith("#")]


def rules(chain: str, program: str = "iptables") -> list[str]:
    """The chain's rules as iptables-save prints them."""
    start = f"-A {chain} "
    return [line[len(start) :] for line in saved(program) if line.startswith(start)]


def sets() -> list[str]:
    return sorted(run("ipset", "list", "-n").split())


def firewall_with(
    *bans: Ban, command: str = "iptables", use_ipset: bool = False, table: str = "nfjail"
) -> IptablesFirewall:
    """One that guards sshd and has been synchronised."""
    made = IptablesFirewall(table, command=command, use_ipset=use_ipset)
    made.configure([SSHD], [])
    made.sync(bans, NOW)
    return made
