"""Whatever ends the daemon, systemd starts it again, and it has all bans; the kernel has them meanwhile."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from tests.installed.machine import Machine, flood
from tests.system.house import until

BANNED = "192.0.2.30"


@contextlib.contextmanager
def one_restart(machine: Machine) -> Iterator[None]:
    """What is done inside ends the daemon; it comes back with its bans, which never were away."""
    machine.run(f"systemctl reset-failed nfjail; nfjail ctl ban {BANNED} --jail sshd")
    pid = machine.show("MainPID")
    yield
    until(lambda: machine.show("MainPID") not in (pid, "0"), every=0.1)
    assert BANNED in machine.in_kernel()
    until(lambda: machine.show("ActiveState") == "active", every=0.1)
    assert BANNED in machine.in_kernel()
    assert BANNED in machine.banned()
    assert machine.show("NRestarts") == "1"
    machine.run(f"nfjail ctl unban {BANNED}")


def test_a_journal_file_that_is_cut_off_under_the_reader(machine: Machine) -> None:
    """sd-journal has the file in memory: reading what is not there any more ends the process with SIGBUS."""
    flood("192.0.2.31", 1)  # then it looks for more at short intervals
    with one_restart(machine):
        machine.run("truncate -s 0 /var/log/journal/*/system.journal")
    assert "status=7/BUS" in machine.log()
    assert flood("192.0.2.32", 8) <= 6
    assert "192.0.2.32" in machine.banned()


def test_a_daemon_that_hangs_is_ended_by_the_watchdog(machine: Machine) -> None:
    with machine.drop_in("[Service]\nWatchdogSec=400ms\nRestartSec=0\n"), one_restart(machine):
        pid = machine.show("MainPID")
        machine.run("sleep 1")
        assert machine.show("MainPID") == pid  # while it does not hang
        machine.run("systemctl kill -s STOP nfjail")


def test_a_mistake_in_the_configuration_is_not_tried_again_and_again(machine: Machine) -> None:
    machine.run(f"nfjail ctl ban {BANNED} --jail sshd")
    with machine.config("[jail.sshd]\nmaxretry = 0\n"):
        machine.run("systemctl restart nfjail", status=1)
        assert machine.show("ExecMainStatus") == "78"
        assert machine.show("ActiveState") == "failed"
        assert BANNED in machine.in_kernel()
    machine.run("systemctl start nfjail; nfjail ctl unban --all")
