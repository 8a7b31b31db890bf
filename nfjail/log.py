"""The daemon's own log: sentences on standard error, with a level in front for the journal (sd-daemon(3))."""

from __future__ import annotations

import logging
import os
from typing import TextIO

from nfjail.text import printable

_LEVELS = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 5, logging.ERROR: 3, logging.CRITICAL: 2}


class _Sentences(logging.Formatter):
    def __init__(self, *, levels: bool) -> None:
        super().__init__()
        self._levels = levels

    def format(self, record: logging.LogRecord) -> str:
        text = printable(record.getMessage())
        if record.exc_info:  # a bug: its traceback belongs into the log
            text += "\n" + self.formatException(record.exc_info)
        if not self._levels:
            return text
        return "\n".join(f"<{_LEVELS.get(record.levelno, 6)}>{line}" for line in text.split("\n"))


def set_up_log(stream: TextIO, verbose: bool) -> None:
    """Sends the log to stream, without failures and other frequent things unless verbose."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Sentences(levels="JOURNAL_STREAM" in os.environ))
    logger = logging.getLogger("nfjail")
    logger.handlers = [handler]
    logger.propagate = False
    logger.setLevel(logging.INFO if verbose else logging.WARNING)
