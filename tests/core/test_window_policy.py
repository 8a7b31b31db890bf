"""Counting in a sliding window, and how long a ban lasts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.model import Failure, parse_subject
from nfjail.core.policy import Increment, Policy, compile_formula
from nfjail.core.window import Window

A, B = parse_subject("192.0.2.7"), parse_subject("192.0.2.8")


def failure(time: float, subject=A) -> Failure:
    return Failure(time, subject, f"at {time}", "", 0, {})


@pytest.mark.parametrize(
    ("times", "counts"),
    [
        ([0, 1, 2], [1, 2, 3]),
        ([0, 60, 61], [1, 2, 2]),  # exactly findtime ago still counts, longer ago does not
        ([0, 61, 122], [1, 1, 1]),
        ([0, 0, 0], [1, 2, 3]),
        ([100, 50, 60], [1, 2, 3]),  # a second file, or a clock set back
        ([100, 30], [1, 1]),
    ],
)
def test_failures_count_while_they_lie_within_findtime(times: list[float], counts: list[int]) -> None:
    window = Window(maxretry=3, findtime=60)
    assert [window.add(failure(time)) for time in times] == counts


def test_subjects_count_apart() -> None:
    window = Window(3, 60)
    assert [window.add(failure(0, A)), window.add(failure(0, B)), window.add(failure(1, A))] == [1, 1, 2]
    assert len(window) == 2


def test_taking_gives_the_evidence_and_starts_anew() -> None:
    window = Window(3, 60)
    for time in (1, 2, 3):
        window.add(failure(time))
    assert [one.time for one in window.take(A)] == [1, 2, 3]
    assert window.take(A) == ()
    assert window.add(failure(4)) == 1


def test_who_is_quiet_is_forgotten() -> None:
    window = Window(3, 60)
    for number in range(5000):
        window.add(failure(number, parse_subject(f"10.0.{number // 250}.{number % 250}")))
    assert len(window) <= 2 * 1024


@given(st.lists(st.integers(0, 300), min_size=1, max_size=60), st.integers(1, 6), st.integers(1, 100))
def test_it_agrees_with_counting_by_hand(times: list[int], maxretry: int, findtime: int) -> None:
    window = Window(maxretry, findtime)
    times.sort()
    for index, time in enumerate(times):
        recent = [other for other in times[: index + 1] if time - other <= findtime]
        assert window.add(failure(time)) == min(len(recent), maxretry)


def lengths(policy: Policy, number: int = 5, chance: float = 0.0) -> list[float | None]:
    return [policy.length(earlier, chance) for earlier in range(number)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (Policy(600), [600] * 5),
        (Policy(None), [None] * 5),
        (Policy(None, Increment(True)), [None] * 5),
        (Policy(600, Increment(True)), [600, 1200, 2400, 4800, 9600]),
        (Policy(600, Increment(True, maxtime=2000)), [600, 1200, 2000, 2000, 2000]),
        (Policy(600, Increment(True, factor=2)), [1200, 2400, 4800, 9600, 19200]),
        (Policy(60, Increment(True, multipliers=(1, 5, 30))), [60, 300, 1800, 1800, 1800]),
        (Policy(60, Increment(True, formula="ban.Time * (ban.Count + 1)")), [60, 120, 180, 240, 300]),
        (Policy(60, Increment(True, formula="ban.Time / 2")), [60] * 5),  # never shorter than bantime
        (Policy(60, Increment(True, formula="10 / (ban.Count - 3) + 70 + 0*ban.Time")), None),
    ],
)
def test_ban_lengths(policy: Policy, expected: list[float | None] | None) -> None:
    if expected is None:  # a formula that fails for one count means the base time there
        assert policy.length(3, 0.0) == 60
    else:
        assert lengths(policy) == expected


def test_chance_adds_up_to_rndtime() -> None:
    policy = Policy(600, Increment(True, rndtime=60))
    assert [policy.length(0, chance) for chance in (0.0, 0.5, 1.0)] == [600, 630, 660]


def test_a_huge_formula_means_long_and_not_for_ever_nor_an_error() -> None:
    policy = Policy(600, Increment(True, formula="ban.Time * math.exp(ban.Count * 100)", maxtime=86400))
    assert lengths(policy) == [600, 86400, 86400, 86400, 86400]


def test_fail2bans_own_formulas_work() -> None:
    default = compile_formula("ban.Time * (1<<(ban.Count if ban.Count<20 else 20)) * banFactor")
    assert [default(600, count, 1) for count in (0, 1, 30)] == [600, 1200, 600 * 2**20]
    exponential = compile_formula("ban.Time * math.exp(float(ban.Count+1)*banFactor)/math.exp(1*banFactor)")
    assert exponential(600, 0, 1) == pytest.approx(600)


@pytest.mark.parametrize(
    "text",
    ["", "1 +", "__import__('os')", "ban.Time.x", "open('x')", "(lambda: 1)()", "[1][0]", "'a' * 9", "ban.Time; 1",
     "x", "math.exp", "1 << 10**9", "ban.Count and", "print(1)", "1 if ban.Count in (1,) else 2", "1/0"],
)  # fmt: skip
def test_a_formula_is_arithmetic_only(text: str) -> None:
    with pytest.raises(ValueError, match=".") as caught:
        compile_formula(text)
    assert str(caught.value)
