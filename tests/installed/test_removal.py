"""Removing keeps configuration, memory and bans; purging keeps nothing. (The last test: nfjail is not there any more.)"""

from __future__ import annotations

import re

from tests.installed.machine import Machine
from tests.system.house import knock

# What has changed without nfjail: what these tests have copied there, what fail2ban has written, the lists of users as files.
_OTHERS = re.compile("opt/|.*fail2ban|.*__pycache__|etc/(passwd|group|g?shadow|sub[ug]id)-?$")


def test_removing_keeps_what_is_known_and_purging_nothing(machine: Machine) -> None:
    machine.write("/etc/nfjail/conf.d/local.toml", "[jail.sshd]\nbantime = '1h'\n")
    machine.run("nfjail ctl ban 192.0.2.55 --jail sshd")
    machine.run("apt-get remove -y nfjail")
    assert machine.show("LoadState") == "not-found"
    assert knock("192.0.2.55") == "refused"
    machine.run("ls /var/lib/nfjail/nfjail.db /etc/nfjail/conf.d/local.toml")

    machine.run(f"apt-get install {machine.copied(machine.deb)}")
    assert "192.0.2.55" in machine.banned()

    machine.run("apt-get purge -y nfjail")
    assert knock("192.0.2.55") == "served"
    assert machine.tables() == machine.tables_before
    assert machine.users() == machine.users_before
    assert {unit for unit in machine.units() if "nfjail" in unit or unit.endswith(".service")} <= machine.units_before
    before, after = machine.before, machine.snapshot()
    changed = {path for path in before | after if before.get(path) != after.get(path)} - machine.fail2bans
    assert {path for path in changed if not _OTHERS.match(path)} == set()
    assert {path for path in after.keys() - before.keys() if "nfjail" in path and not path.startswith("opt/")} == set()
    assert machine.run("ls -d /run/nfjail /var/log/nfjail 2>/dev/null || :") == ""
