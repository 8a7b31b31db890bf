"""The fields of a datepattern, and what each stands for as a regular expression: %Y, %b, %ExH, ...

They are strptime's, some looser or stricter as fail2ban has them, and more: %ExY and the other exact ones take no digit
more or less than they should, %k and %l hours with a blank for the missing digit. Every field becomes a group named as
its letter; what the groups say is read in date_fields.py. Names of months and days are those of the C locale.
"""

from __future__ import annotations

import math
import re
import time
from calendar import timegm

MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
          "december")  # fmt: skip
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_DAY, _MONTH, _HOUR = r"[1-2]\d|[0 ]?[1-9]|3[0-1]", r"0?[1-9]|1[0-2]", r"[0-1]?\d|2[0-3]"
_ABBREVIATION, _OFFSET, _WEEK = r"[A-Z](?:[A-Z]{2,4})?", r"[+-][01]\d(?::?\d{2})?", r"5[0-3]|[0-4]\d|\d"

# A field's group is named as its last letter is, but for %k and %l: they are H and I, with a blank where no digit is.
_TOKENS = {
    "a": "|".join(day[:3] for day in DAYS), "A": "|".join(DAYS), "p": "am|pm",
    "b": "|".join(month[:3] for month in MONTHS), "B": "|".join(MONTHS),
    "Y": r"\d{4}", "y": r"\d\d", "G": r"\d{4}", "m": _MONTH, "d": _DAY, "U": _WEEK, "W": _WEEK,
    "w": "[0-6]", "u": "[1-7]",
    "V": r"5[0-3]|0[1-9]|[1-4]\d|\d", "j": r"36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9]",
    "H": _HOUR, "k": r"[0-2]?\d", "I": "1[0-2]|0[1-9]|[1-9]", "l": r"1?\d", "M": r"[0-5]?\d", "S": r"[0-5]?\d|6[0-1]",
    "f": "[0-9]{1,6}", "Z": "Z|[A-Z]{3,5}", "z": f"Z|UTC|GMT|{_OFFSET}",
    "Exy": r"\d\d", "Exm": "0[1-9]|1[0-2]", "Exd": r"[1-2]\d|0[1-9]|3[0-1]", "ExH": r"[0-1]\d|2[0-3]", "Exk": _HOUR,
    "Exl": r"1[0-2]|\d", "ExM": r"[0-5]\d", "ExS": r"[0-5]\d|6[0-1]",
    "ExZ": _ABBREVIATION, "Exz": f"(?:{_ABBREVIATION})?{_OFFSET}|{_ABBREVIATION}",
}  # fmt: skip
_HOURS_WITH_BLANK = {"k": "H", "l": "I"}
_COMPOSED = {"c": r"%a\s+%b\s+%d\s+%H:%M:%S\s+%Y", "x": "%m/%d/%y", "X": "%H:%M:%S"}
_TOKEN = re.compile(r"%(Ex[A-Za-z]?|.?)", re.DOTALL)
_WITH_NAMES = frozenset("aAbBp")

FIELDS = frozenset("".join(_TOKENS)) - set("Exkl")  # the names of groups that tell a time


def to_regex(pattern: str, years: str) -> tuple[str, bool]:
    """The pattern with its fields written out, and whether names of months or days are among them.

    years: the expression for %ExY. Raises ValueError for a field that does not exist.
    """
    named = False

    def written_out(found: re.Match[str]) -> str:
        nonlocal named
        token = found[1]
        if token == "%":
            return "%"
        if token in _COMPOSED:
            regex, of_names = to_regex(_COMPOSED[token], years)
            named = named or of_names
            return regex
        if token == "ExY":
            return f"(?P<Y>{years})"
        if token not in _TOKENS:
            raise ValueError(f"{found[0]!r} is no field of a date; a percent sign that means itself is written twice")
        named = named or token in _WITH_NAMES
        letter = token[-1]
        blank = " ?" if letter in _HOURS_WITH_BLANK else ""
        return f"{blank}(?P<{_HOURS_WITH_BLANK.get(letter, letter)}>{_TOKENS[token]})"

    return _TOKEN.sub(written_out, pattern), named


def exact_years(now: float) -> tuple[str, float]:
    """The expression for %ExY: years of the decades from 2000 to three years from now, and when it is to be made anew.

    This decade's are always among them: a clock that is behind, or set back for a test, must not lose lines.
    """
    decade = max(2029, time.gmtime(now).tm_year + 3) // 10
    if decade > 209:
        return r"20\d\d", math.inf
    return rf"20[0-{decade % 10}]\d", float(timegm((decade * 10 + 7, 1, 1, 0, 0, 0)))
