"""When the lines of a log were written. A line without a date has that of the line before, if that was a moment ago."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from nfjail.core.dates import DateDetector, Minute

_LAST_DATE_HOLDS = 60.0  # seconds for which a line without a date gets that of the line before it
_UNREAD = 500  # lines in which the last date is looked for
_UNKNOWN: Minute = ({}, 0)


class Timeline:
    """The times of one log's lines, which come in their order."""

    def __init__(self, dates: DateDetector | None) -> None:
        """dates: None, if the lines have none: they are written when they come."""
        self.dates = dates
        self.last: float | None = None  # the last time that was known
        self.cut = (0, 0)  # where the date stood that was cut out of the last line; (0, 0): none was
        self.minute: Minute = _UNKNOWN  # of the last date
        self.unread: deque[str] = deque(maxlen=_UNREAD)  # the lines since then, whose dates were not looked for

    def skip(self, lines: Sequence[str]) -> None:
        """Lines whose times nobody asks for: they are read only if a later one has no date."""
        self.unread.extend(lines[-_UNREAD:])

    def begin(self, now: float) -> Minute:
        """What is known of lines that come at this time: how they begin, up to where, and when they were written."""
        self.minute = ({"": now}, 0) if self.dates is None else _UNKNOWN
        return self.minute

    def again(self, line: str, now: float) -> float | None:
        """When the line was written, if that is known quickly: its date is much like the last one's; else None."""
        if self.dates is None:
            return now
        time = self.dates.again(line, now)
        if time is not None:
            self.last = time
            self.cut = self.dates.cut
            self.minute = self.dates.minute()
            self.unread.clear()
        return time

    def date(self, line: str, now: float) -> tuple[float | None, str]:
        """When the line was written, and what it says without its date."""
        self.cut = (0, 0)
        if self.dates is None:
            return now, line
        self.minute = _UNKNOWN
        dated = self.dates.find(line, now)
        if dated is not None and dated[0] is not None:
            time, before, text, after = dated
            self.last = time
            self.cut = (len(before), len(before) + len(text))
            self.unread.clear()
            return time, before + after
        while self.unread:
            earlier = self.dates.find(self.unread.pop(), now)
            if earlier is not None and earlier.time is not None:
                self.last = earlier.time
                self.unread.clear()
        if self.last is not None and self.last > now - _LAST_DATE_HOLDS:
            return self.last, line
        if dated is None:
            return None, line
        self.cut = (len(dated.before), len(dated.before) + len(dated.text))
        return None if dated.text else now, dated.before + dated.after
