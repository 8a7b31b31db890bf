"""Patterns that need years for one line: the search is broken off, the culprit named and suspended, and all goes on."""

from __future__ import annotations

import resource
import signal
from functools import partial
from operator import length_hint

import pytest

from nfjail.core.filter import Filter
from nfjail.core.hearing import hear_lines
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import FOREVER, Jail, Rules
from nfjail.core.journal_hearing import JournalHearing
from nfjail.core.journal_route import JournalRoute
from nfjail.core.policy import Policy
from nfjail.core.route import Page, sift_lines
from nfjail.core.spec import FilterSpec
from nfjail.core.syslog import Stamps
from nfjail.counsel import Counsel
from nfjail.watchdog import LIMIT, TRIAL

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
PATIENCE = 2 * LIMIT + 2 * TRIAL + 0.3  # seconds of computing for one line; the last for what else there is to do
BOTH = ["192.0.2.1", "192.0.2.2"]


def cpu() -> float:
    """Seconds that this process has computed."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_utime


def own(*failregex: str, ignoreregex: tuple[str, ...] = ()) -> Jail:
    """A jail with a filter in nfjail's language."""
    rules = Rules("own", Filter("own", failregex, ignoreregex, ["sshd"]), Policy(600.0), journalmatch=((("_UID", "0"),),))
    return Jail(rules, IgnoreList(()))


def foreign(*failregex: str, **more: object) -> Jail:
    """One with a filter in fail2ban's language."""
    rules = Rules("foreign", Filter("foreign", ()), Policy(600.0), journalmatch=((("_UID", "0"),),))
    return Jail(rules._replace(spec=FilterSpec("foreign", failregex, **more)), IgnoreList(()))


@pytest.fixture(scope="module")
def counsel():
    before = signal.getsignal(signal.SIGVTALRM)
    made = Counsel()
    yield made
    made.close()
    signal.signal(signal.SIGVTALRM, before)


def read(jail: Jail, counsel: Counsel, *messages: str) -> list[str]:
    """Who has failed, in a log file of these messages."""
    lines = [f"2026-11-22T11:59:50+00:00 host sshd[7]: {message}" for message in messages]
    page = Page("/var/log/auth.log", lines, iter(lines), 0.0)
    counsel.watchdog.watch(partial(length_hint, page.rest))
    try:
        if jail.rules.spec:
            found = hear_lines(page, jail, counsel, NOON)
        else:
            found = sift_lines(page, jail, Stamps(NOON), NOON, counsel.blame)
    finally:
        counsel.watchdog.rest()
    return [str(failure.subject) for _, failure in found]


def around(evil: str) -> tuple[str, ...]:
    """A log in which others fail, too."""
    return "bad from 192.0.2.1", evil, "bad from 192.0.2.2"


@pytest.mark.parametrize("make", [own, foreign])
@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^(a+)+ <HOST>$", "a" * 40 + "!"),
        ("(x+x+)+y <HOST>", "x" * 40),
        ("^(?:a|aa)+ <HOST>$", "a" * 90 + "!"),
        (r"^(\w+\s?)* <HOST>", "word" * 12 + "!"),
        ("^(?=(a+)+b)<HOST>", "a" * 40),
        (r"^(\w+)(\1)*(\w+)+ <HOST>$", "a" * 60 + "!"),
        ("^(?i:(A+)+) <HOST>$", "a" * 40 + "!"),
        ("(.*)*(.*)*(.*)*!! <HOST>", "a" * 60),
        ("x*x*x*x*y <HOST>", "x" * 900),
        (".*.*.*=z <HOST>", "=" * 900),
    ],
    ids=lambda value: value[:12],
)
def test_the_culprit_is_suspended_and_all_others_go_on(make, pattern, text, counsel, caplog):
    if make is foreign:  # whose patterns see the whole line
        pattern = pattern.replace("^", r"^\s*\S+ sshd\[7\]: ", 1) if pattern.startswith("^") else pattern
    jail, begin = make("bad from <HOST>$", pattern), cpu()
    assert read(jail, counsel, *around(text)) == BOTH
    assert cpu() - begin < PATIENCE
    (said,) = caplog.messages
    assert said == jail.suspended[0]
    assert said.startswith(f"{jail.name}: failregex[1] {pattern!r} takes too long for a line of ")
    begin = cpu()
    assert read(jail, counsel, *around(text)) == BOTH
    assert cpu() - begin < 0.1
    assert len(jail.suspended) == 1


