"""Where the date stands in the lines of logs that are not syslog's: at their beginning, or where a pattern says.

A datepattern that begins with ^ is the head of every line: what it covers is cut off, with the blanks behind it, and
patterns look at the rest. Any other one tells how the text reads that patterns capture as <F-DATE>.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.date_templates import template
from nfjail.core.dates import DatePatternError, Reader
from nfjail.core.sieve import first_ascii

#: the capture that holds the date, where it is inside of the line
DATE = "date"

_YEARS = r"20\d\d"  # for %ExY
_ENDED = re.compile(r"[.,]?\d*")  # a fraction of a second may have more digits than a datepattern knows


class _Form(NamedTuple):
    """One of the ways in which dates are written."""

    regex: re.Pattern[str]
    time: Callable[[re.Match[str], float], float | None]


class LineDates:
    """Reads the dates of one kind of log. Raises DatePatternError for patterns that cannot be used."""

    def __init__(self, patterns: Sequence[str]) -> None:
        #: whether patterns say where the date stands, and not its place at the beginning
        self.inside = not patterns[0].startswith("^")
        self._forms = [_form(number, text) for number, text in enumerate(patterns, 1)]
        for number, text in enumerate(patterns, 1):
            if text.startswith("^") == self.inside:
                raise DatePatternError(number, text, "all of them, or none, must begin with ^")
        self._match = self._forms[0].regex.match if len(self._forms) == 1 else self._any

    def _any(self, line: str) -> re.Match[str] | None:
        return next((found for form in self._forms if (found := form.regex.match(line))), None)

    def may_begin(self) -> frozenset[str] | None:
        """Those of ASCII's characters with which a head may begin; None: any."""
        firsts = [first_ascii(form.regex.pattern) for form in self._forms]
        return None if None in firsts else frozenset[str]().union(*(each for each in firsts if each))

    def regexes(self) -> list[str]:
        """What finds the dates, as Python's regular expressions."""
        return [form.regex.pattern for form in self._forms]

    def begin(self, line: str) -> int:
        """Where in the line the patterns begin to look; -1: it has no head."""
        if self.inside:
            return 0
        found = self._match(line)
        if found is None:
            return -1
        at = found.end()
        while line.startswith(" ", at):
            at += 1
        return at

    def message(self, text: str) -> str:
        """What is behind the head, if there is one."""
        begin = self.begin(text)
        return text[begin:] if begin > 0 else text

    def time(self, line: str, fields: Mapping[str, str], now: float) -> float | None:
        """When the line was written, in seconds since the epoch; None: it does not say. fields: what a pattern captured."""
        text = fields.get(DATE, "") if self.inside else line
        for form in self._forms:
            found = form.regex.match(text)
            if found is not None and (not self.inside or _ENDED.fullmatch(text, found.end())):
                return form.time(found, now)
        return None

    def clock(self, line: str, now: float) -> float | None:
        """The same for a line that no pattern has looked at."""
        for form in self._forms:
            found = form.regex.search(line)
            if found is not None:
                return form.time(found, now)
        return None


def _form(number: int, text: str) -> _Form:
    try:
        made = template(text.strip(), _YEARS)
    except (ValueError, OverflowError, RecursionError) as error:
        raise DatePatternError(number, text, str(error)) from None
    if made.regex.match(""):
        raise DatePatternError(number, text, "it fits the empty line")
    return _Form(made.regex, Reader(text, made, 1.0, None).time)
