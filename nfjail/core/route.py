"""Which jail hears of which entry: by file for lines, by trusted fields for the journal."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from operator import length_hint
from typing import NamedTuple

from nfjail.core.alternation import Probe
from nfjail.core.filter import Match
from nfjail.core.jail import FOREVER, Jail, JournalMatch
from nfjail.core.model import Failure, Subject
from nfjail.core.patience import TooSlow
from nfjail.core.syslog import Stamps, parse_head

# Seconds by which a line may be older than the file's last end, or newer than now. The latter is normal: now is when the
# loop's turn began, and while it reads others write. What was written keeps its own time, however late it is read.
CLOCKS_DIFFER = 60.0


#: blame(jail, log, message, now) finds what of the jail's filter takes so long for the message, and suspends it
Blame = Callable[[Jail, str, str, float], None]
#: a failure, and the jail whose filter recognised it
Sighting = tuple[Jail, Failure]
_new_failure = partial(tuple.__new__, Failure)  # Failure(...) goes through a Python function: twice the time


class Page(NamedTuple):
    """Some lines of a file."""

    path: str
    lines: Sequence[str]
    rest: Iterator[str]  # of lines: those that have not been looked at
    not_before: float  # when the file was last seen read to its end, in seconds since the epoch


def sift_lines(page: Page, jail: Jail, stamps: Stamps, now: float, blame: Blame) -> list[Sighting]:
    """The failures of one jail among syslog lines.

    A line cannot be from the future, nor older than when the file was last seen read to its end (not_before): such
    times come from a wrong time zone or clock, and are taken as now, because the line has just been written.
    """
    sightings: list[Sighting] = []
    again: Sequence[str] = ()
    while True:
        try:
            _sift(again, page, jail, stamps, now, sightings)
            _sift(page.rest, page, jail, stamps, now, sightings)
        except TooSlow:
            again = (page.lines[len(page.lines) - length_hint(page.rest) - 1],)
            blame(jail, page.path, again[0][again[0].find(": ") + 2 :], now)
        else:
            return sightings


def _sift(
    lines: Iterable[str], page: Page, jail: Jail, stamps: Stamps, now: float, sightings: list[Sighting]
) -> None:
    """Adds the failures among lines of that page."""
    path, not_before = page.path, page.not_before
    probe, harvest = _probe_of(jail), jail.rules.filter.harvest
    identifiers = jail.rules.filter.identifier
    subject_of, oldest, latest = jail.subject_of, not_before - CLOCKS_DIFFER, now + CLOCKS_DIFFER
    for line in lines:
        colon = line.find(": ")
        found = probe(line, colon + 2)
        if found is None:
            continue
        head = parse_head(line[:colon], stamps)
        if head is None or (identifiers and head[1] not in identifiers):
            continue
        match = harvest(found)
        if match is None:
            continue
        pattern, host, fields = match
        subject = subject_of(host)
        if subject is not None:
            time = head[0] if oldest <= head[0] <= latest else now
            sightings.append((jail, _new_failure((time, subject, line, path, pattern, fields))))


def _probe_of(jail: Jail) -> Probe:
    probe, longest = jail.rules.filter.probe, jail.longest
    if longest == FOREVER:
        return probe
    return lambda message, start: None if len(message) - start > longest else probe(message, start)


Get = Callable[[str], str]
Here = Callable[[], tuple[float, str]]
_NOTHING: Sequence[Sighting] = ()


class _Listener(NamedTuple):
    """A jail, and what has to be known of an entry on its behalf."""

    jail: Jail
    probe: Probe
    harvest: Callable[[re.Match[str]], Match | None]
    subject_of: Callable[[str], Subject | None]
    groups: JournalMatch


class JournalRoute:
    """Sorts journal entries to jails: first the message, since most end there, then whether the writer is trusted."""

    def __init__(self, jails: Sequence[Jail], blame: Blame, alone: bool = True) -> None:
        """alone: it only gets to see what terms() ask for."""
        self.jails = tuple(jails)
        self._blame = blame
        self._alone = alone
        identifiers = {jail.rules.filter.identifier for jail in jails}
        self._identifiers = sorted(frozenset().union(*identifiers)) if frozenset() not in identifiers else []
        groups = [frozenset(group) for jail in jails for group in jail.rules.journalmatch]
        common = frozenset.intersection(*groups) if groups and self._identifiers else frozenset()
        self._common = sorted(common)
        self._listen()

    def _listen(self) -> None:
        seen_to = self._common if self._alone else ()
        listeners = [(_listener(jail, seen_to), jail.rules.filter.identifier) for jail in self.jails]
        identifiers = {identifier for _, identifier in listeners}
        # One jail, or several with the same identifiers: the journal's index has seen to these. Else to ask for the
        # identifier once is quicker than to try all filters.
        self._everybody = [one for one, _ in listeners] if len(identifiers) <= 1 and self._alone else None
        self._unnamed = [one for one, identifier in listeners if not identifier]
        self._named = {
            name: [one for one, identifier in listeners if name in identifier or not identifier]
            for name in frozenset().union(*identifiers)
        }

    def terms(self) -> list[list[tuple[str, str]]]:
        """OR of ANDs of (field, value) by which the journal's own index skips what concerns no jail.

        Where all filters name identifiers: these (one field with several values is an OR, and quick), and what all
        groups of journalmatch have in common. Else the journalmatch as it is.
        """
        if self._identifiers:
            return [[*(("SYSLOG_IDENTIFIER", identifier) for identifier in self._identifiers), *self._common]]
        return [list(group) for jail in self.jails for group in jail.rules.journalmatch]

    def sift(self, message: str, get: Get, here: Here, now: float) -> Sequence[Sighting]:
        """The failures that the jails recognise in an entry, where they trust its writer.

        get(field) fetches a field of the entry ("": none); here() tells when it was written, and its cursor.
        """
        listeners = self._everybody
        if listeners is None:
            listeners = self._named.get(get("SYSLOG_IDENTIFIER"), self._unnamed)
        sightings = _NOTHING
        try:
            for jail, probe, harvest, subject_of, groups in listeners:
                found = probe(message, 0)
                if found is None or not _trusts(jail, groups, get):
                    continue
                match = harvest(found)
                if match is None:
                    continue
                pattern, host, fields = match
                subject = subject_of(host)
                if subject is not None:
                    time, cursor = here()
                    if time > now and time > now + CLOCKS_DIFFER:
                        time = now
                    sighting = jail, _new_failure((time, subject, message, cursor, pattern, fields))
                    sightings = [*sightings, sighting] if sightings else [sighting]
        except TooSlow:
            self._blame(jail, "", message, now)
            self._listen()
            return self.sift(message, get, here, now)
        return sightings


def _listener(jail: Jail, common: Collection[tuple[str, str]]) -> _Listener:
    """common: what the journal's index sees to, so that it need not be asked of each entry again."""
    rules = jail.rules
    groups = tuple(tuple(pair for pair in group if pair not in common) for group in rules.journalmatch)
    return _Listener(jail, _probe_of(jail), rules.filter.harvest, jail.subject_of, groups)


def _trusts(jail: Jail, groups: JournalMatch, get: Get) -> bool:
    """Whether journald itself says that the writer is the jail's service (promise 4: nobody bans a bystander)."""
    for group in groups:
        for field, value in group:
            if get(field) != value:
                break
        else:
            return True
    return _was_root_and_is_gone(jail, get)


def _was_root_and_is_gone(jail: Jail, get: Get) -> bool:
    """Whether the writer had ended before journald looked: then only the kernel's word for its uid is there.

    Every fourth message of an sshd that drops a connection at once is like that. Only root's word for who it is
    (the identifier) is taken, and only where the journalmatch asks for root anyway.
    """
    if get("_COMM") or get("_SYSTEMD_UNIT") or get("_EXE") or get("_UID") != "0":
        return False
    asks_for_root = any(("_UID", "0") in group for group in jail.rules.journalmatch)
    return asks_for_root and get("SYSLOG_IDENTIFIER") in jail.rules.filter.identifier
