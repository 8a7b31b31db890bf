"""Whether the clock can be trusted: bans and failures are counted by it."""

from __future__ import annotations

import ctypes
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import quote

from nfjail.core.duration import format_duration
from nfjail.doctor import KERNEL, Finding, note, ok, problem, warning
from nfjail.doctor.machine import Machine

_SLACK = 60.0  # seconds
_UNSYNCHRONISED, _ERROR = 0x40, 5  # STA_UNSYNC, TIME_ERROR: linux/timex.h
_BEHIND = "Bans end late, and new failures look older than old ones"


class _Timex(ctypes.Structure):
    """struct timex: its beginning, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("rest", ctypes.c_char * 512),
    )  # fmt: skip


def synchronised() -> bool | None:
    """Whether the kernel thinks that somebody keeps its clock right; None: it does not say. adjtimex(2), which only asks."""
    asked = _Timex()
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    return None if state < 0 else state != _ERROR and not asked.status & _UNSYNCHRONISED


def clock(machine: Machine, asked: Callable[[], bool | None], logged: float | None, banned: float | None) -> Iterator[Finding]:
    """logged, banned: times of the newest journal entry and of the newest ban in the store, as far as they are known."""
    right = asked()
    if right is False and machine.in_container:
        yield note(KERNEL, "clock", "the clock is not kept right (unsynchronised); in a container that is up to the host")
    elif right is False:
        what = "nobody keeps the clock right (unsynchronised): when it is set, running bans end early or late"
        yield warning(KERNEL, "clock", what, "timedatectl set-ntp true", "or: apt install chrony (dnf install chrony)")
    elif right:
        yield ok(KERNEL, "clock", f"the clock is synchronised; times are shown in {time.tzname[0]}")
    for when, of, key in ((logged, "entry in the journal", "clock-journal"), (banned, "ban in the store", "clock-store")):
        if when is not None and when > machine.now + _SLACK:
            ahead = format_duration(when - machine.now)
            what = f"the clock is {ahead} before the newest {of}: it was set back, or was wrong then"
            yield problem(KERNEL, key, f"{what}. {_BEHIND}", "timedatectl")


def newest_ban(state: str, machine: Machine) -> float | None:
    """When the newest ban in the store began, in seconds since the epoch; None: there is none, or it cannot be seen.

    immutable: SQLite takes no lock and makes no file beside the store, which would be root's and keep the daemon out.
    What it reads while the daemon writes may be torn: that is an error then, and nothing is known.
    """
    path = machine.path(os.path.join(state, "nfjail.db"))
    if not os.access(path, os.R_OK):
        return None
    query = "SELECT max(since) FROM (SELECT since FROM live UNION ALL SELECT since FROM past)"
    try:
        with closing(sqlite3.connect(f"file:{quote(path)}?mode=ro&immutable=1", uri=True)) as db:
            found = db.execute(query).fetchone()[0]
    except sqlite3.Error:
        return None
    return float(found) if isinstance(found, (int, float)) else None
