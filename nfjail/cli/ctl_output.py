"""How `nfjail ctl` shows things: lines, tables, times; nothing in them can drive the terminal."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any

from nfjail.core.duration import format_duration
from nfjail.text import printable

SAMPLE = 1000  # rows whose widths decide: a long list shall begin at once, and not be kept in memory


def say(line: str) -> None:
    """Prints one line; whatever came from a log is harmless in it."""
    print(printable(line))


def say_json(value: Any, indent: int | None = 2) -> None:
    """Prints one JSON document (ASCII: harmless, too); on one line with indent=None."""
    print(json.dumps(value, indent=indent))


def say_table(header: Sequence[str], rows: Iterable[Sequence[str]], right: Sequence[str] = ()) -> None:
    """Prints rows below the header in columns, those named in right flush right."""
    iterator = iter(rows)
    sample = list(islice(iterator, SAMPLE))
    widths = [max(len(printable(row[i])) for row in (header, *sample)) for i in range(len(header))]
    columns = (f"{{:{'>' if name in right else '<'}{width}}}" for name, width in zip(header, widths, strict=True))
    line = "  ".join(columns)
    for row in chain([header], sample, iterator):
        say(line.format(*row).rstrip())


def clock(moment: float) -> str:
    """A time in this machine's time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(moment))


def until(moment: float | None) -> str:
    return "forever" if moment is None else f"until {clock(moment)}"


def length(ban: dict[str, Any]) -> str:
    """For how long it is or was imposed: "for 10m" or "forever"."""
    return "forever" if ban["until"] is None else f"for {format_duration(ban['until'] - ban['since'])}"


def because(reason: str, nth: int | None) -> str:
    """The arithmetic: "3 failures in 41s; 2nd ban"."""
    return "; ".join(part for part in (reason, f"{ordinal(nth)} ban" if nth and nth > 1 else "") if part)


def in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def record_lines(record: dict[str, Any], now: float) -> Iterator[str]:
    """A ban of `why`, with its end and its evidence."""
    ban, ended = record["ban"], record["ended"]
    state = "was banned" if ended is not None else "is banned"
    yield f"{ban['address']} {state} in {ban['jail']} {length(ban)}"
    yield f"  since     {clock(ban['since'])}"
    if ended is not None:
        yield f"  ended     {clock(ended)}{in_brackets(record['why'] or '')}"
    elif ban["until"] is not None:
        yield f"  ends      {clock(ban['until'])} (in {format_duration(max(0.0, ban['until'] - now))})"
    yield f"  because   {because(ban['reason'], ban['nth']) or 'no reason was given'}"
    yield f"  asked by  {ban['origin']}"
    for line in record["evidence"]:
        yield f"  {clock(line['time'])}  {line['message']}"
        pattern = f"failregex {line['pattern']}; " if line["pattern"] >= 0 else ""
        yield f"    ({pattern}{line['position']})"


def event_line(event: dict[str, Any]) -> str:
    """One line of `watch`."""
    kind, who, text = event["event"], event.get("address") or "", event["text"]
    told = {
        "ban": lambda: (
            f"banned {who} {length({'since': event['time'], 'until': event.get('until')})}"
            + in_brackets(because(text, event.get("nth")))
        ),
        "unban": lambda: f"unbanned {who}{in_brackets(text)}",
        "failure": lambda: f"failure of {who}: {text}",
    }.get(kind, lambda: " ".join(part for part in (f"{kind}:", who, text) if part))()
    jail = event.get("jail")
    return f"{clock(event['time'])}  {f'{jail}: ' if jail else ''}{told}"
