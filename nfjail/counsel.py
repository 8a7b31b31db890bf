"""What filters need beside the log: the addresses of host names, and an end for patterns that take too long."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from nfjail.core.hearing import Unnamed, named
from nfjail.core.jail import Jail
from nfjail.core.model import Subject
from nfjail.core.patience import TooSlow
from nfjail.core.route import Sighting
from nfjail.core.spec import FilterSpec
from nfjail.resolver import Resolver
from nfjail.watchdog import Watchdog

if TYPE_CHECKING:  # what is seldom needed is imported when it is
    from nfjail.core.suspects import Suspect

log = logging.getLogger("nfjail")

_SAID = 1000  # host names that are kept in mind so as to tell each only once


class Counsel:
    """See nfjail.core.hearing.Counsel."""

    def __init__(self) -> None:
        self.watchdog = Watchdog()
        self.resolver: Resolver[Unnamed] = Resolver()
        self._told: dict[str, None] = {}
        self._nobody: set[str] = set()

    def addresses(self, name: str, failure: Unnamed, now: float) -> Sequence[Subject]:
        return self.resolver.ask(name, failure, now) or ()

    def sightings(self, jails: Mapping[str, Jail], now: float) -> list[Sighting]:
        """The failures whose addresses have come to be known."""
        found: list[Sighting] = []
        for failure, addresses in self.resolver.answers(now):
            jail = jails.get(failure.jail)
            if jail is None or not addresses:
                continue
            spec = jail.rules.spec
            if spec and spec.usedns == "warn":
                self._tell(failure, addresses)
            found += named(jail, failure, addresses)
        return found

    def _tell(self, failure: Unnamed, addresses: Sequence[Subject]) -> None:
        if failure.name in self._told:
            return
        if len(self._told) >= _SAID:
            del self._told[next(iter(self._told))]
        self._told[failure.name] = None
        what = "%s: the log names %s, which is %s by now: whoever owns a name decides what it stands for (usedns)"
        log.warning(what, failure.jail, failure.name, ", ".join(map(str, addresses)))

    def nobody(self, jail: Jail, whom: str) -> None:
        if jail.name not in self._nobody:
            self._nobody.add(jail.name)
            what = "%s: %s has failed, which is no address: who is known by nothing else cannot be banned (said only once)"
            log.warning(what, jail.name, whom or "somebody")

    def blame(self, jail: Jail, name: str, line: str, now: float) -> None:
        from nfjail.core.suspects import suspects

        several = jail.recogniser(name).several if jail.rules.spec else ""
        tried: list[Suspect] = []
        guilty = self.watchdog.culprit(_trials(suspects(jail.rules.spec or jail.rules.filter, line, now, several), tried))
        jail.suspend(None if guilty is None else tried[guilty], len(line))
        log.error("%s", jail.suspended[-1])

    def clock(self, spec: FilterSpec, now: float) -> Callable[[str], float | None]:
        """What tells when a line was written that this filter is to see; no line, once that has taken too long."""
        from nfjail.core.dates import DateDetector

        dates = [DateDetector(spec.datepattern, spec.logtimezone)] if spec.logtype == "file" else []

        def clock(line: str) -> float | None:
            if not dates:
                return None
            self.watchdog.watch(_standing_still)
            try:
                dated = dates[0].find(line, now)
            except TooSlow:
                dates.clear()
                return None
            finally:
                self.watchdog.rest()
            return dated.time if dated else None

        return clock

    def close(self) -> None:
        self.resolver.close()


def _standing_still() -> None:
    return None


def _trials(found: Iterable[Suspect], tried: list[Suspect]) -> Iterator[Callable[[], object]]:
    for suspect in found:
        tried.append(suspect)
        yield suspect.trial
