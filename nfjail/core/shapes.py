"""What has been found out about lines that look like this one: most lines of a log differ from earlier ones in digits only.

Where no pattern asks which digit stands anywhere, but for those of a few words (pop3), such lines fit the same pattern, and
its captures are at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nfjail.core.captures import Captured, Captures
from nfjail.core.sieve import parse

_MOST = 4096  # shapes that are known at once
_LONGEST = 1000  # bytes of a key: longer lines are seldom alike
_DIGITS = frozenset(map(ord, "0123456789"))
_SHORTEST = 3  # characters of a word with digits: shorter ones stand everywhere
_FEW = 4  # such words: more are not worth it
_MARK = 0xFF  # is in no UTF-8
_CASELESS = re.compile(r"\(\?[a-z]*i")
_UTF8 = ("utf-8", "surrogatepass")
_BLIND = bytes.maketrans(b"123456789", b"000000000")

Words = frozenset[bytes]
Places = tuple[tuple[str, int, int], ...]


class Shape(NamedTuple):
    """The match that all lines of one shape have."""

    pattern: int  # -1: none
    captures: Captures | None  # None: there are none
    before: Places  # of the captures: name, begin, end
    own: Places

    def take(self, seen: str) -> Captured:
        """The captures of a line of this shape."""
        first: Captured = {name: seen[begin:end] for name, begin, end in self.before}
        if self.captures is None or self.captures.plain:
            return first
        return self.captures.put_together(first, {name: seen[begin:end] for name, begin, end in self.own})


MISSED = Shape(-1, None, (), ())  # of lines that no pattern fits


class Shapes(dict[bytes, Shape]):
    """The shapes by their keys. Nothing is kept any more if lines are seldom alike."""

    def __init__(self, marks: Mapping[bytes, bytes]) -> None:
        """marks: of the words with digits that patterns look for."""
        super().__init__()
        self._marks = list(marks.items())
        self.given_up = False
        self._since = 0

    def key(self, seen: str) -> bytes:
        """What lines of one shape have in common."""
        key = seen.encode(*_UTF8)
        for word, mark in self._marks:
            key = key.replace(word, mark)
        return key.translate(_BLIND)

    def keep(self, key: bytes, shape: Shape, lines: int) -> None:
        """lines: so many have been looked at."""
        if self.given_up or len(key) > _LONGEST:
            return
        if len(self) >= _MOST:
            self.given_up = lines - self._since < 2 * _MOST
            self._since = lines
            self.clear()
        self[key] = shape


def shape_of(pattern: int, captures: Captures, found: re.Match[str], before: re.Match[str] | None, at: int) -> Shape | None:
    """The shape of a line that fits. at: where found's text begins in it. None: it would say less than the match."""
    first, own = captures.places_before(before), captures.places(found, at)
    end = at + len(found.string) - 1
    if first is None or any(place[2] > end for place in own):  # the text's end may be another one than the line's
        return None
    return Shape(pattern, captures, (*first, *own) if captures.plain else first, own)


def digit_words(regex: str) -> Words | None:
    """The words with digits that the expression looks for (pop3). None: it asks for digits in other ways, too."""
    words = list(_words(parse(regex)))
    if None in words or (words and _CASELESS.search(regex)):
        return None
    return Words(word.encode(*_UTF8) for word in words if word)


def blindness(patterns: Mapping[int, Words | None], prefix: Words | None) -> tuple[frozenset[int], bool, Shapes]:
    """Which patterns see no digits but in a few words, whether the prefregex is like that, and what makes use of it.

    Takes what digit_words() gave for each.
    """
    words = Words().union(*(each for each in (*patterns.values(), prefix) if each))
    if len(words) > _FEW or any(_overlap(one, other) for one in words for other in words):
        words, prefix = Words(), None if prefix else prefix
        patterns = {index: None if each else each for index, each in patterns.items()}
    blind = frozenset(index for index, each in patterns.items() if each is not None)
    marks = {word: bytes((_MARK, number)) for number, word in enumerate(sorted(words))}
    return blind, prefix is not None, Shapes(marks)


def _overlap(one: bytes, other: bytes) -> bool:
    """Whether one might hide the other in a text."""
    within = one != other and one in other
    return within or any(other.startswith(one[at:]) for at in range(1, len(one)))


def _words(parts: Iterable[tuple[Any, Any]]) -> Iterator[str | None]:
    """Runs of letters with digits among them; None: what is no such run, but asks for a digit."""
    run = ""
    for operation, value in parts:
        name = str(operation)
        if name == "LITERAL":
            run += chr(value)
            continue
        yield from _word(run)
        run = ""
        yield from _words_of(name, value)
    yield from _word(run)


def _word(run: str) -> Iterator[str | None]:
    if not _DIGITS.isdisjoint(map(ord, run)):
        yield run if len(run) >= _SHORTEST else None


def _words_of(name: str, value: Any) -> Iterator[str | None]:
    if name in ("AT", "ANY", "CATEGORY"):
        return
    if name == "NOT_LITERAL" or name == "IN":
        asked = {value} & _DIGITS if name == "NOT_LITERAL" else set(_listed(value))
        if len(asked) not in (0, len(_DIGITS)):
            yield None
    elif name in ("BRANCH", "GROUPREF_EXISTS"):
        for branch in value[1] if name == "BRANCH" else value[1:]:
            yield from _words(branch or ())
    elif name in ("SUBPATTERN", "ASSERT", "ASSERT_NOT", "ATOMIC_GROUP") or name.endswith("_REPEAT"):
        yield from _words(value if name == "ATOMIC_GROUP" else value[-1])
    else:  # a group's text again, or what later versions of Python have
        yield None


def _listed(members: Sequence[tuple[Any, Any]]) -> Iterable[int]:
    """The digits of a character class that are written out."""
    for operation, value in members:
        if str(operation) == "LITERAL" and value in _DIGITS:
            yield value
        elif str(operation) == "RANGE":
            yield from (digit for digit in _DIGITS if value[0] <= digit <= value[1])
