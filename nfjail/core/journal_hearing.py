"""Which of the jails with a filter in fail2ban's language hears of which journal entry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.hearing import Counsel, hear_line, sightings_of
from nfjail.core.jail import Jail
from nfjail.core.journal_line import journal_line, journal_time
from nfjail.core.journal_route import Get, Here, JournalRoute
from nfjail.core.route import CLOCKS_DIFFER, Sighting

JOURNAL = "journal"  # the name of this log
_FEW = 32  # alternatives for which the journal's index is asked; with more it is slower than to look at every entry
_SYSTEM_UIDS = 1000  # from here on they are people's (login.defs(5), UID_MIN)
_OF_SYSTEM = ("kernel", "audit")  # transports of which only the system makes use

#: fields by which jails are found, the one that fewest entries share first
_KNOWN_BY = ("SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "_COMM")

#: field -> its values, one of which it must have
_Wanted = Mapping[str, frozenset[str]]


class _Listener(NamedTuple):
    jail: Jail
    groups: tuple[tuple[_Wanted, bool], ...]  # with whether any local user could write what the group asks for


class JournalHearing:
    """Shows journal entries to these jails as lines of text; and before, to the other jails, if there are any."""

    def __init__(self, jails: Sequence[Jail], counsel: Counsel, others: JournalRoute | None = None) -> None:
        self._counsel = counsel
        self._others = others
        self._listeners = [_Listener(jail, tuple(map(_group, jail.rules.journalmatch or ((),)))) for jail in jails]
        self._known: dict[str, dict[str, list[_Listener]]] = {}  # by field and value, to ask few of them about an entry
        self._always: list[_Listener] = []
        for one in self._listeners:
            for wanted, _ in one.groups:
                self._expect(one, wanted)
        only = not self._always and list(self._known) == ["SYSLOG_IDENTIFIER"]
        self._by_identifier = self._known["SYSLOG_IDENTIFIER"] if only else None
        self.heard = 0  # so often a jail has been shown an entry

    def _expect(self, one: _Listener, wanted: _Wanted) -> None:
        """Has the listener hear of the entries that may fit the group."""
        field = next((field for field in _KNOWN_BY if field in wanted), "")
        table = self._known.setdefault(field, {}) if field else {}
        for heard in [table.setdefault(value, []) for value in wanted[field]] if field else [self._always]:
            if one not in heard:
                heard.append(one)

    def _hearers(self, field: Get) -> list[_Listener]:
        """Who may want to hear of the entry."""
        found = list(self._always)
        for name, listeners in self._known.items():
            found += [one for one in listeners.get(field(name), ()) if one not in found]
        return found

    def terms(self) -> list[list[tuple[str, str]]]:
        """OR of ANDs of (field, value) for the journal's own index, as JournalRoute.terms(); none: all entries."""
        groups = [group for listener in self._listeners for group in listener.jail.rules.journalmatch or ((),)]
        others = self._others.terms() if self._others else []
        if not all(groups) or (self._others and not others) or len(groups) > _FEW:
            return []
        return [*others, *map(list, dict.fromkeys(groups))]

    def sift(self, message: str, get: Get, here: Here, now: float) -> Sequence[Sighting]:
        """The failures that the jails recognise in an entry; as JournalRoute.sift()."""
        sightings = self._others.sift(message, get, here, now) if self._others else ()
        if self._others and self._by_identifier is not None and self._others.identifier not in self._by_identifier:
            return sightings
        known: dict[str, str] = {}

        def field(name: str) -> str:
            text = known.get(name)
            if text is None:
                text = known[name] = get(name)
            return text

        line, time = "", 0.0
        for jail, groups in self._hearers(field):
            if not jail.recogniser(JOURNAL).wants(message):
                continue
            if not any(_fits(wanted, field) and (trusted or _is_systems(field)) for wanted, trusted in groups):
                continue
            if not line:
                line, time = journal_line(message, field), _time(field, here, now)
            self.heard += 1
            sight = hear_line(line, jail, self._counsel, JOURNAL, time, now)
            if sight is not None and sight.result == "failure":
                received, cursor = here()
                when = time if abs(received - time) <= CLOCKS_DIFFER else min(received, now)
                sightings = [*sightings, *sightings_of(sight, jail, self._counsel, when, cursor, now)]
        return sightings


def _time(field: Get, here: Here, now: float) -> float:
    """When the entry was written; here() costs more, and is seldom needed."""
    time = journal_time(field, -1.0)
    if time < 0:
        time, _ = here()
    return now if time > now + CLOCKS_DIFFER else time


def _group(pairs: Iterable[tuple[str, str]]) -> tuple[_Wanted, bool]:
    wanted: dict[str, frozenset[str]] = {}
    for name, value in pairs:
        wanted[name] = wanted.get(name, frozenset()) | {value}
    return wanted, any(all(_is_trusted(name, value) for value in values) for name, values in wanted.items())


def _is_trusted(name: str, value: str) -> bool:
    """Whether only the system's own services have that value there (systemd.journal-fields(7)).

    Users choose identifier and message, and what their processes are called; their programs may even be the system's own.
    """
    if name == "_UID":
        return _is_system_uid(value)
    if name == "_SYSTEMD_UNIT":
        return not value.startswith(("user@", "session-")) and not value.endswith(".scope")
    if name == "_SYSTEMD_SLICE":
        return value == "system.slice" or value.startswith("system-")
    if name == "_SYSTEMD_CGROUP":
        return value.startswith("/system.slice/")
    return name == "_TRANSPORT" and value in _OF_SYSTEM


def _fits(wanted: _Wanted, field: Get) -> bool:
    return all(field(name) in values for name, values in wanted.items())


def _is_systems(field: Get) -> bool:
    """Whether one of the system's own users has written the entry."""
    return _is_system_uid(field("_UID")) or field("_TRANSPORT") in _OF_SYSTEM


def _is_system_uid(uid: str) -> bool:
    return uid.isascii() and uid.isdigit() and int(uid) < _SYSTEM_UIDS
