"""A second log in fail2ban's own form, for the tools that read it: logwatch, exporters, recidive filters, panels.

    2026-11-22 17:00:00,123 fail2ban.actions        [1234]: NOTICE  [sshd] Ban 192.0.2.1

The forms are those of fail2ban 1.0.2 and 1.1.0 at its log level INFO. An IPv6 network stands there by its first
address: whatever filter reads such a line back (fail2ban's recidive) expects an address behind "Ban".
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from nfjail.core.model import Ban, Decision, Subject
from nfjail.engine import Counted
from nfjail.text import printable

log = logging.getLogger("nfjail")

VERSION = "1.1.0"  # of fail2ban, as whose equal nfjail speaks
_PERMANENT = ("permanent", "infinite")
_PIECE = 1 << 16  # bytes that are written at once
_HELD = 1 << 20  # bytes that wait at most while the file cannot be written


def line(now: float, part: str, level: str, text: str, pid: int) -> str:
    """One line of fail2ban's log, with its newline. part: "fail2ban.actions" and the like."""
    stamp = f"{local_time(now)},{int(now * 1000) % 1000:03d}"
    return f"{stamp} {part:<24}[{pid}]: {level:<7} {printable(text)}\n"


def local_time(when: float) -> str:
    """2026-11-22 17:00:00, in the zone of this machine."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(when))


class Fail2banLog:
    """Collects lines; flush() writes them. Without a path it does nothing. It never raises, and never waits."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._pid = os.getpid()
        self._waiting = bytearray()
        self._fd = -1
        self._trouble = False

    def failure(self, counted: Counted, now: float) -> None:
        when = local_time(min(counted.failure.time, now))
        self._add(now, "filter", "INFO", f"[{counted.jail}] Found {_named(counted.failure.subject)} - {when}")

    def decisions(
        self, decisions: Sequence[Decision], bantimes: Mapping[str, float | None], again: Collection[Decision], now: float
    ) -> None:
        """bantimes: each jail's, to tell which bans are longer. again: bans of those who were banned already."""
        for one in decisions:
            who = f"[{one.jail}] {{}} {_named(one.subject)}"
            if not isinstance(one, Ban):
                self._add(now, "actions", "NOTICE", who.format("Unban"))
            elif one in again:
                self._add(now, "actions", "NOTICE", f"[{one.jail}] {_named(one.subject)} already banned")
            else:
                self._add(now, "actions", "NOTICE", who.format("Ban"))
                self._add_increase(one, who, bantimes.get(one.jail), now)

    def _add_increase(self, ban: Ban, who: str, bantime: float | None, now: float) -> None:
        length = None if ban.until is None else ban.until - ban.since
        if ban.origin != "filter" or bantime is None or (length is not None and length <= bantime):
            return
        span, end = _PERMANENT if ban.until is None or length is None else (_span(length), local_time(ban.until))
        self._add(now, "observer", "NOTICE", f"{who.format('Increase Ban')} ({ban.nth} # {span} -> {end})")

    def started(self, restored: Iterable[tuple[str, Subject]], jails: Iterable[str], now: float) -> None:
        """The daemon has started: with these jails, and these bans from before."""
        self._add(now, "server", "INFO", "-" * 50)
        self._add(now, "server", "INFO", f"Starting Fail2ban v{VERSION}")
        for jail in jails:
            self._add(now, "jail", "INFO", f"Creating new jail '{jail}'")
            self._add(now, "jail", "INFO", f"Jail '{jail}' started")
        for jail, subject in restored:
            self._add(now, "actions", "NOTICE", f"[{jail}] Restore Ban {_named(subject)}")

    def reloaded(self, before: Collection[str], jails: Collection[str], now: float) -> None:
        """These jails run now in place of those before."""
        self._add(now, "server", "INFO", "Reload all jails")
        for jail in jails:
            if jail in before:
                self._add(now, "server", "INFO", f"Reload jail '{jail}'")
                self._add(now, "server", "INFO", f"Jail '{jail}' reloaded")
            else:
                self._add(now, "jail", "INFO", f"Creating new jail '{jail}'")
                self._add(now, "jail", "INFO", f"Jail '{jail}' started")
        for jail in before:
            if jail not in jails:
                self._add(now, "jail", "INFO", f"Jail '{jail}' stopped")
        self._add(now, "server", "INFO", "Reload finished.")

    def stopped(self, jails: Iterable[str], now: float) -> None:
        self._add(now, "server", "INFO", "Shutdown in progress...")
        self._add(now, "server", "INFO", "Stopping all jails")
        for jail in jails:
            self._add(now, "jail", "INFO", f"Jail '{jail}' stopped")
        self._add(now, "server", "INFO", "Exiting Fail2ban")

    def reopened(self, now: float) -> None:
        """Somebody has asked for the file to be opened anew, after a rotation."""
        self._close()
        self._add(now, "server", "INFO", f"rollover performed on {self.path}")
        self.flush()

    def _add(self, now: float, part: str, level: str, text: str) -> None:
        if not self.path:
            return
        if len(self._waiting) > _PIECE:
            self.flush()
        if len(self._waiting) < _HELD:
            self._waiting += line(now, f"fail2ban.{part}", level, text, self._pid).encode(errors="backslashreplace")

    def use(self, path: str) -> None:
        """Goes on in another file, or with "" in none."""
        if path != self.path:
            self.flush()
            self._close()
            self.path = path
            self._waiting.clear()

    def flush(self) -> None:
        """Writes what has been collected, into the file that is at path by now."""
        if not self._waiting:
            return
        try:
            self._open()
            del self._waiting[: os.write(self._fd, self._waiting)]
            if self._waiting:  # of a line that was cut off, the rest comes behind it as soon as there is room
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            if not self._trouble:
                log.error("%s cannot be written: %s; lines for it wait in memory, 1 MiB at most", self.path, error.strerror)
            self._trouble = True
            return
        if self._trouble:
            log.warning("%s is written again", self.path)
            self._trouble = False

    def _open(self) -> None:
        """Opens the file, if it is not open, or if another one is in its place by now."""
        if self._fd >= 0:
            held = os.fstat(self._fd)
            with contextlib.suppress(FileNotFoundError):
                there = os.stat(self.path)
                if (there.st_dev, there.st_ino) == (held.st_dev, held.st_ino):
                    return
            self._close()
        # Not blocking: whoever puts a pipe in its place must not be able to hold the daemon up.
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
        self._fd = os.open(self.path, flags, 0o640)

    def _close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def close(self) -> None:
        self.flush()
        self._close()


def _named(subject: Subject) -> str:
    return subject.address if subject.family == 6 else str(subject)


#: (from so many seconds on, rounded to so many, units): fail2ban tells the two or three largest that matter
_SPANS = (
    (31_536_000, 86_400, (("y", 31_536_000), ("w", 604_800), ("d", 86_400))),
    (604_800, 3_600, (("w", 604_800), ("d", 86_400), ("h", 3_600))),
    (86_400, 60, (("d", 86_400), ("h", 3_600), ("m", 60))),
    (3_595, 10, (("h", 3_600), ("m", 60))),
    (0, 1, (("m", 60), ("s", 1))),
)


def _span(seconds: float) -> str:
    """1h 1m of 3661, as fail2ban writes lengths of time."""
    _, step, units = next(row for row in _SPANS if seconds >= row[0])
    rest = round(seconds / step) * step
    parts = []
    for unit, size in units:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return " ".join(parts)
