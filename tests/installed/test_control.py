"""Who may ask the service and who may tell it what to do; and systemd's own tool for such sockets."""

from __future__ import annotations

import json

from tests.installed.machine import Machine


def test_root_tells_members_of_the_group_ask_others_do_neither(machine: Machine) -> None:
    machine.run("useradd reader -G nfjail; useradd stranger")
    machine.run("nfjail ctl ban 192.0.2.45")
    assert "192.0.2.45" in machine.run("runuser -u reader nfjail ctl list")
    assert "run it as root" in machine.run("runuser -u reader nfjail ctl unban 192.0.2.45", status=1)
    assert "you may not talk" in machine.run("runuser -u stranger nfjail ctl list", status=1)
    machine.run("nfjail ctl unban 192.0.2.45; userdel reader; userdel stranger")


def test_varlinkctl_knows_and_calls_it(machine: Machine) -> None:
    if machine.suite == "bookworm":  # systemd 252 has no varlinkctl
        assert machine.run("command -v varlinkctl || :") == ""
        return
    socket = "/run/nfjail/io.nfjail"
    assert "nfjail" in machine.run(f"varlinkctl info {socket}")
    assert "method Ban" in machine.run(f"varlinkctl introspect {socket} io.nfjail")
    machine.run(f"""varlinkctl call {socket} io.nfjail.Ban '{{"addresses": ["192.0.2.46"], "seconds": 60}}'""")
    said = machine.run(f"varlinkctl call --more --json=short {socket} io.nfjail.List '{{}}'")
    bans = [json.loads(one)["ban"]["address"] for one in said.replace("\x1e", "").split("\n") if '"ban"' in one]
    assert "192.0.2.46" in bans
    machine.run(f"""varlinkctl call {socket} io.nfjail.Unban '{{"addresses": ["192.0.2.46"]}}'""")
