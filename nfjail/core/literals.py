"""Looks through a block of lines for texts that innocent lines lack, so that patterns are tried on few of them.

A web server's log has a thousand innocent lines for one that counts. Of each pattern it is known what it cannot do without,
as `" 404 ` or `/wp-login`; which of these is the rarest, the log itself tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from nfjail.core.sieve import REPEATS, cased, parse

_SHORTEST = 3  # characters of a text that is looked for
_MOST = 8  # texts of one pattern that stand for each other
_TEXTS = 12  # for all patterns together: to look for more is not quicker than to try the patterns
_WORTH = 0.25  # of the lines at most may have one of the texts, or it is not worth to look
_FEW = 200  # lines of a block from which nothing can be learned
_AGAIN = 64  # blocks until a log that was found hopeless is looked at once more

#: one of these texts is in every line that fits
_Any = frozenset[str]


class Literals:
    """What patterns need, and which of it is the rarest in one log."""

    def __init__(self, regexes: Sequence[str]) -> None:
        """regexes: of all patterns of a filter, tags written out."""
        self._needs = [_needs(cased(regex)) for regex in regexes]
        parse.cache_clear()
        self._texts: list[str] | None = None  # None: to be chosen
        self._hopeless = 0 if all(self._needs) else -1  # blocks until it is tried again; -1: never

    def lines(self, lines: Sequence[str]) -> Sequence[str]:
        """Those of a block's lines that may fit: all that have one of the texts, or simply all."""
        if self._hopeless:
            self._hopeless -= self._hopeless > 0
            return lines
        if len(lines) < _FEW:
            texts = self._texts
            return lines if texts is None else [line for line in lines if any(text in line for text in texts)]
        block = "\n".join(lines) + "\n"
        if self._texts is None:
            self._texts = self._rarest(block)
        found = self._among(block, self._texts) if len(self._texts) <= _TEXTS else None
        if found is None or len(found) > _WORTH * len(lines):
            self._texts, self._hopeless = None, _AGAIN
            return lines
        return found

    def _rarest(self, block: str) -> list[str]:
        counts = {text: block.count(text) for need in self._needs for texts in need for text in texts}
        chosen: set[str] = set()
        for need in self._needs:
            chosen |= min(need, key=lambda texts: (sum(counts[text] for text in texts), len(texts)))
        return sorted(text for text in chosen if not any(other in text for other in chosen - {text}))

    def _among(self, block: str, texts: Iterable[str]) -> list[str]:
        find, begins = block.find, set[int]()
        for text in texts:
            at = find(text)
            while at >= 0:
                begins.add(block.rfind("\n", 0, at) + 1)
                at = find(text, find("\n", at))
        return [block[begin : find("\n", begin)] for begin in sorted(begins)]


def _needs(parsed: Iterable[tuple[Any, Any]]) -> list[_Any]:
    """What each text that fits must have, all of it. parsed: as Python's own parser of regular expressions gives it."""
    found: list[_Any] = []
    letters: list[str] = []

    def end_text() -> None:
        if len(letters) >= _SHORTEST:
            found.append(frozenset({"".join(letters)}))
        letters.clear()

    def walk(parsed: Iterable[tuple[Any, Any]]) -> None:
        for operation, value in parsed:
            name = str(operation)
            if name == "LITERAL" and value != 10:
                letters.append(chr(value))
            elif name == "SUBPATTERN" and not value[1] & re.IGNORECASE:
                walk(value[3])
            elif name == "IN" and len(letters) >= _SHORTEST - 1 and (few := _few(value)):
                found.append(frozenset("".join((*letters, each)) for each in few))
                letters.clear()
            elif name != "AT":  # that is a place, and has no text
                before = "".join(letters)
                end_text()
                found.extend(_needs_of(name, value, before))

    walk(parsed)
    end_text()
    return found


def _few(value: Iterable[tuple[Any, Any]]) -> list[str]:
    """The characters of a class, if they are few and nothing else."""
    members = list(value)
    plain = all(str(operation) == "LITERAL" for operation, _ in members)
    return [chr(number) for _, number in members] if plain and len(members) <= _MOST else []


def _needs_of(name: str, value: Any, before: str) -> list[_Any]:
    if name in REPEATS and value[0]:
        return _needs(value[2])
    if name == "BRANCH":
        branches = [_needs(branch) for branch in value[1]]
        if all(branches):
            texts = frozenset[str]().union(*(max(needs, key=_shortest) for needs in branches))
            return [texts] if len(texts) <= _MOST else []
        begun = [_begin(branch) for branch in value[1]]  # each with what stands before the choice
        if before and len(begun) <= _MOST and all(len(before + each) >= _SHORTEST for each in begun):
            return [frozenset(before + each for each in begun)]
    return []


def _begin(branch: Iterable[tuple[Any, Any]]) -> str:
    """The characters with which a branch begins in any case."""
    text = ""
    for operation, value in branch:
        if str(operation) != "LITERAL":
            break
        text += chr(value)
    return text


def _shortest(texts: _Any) -> int:
    return min(map(len, texts))
