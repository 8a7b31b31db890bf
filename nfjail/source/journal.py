"""The systemd journal as a source: one reader for all jails, its place kept by cursor.

The rules of sd-journal that decide about lost entries, all seen on a real journald (see also sd_journal_get_fd(3)):
fileno() comes before process(), or rotation is never noticed; seek first, add matches then; an entry can be read as
soon as it is written, but journald wakes its readers only 250 to 500 ms later.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from nfjail.errors import NfjailError

log = logging.getLogger("nfjail")

T = TypeVar("T")
Get = Callable[[str], str]
Here = Callable[[], tuple[float, str]]
Sift = Callable[[str, Get, Here, float], Sequence[T]]

_QUICK = 0.002  # seconds between two looks right after an entry that concerned a jail
_SLOW = 0.02  # and some while after it
_ATTENTION = 10.0  # seconds after the last such entry until it waits for journald's own late wake-up again
_PATIENCE = 1.0  # seconds between two looks where nothing tells that there is something new
_LONGEST = 65536  # bytes of a field that are looked at


class JournalError(NfjailError):
    """The journal cannot be read."""


class Place(NamedTuple):
    """The last entry that was read: its cursor, and its time for when the cursor is gone."""

    cursor: str
    microseconds: int

    @classmethod
    def parse(cls, text: str) -> Place | None:
        """What str() gave; None for anything else."""
        try:
            found = json.loads(text)
            return cls(str(found["cursor"]), int(found["time"]))
        except (ValueError, TypeError, KeyError):
            return None

    def __str__(self) -> str:
        return json.dumps({"cursor": self.cursor, "time": self.microseconds})


class EntryBatch(NamedTuple, Generic[T]):
    """What one read() found."""

    found: list[T]  # what sift() made of the entries, in their order
    looked: int  # entries read
    position: str | None  # for the store; None: nothing was read
    replayed: bool  # before the stored position: to be counted again, but nothing is decided


def journal_is_kept() -> bool:
    """Whether a journald writes this machine's journal now. (Its folders alone may be left from another time.)"""
    return os.path.exists("/run/systemd/journal/socket")


