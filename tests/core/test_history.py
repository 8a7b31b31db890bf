"""Repeat offenders: a jail that counts the bans of other jails, as the store knows them, and reads no log."""

from __future__ import annotations

from test_engine import A, B, Memory, failures

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.model import Ban
from nfjail.core.policy import Policy
from nfjail.engine import Engine
from nfjail.errors import NfjailError

DAY = 86_400.0


def make(memory: Memory, ignored=()) -> Engine:
    """Two jails that ban at once, for 10 seconds, and one that bans for a week after three of their bans in a day."""
    engine = Engine(memory, memory, lambda: 0.0)
    rules = [Rules(name, Filter(name, []), Policy(10.0), 1, 60.0) for name in ("sshd", "web")]
    rules.append(Rules("recidive", Filter("", []), Policy(7 * DAY), 3, DAY, history=True))
    engine.replace_jails({one.name: Jail(one, IgnoreList(ignored if one.history else ())) for one in rules})
    return engine


def offend(engine: Engine, *times: float, subject=A, jail: str = "sshd") -> list[Ban]:
    """The bans that follow, each time carried out before the next."""
    bans: list[Ban] = []
    for time in times:
        engine.carry_out(engine.expire(time), time)
        decisions = engine.digest(failures(engine, time, subject=subject, jail=jail), False)
        engine.carry_out(decisions, time)
        bans += [one for one in decisions if isinstance(one, Ban)]
    return bans


def test_enough_bans_by_any_jails_make_a_longer_one() -> None:
    engine = make(Memory())
    bans = [*offend(engine, 100.0, 200.0), *offend(engine, 300.0, jail="web")]
    assert [(ban.jail, ban.since) for ban in bans] == [("sshd", 100.0), ("sshd", 200.0), ("web", 300.0), ("recidive", 300.0)]
    recidive = bans[-1]
    assert (recidive.until, recidive.reason) == (300.0 + 7 * DAY, "3 bans in 3m 20s")
    assert [(one.time, one.message) for one in recidive.evidence] == [
        (100.0, "sshd: banned (1 failure in 0s)"),
        (200.0, "sshd: banned (1 failure in 0s)"),
        (300.0, "web: banned (1 failure in 0s)"),
    ]
    assert engine.jails["recidive"].found == 3


def test_several_bans_in_one_piece_of_a_log_count_too() -> None:
    engine = make(Memory())
    sightings = [*failures(engine, 100.0), *failures(engine, 200.0), *failures(engine, 300.0)]
    bans = [one.jail for one in engine.digest(sightings, False) if isinstance(one, Ban)]
    assert bans == ["sshd", "sshd", "sshd", "recidive"]


def test_bans_of_before_findtime_do_not_count() -> None:
    assert [ban.jail for ban in offend(make(Memory()), 100.0, 200.0, 101.0 + DAY)] == ["sshd"] * 3


def test_a_new_life_knows_what_the_store_knows() -> None:
    memory = Memory()
    offend(make(memory), 100.0, 200.0)
    engine = make(memory)
    engine.restore(memory.live())
    assert [ban.jail for ban in offend(engine, 300.0)] == ["sshd", "recidive"]


def test_who_is_banned_by_hand_has_not_offended() -> None:
    engine = make(Memory())
    for time in (100.0, 200.0, 300.0):
        engine.carry_out(engine.ban("sshd", A, 10.0, "", time), time)
    assert [ban.jail for ban in offend(engine, 400.0)] == ["sshd"]


def test_an_unban_by_hand_is_a_new_beginning() -> None:
    engine = make(Memory())
    offend(engine, 100.0, 200.0, 300.0)
    engine.carry_out(engine.unban("recidive", A, 350.0, "by hand"), 350.0)
    assert [ban.jail for ban in offend(engine, 400.0, 500.0, 600.0)] == ["sshd", "sshd", "sshd", "recidive"]


def test_one_who_is_kept_out_already_is_not_banned_again() -> None:
    assert [ban.jail for ban in offend(make(Memory()), *(100.0 * n for n in range(1, 8)))].count("recidive") == 1


def test_others_and_the_ignored_are_left_alone() -> None:
    engine = make(Memory(), ignored=(B,))
    offend(engine, 100.0, 200.0)
    assert [ban.jail for ban in offend(engine, 300.0, 400.0, 500.0, 600.0, subject=B)] == ["sshd"] * 4


def test_trouble_with_the_store_does_not_stop_it() -> None:
    memory = Memory()
    engine = make(memory)

    def refuse(*_: object) -> list[Ban]:
        raise NfjailError("the disk is broken")

    memory.recent = refuse  # type: ignore[method-assign]
    memory.full = True
    assert [ban.jail for ban in offend(engine, 100.0, 200.0, 300.0)] == ["sshd", "sshd", "sshd", "recidive"]
    assert "store" in engine.trouble


def test_what_counts_bans_is_not_counted() -> None:
    engine = make(Memory())
    rules = engine.jails["recidive"].rules
    engine.replace_jails({**engine.jails, "second": Jail(rules._replace(name="second", maxretry=4), IgnoreList(()))})
    bans = [ban.jail for ban in offend(engine, 100.0, 200.0, 300.0, 400.0)]
    assert bans == ["sshd", "sshd", "sshd", "recidive", "sshd", "second"]