@pytest.mark.parametrize("make", [own, foreign])
@pytest.mark.parametrize("pattern", ["x*x*x*x*y <HOST>", "[^!]*[^!]*y <HOST>", "x*x*y <HOST>"])
def test_nobody_is_rid_of_a_pattern_because_he_has_written_a_very_long_line(make, pattern, counsel):
    """Not even where Python does not look for signals while it searches from one place, but from many."""
    jail, begin = make("bad from <HOST>$", pattern), cpu()
    assert read(jail, counsel, *around("x" * 3000)) == BOTH
    assert cpu() - begin < PATIENCE
    (what,) = jail.suspended
    assert f"{jail.name}: failregex[1] {pattern!r} takes too long for a line of 30" in what
    assert 1500 <= jail.longest < 1550
    assert read(jail, counsel, *around("xy 192.0.2.3")) == ["192.0.2.1", "192.0.2.3", "192.0.2.2"]


@pytest.mark.parametrize("make", [own, foreign])
def test_nor_because_of_an_ignoreregex(make, counsel):
    jail, begin = make("bad from <HOST>$", ignoreregex=("[^!]*[^!]*y",)), cpu()
    assert read(jail, counsel, *around("x" * 3000 + " bad from 192.0.2.3")) == BOTH
    assert cpu() - begin < PATIENCE
    assert 1500 <= jail.longest < 1550


@pytest.mark.parametrize("first", [True, False])
def test_patterns_keep_their_numbers(first, counsel):
    evil, good = "^(a+)+ <HOST>$", "^bad from <HOST>$"
    jail = own(*((evil, good) if first else (good, evil)))
    read(jail, counsel, "a" * 40 + "!")
    match = jail.rules.filter.find("bad from 192.0.2.1")
    assert match is not None
    assert match.pattern == int(first)


def test_several_culprits_go_one_after_the_other(counsel):
    jail = own("^(a+)+ <HOST>$", "^(?:a|aa)+ <HOST>$", "^bad from <HOST>$")
    assert read(jail, counsel, *around("a" * 90 + "!")) == BOTH
    assert [what.partition(" ")[2][:12] for what in jail.suspended] == ["failregex[0]", "failregex[1]"]


EVIL = "(x+x+)+y"


@pytest.mark.parametrize(
    ("jail", "which"),
    [
        (own("bad from <HOST>", ignoreregex=(EVIL,)), "ignoreregex[0]"),
        (foreign("bad from <HOST>", ignoreregex=(EVIL,)), "ignoreregex[0]"),
        (foreign("^bad from <HOST>", prefregex=rf"^.*?: (?:{EVIL})?<F-CONTENT>bad .*</F-CONTENT>$"), "prefregex[0]"),
        (foreign("bad from <HOST>", datepattern=EVIL), "datepattern[0]"),
    ],
    ids=["own ignoreregex", "ignoreregex", "prefregex", "datepattern"],
)
def test_without_other_parts_the_wrong_ones_could_be_banned_so_only_short_lines_are_judged(jail, which, counsel):
    evil, begin = f"{'x' * 150} bad from 192.0.2.3", cpu()
    assert read(jail, counsel, *around(evil)) == BOTH
    assert cpu() - begin < PATIENCE
    assert which in jail.suspended[0]
    assert 60 < jail.longest < 110
    begin = cpu()
    assert read(jail, counsel, *around(evil)) == BOTH
    assert cpu() - begin < 0.1


