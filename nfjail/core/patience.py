"""Searches that can be broken off: Python's `re` looks for signals, and what handles them may raise TooSlow.

But it looks only every few thousand steps that it makes from one place of the text. A search from every place of a long
text may make fewer from each, and all the same take a minute. As a match that begins with .*? it goes on counting.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LONG = 1000  # characters of a text: shorter ones are searched in less than half a second, however that is done


class TooSlow(Exception):  # noqa: N818  # it is no error, but the end of patience
    """The search of one line was broken off."""


def searching(pattern: re.Pattern[str]) -> Callable[[str], re.Match[str] | None]:
    """pattern.search, patient() with long texts."""
    quickly, patiently = pattern.search, patient(pattern)
    return lambda text: quickly(text) if len(text) <= LONG else patiently(text)


def patient(pattern: re.Pattern[str]) -> Callable[[str], re.Match[str] | None]:
    """pattern.search for long texts: it takes twice as long, but can be broken off."""
    places: re.Pattern[str] | None = None

    def search(text: str) -> re.Match[str] | None:
        nonlocal places
        if places is None:
            places = _places(pattern)
        # If that comes to an end in time, the search itself does.
        return pattern.search(text) if places is None or places.match(text) else None

    return search


def _places(pattern: re.Pattern[str]) -> re.Pattern[str] | None:
    try:
        return re.compile(f"(?s:.*?)(?={pattern.pattern})", pattern.flags)
    except re.error:  # it has flags at its beginning, which may not stand in the middle
        return None
