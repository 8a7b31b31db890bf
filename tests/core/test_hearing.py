"""A filter in fail2ban's language at work: in files, in the journal beside others, and whose word is taken."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.filter import Filter
from nfjail.core.hearing import Unnamed, hear_lines, named
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, JournalMatch, Rules
from nfjail.core.journal_hearing import JournalHearing
from nfjail.core.journal_route import JournalRoute
from nfjail.core.model import Subject, parse_subject
from nfjail.core.patience import patient
from nfjail.core.policy import Policy
from nfjail.core.route import Page
from nfjail.core.spec import FilterSpec

NOON = 1_795_348_800.0  # 2026-11-22T12:00:00Z
LOG = "/var/log/app.log"
UNIT: JournalMatch = ((("_SYSTEMD_UNIT", "app.service"),),)


class Counsel:
    """Knows the addresses of these names; notes what it is asked and told."""

    def __init__(self, **known: Sequence[str]) -> None:
        self.known = known
        self.asked: list[Unnamed] = []
        self.nobodies: list[str] = []

    def addresses(self, name: str, failure: Unnamed, now: float) -> Iterable[Subject]:
        self.asked.append(failure)
        return [parse_subject(address) for address in self.known.get(name, ())]

    def blame(self, jail: Jail, log: str, line: str, now: float) -> None:
        raise AssertionError("nothing here takes long")

    def nobody(self, jail: Jail, whom: str) -> None:
        self.nobodies.append(whom)


def jail(*failregex: str, name: str = "app", journalmatch: JournalMatch = UNIT, ignored: str = "", **spec: object) -> Jail:
    rules = Rules(name, Filter(name, ()), Policy(600.0), 3, 600.0, journalmatch)
    rules = rules._replace(spec=FilterSpec(name, failregex, **spec))
    return Jail(rules, IgnoreList([parse_subject(ignored)] if ignored else ()))


def heard(app: Jail, *lines: str, log: str = LOG, not_before: float = 0.0, counsel: Counsel | None = None) -> list[str]:
    page = Page(log, lines, iter(lines), not_before)
    return [str(failure.subject) for _, failure in hear_lines(page, app, counsel or Counsel(), NOON)]


def test_a_line_of_a_file_becomes_a_failure():
    app = jail(r"^\s*bad (?P<what>\w+) as <F-USER>\S+</F-USER> from <ADDR>$")
    line = "2026-11-22T11:59:58+00:00 bad login as root from 192.0.2.7"
    page = Page(LOG, [line], iter([line]), 0.0)
    ((owner, failure),) = hear_lines(page, app, Counsel(), NOON)
    assert owner is app
    assert failure == (NOON - 2, parse_subject("192.0.2.7"), line, LOG, 0, {"what": "login", "user": "root"})


@pytest.mark.parametrize(
    ("stamp", "not_before", "time"),
    [
        ("2026-11-22T11:00:00+00:00", 0.0, NOON - 3600),
        ("2026-11-22T11:00:00+00:00", NOON - 5, NOON),  # older than the file's last end: a wrong clock or zone
        ("2026-11-22T13:00:00+00:00", 0.0, NOON),
        ("2026-11-22T12:00:01+00:00", 0.0, NOON + 1),  # written while others were read
        ("", 0.0, NOON),
    ],
)
def test_the_time_of_a_failure(stamp, not_before, time):
    line = f"{stamp} bad 192.0.2.7"
    page = Page(LOG, [line], iter([line]), not_before)
    ((_, failure),) = hear_lines(page, jail("bad <HOST>"), Counsel(), NOON)
    assert failure.time == time


@pytest.mark.parametrize(
    ("whom", "subjects"),
    [
        ("ip=192.0.2.7", ["192.0.2.7"]),
        ("ip=2001:db8:1:2::3", ["2001:db8:1:2::/64"]),
        ("ip=999.1.1.1", []),
        ("ip=127.0.0.1", []),
        ("ip=203.0.113.9", []),  # ignored
        ("net=192.0.2.0/24", ["192.0.2.0/24"]),
        ("net=203.0.113.0/24", []),  # holds an ignored address
        ("net=0.0.0.0/0", []),
        ("net=2001:db8:5:6:7::/80", ["2001:db8:5:6::/64"]),
        ("id=somebody ip=192.0.2.7", ["192.0.2.7"]),
        ("id=somebody", []),
    ],
)
def test_whom_a_failure_counts_against(whom, subjects):
    patterns = (r"bad id=<F-ID>\w+</F-ID> ip=<ADDR>$", r"bad ip=<ADDR>$", r"bad net=<SUBNET>$", r"bad id=<F-ID/>$")
    counsel = Counsel()
    assert heard(jail(*patterns, ignored="203.0.113.9"), f"bad {whom}", counsel=counsel) == subjects
    assert ("somebody" in counsel.nobodies) == (whom == "id=somebody")


def test_each_address_of_a_host_name_has_failed_but_a_network_only_once():
    known = {"host.example": ["192.0.2.7", "2001:db8::1", "2001:db8::2", "127.0.0.1"]}
    counsel = Counsel(**known)
    app = jail("bad <HOST>$", usedns="yes")
    assert heard(app, "2026-11-22T11:59:58+00:00 bad host.example", counsel=counsel) == ["192.0.2.7", "2001:db8::/64"]
    (later,) = counsel.asked
    assert (later.jail, later.name, later.time) == ("app", "host.example", NOON - 2)
    assert [failure.time for _, failure in named(app, later, [parse_subject("192.0.2.8")])] == [NOON - 2]
    assert heard(app, "bad unknown.example", counsel=counsel) == []


SESSION = (
    r"^<F-MLFID>s\d+</F-MLFID>: <F-NOFAIL>hello</F-NOFAIL> from <ADDR>$",
    r"^<F-MLFID>s\d+</F-MLFID>: <F-MLFFORGET>bad</F-MLFFORGET> <F-USER>\w+</F-USER>$",
)


def test_sessions_are_of_one_log_and_one_jail_and_outlive_a_reload():
    app, other = jail(*SESSION), jail(*SESSION, name="other")
    assert heard(app, "s1: hello from 192.0.2.7", "s2: hello from 192.0.2.8") == []
    assert heard(app, "s1: bad root", log="/var/log/other.log") == []
    assert heard(other, "s1: bad root") == []
    assert heard(app, "s1: bad root") == ["192.0.2.7"]
    reloaded = jail(*SESSION)
    reloaded.inherit(app)
    assert heard(reloaded, "s2: bad root") == ["192.0.2.8"]


def test_another_filter_begins_anew():
    app = jail(*SESSION)
    heard(app, "s1: hello from 192.0.2.7")
    changed = jail(*SESSION, "other <HOST>")
    changed.inherit(app)
    assert heard(changed, "s1: bad root") == []


def test_the_evidence_has_the_lines_of_the_session_but_not_endlessly():
    app = jail(*SESSION)
    lines = ["s1: hello from 192.0.2.7", "s1: bad root"]
    ((_, failure),) = hear_lines(Page(LOG, lines, iter(lines), 0.0), app, Counsel(), NOON)
    assert failure.message == "s1: hello from 192.0.2.7\ns1: bad root"
    lines = ["s1: hello from 192.0.2.7"] * 90 + ["s1: bad root"]
    ((_, failure),) = hear_lines(Page(LOG, lines, iter(lines), 0.0), app, Counsel(), NOON)
    assert 900 < len(failure.message) < 1000
    assert failure.message.endswith("\ns1: bad root")


# The journal

FROM_APP = {"_SYSTEMD_UNIT": "app.service", "_UID": "33", "SYSLOG_IDENTIFIER": "app", "_PID": "7", "_HOSTNAME": "host"}


def sift(hearing: JournalHearing, message: str, fields: dict[str, str], received: float = NOON) -> list[tuple[str, str]]:
    found = hearing.sift(message, lambda name: fields.get(name, ""), lambda: (received, "s=1"), NOON)
    return [(jail.name, str(failure.subject)) for jail, failure in found]


def test_an_entry_is_seen_as_a_line_with_its_writer_and_own_time():
    hearing = JournalHearing([jail(r"^host app\[7\]: bad <HOST>$", logtype="journal")], Counsel())
    fields = {**FROM_APP, "_SOURCE_REALTIME_TIMESTAMP": str(int((NOON - 3) * 1e6))}
    ((_, failure),) = hearing.sift("bad 192.0.2.7", lambda name: fields.get(name, ""), lambda: (NOON, "s=1"), NOON)
    assert (failure.time, failure.message, failure.position) == (NOON - 3, "host app[7]: bad 192.0.2.7", "s=1")


@pytest.mark.parametrize(
    ("source", "received", "time"),
    [
        ("", NOON - 1, NOON - 1),
        ("nonsense", NOON - 1, NOON - 1),
        (str(int((NOON - 9000) * 1e6)), NOON - 1, NOON - 1),  # a writer with a wrong clock
        (str(int((NOON + 9000) * 1e6)), NOON - 1, NOON),
    ],
)
def test_times_that_cannot_be(source, received, time):
    hearing = JournalHearing([jail("bad <HOST>$", logtype="journal")], Counsel())
    fields = {**FROM_APP, "_SOURCE_REALTIME_TIMESTAMP": source}
    ((_, failure),) = hearing.sift("bad 192.0.2.7", lambda name: fields.get(name, ""), lambda: (received, "s=1"), NOON)
    assert failure.time == time


USER = {"_UID": "1000", "_COMM": "app", "SYSLOG_IDENTIFIER": "app", "_EXE": "/usr/sbin/app"}
SYSTEM = {**USER, "_UID": "33"}


@pytest.mark.parametrize(
    ("match", "fields", "counts"),
    [
        # what any local user can choose counts only for users of the system
        ([("_COMM", "app")], USER, False),
        ([("_COMM", "app")], SYSTEM, True),
        ([("_EXE", "/usr/sbin/app")], USER, False),
        ([("SYSLOG_IDENTIFIER", "app"), ("_COMM", "app")], USER, False),
        ([("SYSLOG_IDENTIFIER", "app"), ("_COMM", "app")], SYSTEM, True),
        ([("SYSLOG_IDENTIFIER", "app")], {"SYSLOG_IDENTIFIER": "app", "_TRANSPORT": "syslog"}, False),
        ([], USER, False),
        ([], SYSTEM, True),
        ([], {"_TRANSPORT": "kernel"}, True),
        # what systemd and the kernel say of a service counts as it is
        ([("_SYSTEMD_UNIT", "app.service")], {**USER, "_SYSTEMD_UNIT": "app.service"}, True),
        ([("_SYSTEMD_UNIT", "app.service")], {**SYSTEM, "_SYSTEMD_UNIT": "other.service"}, False),
        ([("_SYSTEMD_UNIT", "session-1.scope")], {**USER, "_SYSTEMD_UNIT": "session-1.scope"}, False),
        ([("_SYSTEMD_USER_UNIT", "app.service")], {**USER, "_SYSTEMD_USER_UNIT": "app.service"}, False),
        ([("_UID", "33")], SYSTEM, True),
        ([("_UID", "1000")], USER, False),
        ([("_SYSTEMD_SLICE", "system.slice")], {**USER, "_SYSTEMD_SLICE": "system.slice"}, True),
        ([("_SYSTEMD_SLICE", "user-1000.slice")], {**USER, "_SYSTEMD_SLICE": "user-1000.slice"}, False),
        # values of one field are alternatives
        ([("_UID", "0"), ("_UID", "33")], SYSTEM, True),
    ],
)
def test_whose_word_is_taken(match, fields, counts):
    app = jail("bad <HOST>$", logtype="journal", journalmatch=(tuple(match),))
    hearing = JournalHearing([app], Counsel())
    assert sift(hearing, "bad 192.0.2.7", fields) == ([("app", "192.0.2.7")] if counts else [])


def own(name: str = "own") -> Jail:
    rules = Rules(name, Filter(name, ["^bad <HOST>$"], (), ["sshd"]), Policy(600.0), 3, 600.0)
    return Jail(rules._replace(journalmatch=((("_SYSTEMD_UNIT", "ssh.service"), ("_UID", "0")),)), IgnoreList(()))


def blame(jail: Jail, log: str, message: str, now: float) -> None:
    raise AssertionError("nothing here takes long")


def test_jails_of_both_languages_on_one_journal():
    """The index now lets entries through that the one or the other jail has not asked for: it asks for all by itself."""
    app = jail("bad <HOST>$", logtype="journal")
    hearing = JournalHearing([app], Counsel(), JournalRoute([own()], blame, alone=False))
    assert hearing.terms() == [
        [("SYSLOG_IDENTIFIER", "sshd"), ("_SYSTEMD_UNIT", "ssh.service"), ("_UID", "0")],
        [("_SYSTEMD_UNIT", "app.service")],
    ]
    ssh = {"_SYSTEMD_UNIT": "ssh.service", "_UID": "0", "SYSLOG_IDENTIFIER": "sshd"}
    assert sift(hearing, "bad 192.0.2.7", ssh) == [("own", "192.0.2.7")]
    assert sift(hearing, "bad 192.0.2.7", FROM_APP) == [("app", "192.0.2.7")]
    assert sift(hearing, "bad 192.0.2.7", {**FROM_APP, "SYSLOG_IDENTIFIER": "sshd"}) == [("app", "192.0.2.7")]
    assert sift(hearing, "bad 192.0.2.7", {**ssh, "SYSLOG_IDENTIFIER": "app"}) == []
    assert sift(hearing, "bad 192.0.2.7", {**ssh, "_UID": "1000"}) == []


def test_a_jail_without_journalmatch_reads_the_whole_journal():
    everything = jail("bad <HOST>$", logtype="journal", journalmatch=((),))
    assert JournalHearing([everything], Counsel(), JournalRoute([own()], blame, alone=False)).terms() == []


PATTERNS = st.text(alphabet="ab.*?()|^$", max_size=8)


@given(PATTERNS, st.text(alphabet="ab\n", max_size=12))
def test_what_is_searched_patiently_is_found_at_the_same_place(pattern, text):
    try:
        compiled = re.compile(pattern)
    except re.error:
        return
    quickly, patiently = compiled.search(text), patient(compiled)(text)
    assert (quickly is None) == (patiently is None)
    if quickly and patiently:
        assert (quickly.span(), quickly.pos, quickly.groups()) == (patiently.span(), patiently.pos, patiently.groups())
