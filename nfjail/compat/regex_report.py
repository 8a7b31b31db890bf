"""The report of fail2ban-regex."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from optparse import Values
from typing import TYPE_CHECKING

from nfjail.core.spec import FilterSpec
from nfjail.core.tags import expand

if TYPE_CHECKING:
    from nfjail.compat.regex_lines import Examiner

MOST = 20  # lines of a kind that are printed

_FIELDS = {
    "a": "DAY", "A": "DAYNAME", "b": "MON", "B": "MONTH", "d": "Day", "H": "24hour", "I": "12hour", "j": "Yearday",
    "m": "Month", "M": "Minute", "p": "AMPM", "S": "Second", "U": "Yearweek", "w": "Weekday", "W": "Yearweek", "y": "Year2",
    "Y": "Year", "%": "%", "z": "Zone offset", "f": "Microseconds", "Z": "Zone name", "ExM": "ExMinute", "ExS": "ExSecond",
    "Exd": "ExDay", "Exz": "ExZone offset", "Exy": "ExYear2", "ExH": "Ex24hour", "Exm": "ExMonth", "ExY": "ExYear",
    "ExZ": "ExZone name", "Exk": "Ex%k",
}  # fmt: skip
_FIELD = re.compile("%(Ex[A-Za-z]|.)")


def short(text: str) -> str:
    """At most 53 characters of it."""
    text = text.replace("\n", r"\n")
    return text if len(text) <= 53 else f"{text[:50]}..."


def template_name(form: str) -> str:
    """What fail2ban calls an expression that finds dates."""
    if form.endswith("EPOCH") and "{EPOCH}" not in form:
        return form.replace("LEPOCH", "LongEpoch").replace("EPOCH", "Epoch")
    return _FIELD.sub(lambda found: _FIELDS.get(found[1], found[0]), form.replace("{UNB}", ""))


def report(spec: FilterSpec, examiner: Examiner, options: Values, seconds: float) -> Iterator[str]:
    """Line by line."""
    yield "\nResults\n======="
    if spec.prefregex:
        yield f"\nPrefregex: {examiner.prefixed} total"
        groups = [f"    {group}" for group in examiner.groups] if options.verbose else []
        yield from _listed([expand(spec.prefregex, spec.usedns), *groups])
    yield from _patterns("Failregex", spec.failregex, examiner.hits, examiner.found, bool(options.verbose))
    yield from _patterns("Ignoreregex", spec.ignoreregex, examiner.ignored_by, {}, bool(options.verbose))
    if examiner.dates is not None:
        yield "\nDate template hits:"
        hits = [f"[{count}] {template_name(form)}" for form, count in examiner.dates.hits() if count or options.verbose]
        yield from _listed(hits, "[# of hits] date format")
    counts = examiner.counts
    tested = sum(counts.values())
    yield f"\nLines: {tested} lines, {counts['ignored']} ignored, {counts['matched']} matched, {counts['missed']} missed"
    yield f"[processed in {seconds:.2f} sec]\n"
    for kind in ("matched", "ignored", "missed"):
        if options.all_matched if kind == "matched" else not getattr(options, f"no_{kind}"):
            yield from _lines(kind, examiner, getattr(options, f"all_{kind}"))


def _patterns(
    title: str, patterns: Sequence[str], hits: Sequence[int], found: dict[int, list[tuple[str, float, bool]]], verbose: bool
) -> Iterator[str]:
    yield f"\n{title}: {sum(hits)} total"
    told: list[str] = []
    for index, (pattern, count) in enumerate(zip(patterns, hits, strict=True)):
        if count or verbose:
            told.append(f"{index + 1:2d}) [{count}] {pattern}")
        if verbose:
            for host, when, several in found.get(index, ()):
                told.append(f"    {host}  {time.strftime('%a %b %d %H:%M:%S %Y', time.localtime(when))}"
                            f"{' (multiple regex matched)' if several else ''}")  # fmt: skip
    yield from _listed(told, " #) [# of hits] regular expression")


def _lines(kind: str, examiner: Examiner, every: bool) -> Iterator[str]:
    count, lines = examiner.counts[kind], examiner.kept[kind]
    if not count:
        return
    header = f"{kind.capitalize()} line(s):"
    if count < MOST or every:
        yield from _listed([line.rstrip() for line in lines], header)
    else:
        yield f"{header} too many to print.  Use --print-all-{kind} to print all {count} lines"


def _listed(lines: Sequence[str], header: str = "") -> Iterator[str]:
    if lines:
        yield (f"|- {header}\n" if header else "") + "|  " + "\n|  ".join(lines) + "\n`-"