class JournalSource(Generic[T]):
    """Reads new entries from the stored position on, and before that once more those of the last findtime.

    path: a folder of journal files, None: the machine's own. terms: OR of ANDs of (field, value), see JournalRoute.
    sift(message, get, here, now): what is to be made of an entry. get(field) fetches one of its fields ("": it has none),
    here() tells when journald received it and its cursor. lookback: so many seconds before the stored position are
    replayed, and without one the last so many seconds are new. replay: False, when what lies before the position is
    known already, as after a reload.
    """

    def __init__(
        self,
        path: str | None,
        terms: Sequence[Sequence[tuple[str, str]]],
        sift: Sift[T],
        position: str | None,
        now: float,
        lookback: float,
        *,
        replay: bool = True,
    ) -> None:
        self._sift = sift
        self._path = path
        self._terms = terms
        self._reader: Any = None
        self._attentive_since = float("-inf")
        self._wanted: tuple[str, int] | None = None  # the place of the last entry that sift() wanted, in this call
        self.more = True
        self._open()
        self._start(Place.parse(position) if position else None, now, lookback, replay)

    def _open(self) -> None:
        try:
            from systemd._reader import LOCAL_ONLY, _Reader
        except ImportError:
            raise JournalError("the systemd journal cannot be read", "install python3-systemd") from None
        try:
            self._reader = _Reader(flags=0, path=self._path) if self._path else _Reader(flags=LOCAL_ONLY)
        except OSError as error:
            where = self._path or "the journal"
            raise JournalError(f"{where} cannot be opened: {error.strerror}", _permission_advice(error)) from None
        self._reader.data_threshold = _LONGEST
        self._fd: int = self._reader.fileno()

    def _start(self, saved: Place | None, now: float, lookback: float, replay: bool) -> None:
        """Goes to where reading begins; the entries up to self._replay_until are then replayed."""
        self._place = saved
        self._replay_until = saved
        self._begin = max(0, int(((saved.microseconds / 1e6 if saved else now) - lookback) * 1e6))
        if saved and not self._has(saved.cursor):
            log.warning("the journal no longer has the entry that was read last: going on by its time instead")
            self._replay_until = Place("", saved.microseconds)
        if saved and not replay:
            self._match()
            self._stand_behind(self._replay_until or saved)
            self._replay_until = None
            return
        self._reader.seek_realtime(self._begin)
        self._match()

    def _match(self) -> None:
        for number, group in enumerate(self._terms):
            if number:
                self._reader.add_disjunction()
            for field, value in group:
                self._reader.add_match(f"{field}={value}")

    def _has(self, cursor: str) -> bool:
        try:
            self._reader.seek_cursor(cursor)
            return bool(self._reader._next() and self._reader.test_cursor(cursor))
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """Readable when journald says that something has happened (a quarter of a second late); -1: never."""
        return self._fd

    def wait(self, now: float) -> float | None:
        """Seconds until it wants to be read without being woken; None: not at all."""
        if self._reader is None or not self._reader.reliable_fd():
            return _PATIENCE
        quiet = now - self._attentive_since
        if not 0 <= quiet < _ATTENTION:
            return None
        return min(max(quiet / 50, _QUICK), _SLOW)

    def progress(self) -> object:
        """Something else for each entry. Only to be asked for while sift() is at work."""
        return self._reader._get_cursor()

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()

    def read(self, now: float, limit: int = 4096) -> EntryBatch[T]:
        """Up to limit entries. more tells afterwards whether there are others at once."""
        if self._reader is None and not self._open_again():
            return EntryBatch([], 0, None, False)
        self._reader.process()
        replayed = self._replay_until is not None
        found: list[T] = []
        self._wanted = None
        try:
            count = self._look(self._next_to_replay if replayed else self._reader._next, limit, found, now)
            if count and not replayed:
                self._place = Place(self._reader._get_cursor(), self._reader._get_realtime())
        except OSError as error:
            return self._stopped_by(error, found, replayed)
        # When the replay is over, what is new comes with the next call.
        self.more = count >= limit or replayed
        if not count:
            return EntryBatch(found, 0, None, replayed)
        if found or self._terms:  # else it may have been anything
            self._attentive_since = now
        return EntryBatch(found, count, str(self._place), replayed)

    def _next_to_replay(self) -> bool:
        """Goes to the next entry, but not behind the stored one."""
        until = self._replay_until
        if until is None:
            return False
        if not self._reader._next() or self._reader._get_realtime() > until.microseconds:
            self._replay_until = None
            self._stand_behind(until)
            return False
        there = until.cursor and self._reader._get_realtime() == until.microseconds
        if there and self._reader.test_cursor(until.cursor):
            self._replay_until = None  # and standing right there
        return True

    def _stand_behind(self, place: Place) -> None:
        """The next entry is the first one after place."""
        if not place.cursor:
            self._reader.seek_realtime(place.microseconds + 1)
            return
        self._reader.seek_cursor(place.cursor)
        if self._reader._next() and not self._reader.test_cursor(place.cursor):
            self._reader.seek_cursor(place.cursor)  # it is none of ours any more, and that was the first one after it

    def _look(self, go_on: Callable[[], bool], limit: int, found: list[T], now: float) -> int:
        """Adds what sift() makes of the next entries to found; returns how many it has looked at. Raises OSError."""
        # Every entry of every service that fails comes through here: hence no call that is not needed.
        sift, get, here, fetch = self._sift, self._get, self._here, self._reader._get
        count = 0
        while count < limit and go_on():
            count += 1
            try:
                data = fetch("MESSAGE")
                if len(data) > _LONGEST:  # data_threshold holds for compressed fields only
                    data = data[:_LONGEST]
                hits = sift(data.decode(errors="replace"), get, here, now)
                if hits:
                    found += hits
            except KeyError:
                continue  # an entry without a message
            except OSError as error:
                log.warning("an entry of the journal cannot be read: %s", error.strerror)
        return count

    def _get(self, field: str) -> str:
        try:
            value: bytes = self._reader._get(field)
        except KeyError:
            return ""
        return (value if len(value) <= _LONGEST else value[:_LONGEST]).decode("utf-8", "replace")

    def _here(self) -> tuple[float, str]:
        reader = self._reader
        self._wanted = cursor, microseconds = reader._get_cursor(), reader._get_realtime()
        return microseconds / 1e6, cursor

    def _stopped_by(self, error: OSError, found: list[T], replayed: bool) -> EntryBatch[T]:
        """What had been found by then; reading goes on behind the last entry that could be read."""
        if found and not replayed:
            try:
                self._place = Place(self._reader._get_cursor(), self._reader._get_realtime())
            except OSError:
                self._place = Place(*self._wanted) if self._wanted else self._place
        self._recover(error)
        self.more = bool(found) and self._reader is not None  # no further at once where nothing has come of it
        return EntryBatch(found, len(found), str(self._place) if found else None, replayed)

    def _recover(self, error: OSError) -> None:
        """A file that vanished or broke under the reader."""
        log.warning("the journal could not be read further (%s): opening it again", error.strerror)
        broken, self._reader, self._fd = self._reader, None, -1
        self._open_again()
        broken.close()  # only now, so that the new descriptor is another one: whoever waits for it must notice

    def _open_again(self) -> bool:
        """Goes on behind the last entry that was read; False if that is not possible now."""
        try:
            self._open()
        except JournalError as error:
            log.error("%s; trying again", error)
            return False
        known = self._place and self._has(self._place.cursor)
        if self._place is None:  # nothing has been read yet; and what is older must not count as new
            self._reader.seek_realtime(self._begin)
        self._match()
        if self._place:
            self._stand_behind(self._place if known else Place("", self._place.microseconds))
        return True


def _permission_advice(error: OSError) -> str:
    if isinstance(error, PermissionError):
        return "run as root or as a member of the group systemd-journal"
    return "check journal.path in the configuration"
