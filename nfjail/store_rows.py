"""Bans and their evidence as rows of the store's tables, and back."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from nfjail.core.model import Ban, Decision, Failure, Subject, parse_subject
from nfjail.store_schema import IGNORED

MAX_TEXT = 1000  # characters kept of a message, a captured field, a reason
MAX_FAILURES = 10  # kept of a ban: the last ones, which led to it
BAN_COLUMNS = "jail, packed, prefixlen, since, until, nth, origin, reason"

Ignored = tuple[Subject, "float | None", str]  # who is not to be banned, until then (None: for ever), why

_SURROGATES = re.compile("[\ud800-\udfff]")
_to_json = json.JSONEncoder(separators=(",", ":")).encode

_KEY = "packed = ? AND prefixlen = ? AND jail = ?"
_INTO_PAST = f"""INSERT INTO past (id, {BAN_COLUMNS}, ended_at, ended_why)
    SELECT id, {BAN_COLUMNS}, max(since, ?), ? FROM live WHERE {_KEY}"""
_NOT_LIVE = f"DELETE FROM live WHERE {_KEY}"
_LIVE = f"INSERT INTO live ({BAN_COLUMNS}, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
_EVIDENCE = "INSERT INTO evidence (failures) VALUES (?)"
_POSITION = "INSERT OR REPLACE INTO position VALUES (?, ?, ?)"
_IGNORE = "INSERT OR REPLACE INTO ignored VALUES (?, ?, ?, ?, ?)"


def write(db: sqlite3.Connection, decisions: Iterable[Decision], positions: Mapping[str, str], now: float) -> None:
    """Carries the decisions out in their order and notes the positions. The caller has begun a transaction."""
    for decision in decisions:
        if isinstance(decision, Ban):
            _end(db, decision, decision.since, "replaced")
            jail, (_, packed, prefixlen), since, until, nth, origin, reason, evidence = decision
            number = db.execute(_EVIDENCE, (_evidence_text(evidence, decision.subject),)).lastrowid
            row = (jail, packed, prefixlen, since, until, nth, origin, storable(reason), number)
            db.execute(_LIVE, row)
        else:
            _end(db, decision, decision.at, storable(decision.why))
    for source, position in positions.items():
        db.execute(_POSITION, (_to_bytes(source), _to_bytes(position), now))


def _end(db: sqlite3.Connection, decision: Decision, at: float, why: str) -> None:
    key = (decision.subject.packed, decision.subject.prefixlen, decision.jail)
    if db.execute(_INTO_PAST, (at, why, *key)).rowcount:
        db.execute(_NOT_LIVE, key)


def write_expired(db: sqlite3.Connection, now: float) -> list[tuple[str, Subject, float]]:
    """Ends the bans whose time is over; returns jail, subject and end of each."""
    rows = db.execute("SELECT jail, packed, prefixlen, until FROM live WHERE until <= ?", (now,)).fetchall()
    db.execute(
        f"""INSERT INTO past (id, {BAN_COLUMNS}, ended_at, ended_why)
            SELECT id, {BAN_COLUMNS}, until, 'expired' FROM live WHERE until <= ?""",
        (now,),
    )
    db.execute("DELETE FROM live WHERE until <= ?", (now,))
    return [(jail, subject_of(packed, prefixlen), until) for jail, packed, prefixlen, until in rows]


def write_ignored(db: sqlite3.Connection, subject: Subject, until: float | None, reason: str, now: float) -> None:
    db.execute(_IGNORE, (subject.packed, subject.prefixlen, until, storable(reason), now))


def read_bans(rows: Iterable[Sequence[Any]]) -> Iterator[Ban]:
    """The bans of rows of BAN_COLUMNS, without evidence."""
    same: dict[Any, Any] = {}  # one object for equal texts: 100,000 bans have few jails and reasons
    once = same.setdefault
    for jail, packed, prefixlen, since, until, nth, origin, reason in rows:
        subject = Subject(4 if len(packed) == 4 else 6, packed, prefixlen)
        yield Ban(once(jail, jail), subject, since, until, nth, once(origin, origin), once(reason, reason))


def read_evidence(text: str, banned: Subject) -> tuple[Failure, ...]:
    """Raises ValueError, TypeError, LookupError or AttributeError when the text is damaged."""
    return tuple(
        Failure(
            one["time"],
            parse_subject(one["subject"]) if "subject" in one else banned,
            storable(one["message"]),
            storable(one["position"]),
            one["pattern"],
            {name: storable(value) for name, value in one.get("fields", {}).items()},
        )
        for one in json.loads(text)
    )


def subject_of(packed: bytes, prefixlen: int) -> Subject:
    return Subject(4 if len(packed) == 4 else 6, packed, prefixlen)


def read_positions(db: sqlite3.Connection) -> dict[str, str]:
    rows = db.execute("SELECT source, position FROM position")
    return {_from_bytes(source): _from_bytes(position) for source, position in rows}


def read_ignored(db: sqlite3.Connection) -> list[Ignored]:
    rows = db.execute(f"SELECT packed, prefixlen, until, reason FROM ignored WHERE {IGNORED}")
    return [(subject_of(packed, prefixlen), until, reason) for packed, prefixlen, until, reason in rows]


def _evidence_text(failures: Sequence[Failure], banned: Subject) -> str:
    """JSON, in ASCII: any text can be written so, NUL and lone surrogates too."""
    if not failures:
        return "[]"
    kept = []
    for time, subject, message, position, pattern, fields in failures[-MAX_FAILURES:]:
        one: dict[str, object] = {"time": time, "message": message[:MAX_TEXT], "position": position[:MAX_TEXT]}
        one["pattern"] = pattern
        if fields:
            one["fields"] = {name: text[:MAX_TEXT] for name, text in fields.items()}
        if subject != banned:  # an address in a banned network
            one["subject"] = str(subject)
        kept.append(one)
    return _to_json(kept)


def storable(text: str) -> str:
    """text cut to MAX_TEXT characters, and U+FFFD for lone surrogates, which neither SQLite nor a terminal takes."""
    text = text[:MAX_TEXT]
    return text if text.isascii() else _SURROGATES.sub("\ufffd", text)


def _to_bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _from_bytes(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")
