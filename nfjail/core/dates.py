"""Finds the date in a line of a log file and cuts it out, as a filter's datepattern says, or in any of the usual forms.

A log has mostly one form of date, and that at one place. What the last line had is tried first; otherwise all templates
are (date_templates.py), and the date nearest to the line's beginning wins. Where two would read the same text, as
02-03-2026 may be in March or February, the one that has read this log before is preferred.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import tzinfo
from functools import partial
from typing import NamedTuple

from nfjail.core.date_fields import SECONDS, Fields, Same
from nfjail.core.date_templates import ALL_DEFAULTS, SEEN_BEHIND, Template, forms, template
from nfjail.core.date_tokens import exact_years
from nfjail.core.zones import log_zone

_IDLE = 300.0  # seconds after which a template that is not used any more gives way to one that is
_FAR = 1_000_000_000
_NEAR = 1  # characters before a date with which nothing nearer is looked for: an opening bracket

# All default templates need one of these, so lines without are done quickly.
_LIKE_A_DATE = re.compile(r"\d:\d|\d{8}|@[0-9a-f]{24}")
# No date that a default template finds goes across one of these, or is without one of those.
_BRACKETS = frozenset("[(\"'=")
_MAY_BE_A_DATE = re.compile(r"\d:|\d{8}|@")

# Behind a date this is not a part of it, whatever follows.
_CLOSED = re.compile(r'[\])}>"]| [\[({<"]')

#: how lines begin that were written in one minute, and when each was; how long these texts are
Minute = tuple[Mapping[str, float], int]
_Search = Callable[[str], "re.Match[str] | None"]
_Time = Callable[["re.Match[str]", float], "float | None"]


class DatePatternError(ValueError):
    """A datepattern or time zone cannot be used. line: which of the datepattern's, from 1; 0: the zone."""

    def __init__(self, line: int, text: str, what: str) -> None:
        super().__init__(f"datepattern, line {line} ({text!r}): {what}" if line else f"logtimezone: {what}")
        self.line = line
        self.text = text
        self.what = what


class Dated(NamedTuple):
    """A line with its date cut out. A filter sees before + after."""

    time: float | None  # seconds since the epoch; None: there is no such date (31 February), or text is empty ({NONE})
    before: str
    text: str
    after: str


_new_dated = partial(tuple.__new__, Dated)  # Dated(...) goes through a Python function: twice the time


class Reader:
    """A template in use on one log."""

    __slots__ = (
        "anchored", "decides", "distance", "fields", "form", "hits", "is_default", "match", "search", "time", "used", "weight",
    )  # fmt: skip

    def __init__(self, form: str, template: Template, weight: float, zone: tzinfo | None) -> None:
        self.form = form
        self.is_default = form in ALL_DEFAULTS
        self.anchored = self.decides = template.anchored  # what it finds, wherever it does, is the date
        self.match = template.regex.match
        # re looks for a ^ at every character of the line.
        self.search: _Search = template.regex.match if template.at_start else template.regex.search
        self.fields = Fields(template.regex.groupindex, zone)
        times: dict[str, _Time] = {"epoch": _epoch, "tai64n": _tai64n}
        self.time = times.get(template.kind, self.fields.time)
        self.hits = 0
        self.used = 0.0
        self.distance = _FAR  # of its last match from the beginning of the line
        self.weight = weight

    @property
    def worth(self) -> float:
        return self.hits * self.weight / max(1, self.distance)


