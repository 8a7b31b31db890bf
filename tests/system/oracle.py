"""An oracle: which bans a log of failed passwords must lead to, found in the plainest way; and the scribe that writes it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from tests.system.house import BED, Held, Nfjail, run, until

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


@contextmanager
def writing(kind: str) -> Iterator[Callable[[], object]]:
    """A scribe at work; calling what it gives ends that, and returns when everything is written."""
    scribe = [sys.executable, str(Path(__file__).with_name("scribe.py")), kind]
    command = [*scribe, LOG, LEDGER] if kind == "file" else [str(BED / "as-unit.sh"), "ssh.service", *scribe]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        yield process.communicate


def has_decided(house: Nfjail, bans: list[Held]) -> None:
    """Waits until the running daemon has read everything; it must have stored exactly these bans, each once."""
    assert {ban.jail for ban in bans if ban.address == LAST} == set(JAILS)
    until(lambda: {ban.jail for ban in house.stored("live", "past") if ban.address == LAST} == set(JAILS), 30)
    got, wanted = rounded(house.stored("live", "past")), rounded(bans)
    assert got == wanted, (len(got), len(wanted), sorted(set(got) ^ set(wanted))[:10])
    numbered = house.rows("SELECT jail, packed, nth FROM live UNION ALL SELECT jail, packed, nth FROM past")
    assert len(set(numbered)) == len(bans)
