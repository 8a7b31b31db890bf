"""What a recogniser tells of a line."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple

from nfjail.core.captures import Value
from nfjail.core.model import Subject

Result = Literal["failure", "helper", "ignored", "missed"]


class Sight(NamedTuple):
    """What one line told."""

    result: Result  # helper: it is no failure, but may be needed for one
    host: str | None  # whom: an address or network as it is written properly, a host name, any other id; None: not known
    time: float | None  # seconds since the epoch; None: it has no date, and none came shortly before
    pattern: int = -1  # index into failregex; -1: none fits
    fields: Mapping[str, Value] = {}  # all captures of the line, and those of its session
    lines: tuple[str, ...] = ()  # the line; with it those of its session, or those that the pattern covers
    subject: Subject | None = None  # the address or network to ban; with F-ID, the one that came with the id
    lookup: bool = False  # host is a name to be resolved: each of its addresses has failed


new_sight = partial(tuple.__new__, Sight)  # Sight(...) goes through a Python function: twice the time


def missed(time: float | None) -> Sight:
    return new_sight(("missed", None, time, -1, {}, (), None, False))


def ignored(time: float | None, pattern: int, lines: tuple[str, ...]) -> Sight:
    return new_sight(("ignored", None, time, pattern, {}, lines, None, False))
