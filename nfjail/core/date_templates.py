"""Turns a datepattern, as a filter has it, into the expressions that find dates: templates.

Each line of it is one of

    %Y-%m-%d %H:%M:%S    an expression with fields (date_tokens.py); found between bounds of words only, if it says
                         nothing else: ^ and $ at its ends, ** for no bound at this end, {UNB} for none at both,
                         {^LN-BEG} for the beginning of the line after up to two characters such as [ or (
    EPOCH  LEPOCH        seconds since the epoch; also milli- or microseconds. Alone: at the line's beginning, behind
                         a [ there, or in audit(...); after ^ or {^LN-BEG} only there; as {EPOCH} inside an expression
    TAI64N               @ and 24 hexadecimal digits, as multilog(8) writes them; after ^ or {^LN-BEG} there only
    ... {DATE} ...       the expression with each of the default templates put in
    {^LN-BEG}  {DEFAULT} the default templates at the beginning of the line; and there first, then anywhere
    {NONE}               no date

The expression's first group is what is cut out of the line; without a group of its own, it is all that the expression
covers. Global flags such as (?i) may stand anywhere; with names of months or days in it case makes no difference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Literal, NamedTuple

from nfjail.core.date_tokens import to_regex

Kind = Literal["fields", "epoch", "tai64n"]

_GAP, _CLOCK, _FRACTION, _ZONE = "(?:T|  ?)", "%k:%M:%S", r"(?:\.%f)?", r"(?:\s*%z)?"
_SYSLOG = rf"(?:%a )?%b %d {_CLOCK}{_FRACTION}(?: %ExY)?"
LINE_START = "{^LN-BEG}"

# What each matches depends on the line up to the date, and on at most this many characters behind it (a blank, +01:00,
# the end of a word) unless a fraction follows or two blanks.
SEEN_BEHIND = 8

DEFAULTS = (
    rf"%ExY(?P<_sep>[-/.])%m(?P=_sep)%d{_GAP}%H:%M:%S(?:[.,]%f)?{_ZONE}",  # 2026-11-22T02:03:04.567+01:00
    _SYSLOG,  # Nov 22 02:03:04, Sun Nov 22 02:03:04.567 2026
    rf"(?:%a )?%b %d %ExY {_CLOCK}{_FRACTION}",  # Sun Nov 22 2026 02:03:04
    rf"%d(?P<_sep>[-/])%m(?P=_sep)(?:%ExY|%Exy) {_CLOCK}",  # 22/11/2026 02:03:04
    rf"%d(?P<_sep>[-/])%b(?P=_sep)%ExY[ :]?%H:%M:%S{_FRACTION}(?: %z)?",  # 22/Nov/2026:02:03:04 +0100 (Apache, named)
    "%m/%d/%ExY:%H:%M:%S",  # 11/22/2026:02:03:04 (cPanel)
    rf"%m-%d-%ExY {_CLOCK}{_FRACTION}",  # 11-22-2026 02:03:04.567
    "EPOCH",
    LINE_START + "%H:%M:%S",
    "^<%m/%d/%Exy@%H:%M:%S>",  # <11/22/26@02:03:04>
    "%Exy%Exm%Exd  ?%H:%M:%S",  # 261122  2:03:04 (MySQL)
    "%b %d, %ExY %I:%M:%S %p",  # Nov 22, 2026 02:03:04 AM (Tomcat)
    f"^%b-%d-%Exy {_CLOCK}",  # Nov-22-26 02:03:04 (ASSP)
    rf"%ExY%Exm%Exd{_GAP}%ExH%ExM%ExS(?:[.,]%f)?{_ZONE}",  # 20261122T020304
    f"(?:%Z )?{_SYSLOG}",  # CET Sun Nov 22 02:03:04 (monit)
    f"(?:%z )?{_SYSLOG}",  # +01:00 Nov 22 02:03:04
    "TAI64N",
)
_ANCHORED = tuple(LINE_START + form for form in DEFAULTS if not form.startswith((LINE_START, "^")))
_ANCHORED_TOO = tuple(form for form in DEFAULTS if form.startswith((LINE_START, "^")))

ALL_DEFAULTS = frozenset(_ANCHORED + DEFAULTS)

_EPOCH = r"\d{10,11}\b(?:\.\d{3,6})?"
_LONG_EPOCH = r"\d{10,11}(?:\d{3}(?:\.\d{1,6}|\d{3})?)?"
_NO_FIELDS = re.compile(r"(\{\^LN-BEG\}|\^)?(L?EPOCH|TAI64N)", re.IGNORECASE)
_EPOCH_INSIDE = re.compile(r"(?<!\\)\{(L?)EPOCH\}", re.IGNORECASE)
_DATE_INSIDE = re.compile(r"(?<!\\)\{DATE\}", re.IGNORECASE)

_NOT_IN_A_WORD = r"(?!\B\w)"
_AFTER_TWO = r"^\W{0,2}"
_FLAGS = re.compile(r"(?<!\\)\(\?([a-z]+)\)")
_UNBOUND_START = re.compile(r"\(*(?:\^|\*\*|\(\?:\^)")
_UNBOUND_END = re.compile(r"(?<!\\)(?:\$\)?|\\b|\\s|\*\*\)*)$")
_STARS_START = re.compile(r"^(\(*)\*\*")
_STARS_END = re.compile(r"(?<!\\)\*\*(\)*)$")
_AT_LINE_START = re.compile(r"\^|\((?:\?:)?\^(?!\|)")
_AT_LINE_END = re.compile(r"(?<![\\|])\$\)?$")
_AROUND = re.compile(r"(\^?)(.*?)((?<!\\)\$)?", re.DOTALL)
_STRUCTURE = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[()|]", re.DOTALL)


class Template(NamedTuple):
    """One expression that finds dates."""

    regex: re.Pattern[str]  # its group 1 is cut out
    kind: Kind
    anchored: bool  # to the beginning or the end of the line: there is nothing nearer to look for
    at_start: bool  # it can match at the beginning of the line only


def forms(line: str) -> Iterator[tuple[str, float]]:
    """The expressions that a line of a datepattern stands for, and their weight when they are put in order."""
    special = line.upper() if "%" not in line else line
    if special in (LINE_START, "{DEFAULT}"):
        yield from ((form, 100.0) for form in _ANCHORED)
        yield from ((form, 1.0) for form in (_ANCHORED_TOO if special == LINE_START else DEFAULTS))
    elif special == "{NONE}":
        yield "{UNB}^", 1.0
    elif "{DATE}" in special and _DATE_INSIDE.search(line):
        for form in DEFAULTS:
            whole = _DATE_INSIDE.sub(form.removeprefix(LINE_START).replace("\\", r"\\"), line)
            if "%" in form or _NO_FIELDS.fullmatch(whole):  # no epoch inside of something else: that is {EPOCH}'s
                yield whole, 1.0
    else:
        yield line, 1.0


@lru_cache(maxsize=512)
def template(form: str, years: str) -> Template:
    """The template for one expression. years: the expression for %ExY. Raises ValueError."""
    known = _NO_FIELDS.fullmatch(form)
    if known:
        return _without_fields(known[2].upper(), at_start=known[1] is not None)
    bound, start = _NOT_IN_A_WORD, _NOT_IN_A_WORD
    if form.startswith("{UNB}"):
        form, bound, start = form.removeprefix("{UNB}"), "", ""
    elif form.startswith(LINE_START):
        form, start = form.removeprefix(LINE_START), _AFTER_TWO
    if _EPOCH_INSIDE.search(form):
        kind: Kind = "epoch"
        regex, named = _EPOCH_INSIDE.sub(lambda found: f"(?P<epoch>{_LONG_EPOCH if found[1] else _EPOCH})", form), False
    else:
        kind = "fields"
        regex, named = to_regex(form.strip(), years)
        if named:  # {^LN-BEG} with a blank behind it: only with names fail2ban wants that in the line
            regex = form[: -len(form.lstrip())] + regex
    try:
        return _bounded(regex, kind, named, start, bound)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from None


def _without_fields(name: str, at_start: bool) -> Template:
    if name == "TAI64N":
        regex, anywhere = "(?P<tai>@[0-9a-f]{24})", ""
    else:
        regex, anywhere = f"(?P<epoch>{_EPOCH if name == 'EPOCH' else _LONG_EPOCH})", r"(?:^|(?<=^\[)|(?<=\baudit\())"
    compiled = re.compile((_AFTER_TWO if at_start else anywhere) + regex + _NOT_IN_A_WORD)
    return Template(compiled, "tai64n" if name == "TAI64N" else "epoch", at_start, at_start)


def _bounded(regex: str, kind: Kind, named: bool, start: str, end: str) -> Template:
    """The template for an expression whose fields are written out, with these bounds where it has none of its own."""
    flags = "".join(_FLAGS.findall(regex)) + ("iu" if named else "")
    regex = _FLAGS.sub("", regex)
    if _UNBOUND_START.match(regex):
        start = ""
    if _UNBOUND_END.search(regex):
        end = ""
    regex = _STARS_END.sub(r"\1", _STARS_START.sub(r"\1", regex))
    alone = re.compile(regex)
    if alone.groups == len(alone.groupindex):
        around = _AROUND.fullmatch(regex)
        regex = "{}({}){}".format(*around.groups(default="")) if around else regex
    regex = start + regex + end
    at_start = start == _AFTER_TWO or _AT_LINE_START.match(regex) is not None
    compiled = re.compile(f"(?{flags})" * bool(flags) + regex)
    anchored = at_start or _AT_LINE_END.search(regex) is not None
    return Template(compiled, kind, anchored, at_start and not _alternatives(regex))


def _alternatives(regex: str) -> bool:
    """Whether it is a choice as a whole, so that what stands at its beginning is said of the first one only."""
    depth = 0
    for found in _STRUCTURE.finditer(regex):
        depth += (found[0] == "(") - (found[0] == ")")
        if found[0] == "|" and not depth:
            return True
    return False
