"""The search of a whole block for what innocent lines lack: it may let too much through, but never loses what counts."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.literals import Literals

INNOCENT = [f'192.0.2.{n % 250} - - [22/Nov/2026:14:15:01 +0000] "GET /page/{n} HTTP/1.1" 200 {n}' for n in range(400)]
GUILTY = '192.0.2.7 - - [22/Nov/2026:14:15:01 +0000] "GET /.env HTTP/1.1" 404 7'


def rare(*regexes: str, lines: list[str]) -> list[str]:
    literals = Literals(regexes)
    first = literals.lines(lines)
    assert list(literals.lines(lines)) == list(first)
    return list(first)


@pytest.mark.parametrize(
    "regex",
    [
        r'^[0-9.]+ \S+ \S+ \[[^\]]+\] "[^"]*" 404 \d+$',
        r'^[0-9.]+ \S+ \S+ \[[^\]]+\] "[^"]*" 40[134] \d+$',
        r'^[0-9.]+ \S+ \S+ \[[^\]]+\] "[^"]*" (?:401|403|404) \d+$',
        r'^[0-9.]+ .*"GET /(?:\.env|wp-login\.php)[^"]*" \d+ \d+$',
        r"^(?:[0-9.]+ .* HTTP/1.1. 404 7|x)$",
    ],
)
def test_only_lines_with_what_the_pattern_needs_are_left(regex: str) -> None:
    assert re.match(regex, GUILTY)
    found = rare(regex, lines=[*INNOCENT, GUILTY, *INNOCENT])
    assert GUILTY in found
    assert len(found) < 20 or regex.endswith("|x)$")


def test_what_a_log_has_least_of_is_looked_for() -> None:
    """ HTTP/1.1" is in every line, `/.env` in one: either is needed."""
    assert rare(r'^.*/\.env HTTP/1\.1" \d+ \d+$', lines=[*INNOCENT, GUILTY]) == [GUILTY]


def test_lines_keep_their_order_and_come_once() -> None:
    second = GUILTY.replace("/.env", "/.env/.env")
    lines = [second, *INNOCENT, GUILTY, second]
    assert rare(r"^.*/\.env.*$", lines=lines) == [second, GUILTY, second]


def test_a_pattern_that_needs_nothing_sees_everything() -> None:
    assert rare(r"^.*/\.env.*$", r"^\d+$", lines=INNOCENT) == INNOCENT
    assert rare(r"(?i)^.*/\.ENV.*$", lines=INNOCENT) == INNOCENT
    assert rare(r"^(?:abc|\d+)$", lines=INNOCENT) == INNOCENT
    assert rare(r"^(?:abc)?\d*$", lines=INNOCENT) == INNOCENT


def test_a_log_full_of_it_is_left_alone_and_tried_again_later() -> None:
    literals, full = Literals([r"^.*GET.*$"]), [GUILTY] * 400
    assert all(list(literals.lines(full)) == full for _ in range(100))
    literals = Literals([r"^.*/\.env.*$"])
    assert list(literals.lines(full)) == full
    assert any(not list(literals.lines(INNOCENT)) for _ in range(100))


def test_of_a_few_lines_nothing_is_learned_but_what_is_known_is_used() -> None:
    literals = Literals([r"^.*/\.env.*$"])
    assert list(literals.lines(INNOCENT[:5])) == INNOCENT[:5]
    literals.lines([*INNOCENT, GUILTY])
    assert list(literals.lines([*INNOCENT[:5], GUILTY])) == [GUILTY]


_PARTS = st.sampled_from(["ab", "abc", "a[bc]", "(?:ab|cd)", "(?:abc|abd|x)", "(?:a|bcd)?", ".", ".*", "[^a]", "(?:abc){2}",
                          "(?i:abc)",
                          "(?=ab)", "(?!x)", r"\.", "(ab)", "a+", "b{0,2}", "(?:ab|cd){1,3}"])  # fmt: skip


@given(st.lists(st.lists(_PARTS, min_size=1, max_size=6).map("".join), min_size=1, max_size=3),
       st.lists(st.text("abcdx.AB", max_size=12), max_size=30))  # fmt: skip
def test_no_line_that_fits_is_lost(regexes: list[str], lines: list[str]) -> None:
    literals = Literals([f"^{regex}$" for regex in regexes])
    padded = [*lines, *["x"] * 200]
    for block in (padded, padded, lines):
        left = literals.lines(block)
        for line in block:
            if any(re.fullmatch(regex, line) for regex in regexes):
                assert line in left
