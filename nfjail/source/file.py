"""Log files as a source of lines: all that the jails' globs name, now and later, each read once."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterable, Mapping, Sequence

from nfjail.source import Clock, LineBatch
from nfjail.source.file_follow import Follower
from nfjail.source.file_watch import Watcher
from nfjail.source.file_window import syslog_clock
from nfjail.source.rotation import Identity, is_packed, original_of


class FileSource:
    """Reads the files that match globs (absolute paths; `*`, `?` and `[...]` as in glob(7)) on and on.

    A rotated sibling (auth.log.1, auth.log-20261122) that a glob matches is read as part of its log, not by itself.

    positions: where to go on, by path, as LineBatch.position said. since: seconds since the epoch; `now - since` is how
    far to look back. In a file with a position, lines of that time before the last one read are replayed; in one without
    a position, lines from since on are new. A file that appears after the start is read from its beginning.
    replay: False, when what lies before the positions is known already, as after a reload.
    poll: seconds between two looks at what inotify cannot watch. clock(path, now): what tells when the lines of that file
    were written, where reading has to begin in its middle. Trouble with a file is logged, never raised.
    """

    def __init__(
        self,
        globs: Sequence[str],
        *,
        positions: Mapping[str, str],
        since: float,
        now: float,
        replay: bool = True,
        poll: float = 0.25,
        clock: Callable[[str, float], Clock] = lambda _path, now: syslog_clock(now),
    ) -> None:
        self._globs = tuple(globs)
        self._positions = dict(positions)
        self._replay = replay
        self._poll = poll
        self._clock = clock
        self._polled_at = now
        self._read_at = 0.0
        self._watcher = Watcher()
        self._owners: dict[Identity, str] = {}
        self._followers: dict[str, Follower] = {}
        self._dirty: dict[str, None] = {}  # paths of followers that have to look at their files
        self._scan(lookback=max(0.0, now - since))

    def fileno(self) -> int:
        """Readable when there may be something to read; -1: never, everything is polled."""
        return self._watcher.fileno()

    def wait(self, now: float) -> float | None:
        """Seconds until read() should be called even if fileno() is not readable; None: not at all."""
        if not self._watcher.polls:
            return None
        return max(0.0, self._polled_at + self._poll - now)

    @property
    def more(self) -> bool:
        """Whether read() should be called again at once."""
        return bool(self._dirty)

    def read(self, now: float, limit: int = 262_144) -> list[LineBatch]:
        """What is new, about limit bytes per file at most."""
        changes = self._watcher.changes()
        if changes.lost or changes.directories or self._watcher.polls_directories:
            self._scan(lookback=None)
        for path in changes.paths:
            self._dirty[path] = None
        if self._watcher.polls:
            self._polled_at = now
            self._dirty |= {path: None for path, follower in self._followers.items() if follower.polled}
        batches: list[LineBatch] = []
        dirty, self._dirty = self._dirty, {}
        for path in dirty:
            if follower := self._followers.get(path):
                batches += follower.read(now, limit, self._read_at)
                if follower.more:
                    self._dirty[path] = None
        self._read_at = now
        return batches

    def close(self) -> None:
        for follower in self._followers.values():
            follower.close()
        self._watcher.close()

    def _scan(self, lookback: float | None) -> None:
        """Looks which files there are, and has every one of them looked at."""
        for _ in range(10):  # a directory may appear in one that is not watched yet
            if not self._watcher.watch_directories(_directories(self._globs)):
                break
        matches = _matches(self._globs)
        files = {os.path.realpath(path) for path in self._followers}
        for path in matches:
            original = original_of(path)
            packed = is_packed(path) and path not in self._globs
            rotated = packed or original in matches or original in self._followers
            if path in self._followers or rotated or os.path.realpath(path) in files:
                continue
            files.add(os.path.realpath(path))
            stored = self._positions.pop(path, None)
            back = lookback if stored or os.path.exists(path) else None
            self._followers[path] = Follower(path, stored, back, self._replay, self._watcher, self._owners, self._clock)
        for path, follower in list(self._followers.items()):
            if follower.idle and path not in matches:
                del self._followers[path]
        self._dirty |= dict.fromkeys(self._followers)


def _matches(globs: Iterable[str]) -> dict[str, None]:
    """All that is there, and the paths without wildcards in any case: they may come."""
    paths: dict[str, None] = {}
    for pattern in globs:
        paths |= dict.fromkeys(sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern])
    return paths


def _directories(globs: Iterable[str]) -> set[str]:
    """The directories in which something could come or go that matters to what the globs match."""
    found: set[str] = set()
    for pattern in globs:
        parent = os.path.dirname(pattern)
        while True:
            here = [path for path in glob.glob(parent) if os.path.isdir(path)]
            found.update(here)
            if parent == os.path.dirname(parent) or (here and not glob.has_magic(parent)):
                break
            parent = os.path.dirname(parent)
        found.update(os.path.dirname(os.path.realpath(path)) for path in _matches([pattern]) if os.path.islink(path))
    return found | {os.path.dirname(link) for path in found for link in _links_in(path)}


def _links_in(path: str) -> list[str]:
    """The directories in path that are symbolic links, which may be made to point elsewhere."""
    links = []
    while path != os.path.dirname(path):
        if os.path.islink(path):
            links.append(path)
        path = os.path.dirname(path)
    return links
