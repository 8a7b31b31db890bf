"""The two set-up commands: the demo's first ban, and what they say where they cannot work."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RUN = str(ROOT / "packaging" / "run")


def output(*command: str, status: int = 0) -> str:
    to_pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd="/", text=True, timeout=120, **to_pipe)
    assert done.returncode == status, done.stdout
    return done.stdout


def test_demo_shows_a_ban_within_15_seconds():
    tables = output("nft", "list", "tables")
    start = time.monotonic()
    said = output(RUN, "--demo")
    assert time.monotonic() - start < 15
    attempts = re.findall(r"attacker  \| attempt \d: (.*)", said)
    assert ["Permission denied" in a for a in attempts] == [True, True, True, False]
    assert re.search(r"nfjail    \| .*sshd: banned 192\.0\.2\.20 for 1m \(3 failures in ", said)
    assert said.count("from 192.0.2.20 | Connection refused") == 2  # while nfjail runs, and when it has ended
    assert "from 192.0.2.40 | SSH-2.0-OpenSSH" in said
    assert re.search(r"elements = \{ 192\.0\.2\.20 ", said)
    why = said[said.index("why 192.0.2.20") :]
    assert len(re.findall(r"Failed password for root from 192\.0\.2\.20 port \d+ ssh2", why)) == 3
    assert output("nft", "list", "tables") == tables


def test_without_root_it_says_so():
    said = output("unshare", "--user", RUN, status=1)
    assert said == f"run: needs root, to read the journal and to change the firewall: sudo {RUN}\n"


def test_where_dnf_is_its_packages_are_installed():
    """Fedora's package manager is played here: what counts is what it is asked for."""
    stage = """
        mount -t tmpfs tmpfs /usr/local/bin; mount --bind /dev/null /usr/bin/apt-get
        cd /usr/local/bin
        printf '#!/bin/sh\necho python3; echo nftables; echo package x is not installed; exit 1\n' > rpm
        printf '#!/bin/sh\necho dnf "$@" >&2; exit 3\n' > dnf
        chmod +x rpm dnf
        exec "$0"
    """
    asked = "dnf -q -y --setopt=install_weak_deps=False install python3-systemd python3-nftables python3-pyroute2"
    assert output("unshare", "--mount", "sh", "-ec", stage, RUN, status=1).splitlines() == [
        "run: installing python3-systemd python3-nftables python3-pyroute2",
        asked,
        f"run: failed: {asked}",
    ]
