"""Lengths of time: text -> seconds -> text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.duration import LONGEST, format_duration, parse_duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("10m", 600),
        ("1h 30m", 5400),
        ("1h30m", 5400),
        (" 1 H 30 Min ", 5400),
        ("1.5h", 5400),
        ("90s", 90),
        ("90", 90),
        (90, 90),
        (0.25, 0.25),
        ("250ms", 0.25),
        ("1w", 604800),
        ("2 days 3 hours", 183600),
        ("1mo", 2629800),  # a twelfth of a year, as in fail2ban
        ("1y", 31557600),
        ("100y", LONGEST),
        (0, 0),
        ("0s", 0),
        (-1, None),
        (-1.0, None),
        ("-1", None),
        ("forever", None),
        (" Forever ", None),
    ],
)
def test_what_people_write(written: object, seconds: float | None) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    ["", " ", "m", "10 parsecs", "10m 5", "5 10m", "1h, 30m", "1..5h", ".5h", "-10m", "1e3", "1h forever", "\u0663m", "10m\0"],
)
def test_what_is_no_length_of_time(written: str) -> None:
    with pytest.raises(ValueError, match='is no length of time: write "10m", "1h 30m", seconds, or "forever"'):
        parse_duration(written)


@pytest.mark.parametrize("written", [None, True, [], {}, b"10m"])
def test_what_is_neither_text_nor_number(written: object) -> None:
    with pytest.raises(ValueError, match="is no length of time"):
        parse_duration(written)


@pytest.mark.parametrize("written", [-2, -0.5, float("nan"), float("inf"), float("-inf"), 10**400, "101y", "9" * 400])
def test_what_is_out_of_range(written: object) -> None:
    with pytest.raises(ValueError, match="is not within 0 to 100 years"):
        parse_duration(written)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "forever"),
        (0, "0s"),
        (0.04, "40ms"),
        (0.0001, "0s"),
        (41.2, "41s"),
        (59.7, "1m"),
        (5400, "1h 30m"),
        (3600 + 5, "1h"),  # the two largest units next to each other
        (86400 + 3600 + 60, "1d 1h"),
        (30 * 86400, "4w 2d"),
        (86399.9, "1d"),
        (-90, "-1m 30s"),
    ],
)
def test_how_a_length_is_told(seconds: float | None, text: str) -> None:
    assert format_duration(seconds) == text


_texts = st.one_of(
    st.just("forever"),
    st.builds("{}ms".format, st.integers(1, 499)),
    st.builds("{}s".format, st.integers(0, 59)),
    st.builds("{}m {}s".format, st.integers(1, 59), st.integers(1, 59)),
    st.builds("{}h {}m".format, st.integers(1, 23), st.integers(1, 59)),
    st.builds("{}d {}h".format, st.integers(1, 6), st.integers(1, 23)),
    st.builds("{}w {}d".format, st.integers(1, 5000), st.integers(1, 6)),
)


@given(_texts)
def test_text_to_seconds_to_text_is_the_identity(text: str) -> None:
    assert format_duration(parse_duration(text)) == text


@given(st.floats(0, LONGEST - 604800))
def test_what_is_told_can_be_read_again_and_is_near(seconds: float) -> None:
    text = format_duration(seconds)
    again = parse_duration(text)
    assert again is not None
    assert format_duration(again) == text
    assert abs(again - seconds) <= max(0.51, seconds / 2)


@given(st.text())
def test_any_text_is_a_length_or_refused(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError:
        return
    assert seconds is None or 0 <= seconds <= LONGEST
