"""The bans that are running in fail2ban, read from its database while it may itself be writing there."""

from __future__ import annotations

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any, NamedTuple
from urllib.parse import quote

from nfjail.core.model import Subject, parse_subject
from nfjail.errors import NfjailError

_PATIENCE = 10.0  # seconds for which fail2ban may be writing

#: bips has the last ban of each address in each jail (since 0.11), bans has all of them
_CURRENT = "SELECT jail, ip, timeofban, bantime, bancount, data FROM bips ORDER BY timeofban"
_LATEST = "SELECT jail, ip, max(timeofban), bantime, bancount, data FROM bans GROUP BY jail, ip ORDER BY timeofban"
_TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


class OldBan(NamedTuple):
    """A ban that is not over yet. Times are seconds since the epoch."""

    jail: str
    subject: Subject
    since: float
    until: float | None  # None: for ever
    nth: int  # how often this address has been banned by now
    reason: str


class OldBans(NamedTuple):
    """All of them, and what else is in the database that looks like one."""

    running: tuple[OldBan, ...]
    over: int  # bans that have ended
    unfit: Mapping[str, int]  # bans that nobody can go on with: why not, and how many


def read_bans(path: str, now: float) -> OldBans:
    """What the database at path holds. Raises NfjailError."""
    if not os.path.lexists(path):
        advice = "name it: nfjail import --bans FILE; `fail2ban-client get dbfile` tells where it is"
        raise NfjailError(f"there is no database of fail2ban's at {path}", advice)
    if not os.path.isfile(path):
        raise NfjailError(f"{path} is not a file", "name fail2ban's database: nfjail import --bans FILE")
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro", uri=True, timeout=_PATIENCE)) as db:
            db.text_factory = lambda raw: raw.decode(errors="replace")
            return _sorted(list(_rows(db, path)), now)
    except sqlite3.Error as error:
        raise NfjailError(f"{path}: it cannot be read as fail2ban's database: {error}", _advice(error)) from None


def _advice(error: sqlite3.Error) -> str:
    if "locked" in str(error):
        return "fail2ban is busy writing there: try again"
    if "unable to open" in str(error):
        return "see whether you may read it: run this as root"
    return "if it is damaged, start and stop fail2ban once: it mends what it can"


def _rows(db: sqlite3.Connection, path: str) -> Iterator[tuple[Any, ...]]:
    tables = {name for (name,) in db.execute(_TABLES)}
    if "bips" in tables:
        yield from db.execute(_CURRENT)
        return
    columns = {row[1] for row in db.execute("PRAGMA table_info(bans)")}
    if not {"jail", "ip", "timeofban", "bantime", "bancount", "data"} <= columns:
        what = "it is from a fail2ban before 0.11, which kept no lengths" if columns else "it has no table of bans"
        raise NfjailError(f"{path}: {what}", "start fail2ban 0.11 or newer on it once, or name its database")
    yield from db.execute(_LATEST)


def _sorted(rows: list[tuple[Any, ...]], now: float) -> OldBans:
    running, over, unfit = [], 0, Counter[str]()
    for row in rows:
        try:
            ban = _ban(*row)
        except ValueError as error:
            unfit[str(error)] += 1
            continue
        if ban.until is None or ban.until > now:
            running.append(ban)
        else:
            over += 1
    return OldBans(tuple(running), over, dict(unfit))


def _ban(jail: Any, ip: Any, timeofban: Any, bantime: Any, bancount: Any, data: Any) -> OldBan:
    """Raises ValueError: why nobody can go on with it."""
    numbers = (timeofban, bantime, bancount)
    if not (isinstance(jail, str) and isinstance(ip, str) and all(isinstance(number, (int, float)) for number in numbers)):
        raise ValueError("its row is damaged")
    if bantime < -1:
        raise ValueError("it is from a fail2ban before 0.11, and its length is not known")
    try:
        subject = parse_subject(ip)
    except ValueError:
        raise ValueError("what is banned is no address") from None
    until = None if bantime < 0 else float(timeofban + bantime)
    return OldBan(jail, subject, float(timeofban), until, max(1, int(bancount)), _reason(data))


def _reason(data: Any) -> str:
    """fail2ban keeps the log lines, too, but as anybody could have written them there."""
    try:
        failures = json.loads(data)["failures"]
    except (LookupError, TypeError, ValueError):
        failures = None
    return f"taken over from fail2ban ({failures} failures)" if isinstance(failures, int) else "taken over from fail2ban"
