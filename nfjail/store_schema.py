"""The inside of the store's file: its tables, their versions, and how SQLite's refusals are told.

The file belongs to one daemon. It is an SQLite database in WAL mode with synchronous=NORMAL: a killed daemon loses
nothing, a power cut at most the last transactions, each as a whole (https://sqlite.org/wal.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from nfjail.errors import NfjailError


class StoreError(NfjailError):
    """SQLite refused (disk full, I/O error, read-only ...); nothing of what was asked has been done."""


class StoreDamaged(StoreError):  # noqa: N818 (it says what the store is)
    """The file is no whole database of nfjail's any more; Store.replace() starts a new one."""


# What must be true of a row for it to become a value again. The tables check it when a row is written, check() when the
# daemon starts: neither a flipped bit nor a helping hand shall ban somebody else.
_SUBJECT = """typeof(packed) = 'blob' AND length(packed) IN (4, 16)
    AND typeof(prefixlen) = 'integer' AND prefixlen BETWEEN 0 AND 8 * length(packed)"""
_BAN = f"""{_SUBJECT} AND typeof(jail) = 'text' AND typeof(since) = 'real' AND typeof(until) IN ('real', 'null')
    AND typeof(nth) = 'integer' AND typeof(origin) = 'text' AND typeof(reason) = 'text' AND typeof(id) = 'integer'"""
IGNORED = f"{_SUBJECT} AND typeof(until) IN ('real', 'null') AND typeof(reason) = 'text'"
_POSITION = "typeof(source) = 'blob' AND typeof(position) = 'blob'"

_COLUMNS = """jail TEXT NOT NULL,
    packed BLOB NOT NULL,      -- the subject's 4 or 16 bytes, network order
    prefixlen INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL,                -- NULL: for ever
    nth INTEGER NOT NULL,
    origin TEXT NOT NULL,
    reason TEXT NOT NULL"""

# MIGRATIONS[n] makes version n + 1 out of version n; version 0 is an empty database. Only ever add to the end.
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        # The bans in force. The key is the promise: never two of one subject in one jail.
        f"""CREATE TABLE live ({_COLUMNS},
            id INTEGER NOT NULL,       -- of its evidence
            PRIMARY KEY (packed, prefixlen, jail),
            CHECK ({_BAN})) WITHOUT ROWID""",
        # Those that have ended. Apart, so that a start reads none of a history that may be ten times as long.
        f"""CREATE TABLE past (id INTEGER PRIMARY KEY, {_COLUMNS},
            ended_at REAL NOT NULL,
            ended_why TEXT NOT NULL)""",
        "CREATE INDEX past_subject ON past (packed, prefixlen, jail)",
        "CREATE INDEX past_end ON past (ended_at)",
        # One row for each ban, live or past; its id is the ban's. The bulk of the file, and only `why` reads it.
        "CREATE TABLE evidence (id INTEGER PRIMARY KEY, failures TEXT NOT NULL)",
        # Bytes, because the name of a file need not be text.
        f"""CREATE TABLE position (source BLOB PRIMARY KEY, position BLOB NOT NULL, saved_at REAL NOT NULL,
            CHECK ({_POSITION})) WITHOUT ROWID""",
        f"""CREATE TABLE ignored (packed BLOB NOT NULL, prefixlen INTEGER NOT NULL,
            until REAL, reason TEXT NOT NULL, added_at REAL NOT NULL,
            PRIMARY KEY (packed, prefixlen),
            CHECK ({IGNORED})) WITHOUT ROWID""",
    ),
)
_NAMES = frozenset(("live", "past", "past_subject", "past_end", "evidence", "position", "ignored"))

_ADVICE = {
    "full": "make room on the file system that holds it",
    "readonly": "make the file and its file system writable",
    "disk I/O error": "make room on the file system that holds it, or look for disk errors in the kernel's log (dmesg)",
    "locked": "another program keeps it locked: end that (`fuser -v` on the file names it)",
    "unable to open": "see whether its directory exists and may be written to",
}
# The numbers of rows are SQLite's own, so they are unique unless a page is damaged. A closed database is what a replace()
# leaves that failed half way.
_DAMAGE = (
    "no such ",
    "has no column",
    "already exists",
    "UNIQUE constraint",
    "Could not decode",
    "unsupported file format",
    "closed database",
)


