"""Which jail hears of which entry: by file for lines, by trusted fields for the journal."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from nfjail.core.alternation import Probe
from nfjail.core.filter import Match
from nfjail.core.jail import Jail, JournalMatch
from nfjail.core.model import Failure, Subject
from nfjail.core.syslog import Stamps, parse_head

# Seconds by which a line may be older than the file's last end, or newer than now. The latter is normal: now is when the
# loop's turn began, and while it reads others write. What was written keeps its own time, however late it is read.
_CLOCKS_DIFFER = 60.0


#: a failure, and the jail whose filter recognised it
Sighting = tuple[Jail, Failure]
_new_failure = partial(tuple.__new__, Failure)  # Failure(...) goes through a Python function: twice the time


def sift_lines(
    lines: Iterable[str], jail: Jail, stamps: Stamps, path: str, not_before: float, now: float
) -> list[Sighting]:
    """The failures of one jail among syslog lines of a file.

    A line cannot be from the future, nor older than when the file was last seen read to its end (not_before): such
    times come from a wrong time zone or clock, and are taken as now, because the line has just been written.
    """
    probe, harvest = jail.rules.filter.probe, jail.rules.filter.harvest
    identifiers = jail.rules.filter.identifier
    subject_of, oldest, latest = jail.subject_of, not_before - _CLOCKS_DIFFER, now + _CLOCKS_DIFFER
    sightings: list[Sighting] = []
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
    return sightings


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
    identifier: frozenset[str]


class JournalRoute:
    """Sorts journal entries to jails: first the message, since most end there, then whether the writer is trusted."""

    def __init__(self, jails: Sequence[Jail]) -> None:
        self.jails = tuple(jails)
        identifiers = {jail.rules.filter.identifier for jail in jails}
        self._identifiers = sorted(frozenset().union(*identifiers)) if frozenset() not in identifiers else []
        groups = [frozenset(group) for jail in jails for group in jail.rules.journalmatch]
        common = frozenset.intersection(*groups) if groups and self._identifiers else frozenset()
        self._common = sorted(common)
        listeners = [_listener(jail, common) for jail in jails]
        # One jail, or several with the same identifiers: the journal's index has seen to these. Else to ask for the
        # identifier once is quicker than to try all filters.
        self._everybody = listeners if len(identifiers) <= 1 else None
        self._unnamed = [one for one in listeners if not one.identifier]
        self._named = {
            identifier: [one for one in listeners if identifier in one.identifier or not one.identifier]
            for jail in jails
            for identifier in jail.rules.filter.identifier
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
        for jail, probe, harvest, subject_of, groups, _ in listeners:
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
                if time > now and time > now + _CLOCKS_DIFFER:
                    time = now
                sighting = jail, _new_failure((time, subject, message, cursor, pattern, fields))
                sightings = [*sightings, sighting] if sightings else [sighting]
        return sightings


def _listener(jail: Jail, common: Collection[tuple[str, str]]) -> _Listener:
    """common: what the journal's index sees to, so that it need not be asked of each entry again."""
    rules = jail.rules
    groups = tuple(tuple(pair for pair in group if pair not in common) for group in rules.journalmatch)
    return _Listener(jail, rules.filter.probe, rules.filter.harvest, jail.subject_of, groups, rules.filter.identifier)


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
