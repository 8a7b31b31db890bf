"""Heads of syslog lines as they stand in log files: when, which program, which process.

Two forms, both written by rsyslog: RFC 3339 (`2026-11-22T14:15:01.123456+00:00 host sshd[123]`, the default since
Debian 12) and the traditional one of RFC 3164, with neither year nor zone (`Nov 22 14:15:01 host sshd[123]`).

The head ends at the line's first ": ". Few lines of a log are of interest, so try the message first, then the head:

    end = line.find(": ")
    if filter.find(line, end + 2) and (head := parse_head(line[:end], stamps)):
"""

from __future__ import annotations

import re
import time
from calendar import timegm
from datetime import datetime
from typing import NamedTuple

_HEAD = re.compile(
    r"(?:(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d)?"
    r"|([A-Z][a-z]{2} (?:[ \d]\d|\d) \d\d:\d\d:\d\d))"
    r"(?: \S+ \[?| +(?=\S+\[\d+\]\Z)| \[(?=\w+\]\Z))([^\s:\[\]]+)(?:\[(\d{1,10})\]|\])?",
    re.ASCII,
)
_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS = {name: i for i, name in enumerate(_NAMES, 1)}
_DAY = 86_400.0


class Head(NamedTuple):
    """What stands before the message."""

    time: float  # seconds since the epoch
    identifier: str  # the program as it names itself: "sshd", "postfix/smtpd", "kernel"
    pid: int  # 0: not given


class _Memo(NamedTuple):
    """The last well-formed head but for fraction and pid: mostly the next is the same, and comparing beats parsing."""

    until_second: str  # "2026-11-22T14:15:01."
    base: float  # that in seconds since the epoch
    until_pid: str  # "+00:00 host sshd["
    pid_at: int
    identifier: str


NO_MEMO = _Memo("", 0.0, "", 0, "")
MEMO_DIGITS = 6 + 10  # of the fraction, and at most of the process's number


class Stamps:
    """Turns time stamps into seconds since the epoch, quickly when one follows the other as they do in a log.

    now (seconds since the epoch) tells the year of stamps that have none; set it anew now and then. Stamps without a
    zone are in the process's own (TZ). In autumn an hour comes twice; which one is meant is left to mktime(3).
    """

    __slots__ = ("_base", "_local", "_local_base", "_second", "_zone", "memo", "now")

    def __init__(self, now: float) -> None:
        self.now = now
        self.memo = NO_MEMO
        self._second: str | None = None
        self._zone: str | None = None
        self._base = 0.0
        self._local: str | None = None
        self._local_base = 0.0

    def iso(self, second: str, zone: str | None) -> float:
        """`2026-11-22T14:15:01` in zone ("Z", "+02:00", "+0200"; None: the process's). Raises ValueError."""
        if second != self._second or zone != self._zone:
            when = datetime.fromisoformat(second)
            if zone is None:
                self._base = _mktime(when)
            else:
                self._base = float(timegm(when.timetuple()) - _offset(zone))
            self._second, self._zone = second, zone
        return self._base

    def traditional(self, stamp: str) -> float:
        """`Nov 22 14:15:01` of the latest year in which that was not more than a day after now. Raises ValueError."""
        if stamp != self._local:
            name, day, clock = stamp.split()
            month = _MONTHS.get(name)
            if month is None:
                raise ValueError(stamp)
            self._local_base = self._latest(month, int(day), *map(int, clock.split(":")))
            self._local = stamp
        return self._local_base

    def _latest(self, month: int, day: int, hour: int, minute: int, second: int) -> float:
        # A day ahead is allowed: the writer's clock or zone may differ from ours, and a year back would be far worse.
        this_year = time.localtime(self.now + _DAY).tm_year
        for year in range(this_year, this_year - 9, -1):  # leap years may be eight years apart (1896, 1904)
            try:
                when = _mktime(datetime(year, month, day, hour, minute, second))
            except ValueError:  # 29 February in a year that has none
                continue
            if when <= self.now + _DAY:
                return when
        raise ValueError("there is no such day")


def parse_head(head: str, stamps: Stamps) -> Head | None:
    """The head of a syslog line (all before its first ": "), or None if it is none."""
    memo = stamps.memo
    if head[:20] == memo.until_second and head.startswith(memo.until_pid, 26) and head[-1] == "]" and head.isascii():
        fraction, pid = head[20:26], head[memo.pid_at : -1]
        if fraction.isdecimal() and pid.isdecimal() and len(pid) <= 10:
            return Head(memo.base + int(fraction) / 1_000_000, memo.identifier, int(pid))
    match = _HEAD.fullmatch(head)
    if match is None:
        return None
    second, fraction, zone, stamp, identifier, pid = match.groups()
    try:
        when = stamps.iso(second, zone) if second else stamps.traditional(stamp)
    except ValueError:
        return None
    if not fraction:
        return Head(when, identifier, int(pid) if pid else 0)
    if len(fraction) == 6 and pid:
        stamps.memo = _Memo(head[:20], when, head[26 : match.start(6)], match.start(6), identifier)
    return Head(when + int(fraction) / 10 ** len(fraction), identifier, int(pid) if pid else 0)


def _offset(zone: str) -> int:
    """Seconds east of UTC."""
    if zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _mktime(when: datetime) -> float:
    try:
        return time.mktime((*when.timetuple()[:8], -1))
    except OverflowError as error:
        raise ValueError(str(error)) from None
