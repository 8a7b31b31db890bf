"""Filters: tags, the one alternation, patterns that cannot be joined, and what is refused."""

from __future__ import annotations

import pytest

from nfjail.core.filter import Filter, PatternError

SSHD = [
    r"^Failed \S+ for (?:invalid user )?<F-USER>.*</F-USER> from <HOST> port \d+ ssh2$",
    r"^Invalid user <F-USER>.*</F-USER> from <HOST> port \d+$",
]


@pytest.mark.parametrize(
    ("message", "pattern", "host", "user"),
    [
        ("Failed password for root from 192.0.2.7 port 22 ssh2", 0, "192.0.2.7", "root"),
        ("Failed none for invalid user x from 2001:db8::7 port 22 ssh2", 0, "2001:db8::7", "x"),
        ("Invalid user admin from ::ffff:192.0.2.7 port 1", 1, "::ffff:192.0.2.7", "admin"),
        # the attacker chooses the name, sshd writes the address behind it
        ("Invalid user a from 198.51.100.1 port 9 from 192.0.2.7 port 1", 1, "192.0.2.7", "a from 198.51.100.1 port 9"),
    ],
)
def test_the_first_fitting_pattern_gives_host_and_fields(message: str, pattern: int, host: str, user: str) -> None:
    found = Filter("sshd", SSHD).find(message)
    assert found == (pattern, host, {"user": user})


@pytest.mark.parametrize(
    "message",
    [
        "",
        "Accepted password for root from 192.0.2.7 port 22 ssh2",
        "x Failed password for root from 192.0.2.7 port 22 ssh2",
        "Failed password for root from 192.0.2.7 port 22 ssh2 and more",
        "Failed password for root from somewhere port 22 ssh2",
        "Failed password for root\nfrom 192.0.2.7 port 22 ssh2",
    ],
)
def test_anything_else_is_nothing(message: str) -> None:
    assert Filter("sshd", SSHD).find(message) is None


def test_a_message_may_begin_in_the_middle_of_a_line() -> None:
    line = "Nov 22 10:00:00 host sshd[1]: Invalid user x from 192.0.2.7 port 1"
    assert Filter("sshd", SSHD).find(line, line.find(": ") + 2) == (1, "192.0.2.7", {"user": "x"})
    assert Filter("sshd", SSHD).find(line) is None


def test_patterns_that_refer_to_groups_or_are_not_anchored_are_tried_one_by_one() -> None:
    mixed = Filter("x", [r"login from <HOST>", r"^(?P<quote>['\"])<HOST>(?P=quote)$", r"(?i)^BAD <ADDR>$"])
    assert mixed.find("a login from 192.0.2.7, no") == (0, "192.0.2.7", {})
    assert mixed.find('"192.0.2.8"') == (1, "192.0.2.8", {})
    assert mixed.find("\"192.0.2.8'") is None
    assert mixed.find("head: bad [::1]", 6) == (2, "::1", {})


def test_an_alternative_outside_of_brackets_is_not_anchored_by_the_first_ones_sign() -> None:
    either = Filter("x", [r"^a <HOST>$", r"^c from <HOST>|(?:never)"])
    assert either.find("head: c from 192.0.2.7", 6) == (1, "192.0.2.7", {})
    assert Filter("x", [r"^(?:a|b) <HOST>$"]).find("b 192.0.2.7") == (0, "192.0.2.7", {})


def test_ignoreregex_takes_a_match_back() -> None:
    ignoring = Filter("sshd", SSHD, [r"user monitor from <HOST>"])
    assert ignoring.find("Invalid user monitor from 192.0.2.7 port 1") is None
    assert ignoring.find("Invalid user other from 192.0.2.7 port 1") is not None


def test_ignoreregex_sees_the_message_and_not_the_head_of_the_line() -> None:
    ignoring = Filter("sshd", SSHD, ["myhost"])
    line = "Nov 22 10:00:00 myhost sshd[1]: Invalid user x from 192.0.2.7 port 1"
    assert ignoring.find(line, 32) is not None


@pytest.mark.parametrize(
    ("pattern", "what"),
    [
        ("no address", "it has no <HOST>"),
        ("<HOST> (", "missing )"),
        ("<HOST>|", "matches the empty message"),
        ("<HOST> <HOST>", "redefinition"),
        ("<F-USER>x</F-USER>", "it has no <HOST>"),
        ("^<HOST> (?P<x>a)(?P<x>b)", "redefinition"),
    ],
)
def test_unusable_patterns_are_refused_with_their_place(pattern: str, what: str) -> None:
    with pytest.raises(PatternError, match=r"failregex\[2\]") as caught:
        Filter("x", [*SSHD, pattern])
    assert what in str(caught.value)
    assert caught.value.index == 2


def test_an_unusable_ignoreregex_is_named_as_such() -> None:
    with pytest.raises(PatternError, match=r"ignoreregex\[0\]"):
        Filter("x", SSHD, ["("])


def test_a_filter_without_patterns_finds_nothing() -> None:
    assert Filter("manual", []).find("Failed password for root from 192.0.2.7 port 22 ssh2") is None
