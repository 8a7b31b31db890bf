"""After a reboot everybody who has time left is banned before sshd serves anybody, however slow nfjail is to start."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pytest

from tests.installed.machine import Machine
from tests.system.house import knock, until

BANNED = ("192.0.2.25", "2001:db8:25::1")
SLOW = "[Service]\nExecStartPre=/bin/sleep 1\n"
TELLING = "[Service]\nExecStartPre=/bin/sh -c 'cd /run; [ -e found ] || nft list table inet nfjail >found'\n"
# As Fedora has it: an sshd for each connection.
SOCKET = "[Socket]\nListenStream=22\nAccept=yes\n[Install]\nWantedBy=sockets.target\n"
INSTANCE = """\
[Service]
ExecStart=-/usr/sbin/sshd -i
StandardInput=socket
RuntimeDirectory=sshd
RuntimeDirectoryPreserve=yes
"""
WAYS = {"bookworm": "ssh.socket", "trixie": "sshd.socket"}


@contextlib.contextmanager
def knocking(source: str) -> Iterator[list[str]]:
    """Meanwhile somebody knocks at sshd again and again; what came of it."""
    found: list[str] = []
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.02):
            try:
                found.append(knock(source, timeout=0.3))
            except OSError as error:
                found.append(str(error))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


@pytest.fixture(params=["socket", "service"])
def way(machine: Machine, request: pytest.FixtureRequest) -> Iterator[str]:
    """How sshd is started at boot; meanwhile nfjail is slow, and sshd writes down what is banned when it starts."""
    way = "ssh.service" if request.param == "service" else WAYS[machine.suite]
    machine.write("/etc/systemd/system/nfjail.service.d/slow.conf", SLOW)
    for unit in ("ssh", "sshd@"):
        machine.write(f"/etc/systemd/system/{unit}.service.d/telling.conf", TELLING)
    if way == "sshd.socket":
        machine.write("/etc/systemd/system/sshd.socket", SOCKET)
        machine.write("/etc/systemd/system/sshd@.service", INSTANCE)
    # nftables.service empties the kernel when the machine goes down: its network namespace outlives it here.
    machine.run(f"systemctl disable -q ssh.service ssh.socket; systemctl enable -q nftables {way}")
    yield way
    machine.run(
        "systemctl disable -q --now nftables; cd /etc/systemd/system; rm -rf nfjail.service.d ssh.service.d sshd@.service.d;"
        "[ ! -e sshd.socket ] || systemctl disable -q sshd.socket; rm -f sshd.socket sshd@.service;"
        "systemctl daemon-reload; systemctl restart nfjail; nfjail ctl unban --all"
    )


def test_bans_are_back_before_sshd_serves(machine: Machine, way: str) -> None:
    machine.run(f"nfjail ctl ban {BANNED[0]} 2001:db8:25::/64 --jail sshd --for 1h")
    machine.run("nfjail ctl ban 192.0.2.26 --jail sshd --for 1s")
    with knocking(BANNED[0]) as banned, knocking("192.0.2.27") as innocent:
        machine.reboot()
        until(lambda: "served" in innocent)
    found = machine.run("cat /run/found")
    assert "192.0.2.25 timeout" in found
    assert "2001:db8:25:: timeout" in found
    assert "192.0.2.26" not in found  # its time was over
    if way != "sshd.socket":
        ready = int(machine.show("ActiveEnterTimestampMonotonic"))
        assert ready <= int(machine.show("ExecMainStartTimestampMonotonic", "ssh"))
    assert "ordering cycle" not in machine.run("journalctl -b --no-pager -q -o cat _PID=1")
    assert way != "ssh.service" or "served" not in banned  # a socket takes a connection early, but nobody reads from it
    assert "served" not in [knock(one, timeout=1.5) for one in BANNED]
