"""The clock and the time zone that `nfjail test` works with: the machine's own, or what the command line says."""

from __future__ import annotations

import math
import os
import re
import time
from datetime import datetime, timezone

from nfjail.core.zones import fixed_zone, log_zone
from nfjail.errors import NfjailError

_ZONE_NAME = r"(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)"
_POSIX_ZONE = re.compile(rf"{_ZONE_NAME}[+-]?\d{{1,3}}(?::\d\d){{0,2}}(?:{_ZONE_NAME}.*)?")  # tzset(3)
_EAST_OR_WEST = re.compile(r"(?:UTC|GMT)[+-]\d(?::?\d\d)?", re.IGNORECASE)  # tzset(3) takes UTC+1 for west of Greenwich


class UsageError(NfjailError):
    """The command line does not make sense."""

    exit_code = 2


def parse_now(text: str) -> float:
    """Seconds since the epoch of an ISO 8601 time (in the zone in use if it names none), or of seconds. Raises UsageError."""
    try:
        try:
            seconds = float(text)
        except ValueError:
            seconds = datetime.fromisoformat(f"{text[:-1]}+00:00" if text.endswith(("Z", "z")) else text).timestamp()
        if not math.isfinite(seconds):
            raise ValueError
        datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):
        raise UsageError(f"--now {text!r} is no time", "write 2026-11-22T02:03:04, or seconds since 1970") from None
    return seconds


def use_zone(name: str) -> None:
    """Makes it this process's zone: so it also holds for --now, and for the times that are printed. Raises UsageError."""
    fixed = fixed_zone(name)
    if fixed is not None:
        seconds = round(-fixed.utcoffset(datetime.now(timezone.utc)).total_seconds())  # type: ignore[union-attr]
        hours, rest = divmod(abs(seconds), 3600)
        name = f"<{'-' if seconds > 0 else '+'}{hours:02}{rest // 60:02}>{'-' if seconds < 0 else ''}{hours}:{rest // 60:02}"
    elif _EAST_OR_WEST.fullmatch(name):
        raise UsageError(f"--timezone {name}: this may be east or west of Greenwich", "an hour east is +0100, or UTC+01")
    elif not _POSIX_ZONE.fullmatch(name):
        try:
            log_zone(name)
        except ValueError as error:
            raise UsageError(f"--timezone {name}: {error}") from None
    os.environ["TZ"] = name
    time.tzset()
