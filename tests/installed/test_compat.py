"""fail2ban beside nfjail; and in its place, nfjail behind fail2ban's commands and its socket."""

from __future__ import annotations

import re

from tests.installed.machine import Machine, flood
from tests.packages.deb_bed import built_deb
from tests.system.house import knock, until

JAIL = "[DEFAULT]\nbackend = systemd\nallowipv6 = auto\n[sshd]\nenabled = true\nmaxretry = 3\n"


def test_both_run_side_by_side(machine: Machine) -> None:
    machine.write("/etc/fail2ban/jail.local", JAIL)
    machine.run("systemctl start fail2ban; until fail2ban-client ping; do sleep .1; done; systemctl restart nfjail")
    machine.run("nfjail ctl ban 192.0.2.50 --jail sshd; fail2ban-client set sshd banip 192.0.2.51")
    until(lambda: knock("192.0.2.51") == "refused")  # fail2ban answers before it bans
    assert [knock(f"192.0.2.{n}") for n in (50, 51, 52)] == ["refused", "refused", "served"]
    machine.run("systemctl restart fail2ban; until fail2ban-client ping; do sleep .1; done; systemctl restart nfjail")
    until(lambda: knock("192.0.2.51") == "refused")  # fail2ban answers before it bans
    assert [knock(f"192.0.2.{n}") for n in (50, 51, 52)] == ["refused", "refused", "served"]
    machine.run("fail2ban-client unban --all; nfjail ctl unban --all")


def test_in_its_place_fail2bans_client_and_socket_answer(machine: Machine) -> None:
    """fail2ban's own client, as it was installed, asks nfjail without knowing."""
    machine.run("mkdir /opt/real; cp -r /usr/lib/python3/dist-packages/fail2ban /usr/bin/fail2ban-client /opt/real")
    machine.run(f"apt-get install -y {machine.copied(built_deb('nfjail-fail2ban-compat'))}")
    assert machine.show("ActiveState", "nfjail-fail2ban-socket") == "active"
    assert machine.run("dpkg -s fail2ban | grep ^Status").strip() == "Status: deinstall ok config-files"
    assert flood("192.0.2.53", 20) <= 6
    for client in ("fail2ban-client", "PYTHONPATH=/opt/real python3 /opt/real/fail2ban-client"):
        assert "Server replied: pong" in machine.run(f"{client} ping")
        assert re.search(r"Banned IP list:\s+192\.0\.2\.53\b", machine.run(f"{client} status sshd"))
    machine.run("PYTHONPATH=/opt/real python3 /opt/real/fail2ban-client set sshd unbanip 192.0.2.53")
    assert knock("192.0.2.53") == "served"


def test_its_socket_is_roots_and_the_process_small(machine: Machine) -> None:
    machine.run("useradd stranger")
    assert "ermission denied" in machine.run("runuser -u stranger -- python3 -c '"
        "import socket; socket.socket(socket.AF_UNIX).connect(\"/run/fail2ban/fail2ban.sock\")'", status=1)  # fmt: skip
    said = machine.run("systemd-analyze security --no-pager nfjail-fail2ban-socket")
    assert float(re.findall(r"exposure level for \S+: ([\d.]+)", said)[0]) <= 0.5
    machine.run("userdel stranger; apt-get purge -y nfjail-fail2ban-compat fail2ban; rm -r /opt/real")
    assert machine.run("ls /run/fail2ban 2>&1", status=2)
