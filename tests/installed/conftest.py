"""The machines of these tests: one for each Debian, booted once, with nfjail installed. The tests of one follow each other."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

from tests.installed.machine import Machine, bed
from tests.packages.deb_bed import suites


@pytest.fixture(scope="session", params=suites())
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    suite = request.param
    name = f"installed-{suite}-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFJAIL_SRV", f"srv-{name}")
        patch.setenv("NFJAIL_ATK", f"atk-{name}")
        there = Machine(suite, name)
        bed("mkrootfs.sh", suite, f"installed-{suite}", MORE="fail2ban")
        bed("net.sh", "up")
        try:
            bed("boot.sh", f"installed-{suite}", name, NETNS=f"srv-{name}")
            _install(there)
            yield there
        finally:
            bed("stop.sh", name)
            bed("net.sh", "down")


def _install(there: Machine) -> None:
    """As an administrator does it, and with nobody to answer a question: not even apt may have one."""
    there.run("systemctl disable -q --now fail2ban; systemctl reset-failed; rm -f /var/log/fail2ban.log")
    there.fail2bans = {line.lstrip("/") for line in there.run("dpkg -L fail2ban").splitlines()}
    path = there.copied(there.deb)
    there.before, there.users_before = there.snapshot(), there.users()
    there.tables_before, there.units_before = there.tables(), there.units()
    start = time.monotonic()
    there.install_said = there.run(f"apt-get install {path}")
    there.install_seconds = time.monotonic() - start
