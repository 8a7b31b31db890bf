"""Host names in ignoreip, turned into addresses beside the main loop, so that a slow name server holds up nothing."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Iterable, Mapping

from nfjail.core.model import Subject, parse_address

log = logging.getLogger("nfjail")

REFRESH = 600.0  # seconds: names of dynamic addresses move


def look_up(name: str) -> tuple[Subject, ...]:
    """All its addresses, sorted. It may take many seconds: not for the main loop. Raises OSError or ValueError."""
    # Bytes, because text would be taken through a codec of a megabyte.
    host = name.encode() if name.isascii() else name
    answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    found = {parse_address(str(answer[4][0])) for answer in answers}
    return tuple(sorted(subject for subject in found if subject))


class Names:
    """Looks names up in a thread of its own; becomes readable when there is something new.

    A name that cannot be looked up keeps its last addresses. Nothing runs while no name is configured.
    """

    def __init__(self) -> None:
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._known: dict[str, tuple[Subject, ...]] = {}
        self._failed: set[str] = set()
        self._thread: threading.Thread | None = None
        self._due = 0.0
        self._wanted: frozenset[str] = frozenset()

    def fileno(self) -> int:
        return self._wake_read

    @property
    def known(self) -> Mapping[str, tuple[Subject, ...]]:
        return self._known

    def want(self, names: Iterable[str], now: float) -> None:
        """Which names there are; new ones are looked up at once, all of them every ten minutes."""
        names = frozenset(names)
        if names - self._wanted:
            self._due = now
        self._wanted = names

    def due(self) -> float | None:
        """When run() has something to do; None: never."""
        return self._due if self._wanted else None

    def run(self, now: float) -> None:
        """Starts looking up when it is time, unless that is still going on."""
        if not self._wanted or now < self._due:
            return
        self._due = now + REFRESH
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._look_up, args=(sorted(self._wanted),), daemon=True)
            self._thread.start()

    def drain(self) -> None:
        """Takes the sign that there is something new."""
        try:
            os.read(self._wake_read, 4096)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self._wake_read)
        os.close(self._wake_write)

    def _look_up(self, names: list[str]) -> None:
        changed = False
        for name in names:
            try:
                subjects = look_up(name)
            except (OSError, ValueError) as error:
                if name not in self._failed:
                    log.warning("ignoreip: %s cannot be looked up: %s", name, error)
                self._failed.add(name)
                continue
            self._failed.discard(name)
            changed |= self._known.get(name) != subjects
            self._known = {**self._known, name: subjects}
        if changed:
            with contextlib.suppress(OSError):  # the daemon is ending
                os.write(self._wake_write, b"!")
