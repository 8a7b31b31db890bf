"""usage: scribe.py file LOG LEDGER | scribe.py journal

Writes sshd's messages about failed passwords of some hundred addresses, as long as its standard input is open, about 500
a second: to LOG as rsyslog would, renaming it now and then to LOG.1, and all of it once more to LEDGER; or to journald."""

from __future__ import annotations

import os
import random
import select
import socket
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone

KEPT = 99  # rotated logs: a daemon that is killed again and again may come far behind
AT_ONCE = 40  # addresses that try at the same time; those of a minute ago are gone


def main() -> None:
    kind, *paths = sys.argv[1:]
    write = ToFile(*paths).write if kind == "file" else to_journal()
    begin, number = time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0.004)[0]:
        while number < (time.monotonic() - begin) * 500:
            write(f"{'Failed' if number % 5 else 'Accepted'} password for root from {address(number // 60)} port 22 ssh2")
            number += 1
    for _ in range(5):  # a last one, who is banned by every jail when all before has been read
        write("Failed password for root from 198.51.100.99 port 22 ssh2")
    print("done", flush=True)
    sys.stdin.close()
    time.sleep(2)  # journald asks who wrote it


def address(first: int) -> str:
    number = first + random.randrange(AT_ONCE)
    if number % 3:
        return f"203.0.{number >> 8}.{number & 255}"
    return f"2001:db8:{number:x}::{random.randrange(1, 9)}"


def opened(path: str) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)


class ToFile:
    def __init__(self, log: str, ledger: str) -> None:
        self._log = log
        self._ledger, self._file = opened(ledger), opened(log)
        self._rotated_at = time.monotonic()

    def write(self, message: str) -> None:
        stamp = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        line = f"{stamp} host sshd[4711]: {message}\n".encode()
        os.write(self._ledger, line)
        cut = random.randrange(len(line)) if random.random() < 0.02 else 0
        if cut:  # somebody may look at it in the middle
            os.write(self._file, line[:cut])
            time.sleep(0.003)
        os.write(self._file, line[cut:])
        if time.monotonic() - self._rotated_at > 1.5:
            self._rotate()

    def _rotate(self) -> None:
        for number in range(KEPT, 0, -1):
            older = f"{self._log}.{number}"
            if os.path.exists(older):
                os.rename(older, f"{self._log}.{number + 1}")
        os.rename(self._log, f"{self._log}.1")
        os.close(self._file)
        self._file = opened(self._log)
        self._rotated_at = time.monotonic()


def to_journal() -> Callable[[str], None]:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    sock.connect("/run/systemd/journal/socket")
    return lambda message: sock.sendall(f"SYSLOG_IDENTIFIER=sshd\nMESSAGE={message}\n".encode())


if __name__ == "__main__":
    main()
