"""Failures told in several lines: what belongs to one connection is put together by its id (`<F-MLFID>`).

A line with `<F-NOFAIL>` helps: it gives a user or an address, and is no failure itself. A failure whose address is not
known yet is pending until a line of its session gives one. `<F-MLFGAINED>` (somebody was let in) drops what is pending,
unless the session tried several users; `<F-MLFFORGET>` ends the session.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from nfjail.core.captures import Captured, Value

_MOST = 10_000  # sessions kept at once; of more, the oldest are forgotten
_LIFE = 300.0  # seconds of the log's time for which a session is kept
_KEPT = 100  # lines, and users, of one session


@dataclass(slots=True)
class Session:
    """One connection, as far as the log has told."""

    since: float
    fields: Captured
    users: set[str] = field(default_factory=set)
    lines: list[str] = field(default_factory=list)  # of its failures
    aside: list[str] = field(default_factory=list)  # of its helpers since the last failure
    helped: bool = False  # its last line was a helper
    pending: bool = False  # there was a failure, but nobody to blame yet


class Sessions:
    """The sessions of one filter. Times are the log's."""

    def __init__(self) -> None:
        self._known: OrderedDict[Value, Session] = OrderedDict()

    def see(self, key: Value, fields: Captured, lines: Sequence[str], time: float) -> tuple[Session, bool]:
        """The session with what a line has captured put in; whether that line only helps (True) or is a failure."""
        gained, forget = bool(fields.pop("mlfgained", None)), bool(fields.pop("mlfforget", None))
        helper = bool(fields.pop("nofail", None)) or gained
        session = self._find(key, time)
        if session is None:
            session = Session(time, fields)
            if not forget:
                self._keep(key, session)
        else:
            _go_on(session, fields, gained)
            if forget:
                del self._known[key]
        user = fields.get("user")
        if user and isinstance(user, str) and len(session.users) < _KEPT:
            session.users.add(user)
        helper = helper and not session.pending and len(session.users) <= 1
        session.pending, session.helped = False, helper
        if not helper:
            session.lines = [*session.aside, *session.lines, *lines][-_KEPT:]
            session.aside = []
        elif not forget:
            session.aside = [*session.aside, *lines][-_KEPT:]
        return session, helper

    def _find(self, key: Value, time: float) -> Session | None:
        session = self._known.get(key)
        if session is not None and session.since + _LIFE <= time:
            del self._known[key]
            return None
        return session

    def _keep(self, key: Value, session: Session) -> None:
        known = self._known
        if known:
            oldest = next(iter(known.values()))
            if len(known) >= _MOST or oldest.since + _LIFE <= session.since:
                known.popitem(last=False)  # one for each that comes: so there are never many that are over
        known[key] = session


def _go_on(session: Session, fields: Captured, gained: bool) -> None:
    """A further line of a known session."""
    if gained:
        session.pending = False
    if not session.helped and not session.pending:
        session.lines = []  # they have been told with the last failure
    session.fields.update((name, value) for name, value in fields.items() if value is not None)
