"""A folder with a log, a daemon's view of it, and the two ways in which logs are rotated."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path

from nfjail.source import LineBatch
from nfjail.source.file import FileSource

NOW = 1_795_356_901.0  # 2026-11-22T14:15:01Z


def stamped(time: float, message: str) -> str:
    """A line as rsyslog writes it."""
    stamp = datetime.fromtimestamp(time, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    return f"{stamp} host sshd[123]: {message}"


def append(path: Path, *lines: str) -> None:
    with path.open("a") as log:
        log.write("".join(f"{line}\n" for line in lines))


def shift(path: Path) -> Path:
    """Makes room for NAME.1, as logrotate does: NAME.1 becomes NAME.2 ... Returns NAME.1."""
    number = 1
    while Path(f"{path}.{number}").exists():
        number += 1
    for i in range(number, 1, -1):
        os.rename(f"{path}.{i - 1}", f"{path}.{i}")
    return Path(f"{path}.1")


def rename_rotate(path: Path) -> None:
    os.rename(path, shift(path))
    path.touch()


def copytruncate(path: Path) -> None:
    shutil.copy(path, shift(path))
    os.truncate(path, 0)


ROTATIONS = {"rename": rename_rotate, "copytruncate": copytruncate}


class Reader:
    """Reads a source until there is no more at the moment, and keeps what a store would keep."""

    def __init__(self, *globs: Path | str, positions: dict[str, str] | None = None, since: float = NOW) -> None:
        self.positions = dict(positions or {})
        self.batches: list[LineBatch] = []
        self.source = FileSource(
            [str(one) for one in globs], positions=self.positions, since=since, now=NOW, poll=0.25
        )

    def read(self, now: float = NOW, limit: int = 262_144) -> list[str]:
        """The new lines; replayed ones are only found in batches."""
        lines = self.read_once(now, limit)
        while self.source.more:
            lines += self.read_once(now, limit)
        return lines

    def read_once(self, now: float = NOW, limit: int = 262_144) -> list[str]:
        lines: list[str] = []
        for batch in self.source.read(now, limit):
            self.batches.append(batch)
            if not batch.replayed:
                self.positions[batch.path] = batch.position
                lines += batch.lines
        return lines

    @property
    def replayed(self) -> list[str]:
        return [line for batch in self.batches if batch.replayed for line in batch.lines]


@contextmanager
def reading(*globs: Path | str, positions: dict[str, str] | None = None, since: float = NOW) -> Iterator[Reader]:
    reader = Reader(*globs, positions=positions, since=since)
    try:
        yield reader
    finally:
        reader.source.close()
