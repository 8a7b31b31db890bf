"""Failures told in several lines: what belongs to one connection is put together by its id (`<F-MLFID>`).

A line with `<F-NOFAIL>` helps: it gives a user or an address, and is no failure itself. A failure whose address is not
known yet is pending until a line of its session gives one. `<F-MLFGAINED>` (somebody was let in) drops what is pending,
unless the session tried several users; `<F-MLFFORGET>` ends the session.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import NamedTuple

from nfjail.core.captures import Captured, Value

_MOST = 5_000  # sessions of a generation, of which there are two: the older one is forgotten as a whole
_FEW = 250  # as many may wait for the next generation, however old they are
_LIFE = 300.0  # seconds of the log's time for which a session is kept
_KEPT = 100  # lines, and users, of one session

Lines = tuple[str, ...]

MARKS = frozenset({"mlfgained", "nofail", "mlfforget"})  # captures that only matter to the session


class Marks(NamedTuple):
    """What a line says of its session."""

    gained: bool  # somebody was let in
    helps: bool  # it is no failure itself
    forget: bool  # the session ends


_NO_MARKS = Marks(False, False, False)


def take_marks(fields: MutableMapping[str, str] | Captured) -> Marks:
    """Takes the marks out of what a line has captured."""
    if MARKS.isdisjoint(fields):
        return _NO_MARKS
    gained, nofail, forget = (bool(fields.pop(name, "")) for name in ("mlfgained", "nofail", "mlfforget"))
    return Marks(gained, nofail or gained, forget)


class Session:
    """One connection, as far as the log has told."""

    __slots__ = ("aside", "fields", "helped", "lines", "pending", "since", "users")

    def __init__(self, since: float, fields: Captured) -> None:
        self.since = since
        self.fields = fields
        self.users: tuple[str, ...] = ()
        self.lines: Lines = ()  # of its failures
        self.aside: Lines = ()  # of its helpers since the last failure
        self.helped = False  # its last line was a helper
        self.pending = False  # there was a failure, but nobody to blame yet


_FORGOTTEN = Session(0.0, {})


class Sessions:
    """The sessions of one filter. Times are the log's."""

    def __init__(self) -> None:
        self._young: dict[Value, Session] = {}
        self._old: dict[Value, Session] = {}
        self._since = float("-inf")  # when the young ones began

    def see(self, key: Value, fields: Captured, marks: Marks, lines: Lines, time: float) -> tuple[Session, bool]:
        """The session with what a line has captured put in; whether that line only helps (True) or is a failure.

        A session that only helps and ends is not kept: there is nothing in it.
        """
        gained, helper, forget = marks
        session = self._young.get(key) or self._old.get(key)
        if session is None or session.since + _LIFE <= time:
            if helper and forget:
                return _FORGOTTEN, True
            session = Session(time, fields)
            if not forget:
                self._keep(key, session)
            if not helper:  # mostly: a session that is told of in one line
                user = fields.get("user")
                session.lines, session.users = lines, (user,) if user and isinstance(user, str) else ()
                return session, False
        else:
            if gained:
                session.pending = False
            if not session.helped and not session.pending:
                session.lines = ()  # they have been told with the last failure
            if forget:
                self._forget(key)
            session.fields = session.fields | fields  # a new one: the old one is in somebody's hands
        user = fields.get("user")
        if user and user not in session.users and isinstance(user, str):
            session.users = (*session.users, user)[:_KEPT]
        helper = helper and not session.pending and len(session.users) <= 1
        session.pending, session.helped = False, helper
        if not helper:
            session.lines, session.aside = (session.aside + session.lines + lines)[-_KEPT:], ()
        elif not forget:
            session.aside = (session.aside + lines)[-_KEPT:]
        return session, helper

    def _keep(self, key: Value, session: Session) -> None:
        count = len(self._young)
        if count >= _MOST or (count >= _FEW and session.since > self._since + _LIFE):
            self._young, self._old, self._since = {}, self._young, session.since
        self._young[key] = session

    def _forget(self, key: Value) -> None:
        self._young.pop(key, None)
        self._old.pop(key, None)
