"""Reads a fail2ban filter (filter.d/NAME.conf and what belongs to it) and yields it with everything filled in."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Mapping
from typing import NamedTuple, cast, get_args

from nfjail.core.spec import FilterSpec, Logtype, Usedns
from nfjail.fail2ban.definition import DEFINITION, Definition
from nfjail.fail2ban.files import Merged, load, load_file
from nfjail.fail2ban.ini import Section, Text
from nfjail.fail2ban.interpolate import InterpolationError
from nfjail.fail2ban.patterns import check_patterns, unknown_tags
from nfjail.fail2ban.problem import Fail2banError, Problem

ETC = "/etc/fail2ban"
FOLDER = "filter.d"

#: what a filter may set; a jail may set it, too
OPTIONS = ("usedns", "prefregex", "ignoreregex", "failregex", "maxlines", "datepattern", "journalmatch")

_CUMULATIVE = ("failregex", "ignoreregex", "journalmatch")  # the jail's are added to the filter's
_FROM_JAIL_FIRST = ("datepattern",)  # of others the filter's wins where both have it: parameters stand above the jail


class Filter(NamedTuple):
    """A filter ready for use, and where it came from."""

    spec: FilterSpec
    options: Section  # the filter options in effect, as text
    files: tuple[str, ...]
    notes: tuple[Problem, ...] = ()  # what is odd but does no harm


def read_filter(
    name_or_path: str, base: str = ETC, params: Mapping[str, str] | None = None, logtype: Logtype = "file"
) -> FilterSpec:
    """The filter called so in base, or in that file, with these parameters. logtype: what will be read.

    Raises Fail2banError that says everything that is wrong with it.
    """
    return load_filter(name_or_path, base, params, logtype).spec


def load_filter(
    name_or_path: str, base: str = ETC, params: Mapping[str, str] | None = None, logtype: Logtype = "file"
) -> Filter:
    """As read_filter(), with the origin of each option and what is odd about it."""
    name, merged = _find(name_or_path, base)
    definition = defined(merged, {option: Text(value, f"parameter {option}") for option, value in (params or {}).items()})
    apply_logtype(definition, logtype)
    try:
        options = definition.combined(definition.options(OPTIONS, {}))
    except InterpolationError as error:
        raise Fail2banError([error.problem]) from None
    given = (params or {}).get("logtype")
    return finished(name, options, {}, "journal" if given == "journal" else logtype, merged)


def _find(name_or_path: str, base: str) -> tuple[str, Merged]:
    """The filter's name and files. A path into a folder filter.d stands for all files of that filter there."""
    folder, name = os.path.split(name_or_path)
    stem, extension = os.path.splitext(name)
    if extension not in (".conf", ".local"):
        stem = name
    if os.path.basename(os.path.abspath(folder)) == FOLDER and folder:
        return stem, load_named(os.path.dirname(os.path.abspath(folder)), FOLDER, stem)
    if folder and os.path.isfile(name_or_path):
        return stem, load_file(name_or_path)
    return stem, load_named(base, FOLDER, os.path.join(folder, stem))


def load_named(base: str, folder: str, name: str, asked: Text | None = None) -> Merged:
    """The files of filter.d/NAME or action.d/NAME. asked: the option that names it. Raises Fail2banError."""
    where = asked or Text("", os.path.join(base, folder))
    merged = load(base, os.path.join(folder, name)) if "\0" not in name else Merged((), {}, {})
    if not merged.files:
        kind = "filter" if folder == FOLDER else "action"
        what = f"there is no {kind} {name!r} in {base}/{folder}"
        raise Fail2banError([where.problem(what, _similar(base, folder, name))])
    if merged.faults:
        raise Fail2banError(fault.problem for fault in merged.faults)
    return merged


def _similar(base: str, folder: str, name: str) -> str:
    try:
        entries = os.listdir(os.path.join(base, folder))
    except OSError as error:
        return f"the folder cannot be read: {error.strerror}"
    names = sorted({os.path.splitext(entry)[0] for entry in entries if entry.endswith((".conf", ".local"))})
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {close[0]}?" if close else "install its file, or correct the name"


