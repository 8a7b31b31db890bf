"""Tries every pattern of a filter, so that a broken one is told with its file and line before it is needed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping

from nfjail.core.dates import DateDetector, DatePatternError
from nfjail.core.expressions import compile_failregex, compile_ignoreregex, compile_prefix
from nfjail.core.filter import PatternError
from nfjail.core.spec import FilterSpec
from nfjail.core.tags import expand
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.problem import Problem

_TAG = re.compile(r"</?[\w/-]+>")
_POSITION = re.compile(r" at position \d+( \(line \d+, column \d+\))?")


def check_patterns(spec: FilterSpec, options: Mapping[str, Text], names: Collection[str]) -> list[Problem]:
    """What is wrong with the filter's patterns. options: where they were written; names: of all that it could use."""
    problems: list[Problem] = []
    empty = spec._replace(failregex=(), ignoreregex=())
    try:
        compile_prefix(spec)
    except PatternError as error:
        problems.append(_broken("prefregex", 0, error.what, spec.prefregex, options, names))
        empty = empty._replace(prefregex="")
    for index, text in enumerate(spec.failregex):
        try:
            compile_failregex(empty._replace(failregex=(text,)))
        except PatternError as error:
            if not problems or spec.prefregex == empty.prefregex:  # or the prefregex might have had the <HOST>
                problems.append(_broken("failregex", index, error.what, text, options, names))
    for index, text in enumerate(spec.ignoreregex):
        try:
            compile_ignoreregex(empty._replace(ignoreregex=(text,)))
        except PatternError as error:
            problems.append(_broken("ignoreregex", index, error.what, text, options, names))
    return problems + _check_dates(spec, options)


def _check_dates(spec: FilterSpec, options: Mapping[str, Text]) -> list[Problem]:
    error = date_trouble(spec)
    if "datepattern" not in options or error is None:
        return []
    text = options["datepattern"]
    what = f"datepattern {_short(error.text)!r}: {error.what}"
    return [Problem(text.file, text.line_at(error.line - 1), what, "correct it")]


def date_trouble(spec: FilterSpec) -> DatePatternError | None:
    """What is wrong with the filter's datepattern."""
    if not spec.datepattern or spec.logtype == "journal":
        return None
    try:
        DateDetector(spec.datepattern)
    except DatePatternError as error:
        return error
    except (OverflowError, RecursionError) as trouble:  # a thousand brackets in each other
        return DatePatternError(1, spec.datepattern.split("\n")[0], str(trouble))
    return None


def _broken(
    option: str, index: int, what: str, pattern: str, options: Mapping[str, Text], names: Collection[str]
) -> Problem:
    text, unknown = options[option], _unknown(pattern)
    advice = "correct the regular expression"
    if unknown:
        advice = f"{unknown[0]} is no option here and no tag of a pattern{_similar(unknown[0].strip('</>'), names)}"
    return Problem(text.file, _line(text, index), f"{option} {_short(pattern)!r}: {without_position(what)}", advice)


def without_position(what: str) -> str:
    """What re says, without where: that is counted in what the pattern was turned into."""
    return _POSITION.sub("", what)


def _similar(name: str, names: Collection[str]) -> str:
    """Those that begin alike, as mdre-normal and mdre-ddos do, or look alike."""
    stem = name.rpartition("-")[0]
    alike = [other for other in names if stem and other.startswith(f"{stem}-")]
    close = alike or difflib.get_close_matches(name, names, n=2)
    return f"; there is {', '.join(f'<{other}>' for other in close)}" if close else ""


def unknown_tags(options: Mapping[str, Text]) -> list[Problem]:
    """Notes on what looks like a tag but is none, and is therefore matched literally."""
    notes = []
    for option in ("prefregex", "failregex", "ignoreregex"):
        text = options.get(option, Text(""))
        for index, line in enumerate(line for line in text.value.split("\n") if line):
            for tag in dict.fromkeys(_unknown(line)):
                what = f"{tag} in {option} is neither an option nor a tag of a pattern: it is matched literally"
                notes.append(Problem(text.file, _line(text, index), what, "correct its name, unless that is meant"))
    return notes


def _unknown(pattern: str) -> list[str]:
    expanded = expand(pattern)
    return [tag for tag in _TAG.findall(pattern) if tag in expanded and expanded.count(tag) > expanded.count(f"(?P{tag}")]


def _line(text: Text, index: int) -> int:
    """The line of the file on which the pattern stands, which is the index-th of them."""
    places = [at for at, line in enumerate(text.value.split("\n")) if line]
    return text.line_at(places[index]) if index < len(places) else text.line


def _short(text: str) -> str:
    first = text.strip().split("\n")[0]
    return first if len(first) <= 60 else f"{first[:59]}…"
