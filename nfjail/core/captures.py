"""What a match captured, by name: with the alternatives (`<F-ALT_USER_1>`) and parts (`<F-TUPLE_ID>`) put in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Union

from nfjail.core.tags import group_name

#: a captured text; several, where `<F-TUPLE_...>` joined them; all users of a session
Value = Union[str, tuple[Union[str, None], ...]]
Captured = dict[str, Union[Value, None]]

_PART = re.compile(r"(alt|tuple)_(.*?)(?:_\d+)?")


class Captures:
    """How to take the captures out of one pattern's match."""

    def __init__(self, groups: Mapping[str, int]) -> None:
        kept = [(name, number) for name, number in groups.items() if not name.startswith("skiplines")]
        self._names = tuple(name for name, _ in kept)
        # The whole match beside a single group: so group() always gives a tuple.
        self._numbers = (*(number for _, number in kept), 0)
        parts = [(name, found[1], group_name(found[2])) for name in sorted(groups) if (found := _PART.fullmatch(name))]
        self._alternatives = [(name, target) for name, kind, target in parts if kind == "alt"]
        self._tuples = [(name, target) for name, kind, target in parts if kind == "tuple"]

    def of(self, found: re.Match[str]) -> Captured:
        """Every named group; None: it took no part in the match."""
        captured: Captured = dict(zip(self._names, found.group(*self._numbers)))  # noqa: B905  # the last is left out
        if self._alternatives or self._tuples:
            self._combine(captured)
        return captured

    def _combine(self, captured: Captured) -> None:
        """The first alternative that is not empty stands in for an empty target; parts are appended to it."""
        for name, target in self._alternatives:
            if captured[name] and not captured.get(target):
                captured[target] = captured[name]
        for name, target in self._tuples:
            base, part = captured.get(target), captured[name]
            whole = base if isinstance(base, tuple) else (base,)
            captured[target] = (*whole, part)  # type: ignore[arg-type]  # a part is one group's text
