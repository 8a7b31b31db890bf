"""Filters in fail2ban's language: a table with language = "fail2ban", or a file that a jail names as "fail2ban:sshd"."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from nfjail.config.kinds import FAIL2BAN
from nfjail.config.network import fail2ban_match
from nfjail.config.problem import Node, Problems, plain
from nfjail.config.settings import FOREIGN
from nfjail.config.tables import read_values
from nfjail.config.toml import brief
from nfjail.config.types import Fail2banFilter
from nfjail.core.filter import PatternError
from nfjail.core.jail import JournalMatch
from nfjail.core.spec import FilterSpec, Logtype
from nfjail.fail2ban.call import parse_call
from nfjail.fail2ban.problem import Fail2banError
from nfjail.fail2ban.problem import Problem as Fail2banProblem

#: what a jail may say in place of its filter
OF_JAIL = ("usedns", "logtimezone", "datepattern", "maxlines")
_SYNTAX = "see the syntax of regular expressions: https://docs.python.org/3/library/re.html"


class ReadForeign(NamedTuple):
    """Such a table, as it was written."""

    table: Node
    config: Fail2banFilter


def is_foreign(table: Node) -> bool:
    language = table.value.get("language")
    return language is not None and language.value == "fail2ban"


def read_foreign(name: str, table: Node, problems: Problems) -> ReadForeign:
    return ReadForeign(table, Fail2banFilter(name=name, **read_values(table, FOREIGN, problems)))


def load_named(call: str, mode: str, logtype: Logtype, asked: Node, problems: Problems) -> FilterSpec | None:
    """The filter that "fail2ban:NAME[...]" calls for, as a jail reads it that is in that mode; None after trouble."""
    from nfjail.fail2ban.filters import read_filter  # only now: what reads fail2ban's files costs memory

    name, parameters = parse_call(call.removeprefix(FAIL2BAN))
    if mode != "normal":
        parameters.setdefault("mode", mode)
    try:
        return read_filter(name.strip(), params=parameters, logtype=logtype)._replace(name=call, logtype=logtype)
    except Fail2banError as error:
        note_all(error.problems, asked, problems)
    return None


def note_all(found: Iterable[Fail2banProblem], asked: Node, problems: Problems) -> None:
    """Problems of fail2ban's files, each with its line; those without a file are of the value that asked for them."""
    for problem in found:
        if problem.file and not problem.file.startswith("parameter "):
            place = f"{problem.file}:{problem.line}" if problem.line else problem.file
            problems.add(place, "", problem.what, problem.advice)
        else:
            problems.at(asked, problem.what, problem.advice)


def with_jails_own(spec: FilterSpec, values: Mapping[str, Any]) -> FilterSpec:
    """The filter with what its jail says: more patterns, and other settings in place of the filter's."""
    given = {key: values[key] for key in OF_JAIL if values[key] is not None}
    if "datepattern" in given:
        given["datepattern"] = "\n".join(given["datepattern"])
    return spec._replace(
        failregex=(*spec.failregex, *values["failregex"]), ignoreregex=(*spec.ignoreregex, *values["ignoreregex"]), **given
    )


def journal_groups(spec: FilterSpec) -> JournalMatch:
    """What of the journal the filter is about."""
    return fail2ban_match(spec.journalmatch)


def check_spec(spec: FilterSpec, tables: tuple[Node, ...], problems: Problems) -> None:
    """Notes every pattern and date pattern that cannot be used. tables: where they were written, the first one first."""
    from nfjail.core.expressions import compile_failregex, compile_ignoreregex, compile_prefix  # only now: they cost memory
    from nfjail.fail2ban.patterns import date_trouble

    bare = spec._replace(failregex=(), ignoreregex=())
    try:
        prefix = compile_prefix(spec)
    except PatternError as error:
        prefix, bare = None, bare._replace(prefregex="")
        _note(_place("prefregex", spec.prefregex, tables), spec.prefregex, error.what, problems)
    for text in spec.failregex if prefix or not spec.prefregex else ():  # the prefregex might have the <HOST>
        _try(compile_failregex, bare._replace(failregex=(text,)), "failregex", text, tables, problems)
    for text in spec.ignoreregex:
        _try(compile_ignoreregex, bare._replace(ignoreregex=(text,)), "ignoreregex", text, tables, problems)
    if wrong := date_trouble(spec):
        place = _place("datepattern", wrong.text, tables)
        problems.at(place, f"the pattern {brief(wrong.text)} cannot be used: {wrong.what}", "correct it")


def _try(
    compiled: Callable[[FilterSpec], Any], spec: FilterSpec, key: str, text: str, tables: tuple[Node, ...], problems: Problems
) -> None:
    try:
        compiled(spec)
    except PatternError as error:
        _note(_place(key, text, tables), text, error.what, problems)


def _place(key: str, text: str, tables: tuple[Node, ...]) -> Node:
    """The node where that pattern stands."""
    for table in tables:
        node = table.value.get(key)
        value = plain(node) if node is not None else None
        if isinstance(value, list) and text in value:
            return Node(text, node.file, f"{node.key}[{value.index(text)}]")
        if value == text:
            return Node(text, node.file, node.key)
    return tables[0]


def _note(place: Node, text: str, what: str, problems: Problems) -> None:
    from nfjail.fail2ban.patterns import without_position  # only now: it costs memory

    hint = "put <HOST> where the address stands" if "<HOST>" in what else _SYNTAX
    problems.at(place, f"the pattern {brief(text)} cannot be used: {without_position(what)}", hint)
