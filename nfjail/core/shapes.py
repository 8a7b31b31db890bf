"""What has been found out about lines that look like this one: most lines of a log differ from earlier ones in digits only.

Where no pattern asks which digit stands anywhere, but for those of a few words (pop3), such lines fit the same pattern, and
its captures are at the same places.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

from nfjail.core.captures import Captured, Captures
from nfjail.core.session import MARKS, Marks, take_marks
from nfjail.core.sieve import Sieve, parse

_MOST = 4096  # shapes that are known at once
_LONGEST = 1000  # bytes of a key: longer lines are seldom alike
_DIGITS = frozenset(map(ord, "0123456789"))
_SHORTEST = 3  # characters of a word with digits: shorter ones stand everywhere
_FEW = 4  # such words: more are not worth it
_MARK = 0xFF  # is in no UTF-8
_CASELESS = re.compile(r"\(\?[a-z]*i")
_SPECIAL = MARKS | {"mlfid", "fid", "cidr"}  # with these it matters what else was captured
_UTF8 = ("utf-8", "surrogatepass")
_NOTHING = slice(0, 0)
_BLIND = bytes.maketrans(b"123456789", b"000000000")

Words = frozenset[bytes]


class Shape(NamedTuple):
    """The match that all lines of one shape have."""

    cut: tuple[int, int]  # where their date was cut out; they are not of this shape if it stands elsewhere
    pattern: int = -1  # -1: none
    names: tuple[str, ...] = ()  # of the captures
    take: Callable[[str], tuple[str, ...]] = tuple  # the captures of a line, as it was before the date was cut out
    marks: Marks | None = None  # None: they are among the captures, if there are any
    captures: Captures | None = None  # if these have to be put together
    before: int = 0  # so many of the names are the prefregex's
    alone: bool = False  # it is a failure of the address at whom, whatever came before
    whom: int = 0

    def put_together(self, texts: tuple[str, ...]) -> Captured:
        """What take() gave, as captures that have to be put together."""
        assert self.captures is not None
        named = zip(self.names, texts)  # noqa: B905  # the last ones are left out
        first: Captured = dict(islice(named, self.before))
        return self.captures.put_together(first, dict(named))


class Shapes(dict[bytes, Shape]):
    """The shapes by their keys. Nothing is kept any more if lines are seldom alike."""

    def __init__(self, words: Mapping[bytes, bytes]) -> None:
        """words: those with digits that patterns look for, and what stands for them in a key."""
        super().__init__()
        self._words = list(words.items())
        self._dull = set[bytes]()  # keys of lines that no pattern fits, wherever their date is
        self._since = self._dull_since = 0
        self._given_up = self._all_differ = False

    def candidates(self, text: str, lines: Sequence[str], sieve: Sieve, count: int) -> Iterator[tuple[int, str, bytes]]:
        """The lines that the sieve lets through, with their index and key. text: the same, each with its end.

        count: so many lines have been looked at, with these.
        """
        if self._all_differ:
            yield from self._found(text, lines, sieve)
            return
        dull, passes = self._dull, sieve.passes
        keys = self._keys(text[:-1])
        for i in [i for i, key in enumerate(keys) if key not in dull]:
            key, line = keys[i], lines[i]
            if key in self or passes(line):
                yield i, line, key
            elif len(key) <= _LONGEST:
                dull.add(key)
        if len(dull) >= _MOST:
            self._all_differ = count - self._dull_since < 2 * _MOST
            self._dull_since = count
            dull.clear()

    def _found(self, text: str, lines: Sequence[str], sieve: Sieve) -> Iterator[tuple[int, str, bytes]]:
        """The same, quicker where no two lines are alike."""
        i = begin = 0
        for end in sieve.ends(text):
            i += text.count("\n", begin, end)
            begin = end
            yield i, lines[i], b"" if self._given_up else self._keys(lines[i])[0]

    def _keys(self, text: str) -> list[bytes]:
        """Of each line what lines of its shape have in common."""
        keys = text.encode(*_UTF8)
        for word, mark in self._words:
            keys = keys.replace(word, mark)
        return keys.translate(_BLIND).split(b"\n")

    def keep(self, key: bytes, shape: Shape, count: int) -> None:
        """count: so many lines have been looked at."""
        if self._given_up or len(key) > _LONGEST:
            return
        if self._words and shape.cut[0]:  # the two ends of a word may meet where the date was
            return
        if len(self) >= _MOST:
            self._given_up = count - self._since < 2 * _MOST
            self._since = count
            self.clear()
        self[key] = shape


def shape_of(
    pattern: int, captures: Captures, found: re.Match[str], before: re.Match[str] | None, at: int, cut: tuple[int, int]
) -> Shape | None:
    """The shape of a line that fits. at: where found's text begins in it, without its date.

    None: it would say less than the match.
    """
    first, own = captures.places_before(before), captures.places(found, at)
    if first is None:
        return None
    start, length, last = cut[0], cut[1] - cut[0], at + len(found.string) - 1
    marks: Marks | None = None
    names, slices, texts = list[str](), list[slice](), dict[str, str]()
    for name, begin, end in (*first, *own):
        if begin < start < end or (end > last and len(names) >= len(first)):
            return None  # the date was within it; or the text's end is another one than the line's
        names.append(name)
        slices.append(slice(begin + length, end + length) if begin >= start else slice(begin, end))
        texts[name] = "." * (end - begin)
    if captures.plain and "mlfid" in texts:
        marks = take_marks(texts)
        slices = [place for place, name in zip(slices, names, strict=True) if name in texts]
        names = list(texts)
    take: Any = itemgetter(*slices, _NOTHING, _NOTHING)  # with these two it always gives a tuple
    whom = [i for i, name in enumerate(names) if name in ("ip4", "ip6")]
    alone = len(whom) == 1 and captures.plain and _SPECIAL.isdisjoint(names)
    put_together = None if captures.plain else captures
    return Shape(cut, pattern, tuple(names), take, marks, put_together, len(first), alone, whom[0] if alone else 0)


def digit_words(regex: str) -> Words | None:
    """The words with digits that the expression looks for (pop3). None: it asks for digits in other ways, too."""
    words = list(_words(parse(regex)))
    if None in words or (words and _CASELESS.search(regex)):
        return None
    return Words(word.encode(*_UTF8) for word in words if word)


def blindness(
    patterns: Mapping[int, Words | None], prefix: Words | None
) -> tuple[frozenset[int], bool, Mapping[bytes, bytes]]:
    """Which patterns see no digits but in a few words, whether the prefregex is like that, and these words, for Shapes().

    Takes what digit_words() gave for each.
    """
    words = Words().union(*(each for each in (*patterns.values(), prefix) if each))
    if len(words) > _FEW or any(_overlap(one, other) for one in words for other in words):
        words, prefix = Words(), None if prefix else prefix
        patterns = {index: None if each else each for index, each in patterns.items()}
    blind = frozenset(index for index, each in patterns.items() if each is not None)
    marks = {word: bytes((_MARK, number)) for number, word in enumerate(sorted(words))}
    return blind, prefix is not None, marks


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
        yield run if len(run) >= _SHORTEST and "\n" not in run else None


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
