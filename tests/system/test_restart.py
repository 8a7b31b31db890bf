"""Stop and start, reload, and a stranger's flush under attack: somebody who is banned does not get a single packet through."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.system.house import SERVER, Nfjail, in_bed, in_kernel, knock, outside, run, until, who

BANNED = {"192.0.2.20": "192.0.2.20", "2001:db8:20::1": "2001:db8:20::/64"}  # and what is banned for him
FRIENDS = ("192.0.2.40", "2001:db8:40::1")
FIREWALLS = [
    ("nftables", "iptables"),
    ("iptables", "iptables"),
    ("iptables", "iptables-legacy"),
    ("iptables-ipset", "iptables"),
]


class Attacker:
    """Tries to connect from both addresses all the time, several hundred times a second."""

    def __init__(self) -> None:
        self.tries = 0
        self.successes: set[str] = set()
        self._over = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with outside():
            while not self._over:
                for address in BANNED:
                    self._try(address)
                time.sleep(0.0005)

    def _try(self, address: str) -> None:
        family, server = (socket.AF_INET6, SERVER[6]) if ":" in address else (socket.AF_INET, SERVER[4])
        with socket.socket(family) as client:
            client.settimeout(0.2)
            client.bind((address, 0))
            if client.connect_ex((server, 22)) == 0:
                self.successes.add(address)
        self.tries += 1

    def __enter__(self) -> Attacker:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over = True
        self._thread.join()

    def goes_on(self, more: int = 50) -> None:
        """Returns after so many further tries."""
        wanted = self.tries + more
        until(lambda: self.tries >= wanted)


# A reset, because the kernel sends no more than one "unreachable" a second to the same address.
JAIL = """
[firewall]
iptables = "{command}"
[jail.sshd]
banaction = "{banaction}"
blocktype = "tcp-reset"
"""


@contextmanager
def banned_and_trying(nfjail: Nfjail) -> Iterator[Attacker]:
    """All the time somebody who is banned tries in vain; the last thing that is seen is that without his ban he would not."""
    nfjail.ctl("ban", *BANNED.values(), "--jail", "sshd")
    nfjail.ctl("ban", *(f"198.18.{n >> 8}.{n & 255}" for n in range(500)))  # so that a change takes its time
    with Attacker() as attacker:
        attacker.goes_on()
        yield attacker
        assert [knock(address) for address in FRIENDS] == ["served", "served"]
        assert attacker.tries > 300
        assert not attacker.successes, attacker.tries
        nfjail.ctl("unban", *BANNED.values())
        until(lambda: attacker.successes == set(BANNED))


@pytest.mark.parametrize(("banaction", "command"), FIREWALLS)
@in_bed("sshd.sh")
def test_stop_kill_start_and_reload_let_nobody_through(banaction, command):
    settings = JAIL.format(command=command, banaction=banaction)
    with Nfjail(settings) as nfjail, banned_and_trying(nfjail) as attacker:
        for end in (nfjail.stop, nfjail.kill, nfjail.stop, nfjail.kill, nfjail.stop):
            end()
            attacker.goes_on()
            nfjail.start()
            attacker.goes_on()
        for maxretry, reload in ((7, lambda: nfjail.ctl("reload")), (8, lambda: nfjail.process.send_signal(signal.SIGHUP))):
            nfjail.configure(f"{settings}maxretry = {maxretry}\nport = [22, 808{maxretry}]\n")
            reload()
            nfjail.hears(f"after {maxretry} failures")
            attacker.goes_on()


@in_bed("sshd.sh")
def test_a_jail_that_moves_to_another_firewall_lets_nobody_through():
    moves = ["nftables", "iptables", "iptables-ipset", "nftables", "iptables-ipset", "iptables", "nftables"]
    settings = {banaction: JAIL.format(command="iptables", banaction=banaction) for banaction in moves}
    with Nfjail(settings["nftables"]) as nfjail, banned_and_trying(nfjail) as attacker:
        for banaction in moves[1:]:
            nfjail.configure(settings[banaction])
            nfjail.ctl("reload")
            attacker.goes_on()
        for banaction in moves[1:]:
            nfjail.stop()
            nfjail.configure(settings[banaction])
            nfjail.start()
            attacker.goes_on()
        assert {("sshd", banned) for banned in BANNED.values()} <= who(in_kernel())
        left = run("iptables-save") + run("ip6tables-save") + run("ipset", "save")
        assert not [banned for banned in BANNED.values() if banned in left]
