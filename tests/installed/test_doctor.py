"""nfjail doctor on a machine where nfjail is installed and runs: it is content, and it sees what is made wrong."""

from __future__ import annotations

import json
from typing import Any

from tests.installed.machine import Machine


def doctor(machine: Machine, status: int) -> dict[str, dict[str, Any]]:
    """The findings by their keys."""
    return {one["key"]: one for one in json.loads(machine.run("nfjail doctor --json", status))["findings"]}


def test_a_machine_as_it_should_be(machine: Machine) -> None:
    before = machine.tables()
    found = doctor(machine, 0)
    assert {found[key]["mark"] for key in ("jail-on", "table-there", "running", "enabled", "kernel")} == {"ok"}
    assert found["jail-on"]["what"] == "sshd is on, for ssh.service; it reads the journal"
    assert "not-reloaded" not in found
    assert machine.tables() == before


def test_the_lines_that_it_tells_are_right(machine: Machine) -> None:
    machine.write("/etc/systemd/system/vsftpd.service", "[Service]\nExecStart=/bin/true\n")
    machine.write("/var/log/vsftpd.log", "")
    off = doctor(machine, 0)["jail-off"]
    assert "vsftpd" in off["what"]
    with machine.config("\n".join(off["advice"][1:])):
        assert "(sshd, vsftpd)" in machine.run("nfjail check")
        changed = doctor(machine, 1)["not-reloaded"]
        assert changed["what"].endswith("vsftpd does not run")
    machine.run("rm /etc/systemd/system/vsftpd.service /var/log/vsftpd.log")


def test_what_is_made_wrong(machine: Machine) -> None:
    machine.run("gpasswd -d nfjail systemd-journal; gpasswd -d nfjail adm; systemctl disable nfjail")
    found = doctor(machine, 1)
    assert "may not read the journal" in found["service-cannot"]["what"]
    assert found["not-enabled"]["mark"] == "warning"
    machine.run("gpasswd -a nfjail systemd-journal; gpasswd -a nfjail adm; systemctl enable nfjail")
    machine.run("systemctl stop nfjail")
    assert doctor(machine, 1)["stopped"]["mark"] == "problem"
    machine.run("systemctl start nfjail")
    doctor(machine, 0)


def test_an_ordinary_user(machine: Machine) -> None:
    machine.run("useradd stranger")
    assert "you may not talk to the daemon" in machine.run("runuser -u stranger nfjail doctor")
    machine.run("userdel stranger")
