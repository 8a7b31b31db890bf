"""The kernel's word that a file or a directory has changed: inotify(7), through libc."""

from __future__ import annotations

import ctypes
import os
import struct
from typing import NamedTuple

# <sys/inotify.h>
IN_MODIFY = 0x2
IN_ATTRIB = 0x4
IN_MOVED_FROM = 0x40
IN_MOVED_TO = 0x80
IN_CREATE = 0x100
IN_DELETE = 0x200
IN_DELETE_SELF = 0x400
IN_MOVE_SELF = 0x800
IN_Q_OVERFLOW = 0x4000
IN_IGNORED = 0x8000
IN_ONLYDIR = 0x0100_0000

_EVENT = struct.Struct("iIII")  # wd, mask, cookie, length of the name that follows
_BUFFER = 65_536


class Event(NamedTuple):
    """What happened. No name: who acts on events looks at the file system itself, whatever the event said."""

    watch: int  # -1 with IN_Q_OVERFLOW: events were lost
    mask: int


class Inotify:
    """One inotify instance. The constructor and add() raise OSError, as when a limit of fs.inotify.* is reached."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = self._checked(self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC), "inotify_init1")

    def fileno(self) -> int:
        return self._fd

    def add(self, path: str, mask: int) -> int:
        """Watches path (following links) and returns the watch; the same as before if its inode is watched already."""
        watch = self._libc.inotify_add_watch(self._fd, os.fsencode(path), ctypes.c_uint32(mask))
        return self._checked(watch, path)

    def remove(self, watch: int) -> None:
        self._libc.inotify_rm_watch(self._fd, watch)  # fails when the inode and so the watch has gone: fine

    def read(self) -> list[Event]:
        """All events that wait, without blocking."""
        events: list[Event] = []
        while True:
            try:
                data = os.read(self._fd, _BUFFER)
            except BlockingIOError:
                return events
            at = 0
            while at < len(data):
                watch, mask, _, length = _EVENT.unpack_from(data, at)
                events.append(Event(watch, mask))
                at += _EVENT.size + length

    def close(self) -> None:
        os.close(self._fd)

    @staticmethod
    def _checked(result: int, what: str) -> int:
        if result < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), what)
        return result
