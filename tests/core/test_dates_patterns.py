"""The language of datepatterns: fields, bounds, anchors, special words, and what is said of a pattern that cannot be used."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from nfjail.core.dates import Dated, DateDetector, DatePatternError

NOW = datetime(2026, 11, 22, 12, tzinfo=timezone.utc).timestamp()


def found(patterns: str, line: str) -> Dated | None:
    return DateDetector(patterns, "UTC").find(line, NOW)


def at(*when: int) -> float:
    return datetime(*when, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("pattern", "text", "time"),
    [
        ("%Y-%m-%d %H:%M:%S", "1998-7-9 3:4:5", at(1998, 7, 9, 3, 4, 5)),
        ("%y%m%d", "99129", at(2099, 1, 29)),
        ("%d.%m.%y %H:%M", " 1.02.26 10:00", at(2026, 2, 1, 10)),
        ("%A, %d %B %Y %I:%M:%S %p", "Sunday, 1 FEBRUARY 2026 12:00:01 am", at(2026, 2, 1, 0, 0, 1)),
        ("%a %b %d %Y %l:%M%p", "sun feb 01 2026  1:30PM", at(2026, 2, 1, 13, 30)),
        ("%Y %j %k:%M", "2024 366  7:30", at(2024, 12, 31, 7, 30)),
        ("%Y week %U %A", "2026 week 05 Sunday", at(2026, 2, 1)),
        ("%Y week %W %a", "2026 week 04 Sun", at(2026, 2, 1)),
        ("%Y week %U, day %w", "2026 week 5, day 0", at(2026, 2, 1)),
        ("%Y week %W %a", "2024 week 1 Mon", at(2024, 1, 1)),
        ("%Y week %U %a", "2023 week 1 Sun", at(2023, 1, 1)),
        ("%Y week %U %a", "2025 week 0 Wed", at(2025, 1, 1)),
        ("%G-W%V-%u", "2026-W05-7", at(2026, 2, 1)),
        ("%G-W%V-%u", "2020-W53-5", at(2021, 1, 1)),
        ("%Y-%m", "2026-02", at(2026, 2, 1)),
        ("%c", "Sun Feb  1 10:11:12 2026", at(2026, 2, 1, 10, 11, 12)),
        ("%x %X", "02/01/26 10:11:12", at(2026, 2, 1, 10, 11, 12)),
        ("%ExY%Exm%ExdT%ExH%ExM%ExS", "20260201T101112", at(2026, 2, 1, 10, 11, 12)),
        ("%Exy/%Exm/%Exd %Exk:%M", "26/02/01  9:30", at(2026, 2, 1, 9, 30)),
        ("%Y-%m-%d %Exl:%M %p", "2026-02-01  9:30 PM", at(2026, 2, 1, 21, 30)),
        ("%Y-%m-%d %H:%M %z", "2026-02-01 10:00 +0130", at(2026, 2, 1, 8, 30)),
        ("%Y-%m-%d %H:%M%z", "2026-02-01 10:00Z", at(2026, 2, 1, 10)),
        ("%Y-%m-%d %H:%M %Z", "2026-02-01 10:00 CET", at(2026, 2, 1, 9)),
        ("%Y-%m-%d %H:%M %Exz", "2026-02-01 10:00 UTC-01:30", at(2026, 2, 1, 11, 30)),
        ("%Y-%m-%d %H:%M %ExZ", "2026-02-01 10:00 A", at(2026, 2, 1, 9)),
        ("%d%%%m%%%Y", "01%2%2026", at(2026, 2, 1)),
        ("%Y-%m-%d %H:%M:%S.%f", "2026-02-01 10:11:12.000001", at(2026, 2, 1, 10, 11, 12)),
        ("(?P<d>[0-9]+)th of %B %Y", "1th of February 2026", at(2026, 2, 1)),
    ],
)
def test_fields(pattern: str, text: str, time: float) -> None:
    assert found(pattern, f"x {text} y") == Dated(time, "x ", text, " y")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("^%ExY", "2031"),  # three years from now is as far as it goes, and 2000 as far back
        ("^%ExY", "1999"),
        ("^%Exm/%Exd", "1/22"),
        ("^%Exm/%Exd", "13/22"),
        ("^%ExH:%ExM", "1:22"),
        ("^%ExH:%ExM", "24:22"),
        ("^%H:%M", "24:22"),
        ("^%Z", "utc"),
        ("^%z", "CET"),
        ("^%b", "Hum"),
        ("^%Y-%m", "2026-13"),
    ],
)
def test_fields_do_not_take_everything(pattern: str, text: str) -> None:
    assert found(pattern, text) is None


DATE = "01.02.2026"


@pytest.mark.parametrize(
    ("pattern", "line", "cut"),
    [
        ("%d.%m.%Y", f"x {DATE} y", DATE),
        ("%d.%m.%Y", f"x[{DATE}]y", DATE),
        ("%d.%m.%Y", f"x{DATE} y", None),
        ("%d.%m.%Y", f"x {DATE}y", None),
        ("**%d.%m.%Y", f"x{DATE} y", DATE),
        ("**%d.%m.%Y", f"x{DATE}y", None),
        ("%d.%m.%Y**", f"x {DATE}y", DATE),
        ("**%d.%m.%Y**", f"x{DATE}y", DATE),
        ("{UNB}%d.%m.%Y", f"x{DATE}y", DATE),
        (r"\**%d.%m.%Y\**", f"x*{DATE}*y", f"*{DATE}*"),
        ("^%d.%m.%Y", f"{DATE} y", DATE),
        ("^%d.%m.%Y", f"[{DATE} y", None),
        ("^(%d.%m.%Y)", f"{DATE} y", DATE),
        ("%d.%m.%Y$", f"x {DATE}", DATE),
        ("%d.%m.%Y$", f"x {DATE} y", None),
        ("{^LN-BEG}%d.%m.%Y", f"[{DATE}] y", DATE),
        ("{^LN-BEG}%d.%m.%Y", f"((({DATE}] y", None),
        ("{^LN-BEG}%d.%m.%Y", f"x {DATE}] y", None),
        ("{^LN-BEG}%d.%m.%Y**", f"[{DATE}0] y", DATE),
        (r"\[%d.%m.%Y\]", f"x[{DATE}]y", f"[{DATE}]"),
        (r"^[^\[]*\[(%d.%m.%Y)\]", f"x y [{DATE}] z", DATE),
        (r"at (%d.%m.%Y)", f"x at {DATE} y", DATE),
        ("^(?:at )?%d.%m.%Y", f"at {DATE} y", f"at {DATE}"),
        ("(?i)at %d.%m.%Y", f"x AT {DATE} y", f"AT {DATE}"),
        ("at (?i)%d.%m.%Y", f"x AT {DATE} y", f"AT {DATE}"),
        ("on the %d %b %Y", "x ON THE 1 FEB 2026", "ON THE 1 FEB 2026"),
        ("%d(?P<_sep>[./])%m(?P=_sep)%Y", f"1/2.2026 {DATE}", DATE),
        (r"^(\S+) %d.%m.%Y|(%d)/%m", f"host {DATE} x", None),
    ],
)
def test_bounds_and_groups(pattern: str, line: str, cut: str | None) -> None:
    if pattern.count("%d") > 1:
        with pytest.raises(DatePatternError, match="redefinition"):
            found(pattern, line)
        return
    dated = found(pattern, line)
    assert (dated and dated.text) == cut
    if dated is not None:
        assert dated.before + dated.text + dated.after == line
        assert dated.time == at(2026, 2, 1)


@pytest.mark.parametrize(
    ("pattern", "line", "cut", "time"),
    [
        ("EPOCH", "1769904000 x", "1769904000", 1769904000.0),
        ("EPOCH", "[1769904000.5001] x", "1769904000.5001", 1769904000.5001),
        ("EPOCH", "x audit(1769904000.500:1) x", "1769904000.500", 1769904000.5),
        ("EPOCH", "x 1769904000 x", None, None),
        ("EPOCH", "1769904000123 x", None, None),
        ("Epoch", "17699040001 x", "17699040001", 17699040001.0),
        ("^EPOCH", "[1769904000] x", "1769904000", 1769904000.0),
        ("^EPOCH", "audit(1769904000:1) x", None, None),
        ("{^LN-BEG}Epoch", "##1769904000 x", "1769904000", 1769904000.0),
        ("LEPOCH", "1769904000 x", "1769904000", 1769904000.0),
        ("LEPOCH", "1769904000125 x", "1769904000125", 1769904000.125),
        ("LEPOCH", "1769904000125.5 x", "1769904000125.5", 1769904000.1255),
        ("LEPOCH", "1769904000125250 x", "1769904000125250", 1769904000.12525),
        (r"\| {EPOCH} \|", "x | 1769904000 | y", "| 1769904000 |", 1769904000.0),
        (r"(?<=\| ){LEPOCH}(?= \|)", "x | 1769904000125 | y", "1769904000125", 1769904000.125),
        (r"^type=\S+ msg=audit\(({EPOCH})", "type=x msg=audit(1769904000.25:1) y", "1769904000.25", None),
        (r"^type=\S+ msg=audit\(({EPOCH})", "type=x msg=audit(1769904000.250:1) y", "1769904000.250", 1769904000.25),
        ("{^LN-BEG}at {EPOCH}", "[at 1769904000] x", "at 1769904000", 1769904000.0),
        ("TAI64N", "x @40000000697e9e801dcd6500 y", "@40000000697e9e801dcd6500", 1769905792.0),
        ("^TAI64N", "x @40000000697e9e801dcd6500 y", None, None),
        ("{^LN-BEG}TAI64N", "@40000000697e9e801dcd6500 y", "@40000000697e9e801dcd6500", 1769905792.0),
    ],
)
def test_seconds_since_the_epoch(pattern: str, line: str, cut: str | None, time: float | None) -> None:
    dated = found(pattern, line)
    if cut is not None and time is None:  # a fraction has three digits or more: without, the number is all
        cut, time = cut.partition(".")[0], 1769904000.0
    assert (dated and dated.text) == cut
    assert (dated and dated.time) == time


def test_the_default_templates_by_name() -> None:
    inside, begin = "x Feb 01 2026 10:00:00 y", "[Feb 01 2026 10:00:00] y"
    time = at(2026, 2, 1, 10)
    assert found("{DEFAULT}", inside) == found("", inside) == Dated(time, "x ", "Feb 01 2026 10:00:00", " y")
    assert found("{^LN-BEG}", inside) is None
    assert found("{^LN-BEG}", begin) == Dated(time, "[", "Feb 01 2026 10:00:00", "] y")
    assert found("^%H:%M$\n{DEFAULT}", inside) == found("", inside)
    assert found("^%H:%M$\n{^LN-BEG}", begin) == found("", begin)
    assert found("^%H:%M$\n{^LN-BEG}", inside) is None


@pytest.mark.parametrize(
    ("pattern", "line", "cut"),
    [
        ("^{DATE}", "2026-02-01 10:00:00 x", "2026-02-01 10:00:00"),
        ("^{DATE}", "[2026-02-01 10:00:00 x", None),
        ("^{DATE}", "1769940000 x", "1769940000"),
        ("{^LN-BEG}{DATE}", "[Feb 01 2026 10:00:00 x", "Feb 01 2026 10:00:00"),
        (r"^[^\[]*\[({DATE})", "192.0.2.1 - u [01/Feb/2026:10:00:00 +0000] GET", "01/Feb/2026:10:00:00 +0000"),
        (r"^[^\[]*(\[{DATE}\s*\])", "192.0.2.1 - u [01/Feb/2026:10:00:00 +0000] GET", "[01/Feb/2026:10:00:00 +0000]"),
        ("^<W>{DATE}", "<W>2026-02-01 10:00:00.250 x", "<W>2026-02-01 10:00:00.250"),
        (r"^\d+ {date}", "77 Feb 01 2026 10:00:00 x", "77 Feb 01 2026 10:00:00"),
    ],
)
def test_a_default_template_inside_an_expression(pattern: str, line: str, cut: str | None) -> None:
    dated = found(pattern, line)
    assert (dated and dated.text) == cut
    if dated is not None:
        assert int(dated.time or 0) == at(2026, 2, 1, 10)


def test_no_date() -> None:
    assert found("{NONE}", "2026-02-01 10:00:00 x") == Dated(None, "", "", "2026-02-01 10:00:00 x")
    assert found("{NONE}", "") == Dated(None, "", "", "")
    assert found("%Y-%m-%d\n{NONE}", "x 2026-02-01") == Dated(None, "", "", "x 2026-02-01")
    assert found("^WARNING:()**\n{^LN-BEG}", "WARNING: x") == Dated(None, "WARNING:", "", " x")


def test_several_patterns() -> None:
    detector = DateDetector("\n  ^%d[.]%m[.]%Y\n\n  ^%d/%b/%Y\n  ^%d[.]%m[.]%Y\n", "UTC")
    for _ in range(3):
        assert detector.find("1.2.2026 x", NOW) == Dated(at(2026, 2, 1), "", "1.2.2026", " x")
        assert detector.find("1/Mar/2026 x", NOW) == Dated(at(2026, 3, 1), "", "1/Mar/2026", " x")
        assert detector.find("1-2-2026 x", NOW) is None


def test_the_years_that_are_exact_go_with_the_time() -> None:
    detector = DateDetector("%ExY-%m-%d", "UTC")
    for year, next_decade in ((2005, False), (2026, False), (2027, True), (2031, True)):
        assert (detector.find("2030-01-01", at(year, 6, 1)) is not None) == next_decade
        assert detector.find("2029-01-01", at(year, 6, 1)) is not None


@pytest.mark.parametrize(
    ("patterns", "line", "why"),
    [
        ("%q", 1, "'%q' is no field of a date"),
        ("{^LN-BEG}\n\n50% %H:%M", 3, "'% ' is no field of a date; a percent sign that means itself is written twice"),
        ("%Ex", 1, "'%Ex' is no field"),
        ("%H:%M %", 1, "'%' is no field"),
        ("%H:%M\n(%H:%M", 2, "missing ), unterminated subpattern"),
        ("%H %k", 1, "redefinition of group name 'H'"),
        ("^({DATE}) {DATE}", 1, "redefinition of group name"),
        ("[{EPOCH}", 1, "unterminated character set"),
    ],
)
def test_a_pattern_that_cannot_be_used(patterns: str, line: int, why: str) -> None:
    with pytest.raises(DatePatternError) as caught:
        DateDetector(patterns)
    assert caught.value.line == line
    assert caught.value.text == patterns.split("\n")[line - 1]
    assert why in caught.value.what
    assert str(caught.value).startswith(f"datepattern, line {line} (")
