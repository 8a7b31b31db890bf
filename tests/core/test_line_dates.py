"""Lines that are dated in another way than syslog's: by a head of their own, or where a pattern says."""

from __future__ import annotations

import pytest

from nfjail.core.dates import DatePatternError
from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.journal_route import JournalRoute
from nfjail.core.line_dates import LineDates
from nfjail.core.policy import Policy
from nfjail.core.route import Page, sift_lines
from nfjail.core.syslog import Stamps

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
HEAD = ("^%Y/%m/%d %H:%M:%S ",)
ACCESS = r'^<HOST> \S+ <F-USER>[^"\]]*</F-USER> \[<F-DATE>[^\]]{20,30}</F-DATE>\] "[^"]*" 401 \d+$'


def jail(failregex: str, datepattern: tuple[str, ...], identifier: tuple[str, ...] = ()) -> Jail:
    found = Filter("web", [failregex], ["innocent"], identifier, datepattern)
    groups = ((("_SYSTEMD_UNIT", "web.service"),),)
    return Jail(Rules("web", found, Policy(600.0), 3, 60.0, groups), IgnoreList(()))


def unit(field: str) -> str:
    return "web.service" if field == "_SYSTEMD_UNIT" else ""


def sift(jail: Jail, *lines: str, now: float = NOON, not_before: float = 0.0) -> list[tuple[float, str, dict[str, str]]]:
    found = sift_lines(Page("/var/log/web.log", lines, iter(lines), not_before), jail, Stamps(now), now, blame)
    return [(failure.time, str(failure.subject), failure.fields) for _, failure in found]


def blame(jail: Jail, log: str, message: str, now: float) -> None:
    raise AssertionError("nothing here takes long")


@pytest.mark.parametrize(
    ("line", "time"),
    [
        ("2026/11/22 11:59:58 bad login from 192.0.2.7", NOON - 2),
        ("2026/11/22 11:59:58   bad login from 192.0.2.7", NOON - 2),
        ("2026-11-22T11:59:57+00:00 host web[7]: bad login from 192.0.2.7", NOON - 3),  # through syslog
        ("2026-11-22T11:59:57+00:00 host web[7]: 2026/11/22 11:59:50 bad login from 192.0.2.7", NOON - 3),
        ("2026/11/23 13:00:00 bad login from 192.0.2.7", NOON),  # from the future
        ("2026/02/30 13:00:00 bad login from 192.0.2.7", NOON),  # no such date
    ],
)
def test_patterns_see_what_is_behind_the_head(line: str, time: float) -> None:
    assert sift(jail("^bad login from <HOST>$", HEAD), line) == [(time, "192.0.2.7", {})]


@pytest.mark.parametrize(
    "line",
    [
        "bad login from 192.0.2.7",
        "x 2026/11/22 11:59:58 bad login from 192.0.2.7",
        "2026/11/22 11:59:58 2026/11/22 11:59:58 bad login from 192.0.2.7",
        "2026-11-22T11:59:57+00:00 host other[7]: 2026/11/22 11:59:50 bad login from 192.0.2.7",
        "2026/11/22 11:59:58 an innocent bad login from 192.0.2.7",
        "2026/11/22 11:59:58",
        "",
    ],
)
def test_what_has_no_such_head_is_no_line_of_the_log(line: str) -> None:
    assert sift(jail("^(?:an innocent )?bad login from <HOST>$", HEAD, ("web",)), line) == []


def test_the_date_is_where_the_pattern_says() -> None:
    line = '192.0.2.7 - [22/Nov/2020:00:00:00 +0000 [22/Nov/2026:12:59:58 +0100] "GET / HTTP/1.1" 401 7'
    found = sift(jail(ACCESS, ("%d/%b/%Y:%H:%M:%S %z",)), line)
    assert found == [(NOON - 2, "192.0.2.7", {"user": "[22/Nov/2020:00:00:00 +0000"})]
    through_syslog = f"2026-11-22T11:59:57+00:00 host web: {line}"
    assert [time for time, *_ in sift(jail(ACCESS, ("%d/%b/%Y:%H:%M:%S %z",)), through_syslog)] == [NOON - 3]


