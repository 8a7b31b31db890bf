"""What a jail hears of the lines of a file. For the journal see journal_route.py."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from operator import length_hint
from typing import NamedTuple

from nfjail.core.alternation import Probe
from nfjail.core.filter import Filter
from nfjail.core.jail import FOREVER, Jail
from nfjail.core.model import Failure
from nfjail.core.patience import TooSlow
from nfjail.core.syslog import MEMO_DIGITS, NO_MEMO, Stamps, parse_head

# Seconds by which a line may be older than the file's last end, or newer than now. The latter is normal: now is when the
# loop's turn began, and while it reads others write. What was written keeps its own time, however late it is read.
CLOCKS_DIFFER = 60.0


#: blame(jail, log, message, now) finds what of the jail's filter takes so long for the message, and suspends it
Blame = Callable[[Jail, str, str, float], None]
#: a failure, and the jail whose filter recognised it
Sighting = tuple[Jail, Failure]
new_failure = partial(tuple.__new__, Failure)  # Failure(...) goes through a Python function: twice the time


class Page(NamedTuple):
    """Some lines of a file."""

    path: str
    lines: Sequence[str]
    rest: Iterator[str]  # of lines: those that have not been looked at
    not_before: float  # when the file was last seen read to its end, in seconds since the epoch


def sift_lines(page: Page, jail: Jail, stamps: Stamps, now: float, blame: Blame) -> list[Sighting]:
    """The failures of one jail among the lines of a log: syslog's, or as its filter's datepattern says.

    A line cannot be from the future, nor older than when the file was last seen read to its end (not_before): such
    times come from a wrong time zone or clock, and are taken as now, because the line has just been written.
    """
    sightings: list[Sighting] = []
    again: Sequence[str] = ()
    sift = _sift_dated if jail.rules.filter.dates else _sift
    while True:
        try:
            sift(again, page, jail, stamps, now, sightings)
            sift(page.rest, page, jail, stamps, now, sightings)
        except TooSlow:
            again = (page.lines[len(page.lines) - length_hint(page.rest) - 1],)
            blame(jail, page.path, _message_of(again[0], jail.rules.filter), now)
        else:
            return sightings


def _message_of(line: str, filter: Filter) -> str:
    if filter.dates and filter.dates.begin(line) >= 0:
        return filter.dates.message(line)
    return line[line.find(": ") + 2 :]


def _sift(
    lines: Iterable[str], page: Page, jail: Jail, stamps: Stamps, now: float, sightings: list[Sighting]
) -> None:
    """Adds the failures among syslog's lines of that page."""
    # Every line of a flood comes through here: hence what could be calls is written out.
    filter, path = jail.rules.filter, page.path
    harvest, identifiers, subject_of = filter.harvest, filter.identifier, jail.subject_of
    oldest, latest = page.not_before - CLOCKS_DIFFER, now + CLOCKS_DIFFER
    (some, others), memo = filter.by_first(), NO_MEMO
    begun_with = some.get
    for line in lines if jail.longest == FOREVER else _no_longer(jail.longest, lines):
        colon = line.find(": ")
        probe, slots = begun_with(line[colon + 2 : colon + 3], others)
        if not slots or (found := probe(line, colon + 2)) is None:
            continue
        second, base, until_pid, pid_at, _ = memo
        if (
            line[:20] == second
            and line.startswith(until_pid, 26)
            and line[colon - 1] == "]"
            and (digits := line[20:26] + line[pid_at : colon - 1]).isdecimal()
            and digits.isascii()
            and 6 < len(digits) <= MEMO_DIGITS
        ):
            time = base + int(digits[:6]) / 1_000_000
        else:
            head = parse_head(line[:colon], stamps)
            if head is None or (identifiers and head[1] not in identifiers):
                continue
            time = head[0]
            if stamps.memo[4] == head[1]:
                memo = stamps.memo
        match = harvest(found, slots)
        if match is None:
            continue
        pattern, host, fields = match
        subject = subject_of(host)
        if subject is not None:
            when = time if oldest <= time <= latest else now
            sightings.append((jail, new_failure((when, subject, line, path, pattern, fields))))


def _no_longer(longest: float, lines: Iterable[str]) -> Iterator[str]:
    return (line for line in lines if len(line) - line.find(": ") - 2 <= longest)


def _sift_dated(
    lines: Iterable[str], page: Page, jail: Jail, stamps: Stamps, now: float, sightings: list[Sighting]
) -> None:
    """The same for lines with dates of the service's own. Lines without come from syslog, which has put its head there."""
    filter, probe = jail.rules.filter, _probe_of(jail)
    oldest, latest = page.not_before - CLOCKS_DIFFER, now + CLOCKS_DIFFER
    for line in lines:
        found, time = find_dated(line, filter, probe, stamps)
        match = filter.harvest(found) if found else None
        subject = jail.subject_of(match.host) if match else None
        if match is None or subject is None:
            continue
        if time is None and filter.dates:
            time = filter.dates.time(line, match.fields, now)
        match.fields.pop("date", None)
        when = time if time is not None and oldest <= time <= latest else now
        sightings.append((jail, new_failure((when, subject, line, page.path, match.pattern, match.fields))))


def find_dated(line: str, filter: Filter, probe: Probe, stamps: Stamps) -> tuple[re.Match[str] | None, float | None]:
    """What the probe finds in a line of a filter with dates; and the line's time, if it is syslog's."""
    dates = filter.dates
    begin = dates.begin(line) if dates else -1
    found = probe(line, begin) if begin >= 0 else None
    if found is None and (begin < 0 or (dates and dates.inside)):
        return _through_syslog(line, filter, probe, stamps)
    return found, None


def _through_syslog(
    line: str, filter: Filter, probe: Probe, stamps: Stamps
) -> tuple[re.Match[str] | None, float | None]:
    """What is found in a syslog line, and its time. Its message may have the head of the service's own log as well."""
    colon = line.find(": ")
    head = parse_head(line[:colon], stamps) if colon > 0 else None
    if head is None or (filter.identifier and head.identifier not in filter.identifier):
        return None, None
    message = filter.dates.message(line[colon + 2 :]) if filter.dates else ""
    return probe(line, len(line) - len(message)), head.time


def _probe_of(jail: Jail) -> Probe:
    return bounded(jail.rules.filter.probe, jail.longest)


def bounded(probe: Probe, longest: float) -> Probe:
    if longest == FOREVER:
        return probe
    return lambda message, start: None if len(message) - start > longest else probe(message, start)