class DateDetector:
    """Finds dates in the lines of one log.

    patterns: a datepattern, one pattern a line; "": the default templates, {DEFAULT}.
    zone: that of dates that name none, an offset, abbreviation or place (zones.py); "": the process's own.
    Raises DatePatternError.
    """

    def __init__(self, patterns: str = "", zone: str = "") -> None:
        self._lines = [(i, line.strip()) for i, line in enumerate(patterns.split("\n"), 1) if line.strip()]
        self._only_defaults = all(line.upper() in ("{DEFAULT}", "{^LN-BEG}") for _, line in self._lines)
        try:
            self._zone = log_zone(zone)
        except ValueError as error:
            raise DatePatternError(0, zone, str(error)) from None
        self._begin(0.0)

    def _begin(self, now: float) -> None:
        """Starts anew with the years that %ExY takes at this time."""
        years, self._until = exact_years(now)
        self._order: list[Reader] = []
        known = set()
        for i, line in self._lines or [(1, "{DEFAULT}")]:
            for form, weight in forms(line):
                try:
                    made = template(form, years)
                except ValueError as error:
                    raise DatePatternError(i, line, str(error)) from None
                if made.regex not in known:
                    known.add(made.regex)
                    self._order.append(Reader(form, made, weight, self._zone))
        if len(self._order) == 1:
            self._order[0].decides = True
        self._last: Reader | None = None
        self._start, self._end = _NEAR, -1  # of what the last template matched
        self._left = ""  # the character before that
        self.cut = (0, 0)  # what was cut out of the last line that again() may know
        self._same: Same | None = None  # what a line needs to have the same date but for the second; None: there is no telling
        self._minute: Minute = ({}, 0)
        self._same_minute: Same | None = None  # with which that holds
        self._unused = 0  # in order, the first template that nothing was found with

    def hits(self) -> list[tuple[str, int]]:
        """The expressions in the order in which they are tried, and in how many lines each has found a date."""
        return [(reader.form, reader.hits) for reader in self._order]

    def again(self, line: str, now: float) -> float | None:
        """The time of a line with the same date as the last one but for the second, at the same place; None: look for it."""
        if self._same is None:
            return None
        at, after, behind, end, head, mark, tail, minute, since, until = self._same
        second = SECONDS.get(line[at:after])
        if second is None or line[behind:end] != tail or line[:at] != head or not since <= now < until:
            return None
        if behind != after:
            fraction = line[after + 1 : behind]
            if line[after : after + 1] != mark or not (fraction.isdecimal() and fraction.isascii()):
                return None
        reader = self._last
        if reader is None or now >= self._until:
            return None
        reader.hits += 1
        reader.used = now
        return minute + second

    def minute(self) -> Minute:
        """What is known after again() has found the date, for the same now."""
        same = self._same
        if same is not self._same_minute:
            self._same_minute = same
            told = same is not None and same.behind == same.after  # there are too many fractions of a second
            self._minute = _minute(same) if same is not None and told else ({}, 0)
        return self._minute

    def find(self, line: str, now: float) -> Dated | None:
        """The line without its date, and its time; None if there is none. now: seconds since the epoch."""
        if now >= self._until:
            self._begin(now)
        reader = self._last
        if reader is None:
            return self._find_anew(line, now)
        when = self.again(line, now)
        if when is not None:
            start, end = self.cut
            return _new_dated((when, line[:start], line[start:end], line[end:]))
        found = reader.search(line) if reader.decides else self._in_place(reader, line)
        if found is None:
            return self._find_anew(line, now)
        reader.hits += 1
        reader.used = now
        return self._dated(reader, found, now)

    def _in_place(self, reader: Reader, line: str) -> re.Match[str] | None:
        """What the last template finds where it found the last date, or behind the first bracket if that was behind one."""
        start, left = self._start, self._left
        if line[start - 1 : start] == left:
            found = reader.match(line, start)
            return found if found is not None and found.end() == self._end else None
        place = line.find(left) + 1
        if not place or left not in _BRACKETS or not self._only_defaults or _MAY_BE_A_DATE.search(line, 0, place):
            return None
        found = reader.match(line, place)
        if found is not None:
            reader.distance, self._start, self._end = place, place, found.end()
        return found

    def _find_anew(self, line: str, now: float) -> Dated | None:
        """Tries all templates. The next line is first asked for what the winner found, and where."""
        winner, found = self._nearest(line)
        if found is None:
            return None
        reader = self._order[winner]
        reader.hits += 1
        reader.used = now
        self._same = None
        reader.distance = self._start = found.start()
        self._end = found.end()
        self._left = line[self._start - 1 : self._start]
        if winner == self._unused:
            self._unused += 1
        if winner and reader is not self._last:
            self._promote(winner)
        self._last = reader
        return self._dated(reader, found, now)

    def _dated(self, reader: Reader, found: re.Match[str], now: float) -> Dated:
        line = found.string
        start, end = found.span(1)
        if start >= end:  # matched emptily, or the group that is cut out had no part in it
            start = max(start, 0)
            return _new_dated((None, line[:start], "", line[start:]))
        before, text = line[:start], line[start:end]
        when = reader.fields.again(text, now)
        if when is None:
            when = reader.time(found, now)
        if reader.is_default:
            behind = line[end : end + SEEN_BEHIND]
            closed = _CLOSED.match(behind)
            told = behind[:1] not in (".", ",") and not behind[:2].isspace()  # else the match depends on more than these
            self.cut, seen = (start, end), closed.end() if closed else SEEN_BEHIND
            self._same = reader.fields.same(before, behind[:seen], seen) if told else None
        return _new_dated((when, before, text, line[end:]))

    def _nearest(self, line: str) -> tuple[int, re.Match[str] | None]:
        """The template, as index into order, whose match is nearest to the line's beginning, and that match."""
        winner, best, nearest = -1, None, len(line) + 1
        last = self._last
        if last is not None and not last.decides:
            best = last.search(line)
            if best is not None:
                winner, nearest = self._order.index(last), best.start()
                if nearest == self._start and best.end() == self._end:
                    return winner, best
        if self._only_defaults and not _LIKE_A_DATE.search(line):
            return winner, best
        for i, reader in enumerate(self._order):
            if reader is last:
                continue
            found = reader.search(line)
            if found is None:
                continue
            if reader.anchored:
                return i, found
            if found.start() < nearest:
                winner, best, nearest = i, found, found.start()
                if nearest <= min(_NEAR, self._start, reader.distance):
                    break
        return winner, best

    def _promote(self, i: int) -> None:
        """Moves the template at i of order forward, if it is worth more than what stands there, or that is not used."""
        order = self._order
        reader = order[i]
        for place in (self._unused if self._unused < i else i // 2, i - 1):
            if reader.worth > order[place].worth or reader.used - _IDLE > order[place].used:
                order.insert(place, order.pop(i))
                break
        while self._unused < len(order) and order[self._unused].hits:
            self._unused += 1


def _minute(same: Same) -> Minute:
    return {f"{same.head}{text}{same.tail}": same.minute + second for text, second in SECONDS.items()}, same.end


def _epoch(found: re.Match[str], _now: float) -> float:
    """Seconds; from 13 digits on milliseconds, from 16 on microseconds."""
    digits = found["epoch"]
    whole = len(digits.partition(".")[0])
    return float(digits) / (1_000_000 if whole >= 16 else 1000 if whole >= 13 else 1)


def _tai64n(found: re.Match[str], _now: float) -> float:
    """Seconds after the label of 1970 (cr.yp.to/libtai/tai64.html); leap seconds are not taken off."""
    return float(int(found["tai"][2:17], 16))
