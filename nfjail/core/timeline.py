"""When the lines of a log were written. A line without a date has that of the line before, if that was a moment ago."""

from __future__ import annotations

from collections import deque

from nfjail.core.dates import DateDetector

_LAST_DATE_HOLDS = 60.0  # seconds for which a line without a date gets that of the line before it
_UNREAD = 500  # lines in which the last date is looked for


class Timeline:
    """The times of one log's lines, which come in their order."""

    def __init__(self, dates: DateDetector | None) -> None:
        """dates: None, if the lines have none: they are written when they come."""
        self.dates = dates
        self.last: float | None = None  # the last time that was known
        self.unread: deque[str] = deque(maxlen=_UNREAD)  # the lines since then, whose dates were not looked for

    def skip(self, text: str) -> None:
        """Lines (with \\n between them) whose times nobody asks for: they are read only if a later one has no date."""
        self.unread.extend(text.rsplit("\n", _UNREAD)[-_UNREAD:])

    def date(self, line: str, now: float) -> tuple[float | None, str]:
        """When the line was written, and what it says without its date."""
        if self.dates is None:
            return now, line
        dated = self.dates.find(line, now)
        if dated is not None and dated[0] is not None:
            time, before, _, after = dated
            self.last = time
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
        return None if dated.text else now, dated.before + dated.after
