"""The RPM packages installed, attacked, upgraded and erased in a booted system, with their scriptlets and its systemd.

It is a Debian with rpm: a Fedora's own packages, dnf and systemd's file triggers are not in it.
"""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator

import pytest

from tests.installed.machine import Hammer, Machine, Witness, bed, flood
from tests.packages.rpm_bed import built
from tests.system.house import connect, knock, until

# Of the Debian that built the packages: they are for its Python.
SUITE = platform.freedesktop_os_release()["VERSION_CODENAME"]
ROOTFS = f"rpm-{SUITE}"
V4, V6, V6_BANNED = "192.0.2.20", "2001:db8:20::1", "2001:db8:20::/64"
LOCAL = "/etc/nfjail/conf.d/local.toml"
# Debian's packages are none of rpm's.
INSTALL, UPGRADE, ERASE = "rpm --install --nodeps", "rpm --upgrade --nodeps", "rpm --erase --nodeps"
NFJAIL, COMPAT = "/mnt/nfjail-[0-9]*.noarch.rpm", "/mnt/nfjail-fail2ban-compat-*.noarch.rpm"
BANS_STAY = "nfjail: its bans stay in the kernel until they end. To lift them now: nft delete table inet nfjail\n"


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    name = f"rpm-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFJAIL_SRV", f"srv-{name}")
        patch.setenv("NFJAIL_ATK", f"atk-{name}")
        bed("mkrootfs.sh", SUITE, ROOTFS, MORE="rpm")
        bed("net.sh", "up")
        try:
            bed("boot.sh", ROOTFS, name, f"--bind-ro={built()}:/mnt", NETNS=f"srv-{name}")
            there = Machine(SUITE, name)
            there.run("cd /usr/lib/python3/dist-packages; ls -d /usr/lib/python3.*/ | sed s,$,site-packages, > fedora.pth")
            yield there
        finally:
            bed("stop.sh", name)
            bed("net.sh", "down")


@pytest.fixture
def installed(machine: Machine) -> Iterator[Machine]:
    """nfjail is installed; afterwards nothing is left of it."""
    machine.run(f"{INSTALL} {NFJAIL}")
    yield machine
    machine.run(f"! rpm -q nfjail || {ERASE} nfjail; rm -rf /etc/nfjail /var/lib/nfjail; nft flush ruleset")


def test_a_ban_outlives_upgrade_erasure_and_coming_back(machine):
    """With a real sshd attacked, and never a packet of the banned that passes."""
    start = time.monotonic()
    machine.run(f"{INSTALL} /mnt/old/nfjail-[0-9]*.noarch.rpm")
    assert time.monotonic() - start < 10
    assert machine.run("systemctl is-active nfjail; systemctl is-enabled nfjail") == "active\nenabled\n"
    assert machine.show("Type") == "notify"
    assert re.match(r"uid=\d+\(nfjail\) .*\(systemd-journal\)", machine.run("id nfjail"))
    machine.write(LOCAL, "[jail.sshd]\nmaxretry = 4\n")
    machine.run("systemctl reload nfjail")
    with connect(V4) as opened:
        assert opened.recv(1)
        assert (flood(V4, 8), flood(V6, 8)) < (6, 6)
        assert machine.banned() == {V4, V6_BANNED}
        with Witness(machine, V4, V6) as witness, Hammer((V4, V6), opened) as hammer:
            _upgrade(machine)
            _erase(machine)
            machine.run(f"{INSTALL} {NFJAIL}")
            assert machine.banned() == {V4, V6_BANNED}
            assert witness.packets == 0
            assert hammer.knocks > 100  # he was at it all the time; how often depends on the machine
            machine.run(f"nfjail ctl unban {V4} {V6_BANNED}")
            until(lambda: witness.packets > 10)  # it does see what passes
    assert knock(V4) == "served"
    machine.run(f"{ERASE} nfjail; rm -r /etc/nfjail /var/lib/nfjail; nft delete table inet nfjail")


