"""What a date leaves out: year, day, zone. And the zones that there are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from nfjail.core.dates import DateDetector, DatePatternError
from tests.zone import in_zone

UTC = timezone.utc
SUMMER = datetime(2026, 7, 1, 12)
WINTER = datetime(2026, 11, 22, 12)


def time_of(text: str, now: datetime, patterns: str = "", zone: str = "UTC") -> datetime | None:
    """As UTC."""
    found = DateDetector(patterns, zone).find(f"{text} host", now.replace(tzinfo=now.tzinfo or UTC).timestamp())
    assert found is not None
    assert found.text == text
    return None if found.time is None else datetime.fromtimestamp(found.time, UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "now", "when"),
    [
        ("Nov 22 11:00:00", datetime(2026, 11, 22, 12), datetime(2026, 11, 22, 11)),
        ("Nov 22 13:00:00", datetime(2026, 11, 22, 12), datetime(2026, 11, 22, 13)),
        ("Nov 23 12:00:00", datetime(2026, 11, 22, 12), datetime(2026, 11, 23, 12)),  # a day ahead is a clock that differs
        ("Nov 23 12:00:01", datetime(2026, 11, 22, 12), datetime(2025, 11, 23, 12, 0, 1)),
        ("Dec 31 23:59:59", datetime(2026, 1, 1, 0, 0, 1), datetime(2025, 12, 31, 23, 59, 59)),
        ("Jan  1 00:10:00", datetime(2026, 12, 31, 23, 50), datetime(2027, 1, 1, 0, 10)),
        ("Feb 29 10:00:00", datetime(2026, 3, 1), datetime(2024, 2, 29, 10)),
        ("Feb 29 10:00:00", datetime(2024, 2, 28, 12), datetime(2024, 2, 29, 10)),
        ("Feb 29 10:00:00", datetime(2024, 2, 27), datetime(2020, 2, 29, 10)),
        ("Feb 30 10:00:00", datetime(2024, 2, 27), None),
    ],
)
def test_without_a_year_it_is_the_latest_that_is_not_more_than_a_day_ahead(
    text: str, now: datetime, when: datetime | None
) -> None:
    assert time_of(text, now) == when


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("11:59:59", datetime(2026, 11, 22, 11, 59, 59)),
        ("12:00:00", datetime(2026, 11, 22, 12)),
        ("12:00:02", datetime(2026, 11, 22, 12, 0, 2)),  # written while the caller looked at the clock
        ("12:00:03", datetime(2026, 11, 21, 12, 0, 3)),
        ("23:59:59", datetime(2026, 11, 21, 23, 59, 59)),
        ("00:00:00", datetime(2026, 11, 22)),
    ],
)
def test_without_a_day_it_is_today_or_yesterday(text: str, when: datetime) -> None:
    assert time_of(text, WINTER) == when


def test_without_a_month_it_is_the_latest_that_has_such_a_day() -> None:
    assert time_of("21. 10:00", WINTER, r"%d\. %H:%M") == datetime(2026, 11, 21, 10)
    assert time_of("24. 10:00", WINTER, r"%d\. %H:%M") == datetime(2026, 10, 24, 10)
    assert time_of("31. 10:00", WINTER, r"%d\. %H:%M") == datetime(2026, 10, 31, 10)


def test_the_day_of_the_year_without_a_year() -> None:
    assert time_of("326 10:00", WINTER, "%j %H:%M") == datetime(2026, 11, 22, 10)
    assert time_of("366 10:00", datetime(2025, 1, 10), "%j %H:%M") == datetime(2024, 12, 31, 10)


def test_one_detector_guesses_anew_as_time_goes_on() -> None:
    detector = DateDetector(zone="UTC")
    start = datetime(2026, 11, 22, 13, 0, 5, tzinfo=UTC)
    for text, expected in (("13:00:05 x", timedelta(days=1)), ("Nov 22 13:00:05 x", timedelta(days=365))):
        for now in (start, start + timedelta(hours=20), start + expected, start + expected + timedelta(seconds=1)):
            found = detector.find(text, now.timestamp())
            assert found is not None
            assert found.time == (start if now < start + expected else start + expected).timestamp()


@pytest.mark.parametrize(
    ("zone", "east"),
    [
        ("UTC", 0), ("GMT", 0), ("Z", 0), ("+0100", 1), ("-01:30", -1.5), ("+02", 2), ("UTC+0300", 3), ("GMT-04:30", -4.5),
        ("CET", 1), ("CEST", 2), ("CET+01", 2), ("CEST-01", 1), ("EST", -5), ("PST", -8), ("NPT", 5.75), ("A", 1), ("Y", -12),
        ("ChST", 10), ("utc", 0),
    ],
)  # fmt: skip
def test_zones_with_one_offset(zone: str, east: float) -> None:
    for now in (SUMMER, WINTER):
        local = now.replace(tzinfo=timezone(timedelta(hours=east))).astimezone(UTC).replace(tzinfo=None)
        assert time_of(f"{now:%Y-%m-%d %H:%M:%S}", now, zone=zone) == local


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Europe/Dublin"])
def test_places_have_their_summer_time(zone: str) -> None:
    for now in (SUMMER, WINTER):
        for pattern in ("%Y-%m-%d %H:%M:%S", "%b %d %H:%M:%S", "%H:%M:%S"):
            local = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
            assert time_of(f"{local:{pattern}}", now, zone=zone) == now


def test_an_hour_that_is_skipped_and_one_that_comes_twice() -> None:
    assert time_of("2026-03-29 02:30:00", SUMMER, zone="Europe/Paris") == datetime(2026, 3, 29, 1, 30)
    assert time_of("2026-10-25 02:30:00", SUMMER, zone="Europe/Paris") == datetime(2026, 10, 25, 0, 30)


@pytest.mark.parametrize("place", ["Asia/Tokyo", "America/Los_Angeles"])
def test_guesses_are_made_in_the_dates_own_zone(place: str) -> None:
    """Where it is another day, or year, than here."""
    zone: tzinfo = ZoneInfo(place)
    for hour in range(24):
        now = datetime(2026, 1, 1, hour, tzinfo=zone)
        then = now - timedelta(seconds=10)
        expected = then.astimezone(UTC).replace(tzinfo=None)
        assert time_of(f"{then:%H:%M:%S}", now, zone=place) == expected
        assert time_of(f"{then:%b %d %H:%M:%S}", now, zone=place) == expected
        assert time_of(f"{then:%z %b %d %H:%M:%S}", now, zone="UTC") == expected


@pytest.mark.parametrize("zone", ["UTC", "+0300", "Europe/Paris", ""])
def test_a_zone_in_the_line_counts_more(zone: str) -> None:
    assert time_of("2026-07-01 12:00:00+02:00", SUMMER, zone=zone) == SUMMER - timedelta(hours=2)
    assert time_of("PDT Jul  1 05:00:00", SUMMER, zone=zone) == SUMMER


def test_a_word_that_is_no_zone_is_none() -> None:
    assert time_of("WARN Jul  1 12:00:00", SUMMER, zone="UTC") == SUMMER
    assert time_of("2026-07-01 12:00:00 INFO", SUMMER, "%Y-%m-%d %H:%M:%S %Exz", "+0100") == SUMMER - timedelta(hours=1)


@pytest.mark.parametrize(
    "zone", ["XX", "BST", "Europe", "Europe/Nowhere", "../../etc/passwd", "/etc/passwd", "+2500", "M+1400", "a\0b", " "]
)
def test_a_zone_that_nobody_knows(zone: str) -> None:
    with pytest.raises(DatePatternError, match="is no time zone known here: give an offset such as") as caught:
        DateDetector("", zone)
    assert caught.value.line == 0


@pytest.fixture
def berlin() -> Iterator[None]:
    with in_zone("Europe/Berlin"):
        yield


@pytest.mark.usefixtures("berlin")
def test_without_any_zone_it_is_the_process_own() -> None:
    assert time_of("2026-07-01 14:00:00", SUMMER, zone="") == SUMMER
    assert time_of("2026-11-22 13:00:00", WINTER, zone="") == WINTER
    assert time_of("Jul  1 14:00:00", SUMMER, zone="") == SUMMER
    assert time_of("14:00:00", SUMMER, zone="") == SUMMER
    assert time_of("2026-03-29 02:30:00", SUMMER, zone="") in (datetime(2026, 3, 29, 0, 30), datetime(2026, 3, 29, 1, 30))