def test_many_patterns_that_are_slow_together_are_kept_for_short_lines(counsel):
    """None of them alone is to blame."""
    slow = [rf"^(?:x*x*x*{n}) <HOST>$" for n in range(100)]
    jail, evil = own(*slow, "^bad from <HOST>$"), "x" * 400
    assert read(jail, counsel, *around(evil)) == BOTH
    assert "its filter takes too long for a line of 400" in jail.suspended[0]
    assert jail.longest == 200
    assert read(jail, counsel, *around(evil)) == BOTH
    assert len(jail.suspended) == 1


def test_where_patterns_see_several_lines(counsel):
    jail = foreign("bad from <HOST>$", r"begin(?:<SKIPLINES>)?(?:.*\n)*?.*(x+x+)+y <HOST>", maxlines=4)
    assert read(jail, counsel, "begin", *around("x" * 40)) == BOTH
    assert "failregex[1]" in jail.suspended[0]


def journal(jails: list[Jail], counsel: Counsel, *messages: str) -> list[str]:
    """Who has failed, in a journal of these messages of root's."""
    fields = {"_UID": "0", "SYSLOG_IDENTIFIER": "sshd", "_PID": "7", "_HOSTNAME": "host"}
    route = JournalRoute([jail for jail in jails if not jail.rules.spec], counsel.blame, alone=False)
    hearing = JournalHearing([jail for jail in jails if jail.rules.spec], counsel, route)
    at = [0]
    found = []
    counsel.watchdog.watch(lambda: (at[0], hearing.heard))
    try:
        for number, message in enumerate(messages):
            at[0] = number
            found += hearing.sift(message, lambda name: fields.get(name, ""), lambda: (NOON, "cursor"), NOON)
    finally:
        counsel.watchdog.rest()
    return sorted(f"{jail.name} {failure.subject}" for jail, failure in found)


def test_entries_of_the_journal(counsel):
    good, evil = "^bad from <HOST>$", "^(a+)+ <HOST>$"
    head = r"^host sshd\[7\]: "
    jails = [own(good, evil), foreign(head + good[1:], head + evil[1:])]
    begin = cpu()
    told = journal(jails, counsel, *around("a" * 40 + "!"))
    assert told == [f"{name} {address}" for name in ("foreign", "own") for address in BOTH]
    assert cpu() - begin < 2 * PATIENCE
    assert [len(jail.suspended) for jail in jails] == [1, 1]


def test_a_reload_brings_the_pattern_back(counsel):
    pattern = r"sshd\[7\]: (a+)+ <HOST>$"
    jail = foreign(pattern, "bad from <HOST>$")
    read(jail, counsel, "a" * 40 + "!")
    assert read(jail, counsel, "aaa 192.0.2.7") == []
    reloaded = foreign(pattern, "bad from <HOST>$")
    reloaded.inherit(jail)
    assert (reloaded.suspended, reloaded.longest) == ([], FOREVER)
    assert read(reloaded, counsel, "aaa 192.0.2.7") == ["192.0.2.7"]


def test_a_long_batch_of_quick_lines_is_not_broken_off(counsel):
    """Each line takes some milliseconds, all of them a second."""
    jail = own("^x*x*x*y <HOST>$")
    begin = cpu()
    read(jail, counsel, *["x" * 300] * 200)
    assert cpu() - begin > 3 * LIMIT
    assert jail.suspended == []


def test_nothing_is_broken_off_outside_of_the_core(counsel):
    """The loop, the store, the firewall: they are not prepared for it, however long they compute."""
    counsel.watchdog.watch(lambda: "always the same")
    try:
        begin = cpu()
        while cpu() - begin < 3 * LIMIT:
            pass
    finally:
        counsel.watchdog.rest()