def test_the_date_must_be_all_of_what_is_captured() -> None:
    line = '192.0.2.7 - x [x 22/Nov/2026:12:59:58 +0100] "GET / HTTP/1.1" 401 7'
    assert [time for time, *_ in sift(jail(ACCESS, ("%d/%b/%Y:%H:%M:%S %z",)), line)] == [NOON]


def test_seconds_since_1970() -> None:
    pattern = r'^\{"ts":<F-DATE>[\d.]{10,20}</F-DATE>,"ip":"<HOST>"\}$'
    line = f'{{"ts":{NOON - 2:.7f},"ip":"2001:db8::7"}}'
    assert sift(jail(pattern, ("{EPOCH}",)), line) == [(NOON - 2, "2001:db8::/64", {})]


def test_a_message_of_the_journal_may_have_the_head_too() -> None:
    route = JournalRoute([jail("^bad login from <HOST>$", HEAD)], blame)
    for message in ("bad login from 192.0.2.7", "2020/11/22 11:59:58 bad login from 192.0.2.7"):
        ((_, failure),) = route.sift(message, unit, lambda: (NOON, "cursor"), NOON)
        assert (failure.time, str(failure.subject), failure.message) == (NOON, "192.0.2.7", message)


def test_a_message_of_the_journal_keeps_no_date_among_its_fields() -> None:
    route = JournalRoute([jail(ACCESS, ("%d/%b/%Y:%H:%M:%S %z",))], blame)
    line = '192.0.2.7 - bob [22/Nov/2026:12:59:58 +0100] "GET / HTTP/1.1" 401 7'
    ((_, failure),) = route.sift(line, unit, lambda: (NOON, "cursor"), NOON)
    assert (failure.time, failure.fields) == (NOON, {"user": "bob"})


def test_several_forms_of_dates() -> None:
    dates = LineDates([r"^\[%Y-%m-%d %H:%M:%S\]", "^%b %d %H:%M:%S"])
    assert dates.message("[2026-11-22 11:59:58] x") == "x"
    assert dates.message("Nov 22 11:59:58 x") == "x"
    assert dates.begin("22 Nov 11:59:58 x") == -1
    assert dates.time("Nov 22 11:59:58 x", {}, NOON) == dates.clock("Nov 22 11:59:58 x", NOON) == NOON - 2


@pytest.mark.parametrize(
    ("patterns", "line", "what"),
    [
        (["^%Y", "%Y"], 2, "all of them, or none, must begin with"),
        (["%Y", "^%Y"], 2, "all of them, or none, must begin with"),
        (["^(?:%Y"], 1, "no regular expression"),
        (["^x*"], 1, "it fits the empty line"),
    ],
)
def test_what_cannot_be_used_is_said(patterns: list[str], line: int, what: str) -> None:
    with pytest.raises(DatePatternError, match=what) as error:
        LineDates(patterns)
    assert error.value.line == line


CONTAINED = (("_SYSTEMD_UNIT", "docker.service"), ("CONTAINER_NAME", "web"))


@pytest.mark.parametrize(
    ("fields", "heard"),
    [
        ({"SYSLOG_IDENTIFIER": "0123456789ab", "_SYSTEMD_UNIT": "docker.service", "CONTAINER_NAME": "web"}, True),
        ({"SYSLOG_IDENTIFIER": "web", "_SYSTEMD_UNIT": "docker.service", "CONTAINER_NAME": "web"}, True),
        ({"SYSLOG_IDENTIFIER": "web", "_SYSTEMD_UNIT": "web.service"}, True),
        ({"SYSLOG_IDENTIFIER": "0123456789ab", "_SYSTEMD_UNIT": "docker.service", "CONTAINER_NAME": "other"}, False),
        ({"SYSLOG_IDENTIFIER": "0123456789ab", "_SYSTEMD_UNIT": "user@1000.service", "CONTAINER_NAME": "web"}, False),
        ({"SYSLOG_IDENTIFIER": "0123456789ab", "_SYSTEMD_UNIT": "web.service"}, False),
    ],
)
def test_a_container_is_known_by_its_engine_and_not_by_its_identifier(fields: dict[str, str], heard: bool) -> None:
    one = jail("^bad login from <HOST>$", (), ("web",))
    one.rules = one.rules._replace(journalmatch=(*one.rules.journalmatch, CONTAINED))
    other = jail("^never <HOST>$", (), ("other",))
    for jails in ([one], [one, other]):
        route = JournalRoute(jails, blame)
        found = route.sift("bad login from 192.0.2.7", lambda field: fields.get(field, ""), lambda: (NOON, "cursor"), NOON)
        assert bool(found) == heard
    assert [("CONTAINER_NAME", "web")] in JournalRoute([one, other], blame).terms()


