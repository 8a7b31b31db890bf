"""Many regular expressions as few: those that begin with ^ become one alternation, which is much faster than one by one.

The first expression in their order that fits is found, as if they were tried one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from nfjail.core.patience import LONG, patient
from nfjail.core.sieve import first_characters

#: probe(text, start): the match of the first expression that fits text[start:], or None
Probe = Callable[[str, int], "re.Match[str] | None"]

_GLOBAL_FLAGS = re.compile(r"\(\?([aimsux]+)\)")
_LEADING_FLAGS = re.compile(r"(?<!\\)\((?:\?:)?\(\?([aimsux]+)\)")
_VERBOSE = re.compile(r"\(\?[aimsu]*x")
# A character class, an escaped character, or what matters here: brackets, names, alternatives.
_TOKEN = re.compile(
    r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\(?P<number>[1-9])|\\.|\(\?P(?P<kind>[<=])(?P<name>\w+)|\(\?\((?P<condition>\w+)\)|[()|]",
    re.DOTALL,
)


class Piece(NamedTuple):
    """One expression, made ready."""

    regex: str
    anchored: bool  # begins with ^ (taken off), and has no other alternative beside that
    joinable: bool  # refers to no group by its number, so it can become part of an alternation


class Slot(NamedTuple):
    """Which expression was found, and where its named groups are among those of the match."""

    pattern: int
    groups: Mapping[str, int]


Joined = tuple[Probe, dict[int, Slot]]


class _Unit(NamedTuple):
    anchored: bool
    compiled: re.Pattern[str]


def prepare(regex: str, multiline: bool = False) -> Piece:
    """Looks how an expression can be used. multiline: ^ and $ fit at every line. Raises re.error if it is none."""
    regex = _flags_made_local(regex)
    if _VERBOSE.search(regex):  # brackets in its comments mean nothing
        re.compile(regex)
        return Piece(regex, False, False)
    anchored = regex.startswith("^") and not multiline and not _has_bare_alternative(regex)
    rest = regex.removeprefix("^") if anchored else regex
    re.compile(rest)
    numbered = any(token["number"] or (token["condition"] or "").isdigit() for token in _TOKEN.finditer(rest))
    return Piece(rest, anchored, not numbered)


def join(pieces: Sequence[Piece], multiline: bool = False) -> tuple[Probe, dict[int, Slot]]:
    """The probe for all of them, and what the lastindex of its match tells. multiline: as they were prepared."""
    return _join(list(enumerate(pieces)), multiline)


def join_by_first(pieces: Sequence[Piece]) -> tuple[dict[str, Joined], Joined]:
    """By the text's first character: the probe for those that may begin with it; and that for all other characters.

    So most texts meet few expressions. And matching is the slower, the more groups there are, whoever's they are.
    """
    pairs = list(enumerate(pieces))
    if not all(piece.anchored for piece in pieces):
        return {}, _join(pairs, False)
    first = [first_characters(piece.regex) for piece in pieces]
    known: dict[tuple[int, ...], Joined] = {}

    def joined(character: str) -> Joined:
        few = [pair for pair, characters in zip(pairs, first, strict=True) if characters is None or character in characters]
        indexes = tuple(index for index, _ in few)
        if indexes not in known:
            known[indexes] = _join(few, False)
        return known[indexes]

    characters = frozenset[str]().union(*(each for each in first if each))
    return {character: joined(character) for character in sorted(characters)}, joined("")


def _join(pairs: Sequence[tuple[int, Piece]], multiline: bool) -> Joined:
    slots: dict[int, Slot] = {}
    units: list[_Unit] = []
    for together, group in groupby(pairs, lambda pair: pair[1].anchored and pair[1].joinable):
        run = list(group)
        for part in [run] if together else [[one] for one in run]:
            compiled = _alternation(part, re.MULTILINE if multiline else 0, slots)
            units.append(_Unit(part[0][1].anchored, compiled))
    if len(units) == 1 and units[0].anchored:
        return units[0].compiled.match, slots
    return _one_by_one(units), slots


def _alternation(part: Sequence[tuple[int, Piece]], flags: int, slots: dict[int, Slot]) -> re.Pattern[str]:
    """One expression of several. Each ends with an empty group, by whose number (lastindex) slots tells which it was."""
    texts: list[str] = []
    markers: dict[int, int] = {}
    groups, used = 0, max(slots, default=0)  # slots is shared with other alternations
    for index, piece in part:
        own = re.compile(piece.regex, flags).groups
        marker = max(groups + own, used) + 1
        regex = _renamed(piece.regex, index) if len(part) > 1 else piece.regex
        texts.append(f"(?:{regex}){'()' * (marker - groups - own)}")
        markers[index] = groups = marker
    compiled = re.compile("(?:" + "|".join(texts) + ")", flags)
    for index, marker in markers.items():
        begin = f"g{index}_" if len(part) > 1 else ""
        names = {name.removeprefix(begin): n for name, n in compiled.groupindex.items() if name.startswith(begin)}
        slots[marker] = Slot(index, names)
    return compiled


def _renamed(regex: str, index: int) -> str:
    """Its named groups under names that no other expression of the alternation has."""

    def rename(token: re.Match[str]) -> str:
        if token["name"]:
            return f"(?P{token['kind']}g{index}_{token['name']}"
        if token["condition"] and not token["condition"].isdigit():
            return f"(?(g{index}_{token['condition']})"
        return token[0]

    return _TOKEN.sub(rename, regex)


def _one_by_one(units: Sequence[_Unit]) -> Probe:
    methods = [unit.compiled.match if unit.anchored else unit.compiled.search for unit in units]
    patiently = [unit.compiled.match if unit.anchored else patient(unit.compiled) for unit in units]

    def probe(text: str, start: int) -> re.Match[str] | None:
        if start:
            text = text[start:]
        for method in methods if len(text) <= LONG else patiently:
            found = method(text)
            if found is not None:
                return found
        return None

    return probe


def _flags_made_local(text: str) -> str:
    """`(?i)abc` as `(?i:abc)`: Python 3.11 refuses global flags inside of a larger expression."""
    text = _LEADING_FLAGS.sub(r"(?\1:", text)  # right behind a bracket they hold up to its end
    flags = "".join(dict.fromkeys("".join(_GLOBAL_FLAGS.findall(text))))
    if not flags:
        return text
    bare = _GLOBAL_FLAGS.sub("", text)
    if "x" in flags:
        return f"(?{flags}:{bare}\n)"  # a comment at the end would take the bracket
    anchored = bare.startswith("^") and "m" not in flags and not _has_bare_alternative(bare)
    return f"^(?{flags}:{bare[1:]})" if anchored else f"(?{flags}:{bare})"


def _has_bare_alternative(regex: str) -> bool:
    """Whether a `|` stands outside of all brackets."""
    depth = 0
    for token in _TOKEN.finditer(regex):
        if token[0] == ")":
            depth -= 1
        elif token[0].startswith("("):
            depth += 1
        elif token[0] == "|" and depth == 0:
            return True
    return False
