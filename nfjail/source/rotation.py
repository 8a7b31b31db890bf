"""What becomes of a log file's older lines: its rotated siblings, and where reading goes on among them.

A position is written as JSON: for each file in which something was read, oldest first,
[device, inode, offset, size, mtime in ns, length and checksum of its beginning]. Inodes are used again for other files
and device numbers change over a reboot; so a file is the one it was only if its beginning is, too.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from nfjail.errors import NfjailError
from nfjail.source.file_lines import LogFile, checksum

# auth.log.1, auth.log-20261122, auth.log.old; with logrotate's "extension .log" also auth-20261122.log. A lone number
# before the extension (worker-2.log) is none of these: that may well be a log in its own right.
_DATE = r"\d{4}[-_.]?\d\d[-_.]?\d\d(?:[-_.T]?\d)*|\d{9,}"
_SUFFIX = re.compile(rf"(?:\.(?P<number>\d{{1,5}}|old)|[-_.](?P<date>{_DATE}))(?P<packed>\.(?:gz|bz2|xz|zst|lz4))?")
_INFIX = re.compile(rf"[-_.](?P<date>{_DATE})")
_PACKED = re.compile(r"(?P<plain>.*)(?P<packed>\.(?:gz|bz2|xz|zst|lz4))", re.DOTALL)
_TRIES = 5

Identity = tuple[int, int]  # device and inode
_Survey = dict[str, tuple[int, int, int]]


class Mark(NamedTuple):
    """How far a file was read."""

    device: int
    inode: int
    offset: int
    size: int
    mtime: int  # ns; the file's last change that was seen
    head_length: int
    head_sum: int

    @property
    def identity(self) -> Identity:
        return (self.device, self.inode)


class Packed(NamedTuple):
    """A sibling that has been compressed. Its mtime is that of the file before: gzip and logrotate hand it on."""

    path: str
    mtime: int


def seconds(mtime: int) -> int:
    """A file's mtime in ns, as far as every tool that packs files keeps it."""
    return mtime // 1_000_000_000


class Generations(NamedTuple):
    """A log and its rotated siblings, opened, oldest first; the log itself, where it exists, is the last."""

    files: list[LogFile]
    packed: list[Packed]
    has_current: bool

    def unread_from(self, places: Sequence[int | None], newer_than: int) -> int:
        """The index of the first file to be read on: the first with a place, else the first that was changed at
        newer_than (ns) or later, else the log itself.
        """
        known = [place for place in places if place is not None]
        if known:
            return min(known)
        newer = (i for i, file in enumerate(self.files) if file.mtime >= newer_than)
        return next(newer, len(self.files) - self.has_current)

    def is_copy_in_the_making(self, file: LogFile) -> bool:
        """Whether file looks like what copytruncate has written so far of the log, which it will truncate then."""
        current = self.files[-1].head
        return file.size == 0 or (current != b"" and (current.startswith(file.head) or file.head.startswith(current)))

    def packed_since(self, mtime: int) -> list[str]:
        """The compressed siblings that were changed, before they were compressed, in that second or later."""
        return sorted(one.path for one in self.packed if seconds(one.mtime) >= seconds(mtime))


def mark_of(file: LogFile) -> Mark:
    return Mark(*file.identity, file.offset, file.size, file.mtime, *file.fingerprint())


def format_position(marks: Iterable[Mark]) -> str:
    return json.dumps(list(marks), separators=(",", ":"))


def parse_position(text: str) -> list[Mark]:
    """The marks in a position, at least one. Raises ValueError for what is none."""
    rows = json.loads(text)
    if not (isinstance(rows, list) and rows):
        raise ValueError(f"{text!r} is no list of marks")
    for row in rows:
        if not (isinstance(row, list) and len(row) == len(Mark._fields) and all(type(one) is int for one in row)):
            raise ValueError(f"{row!r} is no mark")
    return [Mark(*row) for row in rows]


