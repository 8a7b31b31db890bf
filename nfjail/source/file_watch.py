"""Who tells that a log file has changed: inotify where it works, looking again and again where it does not."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterable
from typing import NamedTuple

from nfjail.source import inotify
from nfjail.source.inotify import Inotify

log = logging.getLogger("nfjail")

_FILE = inotify.IN_MODIFY | inotify.IN_ATTRIB  # ATTRIB: among others, a name of it was removed
_DIRECTORY = (
    inotify.IN_CREATE
    | inotify.IN_DELETE
    | inotify.IN_MOVED_FROM
    | inotify.IN_MOVED_TO
    | inotify.IN_ATTRIB  # somebody made a file readable
    | inotify.IN_DELETE_SELF
    | inotify.IN_MOVE_SELF
    | inotify.IN_ONLYDIR
)
# There another machine or another process may write, of which this kernel's inotify hears nothing.
_FOREIGN = {"nfs", "nfs4", "cifs", "smb3", "9p", "virtiofs", "ceph", "afs", "lustre", "gfs2", "ocfs2", "vboxsf", "fuse"}


class Changes(NamedTuple):
    """What may have changed since the last time."""

    paths: set[str]
    directories: bool  # something came, went, or was renamed
    lost: bool  # some are unknown: look at everything


class Watcher:
    """Watches open files and directories. What it cannot watch must be polled: `polls` says whether there is any."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._files: dict[int, str] = {}  # watch -> the path under which the caller knows it
        self._directories: set[int] = set()
        self._foreign: dict[int, bool] = {}  # by device number
        self._polled_files = 0
        self.polls_directories = False
        self._warned = False
        try:
            self._inotify = Inotify()
        except OSError as error:
            self._warn(error)

    @property
    def polls(self) -> bool:
        return self.polls_directories or self._polled_files > 0

    def fileno(self) -> int:
        return -1 if self._inotify is None else self._inotify.fileno()

    def watch_file(self, fd: int, path: str) -> int | None:
        """Watches an open file: its inode, whatever its name becomes. None: it has to be polled."""
        watch = self._add(f"/proc/self/fd/{fd}", _FILE, os.fstat(fd).st_dev)
        if watch is None:
            self._polled_files += 1
        else:
            self._files[watch] = path
        return watch

    def unwatch_file(self, watch: int | None) -> None:
        """Takes back what watch_file gave."""
        if watch is None:
            self._polled_files -= 1
        elif self._files.pop(watch, None) is not None and self._inotify:
            self._inotify.remove(watch)

    def watch_directories(self, paths: Iterable[str]) -> bool:
        """Watches these directories and no others. True: some are new, so look what is in them by now."""
        self.polls_directories = False
        watches: set[int] = set()
        for path in paths:
            try:
                device = os.stat(path).st_dev
            except OSError:  # gone meanwhile; its parent is watched and has said so
                continue
            watch = self._add(path, _DIRECTORY, device)
            if watch is None:
                self.polls_directories = True
            else:
                watches.add(watch)
        new = watches - self._directories
        for watch in self._directories - watches:
            if self._inotify:
                self._inotify.remove(watch)
        self._directories = watches
        return bool(new)

    def changes(self) -> Changes:
        """What has happened since the last call. Look at the files after it, never before: nothing is missed then."""
        paths: set[str] = set()
        directories = lost = False
        for watch, mask in self._inotify.read() if self._inotify else ():
            if mask & inotify.IN_Q_OVERFLOW:
                lost = True
            elif watch in self._files:
                paths.add(self._files[watch])
            elif watch in self._directories:
                directories = True
                if mask & inotify.IN_IGNORED:
                    self._directories.discard(watch)
        return Changes(paths, directories, lost)

    def close(self) -> None:
        if self._inotify:
            self._inotify.close()

    def _add(self, path: str, mask: int, device: int) -> int | None:
        if self._inotify is None or self._is_foreign(device):
            return None
        try:
            return self._inotify.add(path, mask)
        except OSError as error:
            self._warn(error)
            return None

    def _warn(self, error: OSError) -> None:
        if self._warned:
            return
        self._warned = True
        full = error.errno in (errno.ENOSPC, errno.EMFILE)
        advice = ": raise fs.inotify.max_user_watches and max_user_instances with sysctl" if full else ""
        log.warning("log files are polled because inotify does not watch them all (%s)%s", error.strerror, advice)

    def _is_foreign(self, device: int) -> bool:
        if device not in self._foreign:
            self._foreign[device] = file_system(device) in _FOREIGN
        return self._foreign[device]


def file_system(device: int) -> str:
    """The type of the file system with that device number ("ext4", "nfs4", "fuse" for all of fuse); "" if unknown."""
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as mounts:  # proc_pid_mountinfo(5)
            for line in mounts:
                left, _, right = line.partition(" - ")
                if left.split(" ")[2] == wanted:
                    return right.split(" ")[0].partition(".")[0].removesuffix("blk")
    except OSError:  # no /proc: inotify, which needs it too, will fail and the file be polled
        pass
    return ""
