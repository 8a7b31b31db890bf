"""Counts failures per subject in a sliding window of time, by the log's own times."""

from __future__ import annotations

from bisect import insort
from collections.abc import Iterator

from nfjail.core.model import Failure, Subject


def _time(failure: Failure) -> float:
    return failure.time


class Window:
    """Who has failed how often in the last findtime seconds. A true sliding window: no estimates.

    Holds at most maxretry failures of each subject, and forgets those who have been quiet for findtime.
    """

    def __init__(self, maxretry: int, findtime: float) -> None:
        self.maxretry = maxretry
        self.findtime = findtime
        self._seen: dict[Subject, list[Failure]] = {}
        self._sweep_at = 1024  # subjects
        self._newest = 0.0

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, failure: Failure) -> int:
        """Counts one more; returns how many of this subject lie in the window now. maxretry is enough for a ban."""
        newest, subject = failure[0], failure[1]
        seen = self._seen.get(subject)
        if seen is None:
            self._seen[subject] = [failure]
            if newest > self._newest:
                self._newest = newest
            if len(self._seen) > self._sweep_at:
                self._sweep()
            return 1
        if newest >= seen[-1][0]:
            seen.append(failure)
        else:
            insort(seen, failure, key=_time)  # two files, or a clock set back: in its place
            newest = seen[-1][0]
        if newest > self._newest:
            self._newest = newest
        oldest = newest - self.findtime
        if len(seen) > self.maxretry:
            del seen[0]
        while seen[0][0] < oldest:
            del seen[0]
        return len(seen)

    def take(self, subject: Subject) -> tuple[Failure, ...]:
        """The failures of subject in the window, which then starts anew for it."""
        return tuple(self._seen.pop(subject, ()))

    def forget(self, subject: Subject, before: float) -> None:
        """The failures of subject before that time no longer count."""
        kept = [failure for failure in self.take(subject) if failure.time >= before]
        if kept:
            self._seen[subject] = kept

    def failures(self) -> Iterator[Failure]:
        """Everything it holds, for another window that takes over."""
        for seen in self._seen.values():
            yield from seen

    def _sweep(self) -> None:
        """Forgets whom it need not remember. Costs one pass, after the number of subjects has doubled."""
        oldest = self._newest - self.findtime
        self._seen = {subject: seen for subject, seen in self._seen.items() if seen[-1].time >= oldest}
        self._sweep_at = max(1024, 2 * len(self._seen))
