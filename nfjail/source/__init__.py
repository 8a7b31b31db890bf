"""Where events come from: the systemd journal, or log files. Each source has fileno(), read() and says where it stands."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

#: when a line was written, in seconds since the epoch; None: it does not say
Clock = Callable[[str], "float | None"]


class LineBatch(NamedTuple):
    """Lines of one file, in order."""

    path: str
    lines: list[str]  # complete ones, decoded (invalid UTF-8 becomes U+FFFD), without newline and trailing blanks
    position: str  # where reading goes on after them, in the source's own words: for the store
    replayed: bool  # they lie before the stored position: count them again, but decide nothing
    not_before: float  # when the file was last seen read to its end (0.0: never): its lines are not older than that
