"""The language of fail2ban's filters, one feature a test: a filter and lines in, what they tell out."""

from __future__ import annotations

import pytest

from nfjail.core.filter import PatternError
from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec

NOW = 1_795_312_984.0  # 2026-11-22T02:03:04Z


def eye(*failregex: str, **more: object) -> Recogniser:
    spec = FilterSpec("test", failregex, logtype="journal")
    return Recogniser(spec._replace(**more))  # type: ignore[arg-type]


def see(line: str, *failregex: str, **more: object) -> Sight:
    return eye(*failregex, **more).feed(line, NOW)


def test_a_line_that_a_failregex_fits_is_a_failure():
    sight = see("login of root failed from 192.0.2.1", "^login of <F-USER>.*</F-USER> failed from <HOST>$")
    assert sight.result == "failure"
    assert sight.host == "192.0.2.1"
    assert str(sight.subject) == "192.0.2.1"
    assert sight.fields == {"user": "root", "ip4": "192.0.2.1"}
    assert sight.pattern == 0
    assert sight.lines == ("login of root failed from 192.0.2.1",)


def test_any_other_line_is_missed():
    assert see("all is well", "^failed from <HOST>$") == Sight("missed", None, None)


def test_the_first_failregex_that_fits_counts():
    patterns = ("^failed for root from <HOST>", "^failed for <F-USER>\\S+</F-USER> from <HOST>", "from <HOST>")
    assert [see(f"failed for {user} from 192.0.2.1", *patterns).pattern for user in ("root", "x", "a b")] == [0, 1, 2]


def test_expressions_are_searched_for_unless_they_begin_with_an_anchor():
    assert see("it failed from 192.0.2.1", "failed from <HOST>").result == "failure"
    assert see("it failed from 192.0.2.1", "^failed from <HOST>").result == "missed"
    assert see("it failed from 192.0.2.1", "^ok|failed from <HOST>").result == "failure"


@pytest.mark.parametrize(
    "expression",
    [
        "(?i)^FAILED from <HOST>$",
        "^(?i:FAILED) from <HOST>$",
        "((?i)FAILED) from <HOST>",
        "(?xi) FAILED \\s from \\s <HOST> # why",
    ],
)
def test_case_makes_no_difference_where_a_flag_says_so(expression):
    assert see("Failed from 192.0.2.1", expression).host == "192.0.2.1"
    assert see("Failed FROM 192.0.2.1", "^(?i:FAILED) from <HOST>$").result == "missed"


def test_groups_and_references_are_a_patterns_own():
    patterns = (r"^'(?P<q>x)(?P=q) <HOST>", r"^(['\"]?)\w+\1 from <HOST>", r"^(?P<q>\()?\w+(?(q)\)) by <HOST>")
    lines = ("'xx 192.0.2.1", '"x" from 192.0.2.2', "(x) by 192.0.2.3", "(x by 192.0.2.4", '"x from 192.0.2.5')
    assert [see(line, *patterns).host for line in lines] == ["192.0.2.1", "192.0.2.2", "192.0.2.3", None, None]


def test_a_pattern_has_to_name_somebody():
    with pytest.raises(PatternError, match=r"failregex\[1\].*nobody"):
        eye("from <HOST>", "^failed$")
    assert see("192.0.2.1 failed", "^failed$", prefregex="^<HOST> <F-CONTENT>.*</F-CONTENT>").host == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "what"), [("", "empty"), ("(<HOST>", "unterminated|missing"), ("<HOST> <HOST>", "redefinition")]
)
def test_a_pattern_that_cannot_be_used_is_named(text, what):
    with pytest.raises(PatternError, match=what):
        eye("<HOST>", text)


class TestDates:
    """Patterns see a line without its date; a journal entry has none in its text."""

    def eye(self, *failregex: str, **more: object) -> Recogniser:
        return eye(*failregex, logtype="file", logtimezone="UTC", **more)

    def test_the_date_is_cut_out(self):
        sight = self.eye(r"^\s*\[\] failed from <HOST>").feed("[2026-11-22 02:03:00] failed from 192.0.2.1", NOW)
        assert sight.time == NOW - 4
        assert sight.lines == ("[2026-11-22 02:03:00] failed from 192.0.2.1",)

    def test_a_given_time_wins_and_the_line_is_seen_whole(self):
        sight = self.eye("^2026-11-22 02:03:00 failed from <HOST>").feed("2026-11-22 02:03:00 failed from 192.0.2.1", NOW, 5.0)
        assert sight.time == 5.0

    def test_a_line_without_a_date_has_that_of_an_earlier_line_for_a_minute(self):
        log = self.eye("failed from <HOST>")
        log.feed("2026-11-22 02:03:00 started", NOW)
        log.feed("  with options", NOW)
        assert log.feed("failed from 192.0.2.1", NOW).time == NOW - 4
        assert log.feed("failed from 192.0.2.1", NOW + 55).time == NOW - 4
        assert log.feed("failed from 192.0.2.1", NOW + 57).time is None

    def test_a_datepattern_may_cut_out_more_than_the_date(self):
        log = self.eye("^login failed from <HOST>$", datepattern=r"\bat %Y-%m-%d %H:%M:%S\s")
        assert log.feed("login at 2026-11-22 02:03:00 failed from 192.0.2.1", NOW).host == "192.0.2.1"

    def test_none_means_now(self):
        assert self.eye("failed from <HOST>", datepattern="{NONE}").feed("failed from 192.0.2.1", NOW).time == NOW

    def test_a_missed_line_has_a_time_only_if_somebody_asks(self):
        spec = FilterSpec("test", ("failed from <HOST>",), logtimezone="UTC")
        assert Recogniser(spec).feed("2026-11-22 02:03:00 ok", NOW).time is None
        assert Recogniser(spec, every_time=True).feed("2026-11-22 02:03:00 ok", NOW).time == NOW - 4


