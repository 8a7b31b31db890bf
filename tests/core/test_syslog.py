"""Heads of syslog lines: text in, time and program out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.syslog import Head, Stamps, parse_head
from tests.zone import in_zone

NOW = 1_795_356_901.0  # 2026-11-22T14:15:01Z


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[None]:
    """The process is in the time zone that the test names."""
    with in_zone(request.param):
        yield


utc = pytest.mark.parametrize("zone", ["UTC"], indirect=True)
berlin = pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)


def parsed(head: str, now: float = NOW) -> Head | None:
    return parse_head(head, Stamps(now))


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("2026-11-22T14:15:01.123456+00:00 host sshd[123]", Head(NOW + 0.123456, "sshd", 123)),
        ("2026-11-22T14:15:01.123+00:00 host sshd[123]", Head(NOW + 0.123, "sshd", 123)),
        ("2026-11-22T14:15:01+00:00 host sshd[123]", Head(NOW, "sshd", 123)),
        ("2026-11-22T14:15:01Z host sshd[123]", Head(NOW, "sshd", 123)),
        ("2026-11-22T16:15:01.5+0200 host sshd[123]", Head(NOW + 0.5, "sshd", 123)),
        ("2026-11-22T08:45:01-05:30 host sshd[123]", Head(NOW, "sshd", 123)),
        ("2026-11-22T14:15:01.000001+00:00 host sshd-session[1]", Head(NOW + 0.000001, "sshd-session", 1)),
        ("2026-11-22T14:15:01+00:00 mx.example.org postfix/smtpd[99]", Head(NOW, "postfix/smtpd", 99)),
        ("2026-11-22T14:15:01+00:00 host postfix/submission/smtpd[99]", Head(NOW, "postfix/submission/smtpd", 99)),
        ("2026-11-22T14:15:01+00:00 host kernel", Head(NOW, "kernel", 0)),
        ("2026-11-22T14:15:01+00:00 host (systemd)[9]", Head(NOW, "(systemd)", 9)),
        ("2026-11-22T14:15:01+00:00 host sudo", Head(NOW, "sudo", 0)),
        ("2026-11-22T14:15:01+00:00 2001:db8::1 dovecot", Head(NOW, "dovecot", 0)),
    ],
)
def test_rfc_3339(head: str, expected: Head) -> None:
    assert parsed(head) == expected


@utc
@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("Nov 22 14:15:01 host sshd[123]", Head(NOW, "sshd", 123)),
        ("Nov  2 14:15:01 host sshd[123]", Head(NOW - 20 * 86400, "sshd", 123)),
        ("Nov 2 14:15:01 host sshd[123]", Head(NOW - 20 * 86400, "sshd", 123)),  # no rsyslog, but others
        ("Nov 22 14:15:01 sshd[123]", Head(NOW, "sshd", 123)),
        ("Nov 22 14:15:01   sshd[123]", Head(NOW, "sshd", 123)),
        ("Nov 22 14:15:01 [sshd]", Head(NOW, "sshd", 0)),
        ("Nov 22 14:15:01 host kernel", Head(NOW, "kernel", 0)),
        ("Nov 23 14:15:01 host su", Head(NOW + 86400, "su", 0)),
        ("Nov 23 14:15:02 host su", Head(NOW + 86401 - 365 * 86400, "su", 0)),
        ("2026-11-22T14:15:01 host sshd[123]", Head(NOW, "sshd", 123)),
    ],
)
def test_traditional(zone: None, head: str, expected: Head) -> None:
    assert parsed(head) == expected


@pytest.mark.parametrize(
    "head",
    [
        "",
        "sshd[123]",
        "host sshd[123]",
        "2026-11-22T14:15:01+00:00",
        "2026-11-22T14:15:01+00:00 host",
        "2026-11-22T14:15:01+00:00  sshd",
        "2026-11-22T14:15:01+00:00 host sshd [1]",
        "2026-11-22T14:15:01+00:00 host a b",
        "2026-11-22T14:15:01+00:00 host sshd[]",
        "2026-11-22T14:15:01+00:00 host sshd[x]",
        "2026-11-22T14:15:01+00:00 host sshd[1]x",
        "2026-11-22T14:15:01+00:00 host sshd[1",
        "2026-11-22T14:15:01+00:00 host sshd[12345678901]",
        "2026-11-22T14:15:01+00:00 host sshd[1]\n",
        "2026-11-22T14:15:01+00:00 host sshd:",
        "2026-11-22 14:15:01 host sshd[1]",
        "2026-13-22T14:15:01+00:00 host sshd[1]",
        "2026-11-31T14:15:01+00:00 host sshd[1]",
        "2026-11-22T24:15:01+00:00 host sshd[1]",
        "2026-11-22T14:15:01.+00:00 host sshd[1]",
        "2026-11-22T14:15:01.12345678901+00:00 host sshd[1]",
        "2026-11-22T14:15:01+0:00 host sshd[1]",
        "x2026-11-22T14:15:01+00:00 host sshd[1]",
        "Nov 22 14:15:01 host",
        "Nov 22 14:15 host sshd[1]",
        "Nov 222 14:15:01 host sshd[1]",
        "Nov 31 14:15:01 host sshd[1]",
        "Foo 22 14:15:01 host sshd[1]",
        "nov 22 14:15:01 host sshd[1]",
        "Nov 22 14:15:01 host Nov 22 14:15:01 host sshd[1]",
        "192.0.2.1 - - [22/Nov/2026:14:15:01 +0000] \"GET /?x",
        "2026-11-22T14:15:01+00:00 host sshd[\u0661\u0662]",
    ],
)
def test_what_is_no_head(head: str) -> None:
    stamps = Stamps(NOW)
    assert parse_head(head, stamps) is None
    assert parse_head("2026-11-22T14:15:01.000000+00:00 host sshd[1]", stamps) == Head(NOW, "sshd", 1)
    assert parse_head(head, stamps) is None  # nor after one that is


@pytest.mark.parametrize(
    "next_head",
    [
        "2026-11-22T14:15:01.2x3456+00:00 host sshd[123]",
        "2026-11-22T14:15:01.+23456+00:00 host sshd[123]",
        "2026-11-22T14:15:01.223456+00:00 host sshd[12 3]",
        "2026-11-22T14:15:01.223456+00:00 host sshd[]",
        "2026-11-22T14:15:01.223456+00:00 host sshd[1][2]",
        "2026-11-22T14:15:01.223456+00:00 host sshd[\u0661]",
        "2026-11-22T14:15:01.22345\u0661+00:00 host sshd[1]",
        "2026-11-22T14:15:01.223456+00:00 host sshd[12345678901]",
    ],
)
def test_a_head_like_the_one_before_is_looked_at_as_strictly(next_head: str) -> None:
    stamps = Stamps(NOW)
    assert parse_head("2026-11-22T14:15:01.123456+00:00 host sshd[123]", stamps)
    assert parse_head(next_head, stamps) is None


@given(
    st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["", ".5", ".123456", ".000001", ".123456789"]),
            st.sampled_from(["Z", "+00:00", "+0200", "-05:30"]),
            st.sampled_from(["sshd[1]", "sshd[22]", "sshd", "cron[1]"]),
            st.sampled_from(["host", "other"]),
        ),
        max_size=12,
    )
)
def test_what_was_read_before_makes_no_difference(heads: list[tuple[int, str, str, str, str]]) -> None:
    stamps = Stamps(NOW)
    for second, fraction, zone, tag, host in heads:
        head = f"2026-11-22T14:15:0{second}{fraction}{zone} {host} {tag}"
        assert parse_head(head, stamps) == parsed(head) != None  # noqa: E711


@utc
@pytest.mark.parametrize(
    ("now", "year"),
    [
        ((2026, 3, 1), 2024),  # the year before has none either
        ((2024, 2, 29), 2024),
        ((2024, 2, 28, 12), 2024),  # a day ahead is a clock that differs
        ((2024, 2, 27), 2020),
    ],
)
def test_29_february_is_in_the_latest_year_that_has_one(zone: None, now: tuple[int, ...], year: int) -> None:
    at = datetime(*now, tzinfo=timezone.utc).timestamp()  # type: ignore[arg-type, misc]
    head = parsed("Feb 29 11:00:00 host su", at)
    assert head is not None
    assert head.time == datetime(year, 2, 29, 11, tzinfo=timezone.utc).timestamp()


@utc
def test_the_turn_of_the_year(zone: None) -> None:
    new_year = datetime(2027, 1, 1, tzinfo=timezone.utc).timestamp()
    stamps = Stamps(new_year - 1)
    assert parse_head("Dec 31 23:59:59 host su", stamps) == Head(new_year - 1, "su", 0)
    assert parse_head("Jan  1 00:00:01 host su", stamps) == Head(new_year + 1, "su", 0)
    stamps.now = new_year + 1
    assert parse_head("Dec 31 23:59:59 host su", stamps) == Head(new_year - 1, "su", 0)
    assert parse_head("Jan  1 00:00:01 host su", stamps) == Head(new_year + 1, "su", 0)


@berlin
def test_traditional_stamps_are_local_in_summer_and_winter(zone: None) -> None:
    assert parsed("Nov 22 15:15:01 host su") == Head(NOW, "su", 0)
    summer = datetime(2026, 7, 1, 12, tzinfo=timezone.utc).timestamp()
    assert parsed("Jul  1 14:00:00 host su") == Head(summer, "su", 0)
    assert parsed("2026-07-01T14:00:00 host su") == Head(summer, "su", 0)


@pytest.mark.parametrize(
    ("line", "identifier", "message"),
    [
        ("Nov 22 14:15:01 host kernel: [12.3] x: y", "kernel", "[12.3] x: y"),
        ("Nov 22 14:15:01 host sshd[1]: error: PAM: x", "sshd", "error: PAM: x"),
        ("Nov 22 14:15:01 host sudo:     root : TTY=pts/0", "sudo", "    root : TTY=pts/0"),
    ],
)
def test_the_head_ends_at_the_first_colon_and_blank(line: str, identifier: str, message: str) -> None:
    end = line.find(": ")
    head = parsed(line[:end])
    assert head is not None
    assert (head.identifier, line[end + 2 :]) == (identifier, message)
