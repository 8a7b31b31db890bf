"""Where the reading of a log begins: at a stored position, or, without one, a few minutes back."""

from __future__ import annotations

import logging
from typing import NamedTuple

from nfjail.source import Clock
from nfjail.source.file_lines import LogFile
from nfjail.source.file_window import last_time, window
from nfjail.source.rotation import Generations, Mark, place_of

log = logging.getLogger("nfjail")
_SECOND = 1_000_000_000


class Plan(NamedTuple):
    """What is to be read, each file sought to its place, oldest first: first the replays, then the files."""

    replays: list[LogFile]
    files: list[LogFile]


def from_the_top(found: Generations) -> Plan:
    """The whole log, but none of its siblings."""
    return Plan([], _kept(found, {len(found.files) - 1: 0} if found.has_current else {}))


def from_time(found: Generations, since: float, clock: Clock) -> Plan:
    """All lines since then (seconds since the epoch)."""
    ends = {index: file.size for index, file in enumerate(found.files)}
    starts = window(found.files, ends, since, clock)
    return Plan([], _kept(found, {start.file: start.offset for start in starts}))


def from_marks(path: str, found: Generations, marks: list[Mark], lookback: float, clock: Clock) -> Plan:
    """All that is unread, after a replay of what was written in the lookback seconds before the marks."""
    places = [place_of(found.files, mark, moved=True, copied=True) for mark in marks]
    first = found.unread_from(places, max(mark.mtime for mark in marks) + 1)
    _warn_of_packed(path, found, marks, places)
    if not any(place is not None for place in places) and not found.packed:
        log.warning("%s: the file that was read last is gone, and what was not read of it: keep more rotated logs", path)
    offsets = {place: mark.offset for mark, place in zip(marks, places, strict=True) if place is not None}
    replays = _replays(found, first, offsets, lookback, clock) if lookback > 0 else []
    known = {mark.identity for mark in marks}
    truncating = found.has_current and found.files[-1].identity in known
    wanted = {}
    for index in range(first, len(found.files)):
        file = found.files[index]
        last = index == len(found.files) - 1
        if index in offsets or last or not (truncating and found.is_copy_in_the_making(file)):
            wanted[index] = offsets.get(index, 0)
    return Plan(replays, _kept(found, wanted))


def _replays(
    found: Generations, first: int, offsets: dict[int, int], lookback: float, clock: Clock
) -> list[LogFile]:
    ends = {index: file.size for index, file in enumerate(found.files[:first])}
    ends |= {index: min(offset, found.files[index].size) for index, offset in offsets.items()}
    latest = last_time(found.files, ends, clock)
    if latest is None:
        return []
    replays = []
    for start in window(found.files, ends, latest - lookback, clock):
        if start.offset < ends.get(start.file, 0):
            replay = found.files[start.file].twin()
            replay.seek(start.offset, ends[start.file])
            replays.append(replay)
    return replays


def _kept(found: Generations, offsets: dict[int, int]) -> list[LogFile]:
    for index, file in enumerate(found.files):
        if index in offsets:
            file.seek(offsets[index])
        else:
            file.close()
    return [found.files[index] for index in sorted(offsets)]


def _warn_of_packed(path: str, found: Generations, marks: list[Mark], places: list[int | None]) -> None:
    mtimes = [found.files[place].mtime for place in places if place is not None]
    if mtimes:
        after = min(mtimes) + _SECOND
    else:
        # What was read to its end and then packed with nothing added is not missed.
        after = max(mark.mtime for mark in marks) + (0 if any(mark.offset < mark.size for mark in marks) else _SECOND)
    warn_of_packed(path, found.packed_since(after))


def warn_of_packed(path: str, packed: list[str]) -> None:
    """Says that lines are missed because of these files."""
    if packed:
        log.warning(
            "%s: lines were compressed into %s before they were read, and are missed: set delaycompress in logrotate",
            path,
            ", ".join(packed),
        )
