"""kill -9 at any moment, then a start: the bans are those of somebody who has read the log once and was never disturbed."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from tests.system.house import BED, Held, Nfjail, in_bed, in_kernel, run, until, who

# Imported here, so that the daemons, which are forked off this process, start within a few hundredths of a second and
# are killed at work, not while Python is loading its modules.
from nfjail import daemon
from nfjail.firewall import nft as _  # noqa: F401

LOG, LEDGER = "/run/house/auth.log", "/run/house/ledger"
FAILURE = re.compile(r"Failed password for root from (\S+) port 22 ssh2")
LAST = "198.51.100.99"  # whom the scribe lets fail at the very end


class Rules(NamedTuple):
    maxretry: int
    findtime: float
    bantime: float
    doubling: bool  # each ban is twice as long as the one before


JAILS = {"brief": Rules(3, 4.0, 0.5, True), "lasting": Rules(5, 7.0, 3600.0, False)}
JAIL = """
[jail.{name}]
enabled = true
filter = "sshd"
backend = "{backend}"
logpath = ["{log}"]
maxretry = {rules.maxretry}
findtime = {rules.findtime}
bantime = {rules.bantime}
increment.enabled = {doubling}
"""


def settings(backend: str) -> str:
    text = "[jail.sshd]\nenabled = false\n"
    for name, rules in JAILS.items():
        text += JAIL.format(name=name, backend=backend, log=LOG, rules=rules, doubling=str(rules.doubling).lower())
    return text


# The oracle


def failures_in_ledger() -> Iterator[tuple[float, str]]:
    """Time and address of each, in their order."""
    for line in Path(LEDGER).read_text().splitlines():
        found = FAILURE.search(line)
        if found:
            yield datetime.fromisoformat(line.split(" ", 1)[0]).timestamp(), found[1]


def failures_in_journal() -> Iterator[tuple[float, str]]:
    told = run("journalctl", "-o", "json", "--output-fields=MESSAGE", "SYSLOG_IDENTIFIER=sshd")
    for line in told.splitlines():
        entry = json.loads(line)
        found = FAILURE.search(entry["MESSAGE"])
        if found:
            yield int(entry["__REALTIME_TIMESTAMP"]) / 1e6, found[1]


def decided(failures: Iterator[tuple[float, str]]) -> list[Held]:
    """Every ban that these failures must lead to."""
    recent: dict[tuple[str, str], list[float]] = {}
    ends: dict[tuple[str, str], list[float]] = {}
    bans = []
    for when, address in failures:
        banned = address if ip_address(address).version == 4 else str(ip_network(f"{address}/64", strict=False))
        for jail, rules in JAILS.items():
            who = jail, banned
            past = ends.setdefault(who, [])
            if past and when < past[-1]:
                continue
            recent[who] = [then for then in recent.get(who, ()) if then >= when - rules.findtime] + [when]
            if len(recent[who]) == rules.maxretry:
                recent[who] = []
                past.append(when + rules.bantime * (2 ** len(past) if rules.doubling else 1))
                bans.append(Held(jail, banned, when, past[-1]))
    return bans


def rounded(bans: list[Held]) -> list[Held]:
    """To the microsecond, as logs have it, and sorted."""
    return sorted(Held(jail, who, round(since, 6), round(end or 0, 6)) for jail, who, since, end in bans)


# The victims


class Victim:
    """A daemon forked off this process."""

    def __init__(self, house: Nfjail) -> None:
        options = daemon.Options(*(str(house.folder / name) for name in ("etc", "state", "run")), verbose=False)
        self.pid = os.fork()
        if self.pid == 0:
            os.dup2(os.open(house.folder / "said", os.O_WRONLY | os.O_APPEND), 2)
            sys.stderr = os.fdopen(2, "w")
            try:
                daemon.run(options)
            finally:
                os._exit(0)

    def end(self, number: int) -> None:
        os.kill(self.pid, number)
        status = os.waitpid(self.pid, 0)[1]
        assert os.waitstatus_to_exitcode(status) == -number if number == signal.SIGKILL else status == 0


@contextmanager
def writing(*command: str) -> Iterator[Callable[[], None]]:
    """A scribe at work; calling what it gives ends the work and waits until all is written."""
    program = str(Path(__file__).with_name("scribe.py"))
    with subprocess.Popen([*command, sys.executable, program, *ARGUMENTS[command]], stdin=-1, stdout=-1) as scribe:
        yield scribe.communicate


def survive(house: Nfjail, kills: int, stop_writing: Callable[[], None]) -> str:
    """Kills so many daemons at work, then lets one finish; meanwhile no lasting ban may leave the kernel."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    lasting: set[tuple[str, str]] = set()
    for _ in range(kills):
        victim = Victim(house)
        time.sleep(chance.uniform(0, 0.4))
        victim.end(signal.SIGKILL)
        found = {place for place in who(in_kernel()) if place[0] == "lasting"}
        assert lasting <= found, (seed, lasting - found)
        lasting = found
    assert len(lasting) > kills
    stop_writing()
    return f"seed {seed}"


@in_bed("journald.sh")
def test_killed_a_hundred_times_while_reading_a_file():
    pass