def defined(merged: Merged, parameters: Mapping[str, Text]) -> Definition:
    """The filter's or action's files with these parameters. Raises Fail2banError where they define nothing."""
    if DEFINITION not in merged.sections:
        what = f"there is no [{DEFINITION}]"
        raise Fail2banError([Problem(merged.files[-1], 0, what, "this file is made to be included by others")])
    return Definition(merged, parameters)


def apply_logtype(definition: Definition, logtype: Logtype) -> None:
    """Tells the filter what will be read, unless it was given as a parameter or the filter itself says it."""
    given = definition.parameters.get("logtype")
    if (given is None or not given.value) and not definition.has("logtype"):
        definition.parameters["logtype"] = Text(logtype)


def finished(name: str, own: Section, jail: Section, logtype: Logtype, merged: Merged, logtimezone: str = "") -> Filter:
    """The filter of its own options and those of a jail. Raises Fail2banError."""
    options = {option: text for option in OPTIONS if (text := _effective(option, own.get(option), jail.get(option)))}
    problems: list[Problem] = []
    spec = FilterSpec(
        name,
        lines_of(options, "failregex"),
        lines_of(options, "ignoreregex"),
        prefregex=_text(options, "prefregex"),
        datepattern=_text(options, "datepattern"),
        maxlines=_maxlines(options, problems),
        journalmatch=_journalmatch(options, problems),
        usedns=_usedns(options, problems),
        logtype=logtype,
        logtimezone=logtimezone,
    )
    if not spec.failregex and "failregex" not in options:
        advice = "this file is made to be included by others, or a part of it is missing"
        problems.append(Problem(merged.files[-1], 0, f"{name} has no failregex", advice))
    problems += check_patterns(spec, options, merged.sections.get(DEFINITION, {}))
    if problems:
        raise Fail2banError(problems)
    return Filter(spec, options, merged.files, (*merged.notes, *unknown_tags(options)))


def _effective(option: str, own: Text | None, jail: Text | None) -> Text | None:
    if own is None or jail is None:
        return own or jail
    if option in _CUMULATIVE:
        lines = own.lines if own.file == jail.file else own.lines[:1]
        return Text(f"{own.value}\n{jail.value}", own.file, lines + jail.lines if own.file == jail.file else lines)
    return jail if option in _FROM_JAIL_FIRST else own


def lines_of(options: Mapping[str, Text], option: str) -> tuple[str, ...]:
    """The lines of an option that say something."""
    return tuple(line for line in _text(options, option).split("\n") if line)


def _text(options: Mapping[str, Text], option: str) -> str:
    return options[option].value if option in options else ""


def _maxlines(options: Section, problems: list[Problem]) -> int:
    text = options.get("maxlines")
    if text is None:
        return 1
    try:
        number = int(text.value)
    except ValueError:
        number = 0
    if number < 1:
        problems.append(text.problem(f"maxlines = {text.value}: it is no number of lines", "write 1 or more"))
    return number


def _usedns(options: Section, problems: list[Problem]) -> Usedns:
    text = options.get("usedns")
    value = text.value.lower() if text else "warn"
    if text and value not in get_args(Usedns):
        problems.append(text.problem(f"usedns = {text.value}: there is no such setting", "write yes, warn, no or raw"))
    return cast(Usedns, value)


def _journalmatch(options: Section, problems: list[Problem]) -> tuple[str, ...]:
    lines = lines_of(options, "journalmatch")
    for line in lines:
        text = options["journalmatch"]
        try:
            words = shlex.split(line)
        except ValueError as error:
            problems.append(text.problem(f"journalmatch = {line}: {error}", "close the quotation"))
            continue
        wrong = next((word for word in words if "=" not in word and word != "+"), None)
        if wrong is not None:
            problems.append(text.problem(f"journalmatch: {wrong!r} is no match", "write FIELD=value, or + between matches"))
    return lines
