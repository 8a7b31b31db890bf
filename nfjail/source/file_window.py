"""Where in the generations of a log the lines of the last few minutes begin, found by going back from the end."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.syslog import Stamps, parse_head
from nfjail.source import Clock
from nfjail.source.file_lines import LogFile

_BLOCK = 262_144
_HEAD = 512  # bytes of a line in which its head must lie
_UNDATED = 1 << 20  # a log with no time in so many bytes has none that we can read: do not search gigabytes for one


class Start(NamedTuple):
    """A place in one of the files: lines from offset on are wanted."""

    file: int
    offset: int


class _Block(NamedTuple):
    """Some lines of a file; the last one may be unended, and is empty if the one before it ends the block."""

    offset: int
    data: bytes

    @property
    def last(self) -> int:
        """The offset of the last line."""
        return self.offset + self.data.rfind(b"\n") + 1

    def lines(self) -> Iterator[tuple[int, bytes]]:
        """Offset and beginning of each line."""
        at, after = 0, 1
        while after:
            yield self.offset + at, self.data[at : at + _HEAD]
            at = after = self.data.find(b"\n", at) + 1


def syslog_clock(now: float) -> Clock:
    """For lines as syslog's daemons write them."""
    stamps = Stamps(now)

    def clock(line: str) -> float | None:
        before, colon, _ = line.partition(": ")
        head = parse_head(before, stamps) if colon else None
        return head.time if head else None

    return clock


def window(files: Sequence[LogFile], ends: Mapping[int, int], since: float, clock: Clock) -> list[Start]:
    """Where reading must start, oldest file first, to see every line since then (seconds since the epoch) that lies
    before the files' ends (offsets by index; missing: 0). Older files are left out, the last one never is.

    A line without a time belongs to the line before it. A file without times is taken to hold no wanted line.
    """
    starts: list[Start] = []
    for index in range(len(files) - 1, -1, -1):
        if starts and files[index].mtime < since * 1e9:
            break
        offset, reached = _begin(files[index].fd, ends.get(index, 0), since, clock)
        starts.append(Start(index, offset))
        if reached:
            break
    return starts[::-1]


def last_time(files: Sequence[LogFile], ends: Mapping[int, int], clock: Clock) -> float | None:
    """The time of the last line before the ends that has one."""
    for index in range(len(files) - 1, -1, -1):
        end = ends.get(index, 0)
        for block in _blocks_back(files[index].fd, end):
            for _, time in _dated(reversed(list(block.lines())), clock):
                return time
            if end - block.offset > _UNDATED:
                return None
    return None


def _begin(fd: int, end: int, since: float, clock: Clock) -> tuple[int, bool]:
    """The offset of the first wanted line before end, and whether a line before it shows that it is the first."""
    wanted = unended = None
    for block in _blocks_back(fd, end):
        if unended is None:
            unended = block.last
        first = next(_dated(block.lines(), clock), None)
        if first and first[1] < since:
            for offset, time in _dated(reversed(list(block.lines())), clock):
                if time < since:
                    break
                wanted = offset
            return (unended if wanted is None else wanted), True
        if first:
            wanted = first[0]
        elif wanted is None and end - block.offset > _UNDATED:
            return unended, True
    if wanted is None and unended is not None:
        return unended, True
    return 0, False


def _dated(lines: Iterable[tuple[int, bytes]], clock: Clock) -> Iterator[tuple[int, float]]:
    for offset, line in lines:
        time = clock(line.partition(b"\n")[0].decode("utf-8", "replace"))
        if time is not None:
            yield offset, time


def _blocks_back(fd: int, end: int) -> Iterator[_Block]:
    """The lines before end, backwards in blocks."""
    while end > 0:
        start = max(0, end - _BLOCK)
        data = os.pread(fd, end - start, start)
        begin = data.find(b"\n") + 1 if start else 0
        if begin or not start:
            yield _Block(start + begin, data[begin:])
        # The next block ends where this one's first line begins, so that no line's head is cut in two.
        end = start + begin if 0 < begin < len(data) else start
