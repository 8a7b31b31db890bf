"""From failures to decisions: and that a crash at any moment changes none of them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.model import Ban, Decision, Failure, Subject, Unban, parse_subject
from nfjail.core.policy import Increment, Policy
from nfjail.engine import Engine
from nfjail.errors import NfjailError

A, B = parse_subject("192.0.2.7"), parse_subject("192.0.2.8")


class Memory:
    """A store and a kernel that can be told to refuse."""

    def __init__(self) -> None:
        self.rows: list[list] = []  # ban, ended_at or None
        self.positions: dict[str, str] = {}
        self.kernel: list[str] = []
        self.full = self.refusing = False

    def commit(self, decisions, positions, now) -> None:
        if self.full:
            raise NfjailError("the disk is full")
        for decision in decisions:
            live = [row for row in self.rows if row[0][:2] == decision[:2] and row[1] is None]
            for row in live:
                row[1] = decision.since if isinstance(decision, Ban) else decision.at
            if isinstance(decision, Ban):
                self.rows.append([decision, None])
        self.positions |= positions

    def count(self, jail, subject) -> int:
        return sum(ban.subject == subject and jail in (None, ban.jail) for ban, _ in self.rows)

    def last_end(self, jail, subject) -> float | None:
        return max((ended for ban, ended in self.rows if ban[:2] == (jail, subject) and ended is not None), default=None)

    def recent(self, subject, since) -> list[Ban]:
        return [ban for ban, _ in self.rows if ban.subject == subject and ban.since >= since]

    def replace(self, bans, positions, now) -> None:
        raise AssertionError("it is not damaged")

    def apply(self, decisions, now) -> None:
        if self.refusing:
            raise NfjailError("the kernel refuses")
        self.kernel.append(f"apply {len(decisions)}")

    def sync(self, bans, now) -> None:
        if self.refusing:
            raise NfjailError("the kernel refuses")
        self.kernel.append(f"sync {sorted(str(ban.subject) for ban in bans)}")

    def live(self) -> list[Ban]:
        return [ban for ban, ended in self.rows if ended is None]


def make(memory: Memory, bantime: float | None = 100.0, increment: Increment = Increment(), maxretry: int = 3) -> Engine:
    engine = Engine(memory, memory, lambda: 0.0)
    names = ("sshd", "web")
    rules = [Rules(name, Filter(name, []), Policy(bantime, increment), maxretry, 60.0, maxmatches=2) for name in names]
    engine.replace_jails({one.name: Jail(one, IgnoreList(())) for one in rules})
    return engine


def failures(engine: Engine, *times: float, subject: Subject = A, jail: str = "sshd") -> list:
    return [(engine.jails[jail], Failure(time, subject, f"at {time}", "", 0, {})) for time in times]


def test_enough_failures_make_a_ban_with_evidence_and_arithmetic() -> None:
    engine = make(Memory())
    (ban,) = engine.digest(failures(engine, 1, 2, 42.5), replayed=False)
    assert isinstance(ban, Ban)
    assert ban[:7] == ("sshd", A, 42.5, 142.5, 1, "filter", "3 failures in 42s")
    assert [one.message for one in ban.evidence] == ["at 2", "at 42.5"]


def test_who_is_banned_is_not_counted_and_may_come_back_afterwards() -> None:
    memory = Memory()
    engine = make(memory)
    decisions = engine.digest(failures(engine, 1, 2, 3, 4, 5, 6, 7, 102, 103, 104, 105), replayed=False)
    engine.carry_out(decisions, 105)
    assert [decision[2] for decision in decisions] == [3, 103, 105]  # banned, expired, banned again
    assert [type(decision) for decision in decisions] == [Ban, Unban, Ban]
    assert decisions[2].nth == 2


def test_repeat_offenders_stay_longer() -> None:
    memory = Memory()
    engine = make(memory, increment=Increment(True))
    for start in (0, 1000, 2000):
        engine.carry_out(engine.digest(failures(engine, start, start + 1, start + 2), replayed=False), start + 2)
        engine.carry_out(engine.expire(start + 900), start + 900)
    assert [ban.until - ban.since for ban, _ in memory.rows] == [100, 200, 400]


def test_overalljails_counts_the_bans_of_other_jails() -> None:
    for overall, expected in ((True, 200), (False, 100)):
        memory = Memory()
        engine = make(memory, increment=Increment(True, overalljails=overall))
        for jail in ("sshd", "web"):
            engine.carry_out(engine.digest(failures(engine, 1, 2, 3, jail=jail), replayed=False), 3)
        assert memory.rows[1][0].until - 3 == expected


def test_bans_in_one_batch_know_of_each_other() -> None:
    engine = make(Memory(), increment=Increment(True))
    decisions = engine.digest(failures(engine, 1, 2, 3, 200, 201, 202), replayed=False)
    assert [one.nth for one in decisions if isinstance(one, Ban)] == [1, 2]


def test_bans_end_when_their_time_is_over_and_not_before() -> None:
    memory = Memory()
    engine = make(memory)
    engine.carry_out(engine.digest(failures(engine, 1, 2, 3), replayed=False), 3)
    assert engine.next_end() == 103
    assert engine.expire(102.9) == []
    assert engine.expire(103) == [Unban("sshd", A, 103, "expired")]
    assert engine.next_end() is None


def test_a_ban_for_ever_does_not_end() -> None:
    engine = make(Memory(), bantime=None)
    engine.carry_out(engine.digest(failures(engine, 1, 2, 3), replayed=False), 3)
    assert engine.next_end() is None
    assert [ban.until for ban in engine.bans()] == [None]


def test_unbanned_in_one_jail_it_stays_banned_in_the_other() -> None:
    engine = make(Memory())
    engine.digest(failures(engine, 1, 2, 3), replayed=False)
    engine.digest(failures(engine, 1, 2, 3, jail="web"), replayed=False)
    assert engine.unban("sshd", A, 10, "by hand") == [Unban("sshd", A, 10, "by hand")]
    assert engine.unban("sshd", A, 10, "by hand") == []
    assert [(ban.jail, ban.subject) for ban in engine.bans()] == [("web", A)]


def test_who_is_unbanned_starts_anew() -> None:
    engine = make(Memory())
    engine.digest(failures(engine, 1, 2, 3), replayed=False)
    engine.unban("sshd", A, 10, "by hand")
    assert engine.digest(failures(engine, 4, 5, 9), replayed=False) == []  # read late: paid for
    assert len(engine.digest(failures(engine, 11, 12, 13), replayed=False)) == 1


def test_a_longer_ban_by_hand_moves_the_end() -> None:
    memory = Memory()
    engine = make(memory)
    engine.carry_out(engine.ban("sshd", A, 10, "", 0), 0)
    engine.carry_out(engine.ban("sshd", A, 1000, "more", 1), 1)
    assert engine.expire(10) == []
    assert [(ban.until, ban.nth, ban.origin) for ban in memory.live()] == [(1001, 2, "ctl")]


def test_the_store_comes_first_and_then_the_kernel() -> None:
    memory = Memory()
    engine = make(memory)
    decisions = engine.digest(failures(engine, 1, 2, 3), replayed=False)
    engine.positions["journal"] = "here"
    assert memory.kernel == []
    engine.carry_out(decisions, 3)
    assert memory.positions == {"journal": "here"}
    assert memory.kernel == ["apply 1"]


def test_a_full_disk_keeps_nobody_out_of_the_kernel_and_is_caught_up() -> None:
    memory = Memory()
    memory.full = True
    engine = make(memory, increment=Increment(True))
    engine.carry_out(engine.digest(failures(engine, 1, 2, 3), replayed=False), 3)
    engine.carry_out(engine.digest(failures(engine, 1, 2, 3, subject=B), replayed=False), 3)
    assert memory.kernel == ["apply 1", "apply 1"]
    assert engine.trouble == {"store": "the disk is full"}
    memory.full = False
    engine.retry(10)
    assert engine.trouble == {}
    assert [ban.subject for ban in memory.live()] == [A, B]


def test_when_the_kernel_refuses_a_change_all_is_set_up_anew_and_tried_again() -> None:
    memory = Memory()
    engine = make(memory)
    memory.refusing = True
    engine.carry_out(engine.digest(failures(engine, 1, 2, 3), replayed=False), 3)
    assert engine.trouble == {"firewall": "the kernel refuses"}
    memory.refusing = False
    engine.retry(4)
    assert memory.kernel == ["sync ['192.0.2.7']"]
    assert engine.trouble == {}


def test_reload_keeps_the_bans_of_jails_that_stay() -> None:
    engine = make(Memory())
    engine.digest(failures(engine, 1, 2, 3), replayed=False)
    old = engine.jails["sshd"]
    new = engine.replace_jails({name: Jail(old.rules._replace(name=name), IgnoreList(())) for name in ("sshd", "mail")})
    assert new == {"mail"}
    assert [(ban.jail, ban.subject) for ban in engine.bans()] == [("sshd", A)]


def test_who_is_ignored_now_is_freed() -> None:
    engine = make(Memory())
    engine.digest(failures(engine, 1, 2, 3), replayed=False)
    engine.jails["sshd"].ignore = IgnoreList([parse_subject("192.0.2.0/24")])
    assert engine.free_ignored(5) == [Unban("sshd", A, 5, "ignored now")]


logs = st.lists(st.tuples(st.integers(0, 400), st.sampled_from([A, B])), max_size=60).map(sorted)


def outcome(memory: Memory) -> list[tuple]:
    return [(ban.subject, ban.since, ban.until, ban.nth) for ban, _ in memory.rows]


@settings(max_examples=300, deadline=None)
@given(logs, st.lists(st.integers(0, 60), max_size=6), st.integers(1, 4), st.sampled_from([10.0, 50.0, None]))
def test_dying_at_any_moment_decides_the_same_as_reading_once(log, deaths, maxretry, bantime) -> None:
    once = Memory()
    engine = make(once, bantime, maxretry=maxretry)
    engine.carry_out(engine.digest(failures_of(engine, log), replayed=False), 0)

    often = Memory()
    engine = born_again(often, [], bantime, maxretry)
    for index, (time, subject) in enumerate(log):
        if index in deaths:  # all that is not stored is lost; reading goes on from the stored position
            engine = born_again(often, log[:index], bantime, maxretry)
        decisions = engine.digest(failures(engine, float(time), subject=subject), replayed=False)
        engine.positions["log"] = str(index + 1)
        if decisions:
            engine.carry_out(decisions, float(time))
    assert outcome(often) == outcome(once)


def failures_of(engine: Engine, log: list[tuple[int, Subject]]) -> list:
    return [one for time, subject in log for one in failures(engine, float(time), subject=subject)]


def born_again(memory: Memory, log: list[tuple[int, Subject]], bantime: float | None, maxretry: int) -> Engine:
    """A start: bans and their ends from the store, counters from the log before the position, decisions behind it."""
    engine = make(memory, bantime, maxretry=maxretry)
    for ban, ended in memory.rows:
        if ended is not None:
            engine.jails[ban.jail].end(ban.subject, ended)
    engine.restore(memory.live())
    position = int(memory.positions.get("log", "0"))
    engine.digest(failures_of(engine, log[:position]), replayed=True)
    decisions: list[Decision] = engine.digest(failures_of(engine, log[position:]), replayed=False)
    engine.positions["log"] = str(len(log))
    if decisions:
        engine.carry_out(decisions, 0)
    return engine


@pytest.mark.parametrize("lookback", [60.0])
def test_the_replay_needs_no_more_than_findtime(lookback: float) -> None:
    memory = Memory()
    engine = make(memory)
    log = [(0, A), (30, A), (95, A), (100, A), (130, A)]
    recent = [(time, subject) for time, subject in log[:4] if time >= 100 - lookback]
    engine.digest(failures_of(engine, recent), replayed=True)
    (ban,) = engine.digest(failures_of(engine, log[4:]), replayed=False)
    assert ban.since == 130
