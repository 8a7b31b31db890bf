"""Which jail hears of which journal entry: by who wrote it, as journald itself knows it."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from nfjail.core.alternation import Probe, join, join_by_first, prepare
from nfjail.core.filter import Match
from nfjail.core.jail import Jail, JournalMatch
from nfjail.core.model import Subject
from nfjail.core.patience import TooSlow
from nfjail.core.route import CLOCKS_DIFFER, Blame, Sighting, bounded, new_failure
from nfjail.core.sieve import parse

Get = Callable[[str], str]
Here = Callable[[], tuple[float, str]]
_NOTHING: Sequence[Sighting] = ()
_ASCII = frozenset(map(chr, range(128)))
_FEW = 8  # values by which the journal's index finds entries sooner than they could be looked at

# What a container's engine says of it. The identifier is then the engine's choice; that the engine speaks is proven by the
# trusted field that stands beside it in the same group.
_CONTAINER = "CONTAINER_NAME"
#: fields by which jails without identifiers are found, the one that fewest entries share first
_KNOWN_BY = (_CONTAINER, "_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "_COMM")


class _Listener(NamedTuple):
    """A jail, and what has to be known of an entry on its behalf."""

    jail: Jail
    probe: Probe
    harvest: Callable[[re.Match[str]], Match | None]
    subject_of: Callable[[str], Subject | None]
    groups: JournalMatch


_NOBODY: Sequence[_Listener] = ()


class JournalRoute:
    """Sorts journal entries to jails: by the identifier, or who else is known of the writer; then the message, since most
    end there; then whether the writer is trusted."""

    def __init__(self, jails: Sequence[Jail], blame: Blame, alone: bool = True) -> None:
        """alone: it only gets to see what terms() ask for."""
        self.jails = tuple(jails)
        self._blame = blame
        self._alone = alone
        self.identifier = ""  # of the entry that was sifted last, unless it is alone
        identifiers = frozenset[str]().union(*(jail.rules.filter.identifier for jail in jails))
        all_named = all(jail.rules.filter.identifier for jail in jails)
        self._identifiers = sorted(identifiers) if all_named and len(identifiers) <= _FEW else []
        groups = [frozenset(group) for jail in jails for group in jail.rules.journalmatch if not _container(group)]
        common = frozenset.intersection(*groups) if groups and self._identifiers else frozenset()
        self._common = sorted(common)
        self._listen()

    def _listen(self) -> None:
        containers = any(_container(group) for jail in self.jails for group in jail.rules.journalmatch)
        seen_to = self._common if self._alone and not containers else ()
        self._named: dict[str, list[_Listener]] = {}
        self._known: dict[str, dict[str, list[_Listener]]] = {}  # by field, by its value: jails without identifiers
        self._always: list[_Listener] = []  # those that can be told by none of these fields
        self._stirs = _any_of([jail for jail in self.jails if self._is_shy(jail)])
        listeners = [_listener(jail, seen_to) for jail in self.jails]
        for one in listeners:
            for name in one.jail.rules.filter.identifier:
                self._named.setdefault(name, []).append(one)
            for group in one.groups:
                self._expect(one, dict(group))
        # One jail, or several with the same identifiers: the journal's index has seen to these.
        alike = len({jail.rules.filter.identifier for jail in self.jails}) <= 1 and self._identifiers
        self._everybody = listeners if alike and self._alone and not containers else None

    def _is_shy(self, jail: Jail) -> bool:
        """Whether its entries are not, or not all, told by their identifiers."""
        return not jail.rules.filter.identifier or any(map(_container, jail.rules.journalmatch))

    def _expect(self, one: _Listener, group: dict[str, str]) -> None:
        """Has the listener hear of the entries that may fit the group, if its identifiers do not see to that."""
        if one.jail.rules.filter.identifier and _CONTAINER not in group:
            return
        field = next((field for field in _KNOWN_BY if field in group), "")
        heard = self._known.setdefault(field, {}).setdefault(group[field], []) if field else self._always
        if one not in heard:
            heard.append(one)

    def terms(self) -> list[list[tuple[str, str]]]:
        """OR of ANDs of (field, value) by which the journal's own index skips what concerns no jail; none: all entries.

        Where all filters name identifiers: these (one field with several values is an OR), and what all groups of
        journalmatch have in common; and the containers. Else the journalmatch as it is. But the index gets slower with
        every value: from some on, to look at every entry is quicker.
        """
        containers = [(_CONTAINER, name) for name in sorted(self._known.get(_CONTAINER, ()))]
        if self._identifiers:
            named = [*(("SYSLOG_IDENTIFIER", identifier) for identifier in self._identifiers), *self._common]
            return [named, containers] if containers else [named]
        groups = [list(group) for jail in self.jails for group in jail.rules.journalmatch]
        return groups if len(groups) <= _FEW and all(groups) else []

    def _listeners(self, message: str, get: Get) -> Sequence[_Listener]:
        self.identifier = get("SYSLOG_IDENTIFIER")
        found: Sequence[_Listener] = self._named.get(self.identifier, _NOBODY)
        if not self._stirs(message):  # to fetch fields takes longer than to see that none of them wants the message
            return found
        for field, listeners in self._known.items():
            more = listeners.get(get(field))
            if more:
                found = [*found, *(one for one in more if one not in found)]
        return [*found, *(one for one in self._always if one not in found)] if self._always else found

    def sift(self, message: str, get: Get, here: Here, now: float) -> Sequence[Sighting]:
        """The failures that the jails recognise in an entry, where they trust its writer.

        get(field) fetches a field of the entry ("": none); here() tells when it was written, and its cursor.
        """
        listeners: Sequence[_Listener] | None = self._everybody
        if listeners is None:
            listeners = self._listeners(message, get)
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


def _any_of(jails: Sequence[Jail]) -> Callable[[str], bool]:
    """Whether a pattern of one of these jails may fit a message."""
    if not jails:
        return lambda _: False
    by_first, rest = join_by_first([piece for jail in jails for piece in jail.rules.filter.pieces()])
    probes = {first: probe for first, (probe, _) in by_first.items()}
    every = [jail for jail in jails if _has_head(jail)]
    dates = [jail.rules.filter.dates for jail in every if jail.rules.filter.dates]
    firsts = frozenset[str]().union(*(each.may_begin() or _ASCII for each in dates))
    head, _ = join([prepare(regex) for each in dates for regex in each.regexes()])
    behind_head = [jail.rules.filter.message_probe() for jail in every]
    parse.cache_clear()

    def fits(message: str) -> bool:
        first = message[:1]
        try:
            if probes.get(first, rest[0])(message, 0):
                return True
            if (first in firsts or not first.isascii()) and behind_head and head(message, 0):
                return any(probe(message, 0) for probe in behind_head)
            return False
        except TooSlow:  # each is tried by itself then, and so found
            return True

    return fits


def _has_head(jail: Jail) -> bool:
    dates = jail.rules.filter.dates
    return dates is not None and not dates.inside


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
