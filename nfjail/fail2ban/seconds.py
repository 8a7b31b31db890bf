"""Lengths of time as fail2ban's users write them: 10m, 1d12h, 1year-6mo, 60*60, -1."""

from __future__ import annotations

import math
import re

from nfjail.core.policy import compile_formula

_DAY = 86_400
_UNITS = (
    (r"dd?|da|days?", _DAY),
    (r"ww?|wee?|weeks?", 7 * _DAY),
    (r"mon?|months?", 2_629_800),  # a twelfth of a year
    (r"yy?|yea?|years?", 31_557_600),  # 365.25 days
    (r"ss?|sec?|seconds?", 1),
    (r"mm?|min?|minutes?", 60),
    (r"hh?|hou?|hours?", 3_600),
)
_UNIT = re.compile(
    r"(?<=[\d\s])(?:" + "|".join(f"({names})" for names, _ in _UNITS) + r")\b", re.IGNORECASE | re.ASCII
)
_TOGETHER = re.compile(r"(?<=[a-z])(?=\d)", re.IGNORECASE)  # 1d12h is 1d 12h
_BESIDE = re.compile(r"(?<=\d)\s+(?=\d)")  # and that is 1d + 12h


def parse_seconds(text: str) -> float:
    """Seconds of a length of time, or of arithmetic with such. Raises ValueError."""
    terms = _TOGETHER.sub(" ", text.strip())
    terms = _UNIT.sub(lambda match: f"*{_UNITS[(match.lastindex or 1) - 1][1]}", terms)
    try:
        seconds = arithmetic(_BESIDE.sub("+", terms))
    except ValueError:
        raise ValueError(f"{text!r} is no length of time: write for example 10m, 1d 12h, 3600 or -1") from None
    return seconds


def arithmetic(text: str) -> float:
    """The value of 2*3, 1.5 or max(1, 2). Raises ValueError."""
    if "ban" in text:  # ban.Time and the like are for formulas
        raise ValueError(f"{text!r} is no number")
    try:
        value = compile_formula(text)(0.0, 0, 1.0)
    except (ArithmeticError, ValueError):
        raise ValueError(f"{text!r} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value
