"""What all tests share: where the test bed is, and the watch over this machine's own firewall."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bed() -> Path:
    """The folder with the real parts: journald.sh, sshd.sh, net.sh ... (its README.md tells what they give)."""
    return Path(__file__).resolve().parent / "bed"


def own_tables() -> str:
    """The tables in this machine's own nftables, iptables' included; nothing for who is not root."""
    listed = subprocess.run(["nft", "list", "tables"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    return listed.stdout


@pytest.fixture(scope="session", autouse=True)
def no_test_touches_the_machines_own_firewall() -> Iterator[None]:
    before = own_tables()
    yield
    assert own_tables() == before
