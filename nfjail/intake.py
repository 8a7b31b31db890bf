"""What comes in: the journal and the log files that the enabled jails want, sorted to the jails."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from operator import length_hint
from typing import TYPE_CHECKING, NamedTuple

from nfjail.assembly import longest_findtime, source_of
from nfjail.config import Config
from nfjail.core.filter import Filter
from nfjail.core.hearing import hear_lines
from nfjail.core.jail import Jail
from nfjail.core.journal_hearing import JournalHearing
from nfjail.core.journal_route import JournalRoute
from nfjail.core.route import Page, Sighting, sift_lines
from nfjail.core.syslog import Stamps
from nfjail.counsel import Counsel
from nfjail.source import Clock, LineBatch
from nfjail.source.journal import JournalSource

if TYPE_CHECKING:  # half a megabyte, which those who read the journal only do without
    from nfjail.core.literals import Literals
    from nfjail.source.file import FileSource

_HISTORY = "the bans of other jails"
_LOGS = 256  # of jails, for which it is kept in mind what to look for in them


class Reading(NamedTuple):
    """Failures of one source, in its order, and where it then stands."""

    source: str  # the key of the position in the store
    position: str | None
    replayed: bool
    sightings: list[Sighting]


class Intake:
    """All sources of one configuration. replay: False, when the jails know already what lies before the positions."""

    def __init__(
        self,
        config: Config,
        jails: Mapping[str, Jail],
        counsel: Counsel,
        positions: Mapping[str, str],
        now: float,
        *,
        replay: bool,
    ) -> None:
        self._jails = jails
        self._counsel = counsel
        self._of: dict[str, list[str]] = {}  # what each jail watches, for people
        self._lookback = longest_findtime(jails.values())
        self._of |= {jail.name: [_HISTORY] for jail in config.enabled if jail.backend == "history"}
        self._open_journal(config, positions, now, replay)
        self._open_files(config, positions, now, replay)

    def _open_journal(self, config: Config, positions: Mapping[str, str], now: float, replay: bool) -> None:
        wanted = [jail for jail in config.enabled if source_of(jail, config.journal_path) == "journal"]
        self._journal_key = f"journal:{config.journal_path}" if config.journal_path else "journal"
        self._of |= {jail.name: [self._journal_key.replace(":", " ", 1)] for jail in wanted}
        jails = [self._jails[jail.name] for jail in wanted]
        foreign = [jail for jail in jails if jail.rules.spec]
        own = [jail for jail in jails if not jail.rules.spec]
        route = JournalRoute(own, self._counsel.blame, alone=not foreign)
        hearing = JournalHearing(foreign, self._counsel, route if own else None)
        sift, terms = (hearing.sift, hearing.terms()) if foreign else (route.sift, route.terms())
        self._journal: JournalSource[Sighting] | None = None
        if wanted:
            position = positions.get(self._journal_key)
            self._journal = JournalSource(config.journal_path, terms, sift, position, now, self._lookback, replay=replay)
            self._journal_progress = partial(_progress, self._journal, hearing)

    def _open_files(self, config: Config, positions: Mapping[str, str], now: float, replay: bool) -> None:
        wanted = [jail for jail in config.enabled if source_of(jail, config.journal_path) == "file"]
        self._of |= {jail.name: list(jail.logpath) for jail in wanted}
        self._logpaths = {jail.name: jail.logpath for jail in wanted}
        self._by_path: dict[str, list[str]] = {}
        self._literals: dict[tuple[str, str], tuple[Filter, Literals]] = {}
        self._files: FileSource | None = None
        globs = list(dict.fromkeys(path for jail in wanted for path in jail.logpath))
        if globs:
            from nfjail.source.file import FileSource  # see above

            since = now - self._lookback
            self._files = FileSource(
                globs, positions=positions, since=since, now=now, replay=replay, clock=self._clock
            )

    @property
    def sources(self) -> Mapping[str, list[str]]:
        """What each jail watches, for people."""
        return self._of

    def filenos(self) -> list[int]:
        """Descriptors that become readable when there may be something to read."""
        numbers = [source.fileno() for source in (self._journal, self._files, self._counsel.resolver) if source]
        return [number for number in numbers if number >= 0]

    @property
    def more(self) -> bool:
        """Whether there is more to be read at once."""
        return any(source.more for source in (self._journal, self._files) if source)

    def wait(self, now: float) -> float | None:
        """Seconds until a source wants to be read without having become readable; None: not at all."""
        waits = [source.wait(now) for source in (self._journal, self._files) if source]
        due = self._counsel.resolver.due()
        if due is not None:
            waits.append(max(0.0, due - now))
        return min((wait for wait in waits if wait is not None), default=None)

    def read(self, now: float) -> Iterator[Reading]:
        """What is new, in pieces of bounded size."""
        named = self._counsel.sightings(self._jails, now)
        if named:
            # Decided about, however old: the failures that were replayed or lost with a crash have not been yet.
            yield Reading("", None, False, named)
        if self._journal:
            self._counsel.watchdog.watch(self._journal_progress)
            try:
                batch = self._journal.read(now)
            finally:
                self._counsel.watchdog.rest()
            yield Reading(self._journal_key, batch.position, batch.replayed, batch.found)
        if self._files:
            stamps = Stamps(now)
            for lines in self._files.read(now):
                sightings: list[Sighting] = []
                for name in self._names_for(lines.path):
                    sightings += self._sightings(lines, self._jails[name], stamps, now)
                yield Reading(lines.path, lines.position, lines.replayed, sightings)

    def _sightings(self, lines: LineBatch, jail: Jail, stamps: Stamps, now: float) -> list[Sighting]:
        """The failures of one jail among lines of a file."""
        few = lines.lines if jail.rules.spec else self._literals_for(jail, lines.path).lines(lines.lines)
        page = Page(lines.path, few, iter(few), lines.not_before)
        self._counsel.watchdog.watch(partial(length_hint, page.rest))
        try:
            if jail.rules.spec:
                return hear_lines(page, jail, self._counsel, now)
            return sift_lines(page, jail, stamps, now, self._counsel.blame)
        finally:
            self._counsel.watchdog.rest()

    def _literals_for(self, jail: Jail, path: str) -> Literals:
        """What the jail's filter needs, and which of that this log has least of."""
        from nfjail.core.literals import Literals  # see above

        filter, key = jail.rules.filter, (jail.name, path)
        known = self._literals.get(key)
        if known is None or known[0] is not filter:  # new, or without a pattern that was too slow
            if len(self._literals) >= _LOGS:
                self._literals.clear()
            known = self._literals[key] = filter, Literals([piece.regex for piece in filter.pieces()])
        return known[1]

    def _clock(self, path: str, now: float) -> Clock:
        """What tells when the lines of this file were written."""
        from nfjail.source.file_window import syslog_clock  # see above

        rules = [self._jails[name].rules for name in self._names_for(path)]
        clocks = [self._counsel.clock(spec, now) for spec in {one.spec for one in rules} if spec]
        dates = {one.filter.datepattern: one.filter.dates for one in rules if not one.spec}
        clocks = [*(partial(one.clock, now=now) for one in dates.values() if one), *clocks]
        if None in dates.values():
            clocks.insert(0, syslog_clock(now))
        return lambda line: next((time for clock in clocks if (time := clock(line)) is not None), None)

    def _names_for(self, path: str) -> list[str]:
        """The jails that watch this file."""
        if path not in self._by_path:
            self._by_path[path] = [
                name for name, globs in self._logpaths.items() if any(_fits(path, one) for one in globs)
            ]
        return self._by_path[path]

    def close(self) -> None:
        for source in (self._journal, self._files):
            if source:
                source.close()


def _progress(journal: JournalSource[Sighting], hearing: JournalHearing) -> object:
    return journal.progress(), hearing.heard


def _fits(path: str, pattern: str) -> bool:
    """Whether pattern, as glob(7) has it, names the file at path; perhaps by another of its names."""
    if path == pattern or (path.count("/") == pattern.count("/") and fnmatchcase(path, pattern)):
        return True
    others = glob.glob(pattern) if glob.has_magic(pattern) else [pattern]
    return os.path.realpath(path) in map(os.path.realpath, others)
