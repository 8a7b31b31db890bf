"""Reads the actions of a jail: action.d/NAME.conf and what belongs to it, with the jail's options and parameters."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from nfjail.fail2ban.call import parse_call, split_calls
from nfjail.fail2ban.filters import defined, load_named
from nfjail.fail2ban.ini import Section, Text
from nfjail.fail2ban.interpolate import KNOWN, InterpolationError
from nfjail.fail2ban.problem import Fail2banError, Problem

FOLDER = "action.d"

#: what an action may do and when: commands for the shell, and three flags
HOOKS = (
    "actionstart", "actionstart_on_demand", "actionstop", "actionflush", "actionreload", "actioncheck", "actionrepair",
    "actionrepair_on_unban", "actionban", "actionprolong", "actionreban", "actionunban", "norestored",
)  # fmt: skip
FLAGS = ("actionstart_on_demand", "actionrepair_on_unban", "norestored")

# These are filled in for each ban: the lines of the log, which are an attacker's text, and what the jail may change.
_LATER = frozenset({"matches", "ipmatches", "ipjailmatches", "timeout", "bantime"})


class Action(NamedTuple):
    """One action of a jail."""

    file: str  # "nftables-multiport": of action.d/nftables-multiport.conf; "smtp.py": a program in Python
    name: str  # its own in this jail
    given: Mapping[str, str]  # the parameters that the jail gives
    hooks: Mapping[str, str] = {}  # of HOOKS; what is filled in for each ban still stands in it as <tag>
    parameters: Mapping[str, str] = {}  # for these <tags>; one with ?family=inet6 is meant for IPv6 only
    place: tuple[str, int] = ("", 0)  # file and line where the jail names it
    notes: tuple[Problem, ...] = ()


def read_action(call: str, base: str, jail: str, options: Mapping[str, Text], asked: Text) -> Action:
    """The action NAME[PARAMETER=VALUE, ...] for the jail with these options; asked: where it was written.

    Raises Fail2banError.
    """
    try:
        file, given = parse_call(call)
    except ValueError as error:
        raise Fail2banError([asked.problem(f"action {_short(call)}: {error}")]) from None
    file = file.strip()
    if file.endswith(".py"):
        return _python(file, base, given, asked)
    merged = load_named(base, FOLDER, file, asked)
    parameters = {name: asked.become(value) for name, value in given.items()}
    parameters.setdefault("name", Text(jail))
    parameters.setdefault("actname", Text(_own_name(file, parameters["name"].value, jail)))
    definition = defined(merged, parameters)
    try:
        hooks = definition.combined(definition.options(HOOKS, options), _LATER)
    except InterpolationError as error:
        raise Fail2banError([error.problem]) from None
    return Action(
        file,
        parameters["actname"].value,
        given,
        {name: text.value for name, text in hooks.items() if name in HOOKS},
        _plain({k: v for k, v in definition.parameters.items() if k not in HOOKS and not k.startswith(KNOWN)}),
        (asked.file, asked.line),
        merged.notes,
    )


def read_actions(base: str, jail: str, options: Mapping[str, Text], problems: list[Problem]) -> tuple[Action, ...]:
    """All actions of the jail's option action; what is wrong with one of them is noted, and the others read."""
    asked, actions = options.get("action"), []
    if asked is None:
        return ()
    for call in split_calls(asked.value):
        try:
            if call:
                actions.append(read_action(call, base, jail, options, asked))
        except Fail2banError as error:
            problems += error.problems
    return tuple(actions)


def _python(file: str, base: str, given: dict[str, str], asked: Text) -> Action:
    path = os.path.join(base, FOLDER, file)
    if not os.path.isfile(path):
        raise Fail2banError([asked.problem(f"there is no {path}", "install it, or correct the name")])
    name = given.pop("actname", os.path.splitext(file)[0])
    return Action(file, name, given, place=(asked.file, asked.line))


def _own_name(file: str, name: str, jail: str) -> str:
    """An action may stand in a jail more than once if each has its own parameter name."""
    if name == jail:
        return file
    return file + (name[len(jail) :] if name.startswith(jail) else f"-{name}")


def _plain(section: Section) -> dict[str, str]:
    return {name: text.value for name, text in section.items()}


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
