"""What can be known of the texts that a pattern fits without trying it: words in them, and how they begin.

Only words are taken, as they stand in the pattern with single blanks between them. So it does not matter whether they are
looked for before or after the date has been cut out of the line: a date does not stand inside of them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

_WORDS = re.compile(r"[A-Za-z]+(?: [A-Za-z]+)*")
_SHORTEST = 4
_LONGEST = 16  # characters of a word that are looked for: so that more patterns share the same one
_LONG = 9  # characters of a word that stands for others which are told by it alone
_MOST = 4  # alternatives: more words are not worth it

REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")

_parser: Any = getattr(re, "_parser", None) or re.sre_parse  # type: ignore[attr-defined]  # its name up to Python 3.10

#: one of these is in every text that a part of a pattern fits
_Any = frozenset[str]


class Sieve:
    """Words, one of which at least is in every line that one of the patterns fits. Looking for them is very fast."""

    def __init__(self, regexes: Sequence[str], apart: bool = False) -> None:
        """Keeps no words if one of the patterns needs none: then every line may fit.

        apart: what stands between two words of the line may be cut out before the patterns see it, and blanks with it.
        """
        needs = [_needs(cased(regex)) for regex in regexes]
        if apart:
            needs = [[single for words in need if _length(single := _longest(words)) >= _SHORTEST] for need in needs]
        wanted = Counter(words for need in needs for words in set(need))
        chosen = [max(need, key=lambda words: (_length(words), wanted[words], sorted(words))) for need in needs if need]
        self._words = _fewest(frozenset().union(*chosen)) if len(chosen) == len(regexes) else []

    @property
    def shortest(self) -> int:
        """How long the shortest word is: the longer, the fewer lines pass that do not fit. 0: there are none."""
        return _length(self._words) if self._words else 0

    def passes(self, line: str) -> bool:
        """Whether one of the patterns may fit the line."""
        words = self._words
        for i, word in enumerate(words):
            if word in line:
                if i:
                    words[i - 1], words[i] = word, words[i - 1]  # what is found often is soon looked for first
                return True
        return not words

    def ends(self, text: str) -> list[int]:
        """Where those lines end that one of the patterns may fit. text: lines, each with its end."""
        find, ends = text.find, set[int]()
        for word in self._words or ("\n",):
            at = find(word)
            while at >= 0:
                end = find("\n", at)
                ends.add(end)
                at = find(word, end + 1)
        return sorted(ends)


def _fewest(words: _Any) -> list[str]:
    """As few words as will do: one that is within others stands for these; so does what several begin with, if it is long."""
    heads = {" ".join(word.split()[:count]) for word in words for count in range(1, word.count(" ") + 1)}
    left, fewest = set(words), set[str]()
    for word in sorted(words | {head for head in heads if len(head) >= _LONG}, key=len):
        within = {other for other in left if word in other}
        if word in left or len(within) > 1:
            fewest.add(word)
            left -= within
    return sorted(fewest)


def _longest(words: _Any) -> _Any:
    return frozenset(max(word.split(), key=len) for word in words)


@lru_cache(1000)
def parse(regex: str) -> Any:
    """What Python makes of it: pairs of an operation and its argument. They are kept until parse.cache_clear()."""
    return _parser.parse(regex)


def cased(regex: str) -> Sequence[tuple[Any, Any]]:
    """The same where case matters; else nothing, as nothing can be said of any of its letters."""
    parsed = parse(regex)
    return () if parsed.state.flags & re.IGNORECASE else list(parsed)


def _length(words: Iterable[str]) -> int:
    return min(map(len, words))


def _needs(parsed: Iterable[tuple[Any, Any]]) -> list[_Any]:
    """What each text that fits must have, all of it. parsed: as Python's own parser of regular expressions gives it."""
    found: list[_Any] = []
    letters: list[str] = []

    def end_word() -> None:
        words = _WORDS.findall("".join(letters))
        found.extend(frozenset({word[:_LONGEST].rstrip()}) for word in words if len(word) >= _SHORTEST)
        letters.clear()

    def walk(parsed: Iterable[tuple[Any, Any]]) -> None:
        for operation, value in parsed:
            name = str(operation)
            if name == "LITERAL":
                letters.append(chr(value))
            elif name == "SUBPATTERN" and not value[1] & re.IGNORECASE:
                walk(value[3])
            elif name != "AT":  # that is a place, and has no text
                end_word()
                found.extend(_needs_of(name, value))

    walk(parsed)
    end_word()
    return found


def _needs_of(name: str, value: Any) -> list[_Any]:
    if name in REPEATS and value[0]:
        return _needs(value[2])
    if name == "BRANCH":
        branches = [_needs(branch) for branch in value[1]]
        if all(branches):
            words = frozenset[str]().union(*(max(needs, key=_length) for needs in branches))
            return [words] if len(words) <= _MOST else []
    return []


#: the characters with which what an operation fits may begin, as _first() has it
_Of = Callable[[str, Any], "frozenset[str] | None"]


def first_characters(regex: str) -> frozenset[str] | None:
    """Those with which a text begins that the regex fits at its beginning; None: perhaps any, or the text may be empty."""
    return _first(cased(regex), _first_of)


def first_ascii(regex: str) -> frozenset[str] | None:
    """Those of ASCII's characters with which a text begins that the regex fits at its beginning; None: perhaps any.

    Unlike first_characters() it knows digits and ranges, and takes letters for the same in either case.
    """
    return _first(list(parse(regex)), _first_ascii_of)


def _first(parsed: Sequence[tuple[Any, Any]], of: _Of) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for operation, value in parsed:
        name = str(operation)
        ahead = _first(list(value[1]), of) if name == "ASSERT" and value[0] == 1 else None
        if ahead is not None:  # the text must begin as it says
            return found | ahead
        if name in ("AT", "ASSERT", "ASSERT_NOT"):  # these take no characters, only forbid some
            continue
        characters = of(name, value)
        if characters is None:
            return None
        found |= characters
        if not (name in REPEATS and not value[0]):
            return found
    return None


def _first_of(name: str, value: Any) -> frozenset[str] | None:
    if name == "LITERAL":
        return frozenset(chr(value))
    if name == "IN" and all(str(operation) == "LITERAL" for operation, _ in value):
        return frozenset(chr(number) for _, number in value)
    if name == "SUBPATTERN" and value[1] & re.IGNORECASE:
        return None
    return _first_inside(name, value, _first_of)


def _first_ascii_of(name: str, value: Any) -> frozenset[str] | None:
    if name == "LITERAL":
        return frozenset((chr(value).lower(), chr(value).upper()))
    if name == "IN":
        return _all_of(_members(str(operation), each) for operation, each in value)
    return _first_inside(name, value, _first_ascii_of)


def _first_inside(name: str, value: Any, of: _Of) -> frozenset[str] | None:
    if name in REPEATS or name == "SUBPATTERN":
        return _first(list(value[-1]), of)
    return _all_of(_first(list(branch), of) for branch in value[1]) if name == "BRANCH" else None


def _members(name: str, value: Any) -> frozenset[str] | None:
    if name == "LITERAL":
        return frozenset((chr(value).lower(), chr(value).upper()))
    if name == "RANGE":
        texts = [chr(number) for number in range(value[0], min(value[1], 127) + 1)]
        return frozenset(text for each in texts for text in (each.lower(), each.upper()))
    return frozenset("0123456789") if (name, str(value)) == ("CATEGORY", "CATEGORY_DIGIT") else None


def _all_of(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] = frozenset()
    for each in sets:
        if each is None:
            return None
        found |= each
    return found
