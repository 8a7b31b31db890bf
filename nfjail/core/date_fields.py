"""What the fields of a date in a log line mean together: seconds since the epoch.

What a line does not say is guessed from `now`: without a year it is the latest that is not more than a day ahead, with
a time of day only the latest day on which that was not ahead of now. Both are reckoned in the date's own zone. A
fraction of the second is read, but does not count: so it is in fail2ban, and what compares with its times expects that.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta, tzinfo
from typing import NamedTuple

from nfjail.core.date_tokens import DAYS, FIELDS, MONTHS
from nfjail.core.zones import epoch, fixed_zone, local_time

_DAY = 86_400.0
_FOR_EVER = 1e15
# What was logged this instant may bear a second that begins a moment after the caller looked at the clock.
_INSTANT = 2.0
SECONDS = {f"{second:02}": float(second) for second in range(60)}
_MONTH_OF = {name[:length]: i for i, name in enumerate(MONTHS, 1) for length in (3, None)}
_DAY_OF = {name[:length]: i for i, name in enumerate(DAYS) for length in (3, None)}


class Minute(NamedTuple):
    """A date without its second. What follows says for which `now` a guess holds; for what was not guessed, for any."""

    time: float
    ahead: float  # so far after now it may be
    next: float  # so much later, at least, comes the next date that would be written the same way


class _Day(NamedTuple):
    """A date without its time of day; the rest as in Minute."""

    day: date
    zone: tzinfo | None
    ahead: float
    next: float

    def minute(self, hour: int, minute: int) -> Minute:
        return Minute(epoch(self.day, hour, minute, self.zone), self.ahead, self.next)


class Same(NamedTuple):
    """What lines have in common whose dates differ in the second and its fraction only."""

    second: int  # where it stands
    after: int  # where it ends
    behind: int  # where tail stands: behind the fraction
    end: int  # where that ends
    head: str  # all before the second
    mark: str  # before the fraction
    tail: str  # the rest of the date, and what stands behind it
    minute: float
    since: float  # from this `now`, up to that
    until: float


class Fields:
    """Reads the dates that one expression finds.

    Mostly a date differs from the one before in its second and fraction only, or at least is of the same day; then no
    more than that is read.
    """

    __slots__ = (
        "_at", "_clock", "_day", "_digits", "_fraction", "_groups", "_head", "_mark", "_minute", "_of_day", "_second",
        "_tail", "_texts", "_zone",
    )  # fmt: skip

    def __init__(self, groups: Mapping[str, int], zone: tzinfo | None) -> None:
        """groups: name -> number of the expression's groups; zone: of dates that name none, None: the process's own."""
        self._groups = {name: number for name, number in groups.items() if name in FIELDS}
        self._clock = [(name, number) for name, number in self._groups.items() if name in "HIpMS"]
        self._of_day = [number for name, number in self._groups.items() if name not in "HIpMSf"]
        self._second, self._fraction = groups.get("S", 0), groups.get("f", 0)
        self._zone = zone
        self._texts: object = None  # what the groups of the day were
        self._day: _Day | None = None
        self._minute: Minute | None = None  # of the last date; the rest is how that was written
        self._head = self._mark = self._tail = ""
        self._at = self._digits = 0  # where the second stands, how many digits the fraction has

    def again(self, text: str, now: float) -> float | None:
        """The time of a date that this expression found; None: it differs in more than the second from the last one."""
        at = self._at
        second = SECONDS.get(text[at : at + 2])
        minute = self._minute
        if second is None or minute is None or text[:at] != self._head:
            return None
        when = minute.time + second
        if not when <= now + minute.ahead < when + minute.next:
            return None
        if not self._digits:
            return when if text[at + 2 :] == self._tail else None
        end = at + 3 + self._digits
        fraction = text[at + 3 : end]
        if text[end:] == self._tail and text[at + 2 : at + 3] == self._mark and fraction.isdecimal() and fraction.isascii():
            return when
        return None

    def same(self, before: str, behind: str, seen: int) -> Same | None:
        """How to know a line with the last date but for the second.

        before, behind: what else it needs to have there. seen: so many characters count behind; there may be fewer.
        """
        minute = self._minute
        if minute is None:
            return None
        at = len(before) + self._at
        after = at + 2
        start = after + 1 + self._digits if self._digits else after
        since, until = minute.time + 59 - minute.ahead, minute.time + minute.next - minute.ahead
        end = start + len(self._tail) + seen
        return Same(at, after, start, end, before + self._head, self._mark, self._tail + behind, minute.time, since, until)

    def time(self, found: re.Match[str], now: float) -> float | None:
        """Seconds since the epoch; None: there is no such date."""
        self._minute = None
        clock = {name: text for name, number in self._clock if (text := found[number])}
        try:
            second = int(clock.get("S", 0))
            minute = self._read(found, _hour(clock), int(clock.get("M", 0)), second, now) if second < 60 else None
            if minute is None:
                return None
            self._remember(found, minute)
            return minute.time + second
        except (KeyError, ValueError, OverflowError):  # a name or number that no calendar has, in a group of one's own
            return None

    def _read(self, found: re.Match[str], hour: int, minute: int, second: int, now: float) -> Minute | None:
        texts = found.group(*self._of_day) if self._of_day else ""
        if texts == self._texts and self._day is not None:
            known = self._day.minute(hour, minute)
            if known.time + second <= now + known.ahead < known.time + second + known.next:
                return known
        fields = {name: text.lower() for name in self._groups if (text := found[name])}
        self._texts, self._day = texts, None
        zone = fixed_zone(fields.get("z") or fields.get("Z") or "") or self._zone
        days, ahead, later = _days(fields, now, zone)
        for each in days:
            try:
                start = epoch(each, hour, minute, zone)
            except (ValueError, OverflowError):
                continue
            if start + second <= now + ahead:
                self._day = _Day(each, zone, ahead, later)
                return Minute(start, ahead, later)
        return None

    def _remember(self, found: re.Match[str], minute: Minute) -> None:
        spans = found.regs  # of all groups
        start, end = spans[1]
        for number in self._groups.values():
            left, right = spans[number]
            if left >= 0 and (left < start or right > end):
                return  # what is cut out does not tell all
        left, right = spans[self._second] if self._second else (0, 0)
        if right - left != 2:
            return
        line = found.string
        self._at, self._head, self._digits = left - start, line[start:left], 0
        if self._fraction and spans[self._fraction][0] >= 0:
            left, after = spans[self._fraction]
            if left != right + 1:
                return
            self._mark, self._digits, right = line[right], after - left, after
        self._tail = line[right:end]
        self._minute = minute


def _hour(clock: Mapping[str, str]) -> int:
    if "I" not in clock:
        return int(clock.get("H", 0))
    hour = int(clock["I"])
    if clock.get("p", "").lower() == "pm":
        return hour if hour == 12 else hour + 12
    return 0 if hour == 12 else hour


def _days(fields: Mapping[str, str], now: float, zone: tzinfo | None) -> tuple[Iterator[date], float, float]:
    """The days that may be meant, the latest first; ahead and next as in Minute (next with room for summer time)."""
    year = fields.get("Y") or fields.get("G") or fields.get("y")
    if year:
        return _existing(fields, [(int(year) + 2000 * (len(year) == 2), 1)], local_time(now, zone)), _FOR_EVER, math.inf
    if not (fields.keys() & set("mbBdj") or (fields.keys() & set("UWV") and _weekday(fields) is not None)):
        today = local_time(now + _INSTANT, zone).date()
        return iter((today, today - timedelta(days=1))), _INSTANT, _DAY - 7200
    latest = local_time(now + _DAY, zone)
    if "d" in fields and not fields.keys() & set("mbB"):
        months = [divmod(latest.year * 12 + latest.month - 1 - back, 12) for back in range(12)]
        return _existing(fields, [(year, month + 1) for year, month in months], latest), _DAY, 28 * _DAY - 7200
    years = range(latest.year, latest.year - 9, -1)  # leap years may be eight years apart (1896, 1904)
    return _existing(fields, [(year, 1) for year in years], latest), _DAY, 364 * _DAY


def _existing(fields: Mapping[str, str], months: list[tuple[int, int]], today: datetime) -> Iterator[date]:
    """The day of each year, or of each month where fields name none, as far as there is one."""
    for year, month in months:
        try:
            yield _day(fields, year, month, today)
        except ValueError:
            continue


def _day(fields: Mapping[str, str], year: int, month: int, today: datetime) -> date:
    """The day of that year. Raises ValueError if there is none."""
    name = fields.get("b") or fields.get("B")
    given = int(fields["m"]) if "m" in fields else _MONTH_OF[name] if name else None
    if given is not None and "d" in fields:
        return date(year, given, int(fields["d"]))
    weekday = _weekday(fields)
    if "j" in fields:
        return date(year, 1, 1) + timedelta(days=int(fields["j"]) - 1)
    if "V" in fields and weekday is not None:
        return date.fromisocalendar(year, int(fields["V"]), weekday + 1)
    if weekday is not None and ("U" in fields or "W" in fields):
        sunday = "U" in fields  # is the first day of the week
        return _day_of_week(year, int(fields["U" if sunday else "W"]), weekday, sunday)
    if given is None and "d" not in fields:
        return date(year, today.month, today.day)
    return date(year, given or month, int(fields.get("d", 1)))


def _weekday(fields: Mapping[str, str]) -> int | None:
    """0 is Monday."""
    name = fields.get("a") or fields.get("A")
    if name:
        return _DAY_OF[name]
    if "u" in fields:
        return int(fields["u"]) - 1
    return (int(fields["w"]) - 1) % 7 if "w" in fields else None


def _day_of_week(year: int, week: int, weekday: int, sunday: bool) -> date:
    """Week 1 begins with the year's first Monday (or Sunday), the days before it are week 0, as strptime(3) has it."""
    first = date(year, 1, 1)
    starts = (first.weekday() + sunday) % 7  # days of the first week that are in the year before
    days = (weekday + sunday) % 7 - starts
    return first + timedelta(days=days + 7 * (week - 1 if week and not starts else week))
