"""What guards the store's file: one daemon at a time, and a new file in the place of a damaged one."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing, suppress
from datetime import datetime, timezone
from io import FileIO

from nfjail.core.model import Ban
from nfjail.owned import open_owned
from nfjail.store_rows import Ignored, read_ignored, read_positions, write, write_ignored
from nfjail.store_schema import StoreError, check, connect, damaged, migrate, reported, transaction

_ENDS = ("", "-wal", "-shm")  # of the names of the files that are one database (https://sqlite.org/tempfiles.html)


def lock(path: str) -> FileIO:
    """Takes the lock on the file PATH.lock; returns the open file that holds it until it is closed.

    The kernel ends the lock with the process, however that ends, so the file may stay behind. Raises StoreError, which
    names the holder.
    """
    with reported(path):
        held = FileIO(open_owned(path + ".lock", 0), "r+")
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = held.read(20).decode("ascii", "replace").strip()
        held.close()
        who = f"pid {holder}" if holder else "another process"
        raise StoreError(f"{path} is in use by {who}", "stop that, or give this one another --state") from error
    with suppress(OSError):  # the number is for people: on a full disk it has to go without
        held.truncate(0)
        held.write(f"{os.getpid()}\n".encode())
    return held


def open_database(path: str, now: float) -> tuple[sqlite3.Connection, bool]:
    """Opens the database, makes it if it is not there; returns it and whether it is new."""
    with reported(path):
        if not os.path.exists(path):
            put_in_place(build(path, (), {}, (), now), path, now)
            return connect(path), True
        if os.path.islink(path):  # the folder is the service's: root must not be led elsewhere from there
            raise StoreError(f"{path} is a link", "put the file itself there, or give its folder with --state")
        if os.stat(path).st_size == 0:
            raise damaged(path, "it is empty")
        os.chmod(path, 0o600)
        db = connect(path)
        try:
            version = migrate(db, path)
            check(db, path)
        except BaseException:
            db.close()
            raise
    return db, version == 0


def salvage(db: sqlite3.Connection) -> tuple[dict[str, str], list[Ignored]]:
    """Positions and ignore entries, as far as a damaged database still tells them.

    Its bans are not trusted: a wrong byte would ban a bystander, and the kernel knows them, too.
    """
    positions: dict[str, str] = {}
    ignored: list[Ignored] = []
    with suppress(sqlite3.Error, ValueError, AttributeError):
        positions = read_positions(db)
    with suppress(sqlite3.Error, ValueError):
        ignored = read_ignored(db)
    return positions, ignored


def build(path: str, bans: Iterable[Ban], positions: Mapping[str, str], ignored: Iterable[Ignored], now: float) -> str:
    """Writes a new database beside path, as one file; returns its name. Raises StoreError, then nothing is there."""
    new = path + ".new"
    _remove(new)
    try:
        with reported(new):
            os.close(open_owned(new, os.O_EXCL))
            with closing(connect(new)) as db:
                migrate(db, new)
                with transaction(db):
                    write(db, bans, positions, now)
                    for entry in ignored:
                        write_ignored(db, *entry, now)
                # Everything into the one file, which can then be renamed; WAL comes back when it is opened.
                db.execute("PRAGMA journal_mode = DELETE")
    except BaseException:
        _remove(new)
        raise
    return new


def put_in_place(new: str, path: str, now: float) -> str:
    """Makes a built database the one at path; returns what the old one is called now, "" if there was none."""
    with reported(path):
        aside = _set_aside(path, now)
        os.rename(new, path)
    return aside


def _remove(path: str) -> None:
    for end in _ENDS:
        with suppress(FileNotFoundError):
            os.unlink(path + end)


def _set_aside(path: str, now: float) -> str:
    """Renames the files of the database to PATH.damaged-TIME, PATH.damaged-TIME-wal ...: sqlite3 can open them so."""
    stamp = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    aside, number, moved = f"{path}.damaged-{stamp}", 1, ""
    while any(os.path.lexists(aside + end) for end in _ENDS):
        number += 1
        aside = f"{path}.damaged-{stamp}-{number}"
    for end in _ENDS:
        with suppress(FileNotFoundError):
            os.rename(path + end, aside + end)
            moved = aside
    return moved
