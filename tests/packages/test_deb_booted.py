"""Debian's own test of the installed package (autopkgtest), and what its maintainer scripts say and do, in a booted Debian."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from tests.installed.machine import Machine, bed
from tests.packages.deb_bed import built, suites

SUITE = suites()[0]
ROOTFS = f"autopkgtest-{SUITE}"
# This runner says there that it might be no container; but it is one, the test bed's.
IGNORE = {"bookworm": "", "trixie": "--ignore-restrictions=isolation-container"}
# What banaction = "iptables-ipset" needs, by the drop-in that the package has among its examples.
WITH_IPTABLES = """
    dpkg -i /mnt/nfjail_*.deb
    printf '[default]\\nbanaction = "iptables-ipset"\\n' > /etc/nfjail/conf.d/local.toml
    mkdir -p /etc/systemd/system/nfjail.service.d
    cp /usr/share/doc/nfjail/examples/iptables.conf /etc/systemd/system/nfjail.service.d/
    systemctl daemon-reload && systemctl restart nfjail && nfjail ctl ban 198.51.100.9 --jail sshd"""


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    name = f"packages-{os.getpid()}"
    bed("mkrootfs.sh", SUITE, ROOTFS, MORE="autopkgtest,dpkg-dev")
    try:
        bed("boot.sh", ROOTFS, name, f"--bind-ro={built()}:/mnt")
        yield Machine(SUITE, name)
    finally:
        bed("stop.sh", name)


@pytest.fixture
def installed(machine: Machine) -> Iterator[Machine]:
    """nfjail is installed; afterwards it is not."""
    machine.run("dpkg -i /mnt/nfjail_*.deb")
    yield machine
    machine.run("dpkg -P nfjail; rm -rf /etc/systemd/system/nfjail.service.d; systemctl daemon-reload")


def test_purge_leaves_nothing_in_iptables(installed):
    """Neither chains nor sets; and nothing of others is touched, not even where its name begins alike."""
    installed.run("iptables -N nfjail-2 && iptables -A nfjail-2 -s 198.51.100.1 -j DROP && iptables -A INPUT -j nfjail-2")
    installed.run("ipset create nfjail-2-x-4 hash:ip && iptables -A nfjail-2 -m set --match-set nfjail-2-x-4 src -j DROP")
    rules = "iptables-save | grep -v '^#'; ip6tables-save | grep '^-A' || :; ipset list -n"
    before = installed.run(rules)
    installed.run(WITH_IPTABLES)
    assert "--match-set nfjail-sshd-4 src" in installed.run(rules)
    said = installed.run("dpkg -r nfjail")
    assert "its bans stay in iptables until the next boot, or until nfjail is purged" in said
    assert "--match-set nfjail-sshd-4 src" in installed.run(rules)
    installed.run("dpkg -P nfjail")
    assert installed.run(rules) == before


def test_purge_takes_the_table_that_the_configuration_names(installed):
    installed.write("/etc/nfjail/conf.d/local.toml", 'table = "guard"\n')
    installed.run("systemctl restart nfjail && nfjail ctl ban 198.51.100.9")
    said = installed.run("dpkg -r nfjail")
    assert "its bans stay in the kernel until they end. To lift them now: nft delete table inet guard" in said
    assert "198.51.100.9" in installed.run("nft list table inet guard")
    installed.run("dpkg -P nfjail")
    assert "guard" not in installed.run("nft list tables")


def test_beside_a_running_fail2ban_it_says_once_how_to_switch(machine):
    """And switches nothing. An upgrade does not say it again."""
    listener = "import socket, time; s = socket.socket(socket.AF_UNIX); s.bind('/run/fail2ban/fail2ban.sock'); time.sleep(600)"
    machine.run(f'mkdir /run/fail2ban; systemd-run -q --unit=fail2ban python3 -c "{listener}"')
    machine.run("until test -S /run/fail2ban/fail2ban.sock; do sleep 0.05; done")
    try:
        first, second = machine.run("dpkg -i /mnt/nfjail_*.deb"), machine.run("dpkg -i /mnt/nfjail_*.deb")
        assert re.search(r"fail2ban is running here, too.* import -o /etc/nfjail .* import --bans", first, re.DOTALL)
        assert "fail2ban" not in second
        assert machine.show("ActiveState", "fail2ban") == machine.show("ActiveState", "nfjail") == "active"
    finally:
        machine.run("systemctl stop fail2ban; rm -r /run/fail2ban; dpkg -P nfjail")


def test_autopkgtest_is_content(machine):
    """With a real attack over both IP versions, and fail2ban's commands over nfjail."""
    said = machine.run(f"cd /tmp && autopkgtest {IGNORE[SUITE]} /mnt/*.deb /mnt/*.dsc -- null")
    assert re.findall(r"^(\S+) +(PASS|FAIL|SKIP)\b", said[said.index("@@@ summary") :], re.MULTILINE) == [
        ("ban", "PASS"),
        ("fail2ban-compat", "PASS"),
    ]
