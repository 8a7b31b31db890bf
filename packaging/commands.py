"""The commands of nfjail as plain values: what the manual and the completions are made from.

They are asked of argparse's parsers, so that a verb or an option that is added shows up in all of them by itself.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

sys.dont_write_bytecode = True  # a build must not leave files in the checkout
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nfjail.cli import VERBS, top_parser, verb_parser  # noqa: E402  # found only from here on


class Argument(NamedTuple):
    names: tuple[str, ...]  # of an option ("-o", "--output"); () for a positional
    value: str  # what stands for its value ("DIR", "ADDR"); "" when it takes none
    help: str
    choices: tuple[str, ...]  # all that it may be, if that is few
    many: bool  # whether several values may follow
    must: bool  # whether a value must be given


class Command(NamedTuple):
    words: tuple[str, ...]  # () is nfjail itself, ("ctl", "ban") is nfjail ctl ban
    summary: str
    examples: str  # as --help shows them
    arguments: tuple[Argument, ...]
    verbs: tuple[str, ...]  # what may follow

    @property
    def options(self) -> tuple[Argument, ...]:
        return tuple(each for each in self.arguments if each.names)

    @property
    def positionals(self) -> tuple[Argument, ...]:
        return tuple(each for each in self.arguments if not each.names)


def commands() -> dict[tuple[str, ...], Command]:
    """All of them, by their words."""
    found = [_command((), top_parser(), VERBS)]
    for verb in VERBS:
        found += _below((verb,), verb_parser(verb))
    return {each.words: each for each in found}


def _below(words: tuple[str, ...], parser: argparse.ArgumentParser) -> Iterator[Command]:
    verbs = {name: sub for action in parser._actions for name, sub in _subparsers(action).items()}
    yield _command(words, parser, tuple(verbs))
    for name, sub in verbs.items():
        yield from _below((*words, name), sub)


def _subparsers(action: argparse.Action) -> dict[str, argparse.ArgumentParser]:
    return dict(action.choices or {}) if isinstance(action, argparse._SubParsersAction) else {}


def _command(words: tuple[str, ...], parser: argparse.ArgumentParser, verbs: tuple[str, ...]) -> Command:
    summary = (parser.description or "").rstrip(".")
    return Command(words, summary, parser.epilog or "", arguments_of(parser), verbs)


def arguments_of(parser: argparse.ArgumentParser) -> tuple[Argument, ...]:
    """All but the verbs."""
    shown = (action for action in parser._actions if not isinstance(action, argparse._SubParsersAction))
    return tuple(map(_argument, shown))


def _argument(action: argparse.Action) -> Argument:
    choices = tuple(map(str, action.choices or ()))
    value = "" if action.nargs == 0 else str(action.metavar or ",".join(choices) or action.dest)
    must = action.nargs not in ("?", "*")
    return Argument(tuple(action.option_strings), value, action.help or "", choices, action.nargs in ("*", "+"), must)
