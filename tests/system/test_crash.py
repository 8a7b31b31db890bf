"""kill -9 at any moment, then a start: the bans are those of somebody who has read the log once and was never disturbed."""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from nfjail import daemon
from tests.system.house import Held, Nfjail, in_bed, in_iptables, in_kernel, run, until, who
from tests.system.oracle import LAST, LOG, decided, failures_in_journal, failures_in_ledger, has_decided, settings, writing


class Victim:
    """A daemon forked off this process: so it starts quickly, and is killed at work rather than while Python starts."""

    def __init__(self, house: Nfjail) -> None:
        self._house = house
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
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        assert status == (-number if number == signal.SIGKILL else 0), self._house.said()


def in_nftables() -> set[tuple[str, str]]:
    return who(in_kernel())


def survives(
    house: Nfjail, kills: int, stop_writing: Callable[[], object], in_force: Callable[[], set[tuple[str, str]]]
) -> None:
    """Kills so many daemons at work, then lets one finish; meanwhile no lasting ban may leave the kernel."""
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    lasting: set[tuple[str, str]] = set()
    for number in range(10 * kills):  # on a busy machine most die too early to have done anything: then some more
        if number >= kills and len(lasting) > kills:
            break
        victim = Victim(house)
        time.sleep(chance.uniform(0, 0.4 + number / kills / 4))
        victim.end(signal.SIGKILL)
        held = {place for place in in_force() if place[0] == "lasting"}
        assert lasting <= held, lasting - held
        lasting = held
    assert len(lasting) > kills
    stop_writing()


def last_one_comes_to(house: Nfjail, bans: list[Held]) -> None:
    """A last daemon must have exactly these bans, in the store and in the kernel."""
    last = Victim(house)
    has_decided(house, bans)
    now = time.time()
    ends = {(ban.jail, ban.address): ban.until or 0 for ban in in_kernel()}
    for ban in bans:
        if (ban.until or 0) > now + 1:
            assert abs(ends.pop((ban.jail, ban.address)) - (ban.until or 0)) < 2
    assert all(end < now + 3 for end in ends.values())  # those that are just ending
    last.end(signal.SIGTERM)
    assert "a bug in nfjail" not in house.said(), house.said()


@in_bed("journald.sh", 240)
def test_killed_a_hundred_times_while_reading_a_file():
    house = Nfjail(settings("file"))
    with writing("file") as stop_writing:
        survives(house, 100, stop_writing, in_nftables)
    last_one_comes_to(house, decided(failures_in_ledger()))


@in_bed("journald.sh", 240)
def test_killed_while_reading_the_journal():
    house = Nfjail(settings("journal"))
    with writing("journal") as stop_writing:
        survives(house, 20, stop_writing, in_nftables)
        run("journalctl", "--sync")
    last_one_comes_to(house, decided(failures_in_journal()))


@pytest.mark.parametrize("banaction", ["iptables", "iptables-ipset"])
@in_bed("journald.sh")
def test_killed_while_it_banned_with_iptables(banaction):
    """The program that it had just started goes on alone, which must not harm the next daemon's work."""
    house = Nfjail(settings("file").replace('filter = "sshd"', f'filter = "sshd"\nbanaction = "{banaction}"'))
    with writing("file") as stop_writing:
        survives(house, 12, stop_writing, in_iptables)
    last = Victim(house)
    has_decided(house, decided(failures_in_ledger()))
    until(lambda: in_iptables() == who(house.stored()))
    last.end(signal.SIGTERM)


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
        until(lambda: LAST in {ban.address for ban in house.stored("live", "past")})
    assert sorted(ban.address for ban in house.stored("live", "past")) == ["192.0.2.7", LAST]
