"""The store: bans with their history and evidence, how far the logs are read, who is ignored for now. An SQLite file.

It is the truth; the kernel's sets are a copy. Every change is one transaction. All methods raise StoreError when
SQLite refuses: then nothing has changed, and the store stays usable. They raise StoreDamaged when the file is no whole
database any more: then replace() is due. Times are seconds since the epoch.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from heapq import nlargest
from io import FileIO
from typing import Any, NamedTuple

from nfjail.core.model import Ban, Decision, Subject
from nfjail.store_repair import build, lock, open_database, put_in_place, salvage
from nfjail.store_rows import (
    BAN_COLUMNS,
    Ignored,
    read_bans,
    read_evidence,
    read_ignored,
    read_positions,
    subject_of,
    write,
    write_expired,
    write_ignored,
)
from nfjail.store_schema import StoreDamaged, StoreError, connect, damaged, reported, transaction

__all__ = ["Record", "Store", "StoreDamaged", "StoreError"]

_AROUND = "packed = ?1 AND prefixlen = ?2"
_INSIDE = "packed BETWEEN ? AND ? AND length(packed) = ? AND prefixlen > ?"
_NEWEST = "ORDER BY since DESC, id DESC LIMIT ?"
_LIVE = f"SELECT since, id, NULL, '', {BAN_COLUMNS} FROM live WHERE"
_PAST = f"SELECT since, id, ended_at, ended_why, {BAN_COLUMNS} FROM past WHERE"
_ABOUT = tuple((f"{table} {_AROUND} {_NEWEST}", f"{table} {_INSIDE} {_NEWEST}") for table in (_LIVE, _PAST))
# A ban that was taken over stands for those before it, too.
_NUMBER = "count(*) + coalesce(max(CASE origin WHEN 'import' THEN nth - 1 END), 0)"
_COUNT = f"SELECT (SELECT {_NUMBER} FROM live WHERE {_AROUND}) + (SELECT {_NUMBER} FROM past WHERE {_AROUND})"
_COUNT_IN_JAIL = _COUNT.replace(_AROUND, f"{_AROUND} AND jail = ?3")
_OLD = "SELECT id FROM past WHERE ended_at < ? ORDER BY ended_at, id LIMIT 5000"


class Record(NamedTuple):
    """A ban of the present or the past, with its evidence."""

    ban: Ban
    ended_at: float | None  # None: it holds
    ended_why: str  # "expired", "replaced" by another ban, or what the Unban said; "" while it holds


class Store:
    """The one store of a daemon. Not for several threads."""

    def __init__(self, path: str, db: sqlite3.Connection, held: FileIO, *, fresh: bool, recovered: str) -> None:
        """Use Store.open()."""
        self.path = path
        self.fresh = fresh  # it was made just now: bans that the kernel holds are unknown to it
        self.recovered = recovered  # what was damaged and where it was set aside; "" when nothing was
        self._db = db
        self._lock = held

    @classmethod
    def open(cls, path: str, now: float) -> Store:
        """Opens the store, makes it if it is not there, and starts it anew if it is damaged (see `recovered`).

        Its directory must exist. Raises StoreError: another daemon uses it, a newer nfjail wrote it, no room, no right.
        """
        held = lock(path)
        recovered = ""
        try:
            try:
                db, fresh = open_database(path, now)
            except StoreDamaged as damage:
                with reported(path), closing(sqlite3.connect(path)) as rest:
                    new = build(path, (), *salvage(rest), now)
                aside = put_in_place(new, path, now)
                recovered = f"{damage.what}: it was set aside as {aside}, and a new one begun"
                db, fresh = open_database(path, now)[0], True
        except BaseException:
            held.close()
            raise
        return cls(path, db, held, fresh=fresh, recovered=recovered)

    def close(self) -> None:
        """Gives the file free, with everything in the one file where that is possible."""
        with suppress(sqlite3.Error):  # nothing is lost without: the next open reads the -wal
            self._db.execute("PRAGMA wal_checkpoint")
        self._db.close()
        self._lock.close()

    def commit(self, decisions: Sequence[Decision], positions: Mapping[str, str], now: float) -> None:
        """Stores decisions, in their order, and positions (source -> position): all of it or nothing.

        A ban of what is banned in that jail takes the old one's place; an unban of what is not banned does nothing.
        """
        if decisions or positions:
            with self._change():
                write(self._db, decisions, positions, now)

    def replace(self, bans: Iterable[Ban], positions: Mapping[str, str], now: float) -> None:
        """After StoreDamaged: sets the file aside and goes on with a new one that holds these live bans and positions.

        Ignore entries are carried over as far as they can be read. `recovered` says where the old file is.
        """
        new = build(self.path, bans, positions, salvage(self._db)[1], now)
        self._db.close()  # before its files are renamed, so that they stay together
        aside = put_in_place(new, self.path, now)
        with reported(self.path):
            self._db = connect(self.path)
        self.recovered = f"{self.path} is damaged: it was set aside as {aside}, and a new one begun"

    def live(self) -> Iterator[Ban]:
        """The bans that have not ended, without evidence; also those whose time is over, until end_expired()."""
        with reported(self.path):
            yield from read_bans(self._db.execute(f"SELECT {BAN_COLUMNS} FROM live"))

    def find(self, jail: str, subject: Subject) -> Ban | None:
        """The live ban of exactly this subject in that jail, without evidence."""
        query = f"SELECT {BAN_COLUMNS} FROM live WHERE {_AROUND} AND jail = ?3"
        with reported(self.path):
            return next(read_bans(self._db.execute(query, (subject.packed, subject.prefixlen, jail))), None)

    def end_expired(self, now: float) -> list[tuple[str, Subject, float]]:
        """Ends all bans whose time is over; returns (jail, subject, end) of each."""
        with self._change():
            return write_expired(self._db, now)

    def ended_since(self, when: float) -> Iterator[tuple[str, Subject, float]]:
        """(jail, subject, end) of the bans that ended after that time and were not just replaced by another."""
        query = "SELECT jail, packed, prefixlen, ended_at FROM past WHERE ended_at > ? AND ended_why <> 'replaced'"
        with reported(self.path):
            for jail, packed, prefixlen, ended_at in self._db.execute(query, (when,)):
                yield jail, subject_of(packed, prefixlen), ended_at

    def last_end(self, jail: str, subject: Subject) -> float | None:
        """When the latest ban of exactly this subject in that jail ended, be it by another; None: there was none."""
        query = "SELECT max(ended_at) FROM past WHERE packed = ? AND prefixlen = ? AND jail = ?"
        with reported(self.path):
            when: float | None = self._db.execute(query, (subject.packed, subject.prefixlen, jail)).fetchone()[0]
        return when

    def recent(self, subject: Subject, since: float) -> list[Ban]:
        """The bans of exactly this subject since then, live and past, in all jails, without evidence."""
        query = f"SELECT {BAN_COLUMNS} FROM TABLE WHERE {_AROUND} AND since >= ?3"
        values = (subject.packed, subject.prefixlen, since)
        with reported(self.path):
            rows = [row for table in ("live", "past") for row in self._db.execute(query.replace("TABLE", table), values)]
            return list(read_bans(rows))

    def count(self, jail: str | None, subject: Subject) -> int:
        """How many bans of exactly this subject there have been in that jail (None: in all), the live one included."""
        about: tuple[object, ...] = (subject.packed, subject.prefixlen)
        query = _COUNT
        if jail is not None:
            about, query = (*about, jail), _COUNT_IN_JAIL
        with reported(self.path):
            number: int = self._db.execute(query, about).fetchone()[0]
        return number

    def why(self, subject: Subject, limit: int) -> list[Record]:
        """The newest bans that concern it, newest first: its own, those of networks around it and of parts of it."""
        with reported(self.path):
            rows = nlargest(limit, self._rows_about(subject, limit), key=lambda row: row[:2])  # since, id
            return [self._record(row) for row in rows]

    def _rows_about(self, subject: Subject, limit: int) -> Iterator[tuple[Any, ...]]:
        first, bits = subject.packed, 8 * len(subject.packed)
        last = (int.from_bytes(first, "big") | (1 << bits - subject.prefixlen) - 1).to_bytes(len(first), "big")
        for around, inside in _ABOUT:
            for length in range(subject.prefixlen + 1):
                yield from self._db.execute(around, (subject.widened(length).packed, length, limit))
            yield from self._db.execute(inside, (first, last, len(first), subject.prefixlen, limit))

    def _record(self, row: tuple[Any, ...]) -> Record:
        _, number, ended_at, ended_why, *columns = row
        try:
            ban = next(read_bans([columns]))
            text = self._db.execute("SELECT failures FROM evidence WHERE id = ?", (number,)).fetchone()[0]
            evidence = read_evidence(text, ban.subject)
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise damaged(self.path, f"ban {number} cannot be read") from error
        return Record(ban._replace(evidence=evidence), ended_at, ended_why)

    def positions(self) -> dict[str, str]:
        """Source -> position, as last committed."""
        with reported(self.path):
            return read_positions(self._db)

    def ignored(self) -> list[Ignored]:
        """Who is not to be banned for now: (subject, end or None, reason). Also those whose time is over."""
        with reported(self.path):
            return read_ignored(self._db)

    def ignore_add(self, subject: Subject, until: float | None, reason: str, now: float) -> None:
        """Adds an ignore entry, or gives the one that is there a new end and reason. Drops those that are over."""
        with self._change():
            self._db.execute("DELETE FROM ignored WHERE until <= ?", (now,))
            write_ignored(self._db, subject, until, reason, now)

    def ignore_delete(self, subject: Subject) -> bool:
        """Removes an ignore entry; False if there was none."""
        with self._change():
            key = (subject.packed, subject.prefixlen)
            return self._db.execute("DELETE FROM ignored WHERE packed = ? AND prefixlen = ?", key).rowcount > 0

    def totals(self) -> dict[str, tuple[int, int]]:
        """Jail -> (live bans, all bans that are known of)."""
        rows = "SELECT jail, 1 AS holds FROM live UNION ALL SELECT jail, 0 FROM past"
        with reported(self.path):
            found = self._db.execute(f"SELECT jail, sum(holds), count(*) FROM ({rows}) GROUP BY jail")
            return {jail: (live, known) for jail, live, known in found}

    def purge(self, before: float) -> int:
        """Forgets bans that ended before that time, 5,000 at most; returns how many. Call again while it is not 0."""
        with self._change():
            self._db.execute(f"DELETE FROM evidence WHERE id IN ({_OLD})", (before,))
            return self._db.execute(f"DELETE FROM past WHERE id IN ({_OLD})", (before,)).rowcount

    @contextmanager
    def _change(self) -> Iterator[None]:
        with reported(self.path), transaction(self._db):
            yield
