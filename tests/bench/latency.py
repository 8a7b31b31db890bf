"""How long from a written log line to the element in the kernel: from a file, and from the journal under attack."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from lines import addresses, as_line, failure
from parts import (
    BED,
    LOG,
    MAXRETRY,
    Daemon,
    Fail2ban,
    Kernel,
    Nfjail,
    Options,
    Row,
    empty_firewall,
    fail2ban_config,
    median,
    nfjail_config,
    percentile,
    say,
)

ATTACK = 50  # lines a second, meanwhile, from other addresses
Write = Callable[[str], float]  # writes maxretry failures of that address; returns when (time.monotonic)


def from_file(options: Options) -> Iterator[Row]:
    LOG.touch()
    with LOG.open("ab", buffering=0) as log:

        def write(ip: str) -> float:
            data = "".join(as_line(failure(ip), time.time()) for _ in range(MAXRETRY)).encode()
            begin = time.monotonic()
            log.write(data)
            return begin

        ours = _measure(Nfjail(nfjail_config("file")), write, addresses(options.size(300, 5)), 0.02)
        theirs = _theirs(options, "auto", write)
    what = "log line written -> element in the kernel, file"
    yield Row(f"{what}: median", "ms", 3, median(ours), median(theirs), samples=ours)
    note = f"of {len(ours)} and {len(theirs)} events"
    yield Row(f"{what}: p99", "ms", 20, percentile(ours, 0.99), percentile(theirs, 0.99), note, theirs)


def from_journal(options: Options) -> Iterator[Row]:
    with Sshd() as sshd:
        ours = _measure(Nfjail(nfjail_config("journal")), sshd.fail, addresses(options.size(120, 4)), 0.05)
        theirs = _theirs(options, "systemd", sshd.fail)
    what = f"the same from a real journald, {ATTACK} lines/s of others meanwhile"
    yield Row(f"{what}: median", "ms", 15, median(ours), median(theirs), samples=ours)
    yield Row(f"{what}: p99", "ms", None, percentile(ours, 0.99), percentile(theirs, 0.99), samples=theirs)


def _theirs(options: Options, backend: str, write: Write) -> list[float]:
    if options.fail2ban is None:
        return []
    # Not those of before: it reads the last findtime when it starts.
    some = addresses(options.size(30, 2), first=4096)
    return _measure(Fail2ban(options.fail2ban, fail2ban_config(backend)), write, some, 0.2)


def _measure(daemon: Daemon, write: Write, attackers: list[str], pause: float) -> list[float]:
    """Milliseconds until the ban of each, one at a time, with pauses of pause to twice that in between."""
    rnd = random.Random(7)
    name = type(daemon).__name__
    empty_firewall()
    daemon.start()
    kernel = Kernel()
    samples: list[float] = []
    for number, ip in enumerate(attackers):
        time.sleep(pause * (1 + rnd.random()))
        begin = write(ip)
        samples.append((kernel.wait_for([ip], 30) - begin) * 1000)
        if number % 50 == 49 or number + 1 == len(attackers):
            say(f"{name}: {number + 1} of {len(attackers)}, median so far {median(samples):.1f} ms")
    kernel.close()
    daemon.stop()
    return samples[1:]  # fail2ban makes its table with the first one


class Sshd:
    """A process in ssh.service, called sshd, that logs to journald while it is attacked from all sides."""

    def __enter__(self) -> Sshd:
        command = [str(BED / "as-unit.sh"), "ssh.service", sys.executable, __file__]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        return self

    def __exit__(self, *_error: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)

    def fail(self, ip: str) -> float:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{ip}\n")
        return float(self._process.stdout.readline())


def be_sshd() -> None:
    """Until stdin ends: fails for the address in each line of it, and for ATTACK others each second."""
    import select
    import socket

    with open("/proc/self/comm", "w") as name:  # journald's _COMM, which fail2ban asks for
        name.write("sshd")
    log = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    log.connect("/dev/log")

    def write(ip: str) -> None:
        log.send(f"<38>sshd[{os.getpid()}]: {failure(ip)}".encode())

    others = addresses(2000, first=65536)
    number, due = 0, time.monotonic()
    while True:
        ready, _, _ = select.select([0], [], [], max(due - time.monotonic(), 0))
        if not ready:
            write(others[number % len(others)])
            number, due = number + 1, due + 1 / ATTACK
            continue
        asked = os.read(0, 100).decode().strip()
        if not asked:
            return
        begin = time.monotonic()
        for _ in range(MAXRETRY):
            write(asked)
        print(begin, flush=True)


if __name__ == "__main__":
    be_sshd()
