"""A filter in fail2ban's language at work: the failures of its jail among the lines of a file or the journal's entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple, Protocol

from nfjail.core.jail import Jail
from nfjail.core.model import Failure, Subject
from nfjail.core.patience import TooSlow
from nfjail.core.route import CLOCKS_DIFFER, Page, Sighting

if TYPE_CHECKING:
    from nfjail.core.captures import Value
    from nfjail.core.sight import Sight

_MESSAGE = 1000  # characters of a failure's lines that are kept as evidence
_WHOM = frozenset({"ip4", "ip6", "dns", "cidr", "fid", "mlfid"})


class Unnamed(NamedTuple):
    """A failure of somebody of whom the log only gives a host name."""

    jail: str
    name: str  # of the host
    time: float
    message: str
    position: str
    pattern: int
    fields: dict[str, str]

    def of(self, subject: Subject) -> Failure:
        return Failure(self.time, subject, self.message, self.position, self.pattern, self.fields)


class Counsel(Protocol):
    """Whom to ask where a filter alone does not know what to do."""

    def addresses(self, name: str, failure: Unnamed, now: float) -> Iterable[Subject]:
        """Those of a host name, if they are known; else the failure is counted when they are."""

    def blame(self, jail: Jail, log: str, line: str, now: float) -> None:
        """Finds what of the jail's filter takes so long for the line, and suspends it."""

    def nobody(self, jail: Jail, whom: str) -> None:
        """The jail's filter has found a failure of somebody who cannot be banned."""


def hear_lines(page: Page, jail: Jail, counsel: Counsel, now: float) -> list[Sighting]:
    """The failures of one jail among lines of a file; their times are judged as in sift_lines()."""
    sightings: list[Sighting] = []
    path, oldest, latest = page.path, page.not_before - CLOCKS_DIFFER, now + CLOCKS_DIFFER
    lines = page.rest
    while True:
        feed, longest = jail.recogniser(path).feed, jail.longest
        try:
            for line in lines:
                if len(line) > longest:
                    continue
                sight = feed(line, now)
                if sight[0] == "failure":
                    time = sight[2]
                    if time is None or not oldest <= time <= latest:
                        time = now
                    sightings += sightings_of(sight, jail, counsel, time, path, now)
        except TooSlow:
            counsel.blame(jail, path, line, now)
            lines = lines if _sees_several(jail) else chain((line,), lines)
        else:
            return sightings


def _sees_several(jail: Jail) -> bool:
    """Whether patterns see several lines together: then one that was broken off is among these already, for the next."""
    return jail.rules.spec is not None and jail.rules.spec.maxlines > 1


def hear_line(line: str, jail: Jail, counsel: Counsel, log: str, time: float, now: float) -> Sight | None:
    """What one line tells whose time is known; None: it is not looked at."""
    while len(line) <= jail.longest:
        try:
            return jail.recogniser(log).feed(line, now, time)
        except TooSlow:
            counsel.blame(jail, log, line, now)
            if _sees_several(jail):
                break
    return None


def sightings_of(
    sight: Sight, jail: Jail, counsel: Counsel, time: float, position: str, now: float
) -> list[Sighting]:
    """Who has failed. More than one, where a host name has several addresses."""
    _, host, _, pattern, fields, lines, subject, lookup = sight
    kept = _kept(fields)
    if lookup and host is not None:
        failure = Unnamed(jail.name, host, time, _message(lines), position, pattern, kept)
        return named(jail, failure, counsel.addresses(host, failure, now))
    if subject is None or host is None:
        counsel.nobody(jail, host or "")
        return []
    whom = jail.judge(subject) if "fid" in fields or not subject.is_single else jail.subject_of(host)
    return [] if whom is None else [(jail, Failure(time, whom, _message(lines), position, pattern, kept))]


def named(jail: Jail, failure: Unnamed, addresses: Iterable[Subject]) -> list[Sighting]:
    """The failure, of each of the addresses of its host; but only once of a network that holds several of them."""
    whom = dict.fromkeys(jail.judge(address) for address in addresses)
    return [(jail, failure.of(subject)) for subject in whom if subject is not None]


def _kept(fields: Mapping[str, Value]) -> dict[str, str]:
    return {name: text for name, text in fields.items() if name not in _WHOM and isinstance(text, str)}


def _message(lines: Sequence[str]) -> str:
    """The lines as one text: the last ones, if they are many."""
    text = lines[-1]
    for line in lines[-2::-1]:
        if len(text) + len(line) >= _MESSAGE:
            break
        text = f"{line}\n{text}"
    return text
