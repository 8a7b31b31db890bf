"""Lengths of time as people write them: "10m", "1h 30m", "forever"; and back into text."""

from __future__ import annotations

import re

# fail2ban's units; a year is 365.25 days and a month a twelfth of it, as there.
_UNITS = {"y": 31_557_600, "mo": 2_629_800, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_MILLISECOND = "ms"
_NAMES = {
    "y": ("y", "yr", "year", "years"),
    "mo": ("mo", "mon", "month", "months"),
    "w": ("w", "week", "weeks"),
    "d": ("d", "day", "days"),
    "h": ("h", "hr", "hour", "hours"),
    "m": ("m", "min", "minute", "minutes"),
    "s": ("s", "sec", "second", "seconds"),
}
_SECONDS = {_MILLISECOND: 0.001, **{name: _UNITS[unit] for unit, names in _NAMES.items() for name in names}}
_PART = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", re.ASCII)
_EXAMPLES = 'write "10m", "1h 30m", seconds, or "forever"'
LONGEST = 100 * _UNITS["y"]


def parse_duration(value: object) -> float | None:
    """Seconds of "10m", "1h 30m", 600 or "600"; None for -1 and "forever". Raises ValueError: what to write instead."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError(f"{value!r} is no length of time: {_EXAMPLES}")
    text = value.strip().lower() if isinstance(value, str) else ""
    if text in ("forever", "-1") or value == -1:
        return None
    seconds = _sum_of_parts(text) if isinstance(value, str) else value
    if not 0 <= seconds <= LONGEST:  # compared before it becomes a float: a whole number may be too large for one
        raise ValueError(f"{value!r} is not within 0 to 100 years: {_EXAMPLES}")
    return float(seconds)


def _sum_of_parts(text: str) -> float:
    total, end = 0.0, 0
    while end < len(text):
        part = _PART.match(text, end)
        if part is None or (part[2] and part[2] not in _SECONDS):
            break
        if not part[2] and part[0].strip() != text:  # only a lone number may go without a unit
            break
        total += float(part[1]) * _SECONDS.get(part[2] or "s", 1)
        end = part.end()
    if not text or end < len(text):
        raise ValueError(f"{text!r} is no length of time: {_EXAMPLES}")
    return total


def format_duration(seconds: float | None) -> str:
    """The two largest units of it: 5400 -> "1h 30m", 41.2 -> "41s", None -> "forever"."""
    if seconds is None:
        return "forever"
    if seconds < 0:
        return "-" + format_duration(-seconds)
    rest = round(seconds)
    if rest == 0 and round(seconds * 1000) > 0:
        return f"{seconds * 1000:.0f}{_MILLISECOND}"
    parts: list[str] = []
    for unit in ("w", "d", "h", "m", "s"):
        count, rest = divmod(rest, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
        if len(parts) == 2 or (parts and not count):
            break
    return " ".join(parts) or "0s"
