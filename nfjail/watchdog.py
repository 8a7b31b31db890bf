"""Ends the search of a pattern that takes too long: some need years for a line of forty characters.

Python's `re` looks for signals while it searches. A timer that counts only what this process computes (setitimer(2),
ITIMER_VIRTUAL) runs while lines are searched, and not otherwise. When it fires twice during the same line, that line's
search is broken off with TooSlow.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from types import FrameType

from nfjail.core.patience import TooSlow

LIMIT = 0.25  # seconds of computing: a line may take so long, and is broken off after twice as much at most
TRIAL = 0.1  # and each pattern of it, when the culprit is looked for


class Watchdog:
    """One for the process, as there is one such timer; only the main thread may use it."""

    def __init__(self) -> None:
        self._progress: Callable[[], object] | None = None
        self._before: object = None
        signal.signal(signal.SIGVTALRM, self._tick)
        signal.siginterrupt(signal.SIGVTALRM, False)

    def watch(self, progress: Callable[[], object]) -> None:
        """From now on TooSlow may be raised, when what progress() returns stays the same for too long."""
        self._before = object()
        self._progress = progress
        signal.setitimer(signal.ITIMER_VIRTUAL, LIMIT, LIMIT)

    def rest(self) -> None:
        """From now on nothing is raised."""
        self._progress = None
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _tick(self, _number: int, frame: FrameType | None) -> None:
        if self._progress is None:
            return  # it had been sent before rest()
        if self._progress is not _no_progress and not _is_searching(frame):
            return
        now = self._progress()
        if now == self._before:
            raise TooSlow
        self._before = now

    def culprit(self, trials: Iterable[Callable[[], object]]) -> int | None:
        """The first of them that takes too long by itself, as index; it is broken off. None: they are all quick.

        If it was watching, it goes on with that.
        """
        progress = self._progress
        try:
            for index, trial in enumerate(trials):
                self._before, self._progress = None, _no_progress
                signal.setitimer(signal.ITIMER_VIRTUAL, TRIAL)
                try:
                    trial()
                    self._progress = None
                except TooSlow:
                    return index
                finally:
                    self.rest()
            return None
        finally:
            if progress is not None:
                self.watch(progress)


def _no_progress() -> None:
    return None


def _is_searching(frame: FrameType | None) -> bool:
    """Whether a part of the core was interrupted: all others are not prepared for it, and search nothing."""
    return frame is not None and str(frame.f_globals.get("__name__")).startswith("nfjail.core.")
