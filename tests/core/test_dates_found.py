"""The date in a line of a log: found in any of the usual forms, cut out, and read, whatever was read before."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.dates import Dated, DateDetector

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc).timestamp()
AT = datetime(2026, 11, 22, 2, 3, 4, tzinfo=timezone.utc).timestamp()


def dated(line: str, patterns: str = "", zone: str = "UTC", now: float = NOW) -> Dated | None:
    return DateDetector(patterns, zone).find(line, now)


FORMS = {
    "2026-11-22 02:03:04": AT,
    "2026-11-22T02:03:04": AT,
    "2026-11-22  2:03:04": AT,
    "2026-11-22T02:03:04.5": AT,
    "2026-11-22 02:03:04,567": AT,
    "2026-11-22T02:03:04Z": AT,
    "2026-11-22T03:03:04+01:00": AT,
    "2026-11-21 21:03:04.123456 -0500": AT,
    "2026/11/22 02:03:04": AT,
    "2026.11.22 02:03:04": AT,
    "Nov 22 02:03:04": AT,
    "Nov  2 02:03:04": AT - 20 * 86400,
    "Sun Nov 22 02:03:04.567": AT,
    "Sun Nov 22 02:03:04 2026": AT,
    "sun nov 22 2:03:04 2026": AT,
    "Sun Nov 22 2026 02:03:04.25": AT,
    "22/11/2026 02:03:04": AT,
    "22-11-26 02:03:04": AT,
    "22/Nov/2026:02:03:04": AT,
    "22/Nov/2026:03:03:04 +0100": AT,
    "22-Nov-2026 02:03:04.567": AT,
    "11/22/2026:02:03:04": AT,
    "11-22-2026 02:03:04.252": AT,
    "1795312984": AT,
    "1795312984.125": AT + 0.125,
    "02:03:04": AT,
    "<11/22/26@02:03:04>": AT,
    "261122 02:03:04": AT,
    "261122  2:03:04": AT,
    "Nov 22, 2026 2:03:04 AM": AT,
    "Nov 22, 2026 12:03:04 AM": AT - 2 * 3600,
    "Nov 22, 2026 12:03:04 PM": AT + 10 * 3600,
    "Nov 22, 2026 02:03:04 PM": AT + 12 * 3600,
    "Nov-22-26 02:03:04": AT,
    "20261122T020304": AT,
    "20261122 020304,5Z": AT,
    "CET Nov 22 03:03:04": AT,
    "PST Sat Nov 21 18:03:04 2026": AT,
    "+01:00 Nov 22 03:03:04": AT,
    "@400000006b024d580ee6b280": AT,
}


@pytest.mark.parametrize("text", FORMS)
def test_the_usual_forms(text: str) -> None:
    assert dated(f"{text} host sshd[1]: x") == Dated(FORMS[text], "", text, " host sshd[1]: x")


@pytest.mark.parametrize("text", FORMS)
def test_they_may_end_the_line(text: str) -> None:
    assert dated(text) == Dated(FORMS[text], "", text, "")


@pytest.mark.parametrize("before", ["[", "([", ": "])
@pytest.mark.parametrize("text", FORMS)
def test_a_bracket_may_stand_before_them(text: str, before: str) -> None:
    if text.startswith(("Nov-", "<")) or (text[:3] == "179" and before != "["):
        before = ""  # these stand at the very beginning
    for patterns in ("", "{^LN-BEG}"):
        assert dated(f"{before}{text}] x", patterns) == Dated(FORMS[text], before, text, "] x")


@pytest.mark.parametrize("text", FORMS)
def test_most_may_stand_anywhere_between_words_but_not_inside_one(text: str) -> None:
    found = dated(f"192.0.2.1 - - [{text}] GET")
    if text.startswith(("Nov-", "<", "179")) or text == "02:03:04":
        assert found is None
    else:
        assert found == Dated(FORMS[text], "192.0.2.1 - - [", text, "] GET")
    inside = dated(f"word{text}word")
    assert inside is None or len(inside.text) < len(text)
    assert dated(f"x {text}", "{^LN-BEG}") is None


@pytest.mark.parametrize(
    ("line", "before", "text"),
    [
        ("audit(1795312984.125:77): x", "audit(", "1795312984.125"),
        ("Aug 8 11:25:50 20030f2329b8 x", "", "Aug 8 11:25:50"),
        ("Aug 8 11:25:50 2014 20030f2329b8 x", "", "Aug 8 11:25:50 2014"),
        ("text:200333 010203 | date:20231230 010203", "text:200333 010203 | date:", "20231230 010203"),
        ("0000-12-30 00:00:00 - 2023-12-30 00:00:00", "0000-12-30 00:00:00 - ", "2023-12-30 00:00:00"),
        ("app: 030324  0:03:59 -- 2023-03-07 17:05:01 x", "app: ", "030324  0:03:59"),
        ("2026-11-22T02:03:04.123456789Z x", "", "2026-11-22T02:03:04"),
    ],
)
def test_what_is_cut_out(line: str, before: str, text: str) -> None:
    found = dated(line)
    assert found is not None
    assert (found.before, found.text) == (before, text)
    assert found.before + found.text + found.after == line


@pytest.mark.parametrize(
    "line",
    ["", "x", "10:00", "12345", "179531298", "1795312984a", "a1795312984", "@400000006b01", "2026-13-22 10:00:00",
     "1999-11-22 10:00:00", "\tat org.example.Main.run(Main.java:61)"],
)  # fmt: skip
def test_lines_without_a_date(line: str) -> None:
    assert dated(line) is None


@pytest.mark.parametrize(
    "text", ["Feb 31 10:00:00", "2026-02-29 10:00:00", "2026-11-31T10:00:00Z", "2026-11-22 10:00:60", "Nov 22 25:00:00"]
)
def test_a_date_that_no_calendar_has_is_cut_out_and_has_no_time(text: str) -> None:
    assert dated(f"{text} x") == Dated(None, "", text, " x")


def test_the_same_text_may_be_day_and_month_or_month_and_day() -> None:
    """Until a line tells, the day comes first; once one did, it is as in that one."""
    detector = DateDetector(zone="UTC")
    texts = ["10-11-2026 10:00:00", "10-13-2026 10:00:00", "10-11-2026 10:00:00"]
    times = [detector.find(f"app[{i}]: {text} x", NOW) for i, text in enumerate(texts * 2)]
    days = [datetime.fromtimestamp(found.time or 0, timezone.utc).strftime("%d %b") for found in times if found]
    assert days == ["10 Nov", "13 Oct", "11 Oct", "11 Oct", "13 Oct", "11 Oct"]


def test_a_date_in_the_message_does_not_count_after_the_lines_own() -> None:
    detector = DateDetector(zone="UTC")
    for minute in range(10, 60):
        line = f"{'192.0.2.200' if minute % 2 else '::1'} - u [22/Nov/2026:02:{minute}:04 +0000] GET /?2026-11-22 01:00:00"
        found = detector.find(line, NOW)
        assert found is not None
        assert found.time == AT + (minute - 3) * 60
    own = detector.find("2026-11-22 02:03:04 GET [22/Nov/2026:02:11:04 +0000]", NOW)
    assert own is not None
    assert own.text == "2026-11-22 02:03:04"


def test_the_end_of_the_date_is_not_where_that_of_the_last_line_was() -> None:
    detector = DateDetector(zone="UTC")
    texts = ["Nov 22 02:03:04", "Nov 22 02:03:04 2025", "Nov 22 02:03:04.5 2025", "Nov 22 02:03:04.5", "Nov 22 2:3:4"]
    for before in ("", "app: "):
        for text in texts * 2 + texts[::-1]:
            found = detector.find(f"{before}{text} host", NOW)
            assert found is not None
            assert (found.before, found.text) == (before, text)


lines = st.tuples(
    st.sampled_from(["", "[", "((", "##", "-"]),
    st.sampled_from(
        ["2026-11-22 02:03:{}", "2026-11-22T02:03:{}.123456+00:00", "2026-11-22T02:03:{},5", "2026-11-22T02:0:{} +0100",
         "Nov 22 02:03:{}", "Nov 22 02:03:{} 2026", "Nov 22 02:03:{} 2006", "Sun Nov 22 02:03:{}.5 2026", "02:03:{}",
         "22/Nov/2026:02:03:{} +0000", "Feb 29 02:03:{}", "261122 02:03:{}", "20261122 0203{}Z", "EST Nov 22 02:03:{}",
         "2026-02-30 02:03:{}", "17953129{}"]),
    st.sampled_from(["00", "04", "59", "60", "5", "\u0661\u0662"]),
    st.sampled_from([" host", "", "] x", " +0100 x", " 2026 x", ".7", ".7 x", "  2026", "   +0100", "x", "Z", " UT"]),
)  # fmt: skip


@given(st.lists(st.tuples(lines, st.sampled_from([0.0, 0.5, 3600.0, 86400.0, 1e7, 3.2e7, 1e8])), max_size=12))
def test_what_was_read_before_makes_no_difference(logged: list[tuple[tuple[str, str, str, str], float]]) -> None:
    """At the beginning of the line, where no form can be mistaken for another one."""
    detector = DateDetector("{^LN-BEG}", "UTC")
    for (before, form, second, behind), later in logged:
        line = before + form.format(second) + behind
        now = NOW + later
        assert detector.find(line, now) == dated(line, "{^LN-BEG}", now=now)
