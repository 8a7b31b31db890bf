"""Which jail hears of which line or entry, and whose word is taken."""

from __future__ import annotations

import pytest

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.journal_route import JournalRoute
from nfjail.core.policy import Policy
from nfjail.core.route import Page, sift_lines
from nfjail.core.syslog import Stamps

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
SSHD = (
    (("_SYSTEMD_UNIT", "ssh.service"), ("_UID", "0")),
    (("_COMM", "sshd"), ("_UID", "0")),
)


def jail(name: str = "sshd", identifier: tuple[str, ...] = ("sshd",), journalmatch=SSHD) -> Jail:
    rules = Rules(name, Filter(name, ["^bad <F-USER>.*</F-USER> from <HOST>$"], (), identifier), Policy(600.0), 3, 60.0)
    return Jail(rules._replace(journalmatch=journalmatch), IgnoreList(()))


def blame(jail: Jail, log: str, message: str, now: float) -> None:
    raise AssertionError("nothing here takes long")


def sift(*lines: str, not_before: float = 0.0, now: float = NOON) -> list[tuple[float, str]]:
    found = sift_lines(Page("/var/log/auth.log", lines, iter(lines), not_before), jail(), Stamps(now), now, blame)
    return [(failure.time, str(failure.subject)) for _, failure in found]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("2026-11-22T11:59:58.250000+00:00 host sshd[7]: bad x from 192.0.2.7", [(NOON - 1.75, "192.0.2.7")]),
        ("2026-11-22T11:59:58.250000+00:00 host sshd[7]: fine", []),
        ("2026-11-22T11:59:58.250000+00:00 host other[7]: bad x from 192.0.2.7", []),
        ("2026-11-22T11:59:58.250000+00:00 host other[7]: sshd[7]: bad x from 192.0.2.7", []),
        ("bad x from 192.0.2.7", []),
        ("nonsense sshd[7]: bad x from 192.0.2.7", []),
        ("", []),
        (": bad x from 192.0.2.7", []),
    ],
)
def test_a_line_counts_when_head_identifier_and_message_fit(line: str, found: list[tuple[float, str]]) -> None:
    assert sift(line) == found


def test_a_line_from_the_future_or_older_than_the_files_last_end_is_taken_as_of_now() -> None:
    ahead = "2026-11-22T13:00:00+00:00 host sshd[7]: bad x from 192.0.2.7"
    behind = "2026-11-22T10:00:00+00:00 host sshd[7]: bad x from 192.0.2.7"
    assert sift(ahead, behind, not_before=NOON - 5) == [(NOON, "192.0.2.7")] * 2
    assert sift(behind, not_before=0.0) == [(NOON - 7200, "192.0.2.7")]


def test_what_is_written_while_others_are_read_keeps_its_time() -> None:
    just_now = "2026-11-22T12:00:00.250000+00:00 host sshd[7]: bad x from 192.0.2.7"
    assert sift(just_now) == [(NOON + 0.25, "192.0.2.7")]
    route, get = JournalRoute([jail()], blame), {"_UID": "0", "_COMM": "sshd"}.get
    for ahead, taken in ((0.25, NOON + 0.25), (3600, NOON)):
        ((_, failure),) = route.sift("bad x from 192.0.2.7", get, lambda when=NOON + ahead: (when, ""), NOON)
        assert failure.time == taken


def trusted(journalmatch=SSHD, identifier: tuple[str, ...] = ("sshd",), **fields: str) -> bool:
    """The second jail has nothing in common with the first, so that the index leaves all to be asked."""
    other = jail("other", ("x",), ((("_SYSTEMD_UNIT", "x.service"),),))
    route = JournalRoute([jail(identifier=identifier, journalmatch=journalmatch), other], blame)
    sightings = route.sift("bad x from 192.0.2.7", lambda field: fields.get(field, ""), lambda: (NOON, ""), NOON)
    return [jail.name for jail, _ in sightings] == ["sshd"]


@pytest.mark.parametrize(
    ("fields", "believed"),
    [
        ({"_SYSTEMD_UNIT": "ssh.service", "_UID": "0", "SYSLOG_IDENTIFIER": "sshd"}, True),
        ({"_COMM": "sshd", "_UID": "0", "SYSLOG_IDENTIFIER": "sshd"}, True),
        # a user's `logger -t sshd`, a user's program called sshd, and one within the unit's cgroup
        ({"_COMM": "logger", "_UID": "1000", "SYSLOG_IDENTIFIER": "sshd"}, False),
        ({"_COMM": "sshd", "_UID": "1000", "SYSLOG_IDENTIFIER": "sshd"}, False),
        ({"_SYSTEMD_UNIT": "ssh.service", "_UID": "1000", "SYSLOG_IDENTIFIER": "sshd"}, False),
        ({"_SYSTEMD_UNIT": "ssh.service", "_UID": "0", "SYSLOG_IDENTIFIER": "other"}, False),
        ({"SYSLOG_IDENTIFIER": "sshd"}, False),
        # a sender that ended before journald looked: only its uid is known
        ({"_UID": "0", "SYSLOG_IDENTIFIER": "sshd"}, True),
        ({"_UID": "1000", "SYSLOG_IDENTIFIER": "sshd"}, False),
        ({"_UID": "0", "SYSLOG_IDENTIFIER": "cron"}, False),
        ({"_UID": "0", "_COMM": "logger", "SYSLOG_IDENTIFIER": "sshd"}, False),
    ],
)
def test_only_what_journald_itself_knows_of_the_writer_counts(fields: dict[str, str], believed: bool) -> None:
    assert trusted(**fields) is believed


def test_who_need_not_be_root_is_not_believed_when_nothing_is_known() -> None:
    match = ((("_SYSTEMD_UNIT", "web.service"),),)
    assert trusted(match, _SYSTEMD_UNIT="web.service", SYSLOG_IDENTIFIER="sshd")
    assert not trusted(match, _UID="0", SYSLOG_IDENTIFIER="sshd")


def test_a_jail_without_journalmatch_believes_nobody() -> None:
    assert not trusted((), _UID="0", _COMM="sshd", SYSLOG_IDENTIFIER="sshd")


def test_the_journals_index_is_asked_for_identifiers_and_what_all_groups_have_in_common() -> None:
    assert JournalRoute([jail(), jail("b", ("a", "c"))], blame).terms() == [
        [("SYSLOG_IDENTIFIER", "a"), ("SYSLOG_IDENTIFIER", "c"), ("SYSLOG_IDENTIFIER", "sshd"), ("_UID", "0")]
    ]
    web = ((("_SYSTEMD_UNIT", "web.service"),),)
    assert JournalRoute([jail(), jail("web", ("web",), web)], blame).terms() == [
        [("SYSLOG_IDENTIFIER", "sshd"), ("SYSLOG_IDENTIFIER", "web")]
    ]


def test_or_for_the_journalmatch_where_a_filter_has_no_identifier() -> None:
    assert JournalRoute([jail(identifier=())], blame).terms() == [list(group) for group in SSHD]
    assert JournalRoute([jail(identifier=()), jail("b", ("a",))], blame).terms() == [list(group) for group in SSHD] * 2


def test_an_entry_becomes_a_failure_with_its_cursor() -> None:
    tested = jail()
    route = JournalRoute([tested], blame)
    get, here = {"_COMM": "sshd"}.get, lambda: (NOON, "s=1;i=2")
    ((owner, failure),) = route.sift("bad x from 192.0.2.7", lambda field: get(field, ""), here, NOON + 1)
    assert owner is tested
    assert (failure.time, failure.position, failure.fields) == (NOON, "s=1;i=2", {"user": "x"})