def _upgrade(machine: Machine) -> None:
    before = machine.show("MainPID")
    said = machine.run(f"{UPGRADE} {NFJAIL}")
    assert "nfjail:" not in said
    assert machine.run("rpm -q --qf '%{RELEASE}' nfjail; rpm --verify --nodeps nfjail") == "1"
    assert machine.show("ActiveState") == "active"
    assert machine.show("MainPID") != before
    assert machine.banned() == {V4, V6_BANNED}
    assert "maxretry = 4" in machine.run("nfjail check --show")


def _erase(machine: Machine) -> None:
    said = machine.run(f"{ERASE} nfjail")
    assert BANS_STAY in said
    assert "your files in /etc/nfjail stay" in said
    assert machine.show("LoadState") == "not-found"
    left = set(machine.run("find / -xdev -name '*nfjail*' -not -name nfjail-bed.conf -not -path '/mnt/*'").split())
    assert left - {"/var/lib/nfjail/nfjail.db.lock"} == {"/etc/nfjail", "/var/lib/nfjail", "/var/lib/nfjail/nfjail.db"}
    assert machine.run(f"cat {LOCAL}") == "[jail.sshd]\nmaxretry = 4\n"
    assert machine.in_kernel() == {V4, "2001:db8:20::"}


def test_what_an_administrators_preset_disables_is_not_started(machine):
    machine.write("/etc/systemd/system-preset/10-local.preset", "disable nfjail.service\n")
    try:
        machine.run(f"{INSTALL} {NFJAIL}")
        assert machine.show("ActiveState") == "inactive"
        assert machine.show("UnitFileState") == "disabled"
        machine.run(f"{UPGRADE} --replacepkgs {NFJAIL}")
        assert machine.show("ActiveState") == "inactive"
        assert BANS_STAY not in machine.run(f"{ERASE} nfjail")
    finally:
        machine.run("rm -r /etc/systemd/system-preset; rm -rf /var/lib/nfjail")


def test_a_configuration_without_local_files_leaves_no_folder(installed):
    installed.run(f"{ERASE} nfjail")
    assert not (installed.root / "etc/nfjail").exists()


def test_erased_it_says_so_of_a_table_of_another_name(installed):
    installed.write(LOCAL, 'table = "guard"\n')
    installed.run("systemctl restart nfjail")
    assert "To lift them now: nft delete table inet guard\n" in installed.run(f"{ERASE} nfjail")


def test_erased_it_says_so_of_iptables(installed):
    installed.run("systemctl stop nfjail; nft delete table inet nfjail; iptables -N nfjail")
    assert "nfjail: its bans stay in iptables until the next boot.\n" in installed.run(f"{ERASE} nfjail")


def test_beside_a_running_fail2ban_it_says_once_how_to_switch(machine):
    """And switches nothing. An upgrade does not say it again."""
    listener = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/fail2ban/fail2ban.sock'); time.sleep(600)"
    machine.run(f'mkdir /run/fail2ban; systemd-run -q --unit=fail2ban python3 -c "{listener}"')
    machine.run("until test -S /run/fail2ban/fail2ban.sock; do sleep 0.05; done")
    try:
        first, second = machine.run(f"{INSTALL} {NFJAIL}"), machine.run(f"{UPGRADE} --replacepkgs {NFJAIL}")
        assert re.search(r"fail2ban is running here, too.*    nfjail import ", first, re.DOTALL)
        assert "fail2ban" not in second
        assert machine.show("ActiveState", "fail2ban") == machine.show("ActiveState") == "active"
    finally:
        machine.run(f"systemctl stop fail2ban; rm -r /run/fail2ban; {ERASE} nfjail; rm -r /var/lib/nfjail; nft flush ruleset")


def test_fail2bans_commands_and_socket_answer_as_soon_as_they_are_installed(installed):
    installed.run(f"{INSTALL} {COMPAT}")
    assert installed.show("UnitFileState", "nfjail-fail2ban-socket") == "enabled"
    assert installed.run("fail2ban-client ping") == "Server replied: pong\n"
    assert installed.run("fail2ban-client banned") == "[{'sshd': []}]\n"
    installed.run(f"{ERASE} nfjail-fail2ban-compat")
    assert installed.show("LoadState", "nfjail-fail2ban-socket") == "not-found"
    assert installed.show("ActiveState") == "active"
