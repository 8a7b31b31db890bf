"""The last lines of a log, for patterns that look at several of them at once (maxlines, `<SKIPLINES>`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Line(NamedTuple):
    """A line as it stands in the log, and the same without its date."""

    full: str
    text: str


class Lines:
    """At most so many lines: those that no match has used up."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lines: list[Line] = []

    def add(self, line: Line) -> None:
        self._lines = [*self._lines, line][-self._most :]

    def text(self) -> str:
        """What patterns see: each line with its end."""
        return joined(self._lines)

    def narrow(self, content: str) -> list[Line]:
        """Leaves nothing but the content that a prefregex cut out; returns the lines that it was cut from."""
        before, self._lines = self._lines, [Line(content, content)]
        return before

    def take(self, found: re.Match[str], lines: Sequence[Line] | None = None) -> list[Line]:
        """The lines that a match in text() covers; those between them that it skipped stay here, like all others.

        lines: what narrow() gave, if it was called.
        """
        matched, self._lines = _split(found, self._lines if lines is None else lines)
        return matched


def joined(lines: Iterable[Line]) -> str:
    """As Lines.text()."""
    return "".join(f"{line.text}\n" for line in lines)


def _split(found: re.Match[str], lines: Sequence[Line]) -> tuple[list[Line], list[Line]]:
    """(covered, not covered)."""
    if len(lines) <= 1:
        return list(lines), []
    text = found.string
    begin = text.rfind("\n", 0, found.start() + 1) + 1
    end = text.find("\n", max(0, found.end() - 1)) + 1 or len(text)
    first, behind = text.count("\n", 0, begin), text.count("\n", 0, end)
    matched, rest = list(lines[first:behind]), list(lines[:first])
    position = 0
    for skipped in _skipped(found):
        for number in range(position, len(matched)):
            if matched[number].text == skipped:
                rest.append(matched.pop(number))
                position = number
                break
    return matched, [*rest, *lines[behind:]]


def _skipped(found: re.Match[str]) -> list[str]:
    names = [name for name in found.re.groupindex if re.fullmatch(r"(?:g\d+_)?skiplines\d+", name)]
    texts = [found[name] for name in sorted(names, key=found.re.groupindex.__getitem__)]
    return "".join(text for text in texts if text).split("\n")[:-1]
