"""The process in another time zone, for as long as a test needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """name: as TZ has it, "Europe/Berlin" or "CET-01CEST-02,M3.5.0,M10.5.0". Processes started meanwhile are in it too."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = name
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        if before is not None:
            os.environ["TZ"] = before
        time.tzset()
