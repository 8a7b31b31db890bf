"""What all tests share: where the test bed is, the watch over this machine's own firewall, and which tests stay together."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: Any, log: Any) -> Any:
    """Several processes (pytest -n 2): each takes one file after the other, or all tests of one installed system."""
    from xdist.scheduler import LoadScopeScheduling  # pytest-xdist is here if this is called

    class Together(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            system = re.match(r"tests/installed/.*\[(bookworm|trixie)\b", nodeid) or re.match(r"tests/(services)/", nodeid)
            return system[1] if system else nodeid.partition("::")[0]

    return Together(config, log)
