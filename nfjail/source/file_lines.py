"""One open log file: its bytes become lines.

A line ends with a newline and nothing else. What is there of a line before its newline is kept until that comes.
"""

from __future__ import annotations

import copy
import grp
import os
import stat
import zlib

from nfjail.errors import NfjailError

HEAD = 256  # so many bytes of a file's beginning tell it from another one that has its inode
LINE = 65_536  # of a longer line only so many bytes are delivered
UNENDED = 1 << 20  # a line without an end is cut, and the rest of it dropped, when it is longer than that

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_BLANKS = " \t\r"
_BLOCK = 65_536  # twice as quick as larger ones: it stays in the processor's cache and malloc need not ask the kernel


class LogFile:
    """A file that is read on from `offset`, the beginning of the first line that has not been delivered.

    The constructor raises NfjailError for what is no regular file and for what may not be read, else OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.fd = _open(path)
        status = os.fstat(self.fd)
        self.identity = (status.st_dev, status.st_ino)
        self.size, self.mtime, self.links = status.st_size, status.st_mtime_ns, status.st_nlink
        self.head = os.pread(self.fd, HEAD, 0)
        self.offset = 0
        self.at_end = False
        self.watch: int | None = None
        self._until: int | None = None
        self._next = 0  # the first byte that has not been read
        self._begun = b""  # what is there of the line at offset, but never more than LINE of it
        self._dropping = False  # inside the rest of a line that was too long
        self._print = (0, 0)

    def seek(self, offset: int, until: int | None = None) -> None:
        """Reads on from offset, and not beyond until. Where no line begins, the rest of the line is dropped."""
        self.offset = self._next = min(offset, self.size)
        self._until = until
        self._dropping = offset > 0 and os.pread(self.fd, 1, self.offset - 1) != b"\n"

    def fingerprint(self) -> tuple[int, int]:
        """Length and checksum of what is known of the file's beginning."""
        if self._print[0] != len(self.head):
            self._print = (len(self.head), checksum(self.head))
        return self._print

    def look_at_head(self) -> bool:
        """Learns the beginning of a file that was empty; it is not read before. False: nothing has happened to it."""
        self.head = os.pread(self.fd, HEAD, 0)
        return self.head != b"" or os.fstat(self.fd).st_mtime_ns != self.mtime

    def twin(self) -> LogFile:
        """The same file, to be read independently."""
        other = copy.copy(self)
        other.fd = os.dup(self.fd)
        return other

    def read(self, limit: int) -> list[str] | None:
        """The lines that end in the next limit bytes. None: the file is not the one it was, somebody truncated it."""
        lines: list[str] = []
        self.at_end = False
        for done in range(0, limit, _BLOCK):
            piece = self._read_block(min(_BLOCK, limit - done))
            if piece is None:
                return lines or None  # it will be None again the next time
            lines = lines + piece if lines else piece
            if self.at_end:
                break
        return lines

    def _read_block(self, limit: int) -> list[str] | None:
        if not self.head:  # it was empty; what is in it by now may be the second filling already: see look_at_head
            self.links = os.fstat(self.fd).st_nlink
            self.at_end = True
            return []
        room = limit if self._until is None else min(limit, self._until - self._next)
        block = os.pread(self.fd, room, self._next)
        # Only now: had it been truncated and filled again before the block was read, size or head would tell.
        status, head = os.fstat(self.fd), os.pread(self.fd, HEAD, 0)
        if status.st_size < self._next + len(block) or not head.startswith(self.head):
            return None
        self.head = head
        self.size, self.mtime, self.links = status.st_size, status.st_mtime_ns, status.st_nlink
        self.at_end = len(block) < limit
        return self._lines_of(block)

    def close(self) -> None:
        os.close(self.fd)

    def _lines_of(self, block: bytes) -> list[str]:
        end = block.rfind(b"\n") + 1
        self._next += len(block)
        if not end:
            return self._without_end(block)
        begin = 0
        if self._dropping:
            begin = block.find(b"\n") + 1
            self._dropping = False
        elif not self._begun and block[0] == 0:
            # A writer that does not append goes on at its old place after a truncation, and leaves a hole of zeros.
            begin = end - len(block[:end].lstrip(b"\0"))
        data = self._begun + block[begin:end] if self._begun else block[begin:end]
        self._begun = block[end : end + LINE]
        self.offset = self._next - (len(block) - end)
        return split(data) if data else []

    def _without_end(self, block: bytes) -> list[str]:
        if not self._dropping and not self._begun:
            block = block.lstrip(b"\0")
            self.offset = self._next - len(block)
        if self._dropping:
            self.offset = self._next
            return []
        self._begun += block[: LINE - len(self._begun)]
        if self._next - self.offset <= UNENDED:
            return []
        data, self._begun = self._begun, b""
        self.offset, self._dropping = self._next, True
        return split(data + b"\n")


def checksum(head: bytes) -> int:
    return zlib.crc32(head)  # against chance, not against intent: who writes the log's beginning needs no collision


def split(data: bytes) -> list[str]:
    """Lines of at least one, each ended by a newline, as text: no newlines, no blanks at their ends, none too long."""
    if _may_hold_long_line(data):
        data = b"\n".join([line[:LINE] for line in data.split(b"\n")])
    # rsyslog keeps the blank that some programs write at the end of a message: one goes at once in the whole block.
    stripped = data.replace(b" \n", b"\n")
    lines = stripped.decode("utf-8", "replace").split("\n")
    lines.pop()
    if _has_more_blanks(data, stripped):
        return [line.rstrip(_BLANKS) for line in lines]
    return lines


def _has_more_blanks(data: bytes, stripped: bytes) -> bool:
    # In this order, because to search for one byte, or to compare lengths, costs nearly nothing.
    return (
        (len(data) != len(stripped) and b" \n" in stripped)
        or (b"\r" in stripped and b"\r\n" in stripped)
        or (b"\t" in stripped and b"\t\n" in stripped)
    )


def _may_hold_long_line(data: bytes) -> bool:
    # A line longer than LINE covers at least one whole piece of half that length. Each search ends at once, mostly.
    half = LINE // 2
    return any(data.find(b"\n", at, at + half) < 0 for at in range(0, len(data) - half + 1, half))


def _open(path: str) -> int:
    kind = stat.S_IFMT(os.stat(path).st_mode)  # before opening: to open a device may do something
    try:
        fd = -1 if kind in _KINDS else os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except PermissionError:
        raise NfjailError(f"{path} may not be read", _how_to_permit(path)) from None
    if fd >= 0 and not stat.S_ISREG(kind := os.fstat(fd).st_mode):
        os.close(fd)
        fd, kind = -1, stat.S_IFMT(kind)
    if fd < 0:
        raise NfjailError(f"{path} is {_KINDS.get(kind, 'no file')}, not a log file", "correct logpath")
    return fd


def _how_to_permit(path: str) -> str:
    status = os.stat(path)
    if not status.st_mode & stat.S_IRGRP:
        return f"chmod g+r {path}, with a group that nfjail's process has (chgrp adm); or let its unit read all (nfjail(1))"
    return f"let nfjail's process have the file's group ({_group(status.st_gid)}): SupplementaryGroups= in its unit"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
