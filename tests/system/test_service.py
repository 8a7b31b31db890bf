"""nfjail as a service: what it tells systemd, own addresses that come and go, and host names in ignoreip."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import ROOT, Nfjail, in_bed, run, until

CONFIG = """
[jail.sshd]
backend = "journal"
maxretry = 3
"""


@contextlib.contextmanager
def systemd() -> Iterator[socket.socket]:
    """The other end of $NOTIFY_SOCKET."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind("/run/notify")
        listening.settimeout(10)
        yield listening


def hears(listening: socket.socket, *wanted: str) -> list[str]:
    """The next message that begins like the first of these; all lines must be there as beginnings."""
    while True:
        lines = listening.recv(4096).decode().split("\n")
        if lines[0].startswith(wanted[0]):
            assert all(any(line.startswith(one) for line in lines) for one in wanted), lines
            return lines


@in_bed("journald.sh")
def test_systemd_is_told_of_start_reload_life_and_end() -> None:
    house = Nfjail(CONFIG)
    more = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": "/run/notify", "WATCHDOG_USEC": "400000"}
    with systemd() as listening, subprocess.Popen(house.command, env={**os.environ, **more}) as daemon:
        try:
            hears(listening, "READY=1", "STATUS=1 jails, 0 addresses banned")
            for _ in range(3):
                hears(listening, "WATCHDOG=1")
            daemon.send_signal(signal.SIGHUP)
            hears(listening, "RELOADING=1", "MONOTONIC_USEC=")
            hears(listening, "READY=1")
            daemon.send_signal(signal.SIGTERM)
            hears(listening, "STOPPING=1")
            assert daemon.wait(10) == 0
        finally:
            daemon.kill()


@in_bed("journald.sh")
def test_an_address_that_the_machine_gets_is_not_banned_from_then_on() -> None:
    with Nfjail(CONFIG) as house:
        house.ctl("ban", "192.0.2.99")
        run("ip", "address", "add", "192.0.2.99/24", "dev", "lo")
        until(lambda: house.list() == [])
        assert "ignored" in house.ctl("ban", "192.0.2.99", status=1)
        assert "192.0.2.99" in run("nft", "list", "set", "inet", "nfjail", "ignore-4")
        run("ip", "address", "del", "192.0.2.99/24", "dev", "lo")
        until(lambda: "192.0.2.99" not in run("nft", "list", "set", "inet", "nfjail", "ignore-4"))
        house.ctl("ban", "192.0.2.99")


@in_bed("journald.sh")
def test_a_host_name_in_ignoreip_is_looked_up_and_its_address_left_alone() -> None:
    Path("/run/hosts").write_text("127.0.0.1 localhost\n192.0.2.77 friend.example\n")
    run("mount", "--bind", "/run/hosts", "/etc/hosts")
    with Nfjail(CONFIG + 'ignoreip = ["friend.example", "nobody.invalid"]\n') as house:
        until(lambda: "192.0.2.77" in run("nft", "list", "set", "inet", "nfjail", "ignore-4"))
        house.hears(r"ignoreip: nobody\.invalid cannot be looked up")
        assert "ignored" in house.ctl("ban", "192.0.2.77", "--jail", "sshd", status=1)


@in_bed("journald.sh")
@pytest.mark.parametrize("runtime", ["same", "other"])
def test_a_second_daemon_on_the_same_folders_is_refused_and_the_first_goes_on(runtime: str) -> None:
    with Nfjail(CONFIG) as house:
        command = list(house.command)
        if runtime == "other":
            command[-1] = "/run/other"
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
        assert done.returncode == 1
        assert f"pid {house.process.pid}" in done.stderr
        assert "Traceback" not in done.stderr
        house.ctl("ping")
