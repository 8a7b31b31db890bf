"""A progress bar on the terminal, for input that takes a while."""

from __future__ import annotations

import sys
import time
from types import TracebackType

_EVERY = 0.2  # seconds between two looks of it
_WIDTH = 30  # characters of the bar
_ERASE = "\r\x1b[K"


class Progress:
    """Shows on stderr how far the reading has come, if that is a terminal."""

    def __init__(self, size: int) -> None:
        """size: of all that there is to read, in bytes; 0: nobody knows."""
        self._size = size
        self._done = self._lines = 0
        self._began = self._last = time.monotonic()
        self._watched = sys.stderr is not None and sys.stderr.isatty()
        self._shown = False

    def go_on(self, size: int, lines: int) -> None:
        """So many more bytes and lines have been read."""
        self._done += size
        self._lines += lines
        if not self._watched:
            return
        now = time.monotonic()
        if now - self._last > _EVERY:
            self._last, self._shown = now, True
            sys.stderr.write(_ERASE + self._text(now - self._began))
            sys.stderr.flush()

    def _text(self, took: float) -> str:
        if not self._size:
            return f"{self._lines:,} lines"
        part = min(1.0, self._done / self._size)
        filled = int(_WIDTH * part)
        left = took * (1 - part) / part if part else 0.0
        return f"[{'#' * filled}{'.' * (_WIDTH - filled)}] {part:4.0%}, {left:.0f}s left"

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None) -> None:
        if self._shown:
            sys.stderr.write(_ERASE)
            sys.stderr.flush()
