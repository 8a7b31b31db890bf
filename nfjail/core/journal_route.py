"""Which jail hears of which journal entry: by who wrote it, as journald itself knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from nfjail.core.alternation import Probe
from nfjail.core.filter import Match
from nfjail.core.jail import Jail, JournalMatch
from nfjail.core.model import Subject
from nfjail.core.patience import TooSlow
from nfjail.core.route import CLOCKS_DIFFER, Blame, Sighting, bounded, new_failure

Get = Callable[[str], str]
Here = Callable[[], tuple[float, str]]
_NOTHING: Sequence[Sighting] = ()

# What a container's engine says of it. The identifier is then the engine's choice; that the engine speaks is proven by the
# trusted field that stands beside it in the same group.
_CONTAINER = "CONTAINER_NAME"


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
        groups = [frozenset(group) for jail in jails for group in jail.rules.journalmatch if not _container(group)]
        common = frozenset.intersection(*groups) if groups and self._identifiers else frozenset()
        self._common = sorted(common)
        self._listen()

    def _listen(self) -> None:
        containers = any(_container(group) for jail in self.jails for group in jail.rules.journalmatch)
        seen_to = self._common if self._alone and not containers else ()
        listeners = [(_listener(jail, seen_to), jail.rules.filter.identifier) for jail in self.jails]
        identifiers = {identifier for _, identifier in listeners}
        self._contained: dict[str, list[_Listener]] = {}
        for one, _ in listeners:
            for name in {name for group in one.groups if (name := _container(group))}:
                self._contained.setdefault(name, []).append(one)
        # One jail, or several with the same identifiers: the journal's index has seen to these. Else to ask for the
        # identifier once is quicker than to try all filters.
        alike = len(identifiers) <= 1 and self._alone and not containers
        self._everybody = [one for one, _ in listeners] if alike else None
        self._unnamed = [one for one, identifier in listeners if not identifier]
        self._named = {
            name: [one for one, identifier in listeners if name in identifier or not identifier]
            for name in frozenset().union(*identifiers)
        }

    def terms(self) -> list[list[tuple[str, str]]]:
        """OR of ANDs of (field, value) by which the journal's own index skips what concerns no jail.

        Where all filters name identifiers: these (one field with several values is an OR, and quick), and what all
        groups of journalmatch have in common; and the containers. Else the journalmatch as it is.
        """
        if not self._identifiers:
            return [list(group) for jail in self.jails for group in jail.rules.journalmatch]
        named = [*(("SYSLOG_IDENTIFIER", identifier) for identifier in self._identifiers), *self._common]
        containers = [(_CONTAINER, name) for name in sorted(self._contained)]
        return [named, containers] if containers else [named]

    def _listeners(self, get: Get) -> Sequence[_Listener]:
        found = self._named.get(get("SYSLOG_IDENTIFIER"))
        if found is not None:
            return found
        name = get(_CONTAINER) if self._contained else ""
        return [*self._unnamed, *self._contained.get(name, ())] if name else self._unnamed

    def sift(self, message: str, get: Get, here: Here, now: float) -> Sequence[Sighting]:
        """The failures that the jails recognise in an entry, where they trust its writer.

        get(field) fetches a field of the entry ("": none); here() tells when it was written, and its cursor.
        """
        listeners: Sequence[_Listener] | None = self._everybody
        if listeners is None:
            listeners = self._listeners(get)
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
                    sighting = jail, new_failure((time, subject, message, cursor, pattern, fields))
                    sightings = [*sightings, sighting] if sightings else [sighting]
        except TooSlow:
            dates = jail.rules.filter.dates
            self._blame(jail, "", dates.message(message) if dates else message, now)
            self._listen()
            return self.sift(message, get, here, now)
        return sightings


def _container(group: Sequence[tuple[str, str]]) -> str:
    """The container of which the group speaks; "": of none."""
    return next((value for field, value in group if field == _CONTAINER), "")


def _listener(jail: Jail, common: Collection[tuple[str, str]]) -> _Listener:
    """common: what the journal's index sees to, so that it need not be asked of each entry again."""
    rules = jail.rules
    groups = tuple(tuple(pair for pair in group if pair not in common) for group in rules.journalmatch)
    probe = bounded(rules.filter.message_probe(), jail.longest)
    return _Listener(jail, probe, rules.filter.message_harvest(), jail.subject_of, groups)


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
