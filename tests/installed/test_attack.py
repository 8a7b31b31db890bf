"""Attackers on the installed machine's sshd are cut off, and everybody else is served."""

from __future__ import annotations

import pytest

from tests.installed.machine import Machine, flood
from tests.system.house import knock


@pytest.mark.parametrize(
    ("attacker", "same_network", "other", "banned"),
    [
        ("192.0.2.10", "192.0.2.10", "192.0.2.11", "192.0.2.10"),
        ("2001:db8:10::1", "2001:db8:10::2", "2001:db8:11::1", "2001:db8:10::/64"),
    ],
    ids=["v4", "v6"],
)
def test_an_attacker_is_cut_off(machine: Machine, attacker: str, same_network: str, other: str, banned: str) -> None:
    tried = flood(attacker, 20)
    assert 5 <= tried <= 6  # the fifth is one too many; a sixth may be quicker than the journal
    assert banned in machine.banned()
    assert knock(attacker) == knock(same_network) == "refused"
    assert knock(other) == "served"
    assert "5 failures in" in machine.run(f"nfjail ctl why {attacker}")
