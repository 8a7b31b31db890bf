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
from datetime import datetime, timezone
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from nfjail import daemon
from tests.system.house import BED, Held, Nfjail, in_bed, in_kernel, run, until, who

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
    """A daemon forked off this process: so it starts quickly, and is killed at work rather than while Python starts."""

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
def writing(kind: str) -> Iterator[Callable[[], object]]:
    """A scribe at work; calling what it gives ends that, and returns when everything is written."""
    scribe = [sys.executable, str(Path(__file__).with_name("scribe.py")), kind]
    command = [*scribe, LOG, LEDGER] if kind == "file" else [str(BED / "as-unit.sh"), "ssh.service", *scribe]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process.communicate


def survives(house: Nfjail, kills: int, stop_writing: Callable[[], object]) -> None:
    """Kills so many daemons at work, then lets one finish; meanwhile no lasting ban may leave the kernel."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    lasting: set[tuple[str, str]] = set()
    for _ in range(kills):
        victim = Victim(house)
        time.sleep(chance.uniform(0, 0.4))
        victim.end(signal.SIGKILL)
        held = {place for place in who(in_kernel()) if place[0] == "lasting"}
        assert lasting <= held, lasting - held
        lasting = held
    assert len(lasting) > kills
    stop_writing()


def are_as_decided(house: Nfjail, bans: list[Held]) -> None:
    """Whether a last daemon comes to exactly these bans, in the store and in the kernel."""
    assert {ban.jail for ban in bans if ban.address == LAST} == set(JAILS)
    last = Victim(house)
    until(lambda: {ban.jail for ban in all_stored(house) if ban.address == LAST} == set(JAILS), 30)
    got, wanted = rounded(all_stored(house)), rounded(bans)
    assert got == wanted, (len(got), len(wanted), sorted(set(got) ^ set(wanted))[:10])
    numbered = house.rows("SELECT jail, packed, nth FROM live UNION ALL SELECT jail, packed, nth FROM past")
    assert len(set(numbered)) == len(bans)
    now = time.time()
    ends = {(ban.jail, ban.address): ban.until or 0 for ban in in_kernel()}
    for ban in bans:
        if (ban.until or 0) > now + 1:
            assert abs(ends.pop((ban.jail, ban.address)) - (ban.until or 0)) < 2
    assert all(end < now + 3 for end in ends.values())  # those that are just ending
    last.end(signal.SIGTERM)
    assert "a bug in nfjail" not in house.said(), house.said()


def all_stored(house: Nfjail) -> list[Held]:
    return house.stored("live") + house.stored("past")


@in_bed("journald.sh", 240)
def test_killed_a_hundred_times_while_reading_a_file():
    house = Nfjail(settings("file"))
    with writing("file") as stop_writing:
        survives(house, 100, stop_writing)
    are_as_decided(house, decided(failures_in_ledger()))


@in_bed("journald.sh", 240)
def test_killed_while_reading_the_journal():
    house = Nfjail(settings("journal"))
    with writing("journal") as stop_writing:
        survives(house, 20, stop_writing)
        run("journalctl", "--sync")
    are_as_decided(house, decided(failures_in_journal()))


@in_bed("journald.sh")
def test_what_a_ban_has_paid_for_stays_paid_however_long_the_daemon_was_dead():
    """Here it was an hour: much longer than any failure counts. But the log is read again from where it stood then."""
    start = time.time() - 3600

    def fail_at(log: str, address: str, *moments: float) -> None:
        lines = ""
        for moment in moments:
            stamp = datetime.fromtimestamp(start + moment, timezone.utc).isoformat(timespec="microseconds")
            lines += f"{stamp} host sshd[4711]: Failed password for root from {address} port 22 ssh2\n"
        with open(log, "a") as file:
            file.write(lines)

    house = Nfjail(settings("file").replace(LOG, "/run/house/*.log"))
    house.start()
    fail_at("/run/house/new", "192.0.2.7", 0, 0.1, 0.2)
    os.rename("/run/house/new", LOG)  # nfjail has never seen it without these lines, so it believes their times
    until(lambda: house.stored("past"))  # it is told late: the 0.5 s are over
    house.kill()
    fail_at(LOG, "192.0.2.7", 0.8)
    fail_at(LOG, LAST, 1, 1.1, 1.2)
    with house:
        until(lambda: LAST in {ban.address for ban in all_stored(house)})
    assert sorted(ban.address for ban in all_stored(house)) == ["192.0.2.7", LAST]
