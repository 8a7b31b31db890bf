"""Whoever is banned stays out without a gap: not one packet passes while nfjail is reloaded, restarted, killed, upgraded."""

from __future__ import annotations

from pathlib import Path

from tests.installed.machine import Hammer, Machine, Witness, flood
from tests.system.house import connect, knock, run, until

V4, V6, V6_BANNED = "192.0.2.20", "2001:db8:20::1", "2001:db8:20::/64"


def newer(deb: Path, folder: Path) -> Path:
    """The same package as a later version."""
    run("dpkg-deb", "-R", str(deb), str(folder / "new"))
    control = folder / "new/DEBIAN/control"
    control.write_text(control.read_text().replace("Version: 0.1.0-1\n", "Version: 0.1.0-2\n"))
    run("dpkg-deb", "--root-owner-group", "-b", str(folder / "new"), str(folder / "nfjail_0.1.0-2_all.deb"))
    return folder / "nfjail_0.1.0-2_all.deb"


def test_not_one_packet_of_the_banned_passes(machine: Machine, tmp_path: Path) -> None:
    upgrade = machine.copied(newer(machine.deb, tmp_path))
    machine.write("/etc/nfjail/conf.d/local.toml", "[jail.sshd]\nmaxretry = 4\n")
    machine.run("systemctl reload nfjail")
    with connect(V4) as opened:
        assert opened.recv(1)
        assert (flood(V4, 8), flood(V6, 8)) < (6, 6)
        assert {V4, V6_BANNED} <= machine.banned()
        with Witness(machine, V4, V6) as witness, Hammer((V4, V6), opened) as hammer:
            assert _steps(machine, upgrade) == ["reloaded", "restarted", "killed", "upgraded"]
            assert witness.packets == 0
            assert hammer.knocks > 100
            machine.run(f"nfjail ctl unban {V4} {V6_BANNED}")
            until(lambda: witness.packets > 10)  # it does see what passes
    assert knock(V4) == "served"
    assert machine.run("cat /etc/nfjail/conf.d/local.toml") == "[jail.sshd]\nmaxretry = 4\n"
    machine.run("rm /etc/nfjail/conf.d/local.toml; systemctl reload nfjail")


def _steps(machine: Machine, upgrade: str) -> list[str]:
    """What was done, as far as it was."""
    done = []
    pid = machine.show("MainPID")
    machine.run("systemctl reload nfjail")
    if machine.show("MainPID") == pid:
        done.append("reloaded")
    machine.run("systemctl restart nfjail")
    if machine.show("MainPID") != pid:
        done.append("restarted")
    machine.run("systemctl kill -s KILL nfjail")
    until(lambda: machine.show("NRestarts") == "1" and machine.show("ActiveState") == "active", every=0.1)
    done.append("killed")
    machine.run(f"apt-get install {upgrade}")
    if "0.1.0-2" in machine.run("dpkg -s nfjail") and machine.show("ActiveState") == "active":
        done.append("upgraded")
    return done


def test_a_reload_says_when_the_configuration_is_refused(machine: Machine) -> None:
    with machine.config("[jail.sshd]\nmaxretrys = 4\n"):
        assert "failed" in machine.run("systemctl reload nfjail", status=1)
        assert "did you mean" in machine.log()
        assert machine.show("ActiveState") == "active"
    machine.run("systemctl reload nfjail")


def test_it_reloads_as_well_as_a_service_of_type_notify_reload(machine: Machine) -> None:
    if machine.suite == "bookworm":  # systemd 252 does not know it
        assert machine.show("Type") == "notify"
        return
    with machine.drop_in("[Service]\nType=notify-reload\n"):
        assert machine.show("Type") == "notify-reload"
        machine.run("systemctl reload nfjail")
        with machine.config("[jail.sshd]\nmaxretrys = 4\n"):
            machine.run("systemctl reload nfjail", status=1)
        assert machine.show("ActiveState") == "active"
