"""Follows one log through its rotations: the renamed or copied older part to its end, then what stands in its place."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

from nfjail.errors import NfjailError
from nfjail.source import Clock, LineBatch
from nfjail.source.file_lines import LogFile
from nfjail.source.file_start import Plan, from_marks, from_the_top, from_time, warn_of_packed
from nfjail.source.file_watch import Watcher
from nfjail.source.rotation import (
    Generations,
    Identity,
    format_position,
    generations,
    mark_of,
    parse_position,
    place_of,
)

log = logging.getLogger("nfjail")


class Follower:
    """Reads the log at one path, on and on.

    stored: the position to go on from, if there is one. lookback: seconds. With a position, so much before it is
    replayed, if replay says so; without, lines that old are new; None: the whole file is new, as it appeared while we
    were watching.
    owners: which path reads which file, shared by all followers, so that none is read under two names.
    clock(path, now): what tells when its lines were written.
    """

    def __init__(
        self,
        path: str,
        stored: str | None,
        lookback: float | None,
        replay: bool,
        watcher: Watcher,
        owners: dict[Identity, str],
        clock: Callable[[str, float], Clock],
    ) -> None:
        self.path = path
        self.more = False
        self._stored = stored
        self._lookback = lookback
        self._replay = replay
        self._watcher = watcher
        self._owners = owners
        self._clock = clock
        self._started = False
        self._replays: list[LogFile] = []
        self._files: list[LogFile] = []  # oldest first; into the last but one somebody may still write
        self._truncated: LogFile | None = None
        self._newer_than = 0  # without files: what was changed since then (ns) has not been read
        self._not_before = 0.0
        self._trouble = ""

    @property
    def idle(self) -> bool:
        """Whether no file is open."""
        return not (self._files or self._replays)

    @property
    def polled(self) -> bool:
        return any(file.watch is None for file in self._files)

    def read(self, now: float, limit: int, unchanged_until: float) -> list[LineBatch]:
        """What is new, at most about limit bytes of it. More may be there at once when `more` is true afterwards.

        unchanged_until: up to then no change was seen since the last call; if that read all, the file was at its end.
        """
        if self._not_before and not self.more:
            self._not_before = max(self._not_before, unchanged_until)
        try:
            self._look(now)
        except (NfjailError, OSError) as error:
            self._warn(str(error))
        try:
            batches = self._read(now, limit)
        except OSError as error:
            self._warn(f"{self.path} cannot be read: {error.strerror}")
            self._begin_again()
            return []
        if self._trouble:  # lines may wait for long in what cannot be read
            self._not_before = 0.0
        return batches

    def close(self) -> None:
        while self._replays:
            self._replays.pop().close()
        while self._files:
            self._drop(self._files.pop())

    def _look(self, now: float) -> None:
        """Sees what has become of the files. Raises NfjailError and OSError for what cannot be read."""
        if not self._started:
            self._start(now)
        # Again after every change: an empty file may have been filled before it was watched.
        while self._started:
            filled = [file for file in self._files if not file.head and file.look_at_head()]
            current = self._current()
            replaced = current is not None and not (self._files and self._files[-1].identity == current)
            if not (replaced or filled or self._truncated):
                return
            self._arrange(filled)
            self._trouble = ""

    def _current(self) -> Identity | None:
        try:
            status = os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return None
        identity = (status.st_dev, status.st_ino)
        return None if self._is_anothers(identity) else identity

    def _is_anothers(self, identity: Identity) -> bool:
        return self._owners.get(identity, self.path) != self.path

    def _start(self, now: float) -> None:
        found = generations(self.path, self._is_anothers)
        if not found.files:
            # Without a position, all that comes from now on is new. A position waits for its file.
            self._started = self._stored is None
            return
        plan = self._plan(found, self._clock(self.path, now), now)
        self._started = True
        self._trouble = ""
        self._replays, self._files = plan
        if not self._files:
            self._newer_than = max(file.mtime for file in found.files) + 1
        for file in self._files:
            self._adopt(file)

    def _plan(self, found: Generations, clock: Clock, now: float) -> Plan:
        if self._stored is not None:
            try:
                marks = parse_position(self._stored)
            except ValueError:
                log.warning("the stored position in %s is damaged: reading the last minutes of it again", self.path)
            else:
                lookback = self._lookback if self._replay else None
                return from_marks(self.path, found, marks, lookback or 0.0, clock)
        if self._lookback is None:
            return from_the_top(found)
        return from_time(found, now - self._lookback, clock)

    def _arrange(self, filled: list[LogFile]) -> None:
        """Puts the files in order after a rotation: those at hand that are still to be read, and the new ones.

        filled: files that were empty when last seen. They may have been filled and truncated more than once since (and
        be empty again), so they do not tell which siblings have been read.
        """
        found = generations(self.path, self._is_anothers)
        places = {file: self._place(found, file) for file in self._files if file not in filled}
        newer_than = self._files[-1].mtime if self._files else self._newer_than
        first = found.unread_from(list(places.values()), newer_than)
        offsets = {place: file.offset for file, place in places.items() if place is not None}
        if self._truncated and places[self._truncated] is None:
            warn_of_packed(self.path, found.packed_since(self._truncated.mtime))
        chosen = self._chosen(found, first, offsets)
        # Left over, but not what goes on in a copy of it (sed -i): what was renamed to where we do not look.
        left = [f for f in self._files if f not in chosen and f is not self._truncated and places.get(f) is None]
        new = [file for file in chosen if file not in self._files]
        for file in self._files:
            if file not in left and file not in chosen:
                self._drop(file)
        self._truncated = None
        self._files = left + chosen
        for file in new:
            self._adopt(file)

    def _chosen(self, found: Generations, first: int, offsets: dict[int, int]) -> list[LogFile]:
        """The found files that are to be read; ours where we hold it. The others are closed."""
        held = {file.identity: file for file in self._files if file is not self._truncated}
        last = len(found.files) - 1
        truncating = found.has_current and found.files[last].identity in {file.identity for file in self._files}
        chosen = []
        for index, file in enumerate(found.files):
            ours = held.get(file.identity)
            if ours and not ours.head:
                ours.mtime = file.mtime
            unknown = ours is None and index not in offsets and index != last
            if index < first or ours or (unknown and truncating and found.is_copy_in_the_making(file)):
                file.close()
            else:
                file.seek(offsets.get(index, 0))
                ours = file
            if ours and index >= first:
                chosen.append(ours)
        return chosen

    def _place(self, found: Generations, file: LogFile) -> int | None:
        moved = file is not self._truncated
        copied = not moved or os.fstat(file.fd).st_nlink == 0
        return place_of(found.files, mark_of(file), moved=moved, copied=copied)

    def _adopt(self, file: LogFile) -> None:
        self._owners[file.identity] = self.path
        file.watch = self._watcher.watch_file(file.fd, self.path)

    def _drop(self, file: LogFile) -> None:
        self._watcher.unwatch_file(file.watch)
        self._owners.pop(file.identity, None)
        file.close()

    def _read(self, now: float, limit: int) -> list[LineBatch]:
        batches: list[LineBatch] = []
        self.more = True
        while self._replays:
            lines = self._replays[0].read(limit)
            if lines:
                batches.append(LineBatch(self.path, lines, self._stored or "", True, 0.0))
            if lines is not None and not self._replays[0].at_end:
                return batches
            self._replays.pop(0).close()
        for file in self._files:
            lines = file.read(limit)
            if lines is None:
                self._truncated = file
                return batches
            if lines:
                batches.append(LineBatch(self.path, lines, self._position(), False, self._not_before))
            if not file.at_end:
                return batches
        self.more = False
        self._not_before = now
        self._let_go()
        return batches

    def _position(self) -> str:
        # A file of which nothing has been read need not be named: it comes after one that is.
        return format_position(mark_of(file) for file in self._files if file.offset)

    def _let_go(self) -> None:
        """Closes what nobody will write to any more. All files have been read to their ends."""
        while len(self._files) > 2:
            self._drop(self._files.pop(0))
        if len(self._files) == 2 and self._files[0].links == 0 and self._files[1].size:
            self._drop(self._files.pop(0))
        elif len(self._files) == 1 and self._files[0].links == 0 and not os.path.exists(self.path):
            # To keep it would keep its disk space.
            self._newer_than = self._files[0].mtime + 1
            self._drop(self._files.pop())

    def _begin_again(self) -> None:
        if any(file.offset for file in self._files):
            self._stored = self._position()
        self.close()
        self._started, self._truncated, self.more = False, None, False
        self._lookback = 0.0 if self._stored else None

    def _warn(self, trouble: str) -> None:
        if trouble != self._trouble:
            log.warning("%s", trouble)
        self._trouble = trouble
