"""Installing is enough: in seconds, unasked, sshd is protected, and nothing else is touched."""

from __future__ import annotations

from tests.installed.machine import Machine


def test_installing_takes_seconds_and_asks_nothing(machine: Machine) -> None:
    assert machine.install_seconds < 10
    assert "[Y/n]" not in machine.install_said  # apt's own question, which comes when anything else would change
    assert machine.run("ls /var/lib/dpkg/info/nfjail.*").count("templates") == 0  # nor are there any for debconf to ask


def test_the_service_runs_now_and_after_the_next_boot(machine: Machine) -> None:
    assert machine.show("ActiveState") == "active"
    assert machine.run("systemctl is-enabled nfjail").strip() == "enabled"
    assert machine.run("systemd-analyze verify --man=no nfjail.service") == ""
