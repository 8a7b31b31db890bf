"""The report of `nfjail test`, for people."""

from __future__ import annotations

import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nfjail.cli.test_filters import Eye, Trial
from nfjail.cli.test_json import iso
from nfjail.core.sight import Result, Sight
from nfjail.text import printable

RESULTS: tuple[Result, ...] = ("failure", "helper", "ignored", "missed")

_COLOURS = {"failure": "31", "helper": "33", "ignored": "36", "missed": "2"}
MANY = 20  # so many lines are shown one by one
_SHOWN = 10  # of more lines, so many of a kind
_LONGEST = 500  # characters of a line that are shown


def emit(text: str) -> None:
    """Prints text at once, and all of it: sys.stdout loses a part where it is unbuffered (python3 -u) and the reader slow."""
    sys.stdout.flush()
    data = memoryview(text.encode(errors="backslashreplace"))
    while data:
        data = data[os.write(sys.stdout.fileno(), data) :]


def text(lines: Iterable[str]) -> str:
    """Lines as they are printed."""
    return "".join(f"{line}\n" for line in lines)


class Timing(NamedTuple):
    """How long a pattern takes for a line, in seconds."""

    mean: float
    worst: float


class Tally:
    """What was found so far."""

    def __init__(self, trial: Trial, keep_all: bool) -> None:
        self.trial = trial
        self.lines = 0
        self.results: Counter[str] = Counter()
        self.hits: Counter[int] = Counter()
        self.first: list[tuple[int, str, Sight]] = []
        self.kept: dict[str, deque[tuple[int, str]]] = {
            result: deque(maxlen=None if keep_all else _SHOWN) for result in ("ignored", "missed")
        }

    def add(self, lines: Sequence[str], sights: Sequence[Sight]) -> None:
        """Lines that follow those before."""
        number, results, kept = self.lines, self.results, self.kept
        for line, sight in zip(lines, sights, strict=True):
            number += 1
            result, pattern = sight[0], sight[3]
            results[result] += 1
            if result in kept:
                kept[result].append((number, line))
            elif pattern >= 0:
                self.hits[pattern] += 1
            if number <= MANY:
                self.first.append((number, line, sight))
        self.lines = number

    def sift(self, lines: Sequence[str], told: Sequence[tuple[int, Sight]]) -> None:
        """The same of more lines than are shown one by one. told: what sift() gave of them."""
        found = Counter([(sight[0], sight[3]) for _, sight in told])
        for (result, pattern), times in found.items():
            self.results[result] += times
            if pattern >= 0 and result not in self.kept:
                self.hits[pattern] += times
        self.results["missed"] += len(lines) - len(told)
        ignored = [i for i, sight in told if sight[0] == "ignored"][-_SHOWN:]
        for kind, indexes in ("ignored", ignored), ("missed", _missed(len(lines), told)):
            self.kept[kind] += [(self.lines + i + 1, lines[i]) for i in indexes]
        self.lines += len(lines)


def _missed(count: int, told: Sequence[tuple[int, Sight]]) -> list[int]:
    """The indexes of the last of so many lines that are missed."""
    missed: list[int] = []
    left = len(told)
    for i in range(count - 1, -1, -1):
        hit = left > 0 and told[left - 1][0] == i
        if hit:
            left -= 1
        if not hit or told[left][1][0] == "missed":
            missed.append(i)
            if len(missed) == _SHOWN:
                break
    return missed[::-1]


def explain(number: int, line: str, sight: Sight, eye: Eye, now: float) -> Iterator[str]:
    """A line, and what was made of it."""
    yield f"{number:>6} {paint(sight.result)} {_short(line)}"
    if sight.pattern < 0:
        seen = eye.seen(line, now)
        yield f"{'':7}{'seen':9}{'nothing: prefregex does not fit' if seen is None else repr(_short(seen.rstrip(chr(10))))}"
    if sight.pattern >= 0:
        when = None if sight.time is None else iso(sight.time)
        told = {"host": sight.host, "time": when, "pattern": sight.pattern}
        fields = {name: value for name, value in sight.fields.items() if name not in ("ip4", "ip6", "dns")}
        for name, value in (told | fields).items():
            if value is not None:
                yield f"{'':7}{name:9}{printable(value if isinstance(value, str) else str(value))}"


def report(tally: Tally, timings: Sequence[Timing], seconds: float, now: float) -> Iterator[str]:
    """All that was found, for people. seconds: how long it took."""
    count = len(tally.trial.patterns)
    yield f"{printable(tally.trial.name)}: {count} pattern{'s' if count > 1 else ''}"
    yield ""
    if tally.lines <= MANY:
        for number, line, sight in tally.first:
            yield from explain(number, line, sight, tally.trial.eye, now)
    else:
        for result, kept in tally.kept.items():
            yield from _kept(result, list(kept), tally.results[result])
    yield ""
    yield from _patterns(tally, timings)
    yield ""
    counts = ", ".join(f"{tally.results[result]} {paint(result, width=0)}" for result in RESULTS)
    speed = f" in {seconds:.1f}s, {tally.lines / seconds:,.0f} a second" if seconds >= 0.1 else ""
    yield f"{tally.lines} line{'' if tally.lines == 1 else 's'}{speed}: {counts}"


def _kept(result: str, kept: list[tuple[int, str]], count: int) -> Iterator[str]:
    if kept:
        yield f"{'the last ' if count > len(kept) else ''}{len(kept)} {paint(result, width=0)} of {count}:"
        yield from (f"{number:>9} {_short(line)}" for number, line in kept)


def _patterns(tally: Tally, timings: Sequence[Timing]) -> Iterator[str]:
    yield f"{'pattern':>7} {'hits':>8} {'mean':>9} {'worst':>9}"
    for index, text in enumerate(tally.trial.patterns):
        timing = timings[index] if timings else Timing(0.0, 0.0)
        yield f"{index:>7} {tally.hits[index]:>8} {_micro(timing.mean)} {_micro(timing.worst)}  {_short(text, 100)}"
    if len(timings) > 1:
        slowest = max(range(len(timings)), key=lambda index: timings[index].mean)
        yield f"slowest: pattern {slowest}, {_micro(timings[slowest].mean).strip()} a line"


def _micro(seconds: float) -> str:
    return f"{seconds * 1e6:>7.1f}us" if seconds < 0.1 else f"{seconds:>8.1f}s"


def _short(text: str, longest: int = _LONGEST) -> str:
    text = printable(text)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


def paint(result: str, width: int = 7) -> str:
    """The word in its colour, if a terminal shows it and nobody said no (https://no-color.org)."""
    word = f"{result:<{width}}"
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return word
    return f"\x1b[{_COLOURS[result]}m{word}\x1b[0m"