def test_jails_without_identifiers_hear_by_unit_slice_or_program_and_only_what_they_may_want() -> None:
    asked: list[str] = []

    def get(field: str) -> str:
        asked.append(field)
        return {"SYSLOG_IDENTIFIER": "x", "_SYSTEMD_UNIT": "a.service", "_SYSTEMD_SLICE": "b.slice", "_UID": "0"}.get(field, "")

    def named(name: str, *pair: str) -> Jail:
        rules = Rules(name, Filter(name, ["^bad login from <HOST>$"]), Policy(600.0), journalmatch=((pair,),))  # type: ignore[arg-type]
        return Jail(rules, IgnoreList(()))

    jails = [named("unit", "_SYSTEMD_UNIT", "a.service"), named("slice", "_SYSTEMD_SLICE", "b.slice")]
    jails += [named("uid", "_UID", "0"), named("other", "_SYSTEMD_UNIT", "other.service"), named("program", "_COMM", "other")]
    route = JournalRoute(jails, blame)
    found = route.sift("bad login from 192.0.2.7", get, lambda: (NOON, "cursor"), NOON)
    assert {one.name for one, _ in found} == {"unit", "slice", "uid"}
    asked.clear()
    assert not route.sift("anything else", get, lambda: (NOON, "cursor"), NOON)
    assert asked == ["SYSLOG_IDENTIFIER"]


def test_with_many_identifiers_every_entry_is_looked_at() -> None:
    """The journal's index gets slower with each of them."""
    few = [jail("^x <HOST>$", (), (f"x{n}",)) for n in range(5)]
    assert len(JournalRoute(few, blame).terms()[0]) == 5 + 1
    assert JournalRoute([*few, *(jail("^x <HOST>$", (), (f"y{n}",)) for n in range(5))], blame).terms() == []


@pytest.mark.parametrize(
    ("pattern", "some", "none"),
    [
        ("^%Y-%m-%d %H:%M:%S", "2", "[Fx-"),
        (r"^\[%Y-%m-%d\]", "[", "2Fx"),
        ("^%b %d %H:%M:%S", "NnJ", "2[x"),
        ('^(?:time=")?%Y', "tT2", "[x"),
        ("^(?:x|y|[a-c])?%Y", "2XaC", "[d"),
        ("^(?=WARNING: )", "W", "2[x"),
        ("^(?=2)%Y", "2", "1[x"),
    ],
)
def test_with_which_characters_a_head_may_begin(pattern: str, some: str, none: str) -> None:
    first = LineDates([pattern]).may_begin()
    assert first is not None
    assert first.issuperset(some)
    assert first.isdisjoint(none)
    assert LineDates([pattern, r"^\S+ %Y"]).may_begin() is None


def test_a_head_that_begins_as_no_other_is_seen_in_the_journal() -> None:
    rules = jail("^bad login from <HOST>$", (r"^\S+ %Y-%m-%d",)).rules
    route = JournalRoute([Jail(rules, IgnoreList(()))], blame)
    for head in ("", "x 2026-11-22 ", "é 2026-11-22 "):
        message = f"{head}bad login from 192.0.2.7"
        assert route.sift(message, unit, lambda: (NOON, "cursor"), NOON)