def original_of(path: str) -> str | None:
    """`/var/log/auth.log` for `/var/log/auth.log.1` and the like, as names tell it. None: it looks like no sibling."""
    folder, name = os.path.split(path)
    for at in range(len(name) - 1, 0, -1):
        if name[at] in "-_." and _SUFFIX.fullmatch(name, at):
            return os.path.join(folder, name[:at])
    packed = _PACKED.fullmatch(name)
    name = packed["plain"] if packed else name
    stem, extension = os.path.splitext(name)
    for at in range(len(stem) - 1, 0, -1):
        if extension and stem[at] in "-_." and _INFIX.fullmatch(stem, at):
            return os.path.join(folder, stem[:at] + extension)
    return os.path.join(folder, name) if packed else None


def is_packed(path: str) -> bool:
    return _PACKED.fullmatch(path) is not None


def generations(path: str, skip: Callable[[Identity], bool]) -> Generations:
    """Opens path and its rotated siblings, but for those whose identity is to be skipped.

    NfjailError and OSError are raised only for path itself; a sibling that cannot be read is left out.
    """
    path = os.path.realpath(path)
    for attempt in range(_TRIES):
        before = _survey(path)
        result = _open_all(path, before, skip)
        # Had it been rotated in between, one generation might stand there twice and another not at all.
        if attempt == _TRIES - 1 or _identities(_survey(path)) == _identities(before):
            break
        for file in result.files:
            file.close()
    return result


def _identities(survey: _Survey) -> dict[str, Identity]:
    return {path: (device, inode) for path, (device, inode, _) in survey.items()}


def _survey(path: str) -> _Survey:
    """Device, inode and mtime of path and of what looks like its siblings."""
    folder = os.path.dirname(path)
    found = {}
    try:
        names = os.listdir(folder)
    except OSError:
        names = [os.path.basename(path)]
    stem = os.path.splitext(os.path.basename(path))[0]
    for name in names:
        other = os.path.join(folder, name)
        if name.startswith(stem) and path in (other, original_of(other)):
            try:
                status = os.stat(other)
            except OSError:
                continue
            found[other] = (status.st_dev, status.st_ino, status.st_mtime_ns)
    return found


def _open_all(path: str, survey: _Survey, skip: Callable[[Identity], bool]) -> Generations:
    packed, files = [], []
    for other, (device, inode, mtime) in survey.items():
        if is_packed(other) and other != path:
            packed.append(Packed(other, mtime))
        elif other != path and not skip((device, inode)):
            try:
                files.append(LogFile(other))
            except (OSError, NfjailError):
                continue
    try:
        current = [LogFile(path)]
        if skip(current[0].identity):
            current.pop().close()
    except (FileNotFoundError, NotADirectoryError):
        current = []
    except (OSError, NfjailError):
        for file in files:
            file.close()
        raise
    return Generations(_oldest_first(path, files) + current, packed, bool(current))


def _oldest_first(path: str, files: list[LogFile]) -> list[LogFile]:
    """By their names where all follow one scheme, else by the time of their last change (a late line may spoil it)."""
    name = os.path.basename(path)
    suffixes = [_SUFFIX.fullmatch(os.path.basename(file.path), len(name)) for file in files]
    numbers = [suffix["number"] for suffix in suffixes if suffix and suffix["number"]]
    if len(numbers) == len(files):
        age = {file.path: 0 if n == "old" else int(n) for file, n in zip(files, numbers, strict=True)}
        return sorted(files, key=lambda file: -age[file.path])
    if not numbers:
        return sorted(files, key=lambda file: (len(file.path), file.path))
    return sorted(files, key=lambda file: file.mtime)


def place_of(files: Sequence[LogFile], mark: Mark, *, moved: bool, copied: bool) -> int | None:
    """Which of files has that mark. moved: it may be the same inode with the same beginning, under whatever name.
    copied: it may be another inode with this beginning, if it is long enough to hold what was read.
    """
    if moved:
        for i, file in enumerate(files):
            if file.identity == mark.identity and _begins_as(file, mark):
                return i
    if copied and mark.head_length:
        for i in range(len(files) - 1, -1, -1):
            if files[i].size >= mark.offset and _begins_as(files[i], mark):
                return i
    return None


def _begins_as(file: LogFile, mark: Mark) -> bool:
    return len(file.head) >= mark.head_length and checksum(file.head[: mark.head_length]) == mark.head_sum
