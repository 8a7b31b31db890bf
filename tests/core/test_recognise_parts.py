"""The smaller parts of the matcher: journal entries as lines, what is captured, and the sieve before the patterns."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.captures import Captures
from nfjail.core.journal_line import journal_line, journal_terms, journal_time, split_words
from nfjail.core.lines import Line, Lines
from nfjail.core.sieve import Sieve, first_characters
from nfjail.core.tags import expand


def entry(message: str, **fields: str) -> str:
    return journal_line(message, lambda field: fields.get(field, ""))


class TestJournalEntries:
    """Filters see HOST IDENTIFIER[PID]: MESSAGE, as in a syslog file behind the date."""

    @pytest.mark.parametrize(
        ("fields", "head"),
        [
            ({"_HOSTNAME": "srv", "SYSLOG_IDENTIFIER": "sshd", "_COMM": "sshd-session", "_PID": "7"}, "srv sshd[7]:"),
            ({"_HOSTNAME": "srv", "_COMM": "sshd", "_PID": "7", "SYSLOG_PID": "8"}, "srv sshd[8]:"),
            ({"_HOSTNAME": "srv", "SYSLOG_IDENTIFIER": "sshd"}, "srv sshd:"),
            ({"_HOSTNAME": "srv"}, "srv"),
            ({"SYSLOG_IDENTIFIER": "kernel", "_SOURCE_MONOTONIC_TIMESTAMP": "970699396"}, "kernel: [  970.699396]"),
            ({"SYSLOG_IDENTIFIER": "kernel", "__MONOTONIC_TIMESTAMP": "1500000"}, "kernel: [    1.500000]"),
            ({"SYSLOG_IDENTIFIER": "kernel", "_SOURCE_MONOTONIC_TIMESTAMP": "what?"}, "kernel: [    0.000000]"),
        ],
    )
    def test_what_stands_before_the_message(self, fields, head):
        assert entry("hello", **fields) == f"{head} hello"

    def test_a_message_stays_one_line(self):
        assert entry("a\nb", SYSLOG_IDENTIFIER="prog") == "prog: a\\nb"
        assert entry("") == ""

    @pytest.mark.parametrize(("text", "time"), [("1500000", 1.5), ("", 9.0), ("x", 9.0), ("٣", 9.0), ("9" * 5000, 9.0)])
    def test_its_time_is_its_writers_if_that_is_known(self, text, time):
        assert journal_time(lambda field: {"_SOURCE_REALTIME_TIMESTAMP": text}.get(field, ""), 9.0) == time

    def test_journalmatch_is_an_or_of_groups(self):
        assert journal_terms(["_COMM=sshd + _SYSTEMD_UNIT=ssh.service _UID=0", "'A=b c'"]) == [
            [("_COMM", "sshd")],
            [("_SYSTEMD_UNIT", "ssh.service"), ("_UID", "0")],
            [("A", "b c")],
        ]
        assert split_words("  a 'b c'd \"\" ") == ["a", "b cd", ""]


class TestCaptures:
    def of(self, regex: str, text: str, before: str = "", head: str = "") -> dict[str, object]:
        pattern, first = re.compile(expand(regex)), re.compile(expand(before))
        found, earlier = pattern.search(text), first.search(head)
        assert found
        return Captures(pattern.groupindex, first.groupindex if before else None).of(found, earlier if before else None)

    def test_only_groups_that_took_part_are_there(self):
        assert self.of("(?P<a>a)|(?P<b>b)", "b") == {"b": "b"}

    def test_a_part_that_is_missing_leaves_its_place(self):
        text = "(?P<fid>a)(?P<tuple_id_1>b)?(?P<tuple_id_2>c)"
        assert self.of(text, "abc")["fid"] == ("a", "b", "c")
        assert self.of(text, "ac")["fid"] == ("a", None, "c")

    def test_alternatives_are_taken_in_the_order_of_their_names(self):
        assert self.of("(?P<alt_user_2>b)(?P<alt_user_1>a)", "ba")["user"] == "a"

    def test_parts_are_put_together_within_one_expression(self):
        assert self.of("(?P<alt_user>b)", "b", "(?P<user>a)", "a")["user"] == "b"
        assert self.of("(?P<user>x)?(?P<id>b)", "b", "(?P<alt_user>a)", "a") == {"alt_user": "a", "id": "b"}

    def test_what_only_serves_the_matching_is_left_out(self):
        assert self.of("(?P<skiplines0>x)(?P<a>y)", "xy", "(?P<content>c)", "c") == {"a": "y"}


def test_lines_that_a_match_does_not_cover_stay():
    lines = Lines(3)
    for text in ("out of sight", "a", "b", "c"):
        lines.add(Line(f"date {text}", text))
    assert lines.text() == "a\nb\nc\n"
    found = re.search("b", lines.text())
    assert found
    assert lines.take(found) == [Line("date b", "b")]
    assert lines.text() == "a\nc\n"


class TestSieve:
    """A line without a word that every pattern needs one of cannot be a failure."""

    def test_words_are_found_wherever_a_pattern_must_have_them(self):
        passes = Sieve(["^bad (?:user|password) x", "(?:refused|rejected)", "(?:failed ?)+[ab]", "(?i:ok) invalid"]).passes
        assert all(map(passes, ("user", "password", "refused", "rejected", "failed", "invalid")))
        assert not any(map(passes, ("", "bad x", "ok", "fail", "reject")))

    @pytest.mark.parametrize(
        "regex", ["a.c", "(?i)failed", "(?:failed)?", "(?!failed)", "(?=failed)", "failed|", "[f]?a*", ".*"]
    )
    def test_if_one_pattern_needs_no_word_every_line_passes(self, regex):
        assert Sieve(["refused", regex]).passes("anything")

    PATTERNS = (
        "ab+c? def",
        "(?:abcd|efgh){1,2}x",
        "(?P<q>['\"]?)word(?P=q)",
        "abcd(?=efgh)efgh",
        "(?i:abcd)efgh",
        "a{4,5}b[cd]",
    )

    @given(st.sampled_from(PATTERNS).flatmap(lambda regex: st.tuples(st.just(regex), st.from_regex(regex))))
    def test_whatever_a_pattern_fits_passes(self, case):
        regex, text = case
        assert Sieve([regex]).passes(text)
        first = first_characters(regex)
        found = re.search(regex, text)
        assert found
        assert first is None or found[0][0] in first