class TestPrefregex:
    """It comes first, and may leave to the failregexes only a part of the line."""

    PREFIX = r"^\s*prog\[<F-PID>\d+</F-PID>\]: <F-CONTENT>.+</F-CONTENT>$"

    def test_the_content_is_what_failregexes_see(self):
        sight = see("prog[7]: failed from 192.0.2.1", "^failed from <HOST>$", prefregex=self.PREFIX)
        assert (sight.host, sight.fields["pid"]) == ("192.0.2.1", "7")
        assert see("other: failed from 192.0.2.1", "failed from <HOST>$", prefregex=self.PREFIX).result == "missed"

    def test_without_a_content_they_see_the_line(self):
        assert see("prog: failed from 192.0.2.1", "^prog: failed from <HOST>", prefregex="^prog").result == "failure"

    def test_what_both_capture_is_the_failregex_s(self):
        prefix = "^(?:user=<F-USER>\\w+</F-USER> )?<F-CONTENT>.+</F-CONTENT>$"
        fields = see(
            "user=a failed for b from 192.0.2.1", "^failed for <F-USER>\\w+</F-USER> from <HOST>", prefregex=prefix
        ).fields
        assert fields["user"] == "b"


class TestIgnoreregex:
    def test_it_is_looked_for_in_the_content_and_in_the_whole_line(self):
        filters = {"prefregex": r"^prog\[\d+\]: <F-CONTENT>.+</F-CONTENT>$", "ignoreregex": ("^failed for ok", r"^prog\[1\]")}
        log = eye("^failed (?:for \\w+ )?from <HOST>", **filters)
        assert log.feed("prog[2]: failed from 192.0.2.1", NOW).result == "failure"
        assert log.feed("prog[2]: failed for ok from 192.0.2.1", NOW).result == "ignored"
        assert log.feed("prog[1]: failed from 192.0.2.1", NOW).result == "ignored"

    def test_what_is_ignored_is_no_part_of_a_session(self):
        log = eye("^<F-MLFID>\\d</F-MLFID> failed", "^<F-MLFID>\\d</F-MLFID> end <HOST>", ignoreregex=("never mind",))
        log.feed("1 failed, never mind", NOW)
        assert log.feed("1 end 192.0.2.1", NOW).lines == ("1 end 192.0.2.1",)

    def test_lines_that_no_failregex_fits_can_be_asked_for(self):
        log = eye("^failed from <HOST>", ignoreregex=("never mind",))
        assert log.ignores("never mind this", NOW)
        assert not log.ignores("this", NOW)


class TestMoreThanOneLog:
    def test_another_knows_the_patterns_but_nothing_of_the_first_log(self):
        first = eye("^<F-MLFID>\\d</F-MLFID> failed", "^<F-MLFID>\\d</F-MLFID> end(?: <HOST>)?")
        first.feed("1 failed", NOW)
        second = first.another()
        assert second.feed("1 end", NOW).host is None
        assert second.feed("1 end 192.0.2.1", NOW).lines == ("1 end", "1 end 192.0.2.1")
        assert first.feed("1 end 192.0.2.2", NOW).lines == ("1 failed", "1 end 192.0.2.2")

    def test_a_pattern_can_be_left_out_and_the_others_keep_their_numbers(self):
        first = eye("^a <HOST>", "^<F-MLFID>\\d</F-MLFID> failed", "^<F-MLFID>\\d</F-MLFID> end <HOST>")
        first.feed("1 failed", NOW)
        second = first.without(0)
        assert second.feed("a 192.0.2.1", NOW).result == "missed"
        sight = second.feed("1 end 192.0.2.1", NOW)
        assert (sight.pattern, sight.lines) == (2, ("1 failed", "1 end 192.0.2.1"))
        assert second.without(1).without(2).feed("1 end 192.0.2.1", NOW).result == "missed"

    def test_lines_are_counted_when_they_begin(self):
        log = eye("^failed from <HOST>")
        log.feed("failed from 192.0.2.1", NOW)
        log.feed("ok", NOW)
        assert log.fed == 2
        assert log.another().fed == 0


def test_of_a_very_long_line_only_the_beginning_is_looked_at():
    assert see("x" * 8000 + " failed from 192.0.2.1", "failed from <HOST>").result == "failure"
    assert see("x" * 9000 + " failed from 192.0.2.1", "failed from <HOST>").result == "missed"
    assert see("failed from 192.0.2.1" + " " * 9000, r"failed from <HOST>\s*$").result == "missed"


def test_what_failregexes_see_can_be_shown():
    log = eye("^failed from <HOST>", prefregex="^prog: <F-CONTENT>.+</F-CONTENT>")
    assert log.seen("prog: well", NOW) == "well\n"
    assert log.seen("other: well", NOW) is None
