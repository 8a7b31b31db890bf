"""Configurations by chance mean to nfjail what they mean to fail2ban: the same values, or refused by both."""

from __future__ import annotations

from collections import Counter

import pytest
from config_random import Writer
from fail2ban_bed import beside, ours, theirs
from packages import SUITES

from nfjail.fail2ban.jails import read_jails


@pytest.mark.parametrize("suite", SUITES)
def test_a_hundred_configurations_by_chance(suite, tmp_path):
    writer = Writer(seed=20261122)
    bases = [tmp_path / str(number) for number in range(100)]
    for base in bases:
        writer.write(base)
    outcomes = Counter()
    for base, answer in zip(bases, beside(suite, (["jails", str(base)] for base in bases)), strict=True):
        read = read_jails(str(base), every=True)
        (jail,) = read.jails
        wanted = answer if isinstance(answer, str) else theirs(answer)["it"]
        refused = bool(read.problems or jail.problems)
        assert refused == isinstance(wanted, str), f"{base}: {jail.problems} beside {wanted}"
        if not refused:
            assert ours(jail, base) == wanted, base
        outcomes[refused] += 1
    assert outcomes[False] > 30, "they are to be good ones mostly"
