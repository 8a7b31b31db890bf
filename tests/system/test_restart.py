"""Stop and start, reload, and a stranger's flush under attack: somebody who is banned does not get a single packet through."""

from __future__ import annotations

import signal
import socket
import threading
import time

import pytest

from tests.system.house import SERVER, Nfjail, in_bed, knock, outside, until

BANNED, FRIEND = "192.0.2.20", "192.0.2.40"
FIREWALLS = [
    ("nftables", "iptables"),
    ("iptables", "iptables"),
    ("iptables", "iptables-legacy"),
    ("iptables-ipset", "iptables"),
]


class Attacker:
    """Tries to connect all the time, about a thousand times a second."""

    def __init__(self) -> None:
        self.tries = 0
        self.successes: list[float] = []
        self._over = False
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        with outside():
            while not self._over:
                with socket.socket() as client:
                    client.settimeout(0.2)
                    client.bind((BANNED, 0))
                    if client.connect_ex((SERVER[4], 22)) == 0:
                        self.successes.append(time.monotonic())
                self.tries += 1
                time.sleep(0.001)

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


@pytest.mark.parametrize(("banaction", "command"), FIREWALLS)
@in_bed("sshd.sh")
def test_stop_start_kill_and_reload_let_nobody_through(banaction, command):
    # A reset, because the kernel sends no more than one "unreachable" a second to the same address.
    jail = '[jail.sshd]\nblocktype = "tcp-reset"\nbanaction = "{}"\nmaxretry = {}\n'
    first = f'[firewall]\niptables = "{command}"\n{jail.format(banaction, 3)}'
    with Nfjail(first) as nfjail:
        nfjail.ctl("ban", BANNED, "--jail", "sshd")
        with Attacker() as attacker:
            attacker.goes_on()
            for end in (nfjail.stop, nfjail.kill, nfjail.stop, nfjail.kill, nfjail.stop):
                end()
                attacker.goes_on()
                nfjail.start()
                attacker.goes_on()
            for maxretry in (4, 5):
                nfjail.configure(first.replace("maxretry = 3", f"maxretry = {maxretry}\nport = [22, 80{maxretry}]"))
                nfjail.ctl("reload") if maxretry == 4 else nfjail.process.send_signal(signal.SIGHUP)
                nfjail.hears(f"after {maxretry} failures")
                attacker.goes_on()
            assert knock(FRIEND) == "served"
        assert not attacker.successes, (attacker.successes, attacker.tries)
        assert attacker.tries > 600
        nfjail.ctl("unban", BANNED)
        assert knock(BANNED) == "served"
