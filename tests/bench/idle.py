"""What nfjail costs while nothing is logged, and how long a ban by hand takes."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator

from lines import addresses
from parts import (
    LOG,
    Daemon,
    Fail2ban,
    Nfjail,
    Options,
    Row,
    empty_firewall,
    fail2ban_config,
    median,
    nfjail_config,
    rss,
    say,
    wake_ups,
)


def by_hand(options: Options) -> Iterator[Row]:
    ours = _ban_by_hand(Nfjail(nfjail_config("journal")), options.size(20, 2))
    theirs: list[float] = []
    if options.fail2ban:
        theirs = _ban_by_hand(Fail2ban(options.fail2ban, fail2ban_config("systemd")), options.size(20, 2))
    yield Row("nfjail ctl ban, whole process", "ms", 100, median(ours), median(theirs),
              "fail2ban-client set sshd banip: it returns before the ban is in the kernel", ours)  # fmt: skip


def _ban_by_hand(daemon: Daemon, count: int) -> list[float]:
    """Milliseconds of each."""
    empty_firewall()
    daemon.start()
    samples = []
    for ip in addresses(count + 1):
        begin = time.monotonic()
        daemon.ban(ip)
        samples.append((time.monotonic() - begin) * 1000)
    daemon.stop()
    return samples[1:]


def idle(options: Options) -> Iterator[Row]:
    LOG.touch()
    daemons: list[Daemon] = [Nfjail(nfjail_config("journal"))]
    if options.fail2ban:
        daemons.append(Fail2ban(options.fail2ban, fail2ban_config("systemd")))
    for daemon in daemons:
        daemon.start()
    time.sleep(options.size(12, 1))  # nfjail looks often for ten seconds after an entry
    sizes = [rss(daemon.pid) for daemon in daemons]
    seconds = options.size(20, 1)
    say(f"{seconds} s of silence")
    before = [wake_ups(daemon.pid) for daemon in daemons]
    time.sleep(seconds)
    woken = [(wake_ups(daemon.pid) - first) * 60 / seconds for daemon, first in zip(daemons, before, strict=True)]
    called = [_system_calls(daemon.pid, options.size(10, 1)) for daemon in daemons]
    for daemon in daemons:
        daemon.stop()
    theirs = len(daemons) > 1
    yield Row("RSS idle, with the sshd jail on the journal", "MB", 25, sizes[0], sizes[1] if theirs else None)
    yield Row("wake-ups a minute while nothing is logged", "", 0, woken[0], woken[1] if theirs else None,
              "voluntary context switches of all threads in proc(5)")  # fmt: skip
    yield Row("  system calls a minute then", "", None, called[0], called[1] if theirs else None, "as strace -c counts them")


def _system_calls(pid: int, seconds: float) -> float | None:
    """A minute; None: no strace here. The call in which it sleeps when strace comes and goes is not counted."""
    if shutil.which("strace") is None:
        return None
    with subprocess.Popen(["strace", "-c", "-f", "-p", str(pid)], stderr=subprocess.PIPE, text=True) as strace:
        time.sleep(seconds)
        strace.send_signal(signal.SIGINT)
        _, said = strace.communicate()
    total = re.search(r"(\d+)(?:\s+\d+)?\s+total$", said, re.MULTILINE)
    calls = re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)(?:\s+\d+)?\s+(?:restart_syscall|epoll_wait)$", said, re.MULTILINE)
    asleep = min(1, sum(map(int, calls)))
    return (int(total[1]) - asleep) * 60 / seconds if total else 0.0
