"""Filters: their modes put together, and their patterns compiled."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from nfjail.config.foreign import ReadForeign, is_foreign, read_foreign
from nfjail.config.names import filter_trouble
from nfjail.config.problem import Node, Problems
from nfjail.config.settings import FILTER, MODE
from nfjail.config.tables import inner_table, named_tables, read_values
from nfjail.config.toml import brief
from nfjail.config.types import FilterConfig, Mode
from nfjail.core.filter import Filter, PatternError

NORMAL = "normal"  # every filter has this mode, if only with the patterns that belong to all

# In fail2ban's patterns these stand for something; here they would be matched letter by letter, and so never match.
_FOREIGN = re.compile(r"%\(\w+\)s|(?<!\(\?P)<(?:CIDR|DNS|SUBNET|SKIPLINES|__\w+)>")


class Source(NamedTuple):
    """A pattern, and where it was written."""

    text: str
    file: str
    key: str


class Patterns(NamedTuple):
    """What a filter looks for."""

    failregex: tuple[Source, ...] = ()
    ignoreregex: tuple[Source, ...] = ()

    def then(self, more: Patterns) -> Patterns:
        """These, then more, each text once."""
        return Patterns(*(_once((*old, *new)) for old, new in zip(self, more, strict=True)))


class ReadFilter(NamedTuple):
    """A filter as it was written, and what it looks for in each of its modes."""

    table: Node
    config: FilterConfig
    modes: Mapping[str, Patterns]


def _once(sources: Iterable[Source]) -> tuple[Source, ...]:
    by_text: dict[str, Source] = {}
    for source in sources:
        by_text.setdefault(source.text, source)
    return tuple(by_text.values())


def patterns_of(table: Node, failregex: Sequence[str], ignoreregex: Sequence[str]) -> Patterns:
    """The patterns written in a table, whose parsed values are given, with their places."""

    def sources(key: str, texts: Sequence[str]) -> tuple[Source, ...]:
        node = table.value.get(key, table)
        return tuple(Source(text, node.file, f"{node.key}[{i}]") for i, text in enumerate(texts))

    return Patterns(sources("failregex", failregex), sources("ignoreregex", ignoreregex))


def read_filters(root: Node, problems: Problems) -> dict[str, ReadFilter | ReadForeign]:
    """All filters, by name."""
    tables = named_tables(inner_table(root, "filter", problems), filter_trouble, problems)
    return {
        name: read_foreign(name, node, problems) if is_foreign(node) else _read_filter(name, node, problems)
        for name, node in tables
    }


def _read_filter(name: str, table: Node, problems: Problems) -> ReadFilter:
    values = read_values(table, FILTER, problems)
    del values["language"]
    modes: dict[str, Mode] = {}
    own: dict[str, Patterns] = {NORMAL: Patterns()}
    mode_tables = inner_table(table, "mode", problems)
    for mode, node in named_tables(mode_tables, filter_trouble, problems):
        modes[mode] = Mode(name=mode, **read_values(node, MODE, problems))
        own[mode] = patterns_of(node, modes[mode].failregex, modes[mode].ignoreregex)
    config = FilterConfig(name=name, modes=tuple(modes.values()), **values)
    base = patterns_of(table, config.failregex, config.ignoreregex)
    together = {}
    for mode in own:
        together[mode] = base
        for included in _order(mode, modes, mode_tables, problems):
            together[mode] = together[mode].then(own[included])
    return ReadFilter(table, config, together)


def _order(mode: str, modes: Mapping[str, Mode], tables: Node, problems: Problems) -> list[str]:
    """The modes whose patterns mode has, in order, itself the last."""
    order: list[str] = []

    def visit(name: str, trail: tuple[str, ...]) -> None:
        if name in trail:
            _note_cycle(trail[trail.index(name) :], tables, problems)
        elif name in modes and name not in order:
            for included in modes[name].include:
                if included not in modes and included != NORMAL:
                    what = f"{brief(included)} is no mode of this filter"
                    problems.at(
                        tables.value[name].value["include"],
                        what,
                        f"write one of {', '.join(dict.fromkeys((NORMAL, *modes)))}",
                    )
                else:
                    visit(included, (*trail, name))
        if name not in order and name not in trail:
            order.append(name)

    visit(mode, ())
    return order


def _note_cycle(cycle: Sequence[str], tables: Node, problems: Problems) -> None:
    first = cycle.index(min(cycle))  # the same cycle is met from each of its modes
    cycle = [*cycle[first:], *cycle[:first], cycle[first]]
    include = tables.value[cycle[0]].value["include"]
    problems.at(include, f"the modes include each other: {' -> '.join(cycle)}", "take one of them out of include")


def compile_filter(found: ReadFilter | None, name: str, patterns: Patterns, problems: Problems) -> Filter:
    """The filter with these patterns; notes every one that cannot be used, and then returns one that finds nothing.

    found: as it was written; None: the patterns are a jail's own.
    """
    before = len(problems)
    for source in (*patterns.failregex, *patterns.ignoreregex):
        for tag in _FOREIGN.findall(source.text):
            _note(source, f"{tag} has no meaning here", _foreign_advice(tag), problems)
    identifier, datepattern = (found.config.identifier, found.config.datepattern) if found else ((), ())
    _check_captured(bool(datepattern) and not datepattern[0].startswith("^"), patterns, problems)
    if found and datepattern:
        datepattern = _checked_dates(found.table.value["datepattern"], datepattern, problems)
    try:
        failregex, ignoreregex = ([source.text for source in sources] for sources in patterns)
        compiled = Filter(name, failregex, ignoreregex, identifier, datepattern)
    except PatternError:
        _note_errors(name, patterns, problems)
    else:
        if len(problems) == before:
            return compiled
    return Filter(name, ())


def _note_errors(name: str, patterns: Patterns, problems: Problems) -> None:
    """Filter stops at the first pattern that is wrong: here each is tried by itself."""
    for source in (*patterns.failregex, *patterns.ignoreregex):
        is_failregex = source in patterns.failregex
        try:
            Filter(name, [source.text] if is_failregex else [], [] if is_failregex else [source.text])
        except PatternError as error:
            _note(source, f"the pattern {brief(source.text)} cannot be used: {error.what}", _advice(error), problems)


def _check_captured(inside: bool, patterns: Patterns, problems: Problems) -> None:
    """Notes patterns that do not tell where the date is, though they must (inside), or do, though there is no need."""
    for source in patterns.failregex:
        if inside and "<F-DATE>" not in source.text:
            what = f"the pattern {brief(source.text)} does not say where the date is, nor does datepattern"
            _note(source, what, "put <F-DATE>...</F-DATE> around it, or begin datepattern with ^", problems)
        elif not inside and "<F-DATE>" in source.text:
            what = f"the pattern {brief(source.text)} has <F-DATE>, but its filter has no datepattern for it"
            _note(source, what, "write datepattern in the filter, without ^, or remove <F-DATE>", problems)


def _checked_dates(node: Node, datepattern: tuple[str, ...], problems: Problems) -> tuple[str, ...]:
    """The datepattern, if it can be used; else nothing, and what is wrong with it is noted."""
    from nfjail.core.dates import DatePatternError  # only now: it costs memory
    from nfjail.core.line_dates import LineDates

    try:
        LineDates(datepattern)
    except DatePatternError as error:
        what = f"the pattern {brief(error.text)} cannot be used: {error.what}"
        problems.add(node.file, f"{node.key}[{error.line - 1}]", what, 'write it as in "%Y-%m-%d %H:%M:%S"')
        return ()
    return datepattern


def _note(source: Source, what: str, hint: str, problems: Problems) -> None:
    problems.add(source.file, source.key, what, hint)


def _foreign_advice(tag: str) -> str:
    if "prefix" in tag:
        return "remove it: patterns begin where the message begins, behind time, host and service"
    return "write what it stands for: tags are <HOST>, <ADDR>, <IP4>, <IP6>, and <F-NAME>...</F-NAME> to keep a text"


def _advice(error: PatternError) -> str:
    if "<HOST>" in error.what:
        return "put <HOST> where the address stands"
    if "empty message" in error.what:
        return "begin it with ^ and some text of the message"
    return "see the syntax of regular expressions: https://docs.python.org/3/library/re.html"
