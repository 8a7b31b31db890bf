"""What `nfjail test` tries: a filter of conf.d, one of fail2ban's files, or a pattern given on the command line."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

from nfjail.core.alternation import Probe
from nfjail.core.dates import DatePatternError
from nfjail.core.expressions import compile_failregex
from nfjail.core.filter import Filter, PatternError
from nfjail.core.journal_line import journal_terms
from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec, Logtype
from nfjail.errors import NfjailError
from nfjail.fail2ban.call import parse_call
from nfjail.fail2ban.filters import ETC, read_filter

FAIL2BAN = "fail2ban:"
JOURNAL = "journal"

_SYNTAX = "https://docs.python.org/3/library/re.html"
# No name has a <, and no pattern that could tell of anybody is without.
_NAME = re.compile(r"[\w.-]+(?:\[[^<]*\])?", re.DOTALL)
_PATH = re.compile(r"[^<>]*/[\w.-]+\.(?:conf|local)(?:\[[^<]*\])?", re.DOTALL)


class FilterError(NfjailError):
    """The filter to be tried cannot be used."""

    exit_code = 78  # EX_CONFIG, sysexits(3)


class Eye(Protocol):
    """What looks at lines."""

    def feed(self, line: str, now: float, time: float | None = None) -> Sight: ...
    def seen(self, line: str, now: float) -> str | None: ...


#: Recogniser.sift
Sift = Callable[[list[str], str, float], list[tuple[int, Sight]]]


class Trial(NamedTuple):
    """A filter to be tried."""

    name: str
    patterns: tuple[str, ...]
    eye: Eye
    ignores: Callable[[str, float], bool] | None  # whether an ignoreregex fits a line that no failregex fits
    spec: FilterSpec | None  # None: one in nfjail's own language
    terms: list[list[tuple[str, str]]]  # what of the journal concerns it
    sift: Sift | None = None  # the same for many lines at once, where it can be done


def find_filter(args: argparse.Namespace) -> Trial:
    """The filter that the command line asks for. Raises NfjailError."""
    asked: str = args.filter
    logtype: Logtype = "journal" if args.logtype == JOURNAL or journal_of(args.input) is not None else "file"
    if asked.startswith(FAIL2BAN) or _PATH.fullmatch(asked):
        name, parameters = call(asked.removeprefix(FAIL2BAN))
        return trial_of(read_filter(name, ETC, parameters, logtype), args)
    if _NAME.fullmatch(asked):
        from nfjail.cli.test_conf_d import of_conf_d  # the configuration takes as long to import as everything else

        return of_conf_d(*call(asked), logtype, args)
    return trial_of(FilterSpec("the pattern", (asked,)), args)


def journal_of(where: str | None) -> str | None:
    """The folder of the journal to be read; "": the machine's own; None: no journal."""
    name, _, folder = (where or "").partition(":")
    return folder if name == JOURNAL else None


def call(text: str) -> tuple[str, dict[str, str]]:
    try:
        return parse_call(text)
    except ValueError as error:
        raise FilterError(str(error), "write NAME[mode=aggressive, logtype=journal]") from None


def trial_of(spec: FilterSpec, args: argparse.Namespace) -> Trial:
    """spec, with what the command line says in place of it."""
    if args.ignoreregex:
        spec = spec._replace(ignoreregex=(*spec.ignoreregex, *args.ignoreregex))
    given = {name: getattr(args, name) for name in ("datepattern", "maxlines", "usedns", "logtype")}
    spec = spec._replace(**{name: value for name, value in given.items() if value is not None})
    if args.timezone:
        spec = spec._replace(logtimezone="")  # the process is in that zone
    try:
        eye = Recogniser(spec, every_time=args.json or args.verbose)
    except (PatternError, DatePatternError) as error:
        nobody = isinstance(error, PatternError) and "<HOST>" in error.what
        advice = "put <HOST> where the address stands" if nobody else f"see the syntax of regular expressions: {_SYNTAX}"
        raise FilterError(str(error), advice) from None
    ignores = eye.ignores if spec.ignoreregex else None
    sift = eye.sift if ignores is None and spec.maxlines == 1 else None
    return Trial(spec.name, spec.failregex, eye, ignores, spec, journal_terms(spec.journalmatch), sift)


def probes(trial: Trial) -> list[Probe]:
    """Each pattern by itself, to see how long it takes for what seen() gives."""
    if trial.spec is not None:
        flags = re.MULTILINE if trial.spec.maxlines > 1 else 0
        pieces = [(re.compile(piece.regex, flags), piece.anchored) for piece in compile_failregex(trial.spec)]
        return [compiled.match if anchored else compiled.search for compiled, anchored in pieces]
    return [Filter(trial.name, [text]).probe for text in trial.patterns]
