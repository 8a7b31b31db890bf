"""What a match captured, by name: with the alternatives (`<F-ALT_USER_1>`) and parts (`<F-TUPLE_ID>`) put in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Union

from nfjail.core.tags import group_name

#: a captured text; several, where `<F-TUPLE_...>` joined them; all users of a session
Value = Union[str, tuple[Union[str, None], ...]]
Captured = dict[str, Value]

_PART = re.compile(r"(alt|tuple)_(.*?)(?:_\d+)?")
_NOT_KEPT = re.compile(r"content|skiplines\d+")


class Captures:
    """How to take the captures out of a pattern's match, and out of the prefregex's match before it."""

    def __init__(self, groups: Mapping[str, int], before: Mapping[str, int] | None = None) -> None:
        """name -> number of the groups. before: those of the prefregex; where both have a name, the pattern's counts."""
        first = {name: number for name, number in (before or {}).items() if name != "content"}
        self._before = Captures(first) if first else None
        plain = len(first) == 1 and first.keys().isdisjoint(groups) and not any(map(_PART.fullmatch, first))
        self._only = next(iter(first.items())) if plain else None
        kept = [(name, number) for name, number in groups.items() if not _NOT_KEPT.fullmatch(name)]
        self._names = tuple(name for name, _ in kept)
        # The whole match stands beside a single group: so group() always gives a tuple.
        self._numbers = (*(number for _, number in kept), 0)
        parts = [(name, found[1], group_name(found[2])) for name in sorted(groups) if (found := _PART.fullmatch(name))]
        self._alternatives = [(name, target) for name, kind, target in parts if kind == "alt"]
        self._tuples = [(name, target) for name, kind, target in parts if kind == "tuple"]
        self.plain = not parts  # each capture is a text of the line

    def of(self, found: re.Match[str], before: re.Match[str] | None = None) -> Captured:
        """The text of every named group that took part in the match."""
        captured: Captured
        if before is None or self._before is None:
            captured = {}
        elif self._only is not None:  # nearly always: the session's id
            name, number = self._only
            text = before[number]
            captured = {} if text is None else {name: text}
        else:
            captured = self._before.of(before)
            for name in self._names:
                captured.pop(name, None)
        own: Captured = captured if self.plain else {}  # parts are put together of what the same pattern captured
        for name, text in zip(self._names, found.group(*self._numbers)):  # noqa: B905  # the last is left out
            if text is not None:
                own[name] = text
        return captured if self.plain else self.put_together(captured, own)

    def put_together(self, captured: Captured, own: Captured) -> Captured:
        """captured: what the prefregex captured; own: what the pattern did, its parts still by themselves."""
        self._combine(own)
        captured.update(own)
        return captured

    def places(self, found: re.Match[str], at: int = 0) -> tuple[tuple[str, int, int], ...]:
        """Name, begin and end of what the pattern itself captured. at: where its text stands."""
        spans = zip(self._names, map(found.span, self._numbers))  # noqa: B905  # the last is left out
        return tuple([(name, begin + at, end + at) for name, (begin, end) in spans if begin >= 0])

    def places_before(self, before: re.Match[str] | None) -> tuple[tuple[str, int, int], ...] | None:
        """The same of what counts of the prefregex's captures. None: these are no places, but put together."""
        if before is None or self._before is None:
            return ()
        if not self._before.plain:
            return None
        return tuple([place for place in self._before.places(before) if place[0] not in self._names])

    def _combine(self, captured: Captured) -> None:
        """The first alternative that is not empty stands in for an empty target; parts are appended to it."""
        for name, target in self._alternatives:
            if captured.get(name) and not captured.get(target):
                captured[target] = captured[name]
        for name, target in self._tuples:
            base, part = captured.get(target), captured.get(name)
            whole = base if isinstance(base, tuple) else (base,)
            captured[target] = (*whole, part)  # type: ignore[arg-type]  # a part is one group's text
