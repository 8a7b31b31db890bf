"""Host names that a log blames, turned into addresses beside the main loop: a slow name server holds up nothing.

Only with usedns = "yes" or "warn". Threads live as long as there is something to look up, so an idle daemon has none.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections import deque
from typing import Generic, NamedTuple, TypeVar

from nfjail.core.model import Subject
from nfjail.names import look_up

log = logging.getLogger("nfjail")

T = TypeVar("T")
Addresses = tuple[Subject, ...]

PATIENCE = 5.0  # seconds after which a name has no addresses, for now
KNOWN_FOR = 300.0  # seconds for which an answer holds
UNKNOWN_FOR = 60.0  # and for which a name without addresses is not asked for again
WORKERS = 4  # threads
WAITING = 1000  # names that are asked for or wait for it
CAUSES = 10_000  # failures that wait for all of these
REMEMBERED = 2000  # names whose answer is kept

# A name whose last part is a number is none (RFC 3696, 2), but getaddrinfo() takes 1.2.3 and 0x7f.1 for addresses.
_NUMBER = re.compile(r"\d+|0[xX][0-9a-fA-F]*")


class _Known(NamedTuple):
    since: float
    until: float
    addresses: Addresses


class _Asked(Generic[T]):
    """A name that is being looked up."""

    __slots__ = ("causes", "until")

    def __init__(self, until: float) -> None:
        self.until = until
        self.causes: list[T] = []


class Resolver(Generic[T]):
    """Becomes readable when answers() has some. Each cause (of type T) comes back with the addresses of its name."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._known: dict[str, _Known] = {}
        self._asked: dict[str, _Asked[T]] = {}  # in the order of their time limits
        self._causes = 0
        self._dropped = 0  # causes that did not count, as too many waited
        self._lock = threading.Lock()  # over what follows, which the threads touch
        self._queue: deque[str] = deque()
        self._found: list[tuple[str, Addresses]] = []
        self._workers = 0
        self._closed = False

    def fileno(self) -> int:
        return self._wake

    def ask(self, name: str, cause: T, now: float) -> Addresses | None:
        """The addresses of name if they are known; else None, and answers() will bring cause again."""
        name = name.rstrip(".").lower()
        known = self._known.get(name)
        if known is not None and known.since <= now < known.until:
            return known.addresses
        if _NUMBER.fullmatch(name.rpartition(".")[2]) or not name:
            return ()
        asked = self._asked.get(name)
        if self._causes >= CAUSES or (asked is None and len(self._asked) >= WAITING):
            self._dropped += 1
            return ()
        if asked is None:
            asked = self._asked[name] = _Asked(now + self._patience)
            self._queue_up(name)
        asked.causes.append(cause)
        self._causes += 1
        return None

    def _queue_up(self, name: str) -> None:
        with self._lock:
            self._queue.append(name)
            if self._workers >= WORKERS:
                return
            self._workers += 1
        try:
            threading.Thread(target=self._work, name="resolver", daemon=True).start()
        except RuntimeError as error:  # the machine's limit: another one, or the time limit, will see to the name
            log.warning("no thread to look up host names: %s", error)
            with self._lock:
                self._workers -= 1

    def answers(self, now: float) -> list[tuple[T, Addresses]]:
        """What has come since the last call, and what will not come any more (no addresses)."""
        if not self._found and not self._asked:
            return []
        with self._lock:
            found, self._found = self._found, []
            if found:
                os.eventfd_read(self._wake)
        answers: list[tuple[T, Addresses]] = []
        for name, addresses in found:
            self._remember(name, addresses, now)
            answers += self._settle(name, addresses)
        for name in [name for name, asked in self._asked.items() if asked.until <= now]:
            log.info("%s: no answer from a name server within %g s", name, self._patience)
            self._remember(name, (), now)
            answers += self._settle(name, ())
        if self._dropped and not self._asked:
            log.error("too many host names at once: %d failures did not count, as these were not looked up", self._dropped)
            self._dropped = 0
        return answers

    def _settle(self, name: str, addresses: Addresses) -> list[tuple[T, Addresses]]:
        asked = self._asked.pop(name, None)
        if asked is None:  # it was given up
            return []
        self._causes -= len(asked.causes)
        return [(cause, addresses) for cause in asked.causes]

    def _remember(self, name: str, addresses: Addresses, now: float) -> None:
        self._known.pop(name, None)
        self._known[name] = _Known(now, now + (KNOWN_FOR if addresses else UNKNOWN_FOR), addresses)
        if len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]

    def due(self) -> float | None:
        """When answers() has something to say even if nothing came; None: never."""
        return next(iter(self._asked.values())).until if self._asked else None

    def close(self) -> None:
        """Forgets everything. Threads that still wait for a name server end when that answers, or with the process."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            os.close(self._wake)

    def _work(self) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are for the main thread
        while True:
            with self._lock:
                if not self._queue or self._closed:
                    self._workers -= 1
                    return
                name = self._queue.popleft()
            if name not in self._asked:  # it was given up
                continue
            try:
                addresses = look_up(name)
            except (OSError, ValueError) as error:
                log.debug("%s cannot be looked up: %s", name, error)
                addresses = ()
            with self._lock:
                if not self._closed:
                    self._found.append((name, addresses))
                    os.eventfd_write(self._wake, 1)