@contextmanager
def reported(path: str) -> Iterator[None]:
    """Turns the errors of SQLite into StoreError and StoreDamaged, but for those that only a bug can cause."""
    try:
        yield
    except sqlite3.Error as error:
        told = refusal(path, error)
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)) and not isinstance(told, StoreDamaged):
            raise
        raise told from error
    except UnicodeDecodeError as error:  # SQLite quotes damaged table definitions in its message
        raise damaged(path, "its tables cannot be read") from error
    except OSError as error:
        advice = "see whether its directory exists, may be written to and has room"
        raise StoreError(f"{path}: {error.strerror}", advice) from error


def refusal(path: str, error: sqlite3.Error) -> StoreError:
    """SQLite's error as one that a user may see."""
    words = str(error)
    # SQLITE_CORRUPT and SQLITE_NOTADB are the ones without a class of their own; SQLITE_TOOBIG (DataError) can only
    # come from a damaged length, as everything written is cut. Python 3.10 does not tell SQLite's number.
    if type(error) in (sqlite3.DatabaseError, sqlite3.DataError) or any(sign in words for sign in _DAMAGE):
        return damaged(path, words)
    return StoreError(f"{path}: {words}", next((advice for sign, advice in _ADVICE.items() if sign in words), ""))


def damaged(path: str, what: str) -> StoreDamaged:
    return StoreDamaged(f"{path} is damaged ({what})", "it has to be set aside and started anew")


def connect(path: str) -> sqlite3.Connection:
    """Opens the database, of whatever state and version. Transactions are begun and ended by hand."""
    try:
        return _connect(path, alone=False)
    except sqlite3.OperationalError:
        # A -shm file is needed to share a database, and there is no room for it on a full disk. Alone it goes without;
        # then nobody else can look into the file, but a start on a full disk finds its bans.
        return _connect(path, alone=True)


def _connect(path: str, *, alone: bool) -> sqlite3.Connection:
    # Half a second: nobody but a person with the sqlite3 tool can hold a lock, and bans must not wait long for that.
    db = sqlite3.connect(path, timeout=0.5, isolation_level=None)
    try:
        if alone:
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA cache_size = -2000")  # KiB: the daemon shall stay small
        db.execute("PRAGMA temp_store = MEMORY")  # sorting must not depend on room in /tmp
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA journal_size_limit = 8388608")  # after a huge transaction the -wal shrinks again
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except BaseException:
        db.close()
        raise
    return db


def migrate(db: sqlite3.Connection, path: str) -> int:
    """Brings the tables to the newest version; returns the version they had (0: new).

    Raises StoreError when they are newer than this program, StoreDamaged when they are not nfjail's.
    """
    version: int = db.execute("PRAGMA user_version").fetchone()[0]
    if version > len(MIGRATIONS):
        raise StoreError(
            f"{path} was written by a newer nfjail (version {version} of the tables, this one knows {len(MIGRATIONS)})",
            "install that nfjail again, or move the file away to start anew",
        )
    if version == 0 and db.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise damaged(path, "its tables have no version")
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with transaction(db):
            for statement in statements:
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {number}")
    return version


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """All of what is done inside, or nothing."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite has ended it itself after some errors
            db.execute("ROLLBACK")
        raise


def check(db: sqlite3.Connection, path: str) -> None:
    """Raises StoreDamaged when a table is missing or a live ban cannot be read.

    It reads what a start reads anyway and leaves the history alone: PRAGMA quick_check takes seconds for a million
    bans. Damage in there is found by whoever comes across it, and told as StoreDamaged then.
    """
    missing = _NAMES - {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    if missing:
        raise damaged(path, f"no {', '.join(sorted(missing))} in it")
    for table, sound in (("live", _BAN), ("position", _POSITION), ("ignored", IGNORED)):
        rows, good = db.execute(f"SELECT count(*), total({sound}) FROM {table}").fetchone()
        if good != rows:
            raise damaged(path, f"{rows - good:.0f} of {rows} rows of {table} cannot be read")
