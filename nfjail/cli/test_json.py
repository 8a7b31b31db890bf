"""What `nfjail test --json` prints: an object for each line, in the lines' order."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime, timezone

from nfjail.core.sight import Sight
from nfjail.core.whom import Judge

MEANING = """\
--json prints one object for each line of the input, also for empty ones:
  line     its number, from 1
  result   "failure"; "helper": a line that is none, but may be needed for one
           (the rest of a session's lines, or a failure of which it is not yet
           known whose); "ignored": because of an ignoreregex; "missed": else
  host     whom the line is about: an address or network as it is written
           properly, a host name (it is not resolved), or any other id; null:
           nobody, or not yet known
  time     when it was written, ISO 8601 with offset: the date in the line, or
           else that of a line not long before (of journal entries their own,
           or --now); null: not known
  pattern  index of the failregex that fits, from 0; null: none does. A line
           that fits, but names nobody who could be banned (as 999.1.1.1), is
           missed, and has its pattern nevertheless
  fields   all that was captured, by name in lower case (<F-USER> is "user"),
           with that of earlier lines of its session: a text each; a list,
           where there are several (<F-TUPLE_ID>, or "users": all that a
           session has tried)
A pattern that looks at several lines (maxlines) is found with the last of
them; the ones before it are missed."""

_NO_MORE = ', "pattern": null, "fields": {}}\n'

_encode = json.JSONEncoder().encode


def json_writer(judge: Judge) -> Callable[[int, Sight], str]:
    """What makes the object for a line of its number and of what it told. judge: tells whom a helper is about."""
    last: float | None = None
    shown = "null"

    def write(number: int, sight: Sight) -> str:
        nonlocal last, shown
        result, host, time, pattern, fields, *_ = sight
        if time != last:
            last, shown = time, _encode(None if time is None else iso(time))
        if pattern < 0 and host is None and not fields:
            return f'{{"line": {number}, "result": "{result}", "host": null, "time": {shown}{_NO_MORE}'
        if result == "helper" and host is None:
            whom = judge.judge(dict(fields))
            host = whom and whom.host
        known = _encode(pattern) if pattern >= 0 else "null"
        return (
            f'{{"line": {number}, "result": "{result}", "host": {_encode(host)}, "time": {shown}, "pattern": {known}, '
            f'"fields": {_encode(fields)}}}\n'
        )

    return write


def iso(moment: float) -> str | None:
    """A time with the offset of the zone in use; None: it is in a year that no calendar has."""
    try:
        return datetime.fromtimestamp(moment, timezone.utc).astimezone().isoformat()
    except (ValueError, OverflowError, OSError):
        return None


def all_of(write: Callable[[int, Sight], str], first: int, sights: Sequence[Sight]) -> str:
    """The objects of lines that follow each other, from number first on."""
    return "".join(map(write, range(first, first + len(sights)), sights))
