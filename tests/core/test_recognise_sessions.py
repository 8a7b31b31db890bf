"""Failures that are told in several lines: by the id of a connection (<F-MLFID>), or lines seen together (maxlines)."""

from __future__ import annotations

from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec

NOW = 1_795_312_984.0


class Log:
    """A program's log: lines in, what the last of them told out."""

    def __init__(self, *failregex: str, **more: object) -> None:
        self.eye = Recogniser(FilterSpec("test", failregex, logtype="journal")._replace(**more))  # type: ignore[arg-type]
        self.now = NOW

    def says(self, *lines: str) -> Sight:
        return [self.eye.feed(line, self.now) for line in lines][-1]


def program() -> Log:
    return Log(
        "^<F-NOFAIL>connection</F-NOFAIL> from <HOST>",
        "^bad password(?: for <F-USER>\\w+</F-USER>)?",
        "^<F-MLFGAINED>welcome</F-MLFGAINED> <F-USER>\\w+</F-USER>",
        "^<F-NOFAIL><F-MLFFORGET>end</F-MLFFORGET></F-NOFAIL>(?: of <HOST>)?",
        prefregex=r"^<F-MLFID>\[\d+\]</F-MLFID> <F-CONTENT>.+</F-CONTENT>$",
    )


def test_a_helper_is_no_failure_but_its_address_serves_the_failure_after_it():
    log = program()
    assert log.says("[1] connection from 192.0.2.1").result == "helper"
    sight = log.says("[1] bad password for root")
    assert (sight.result, sight.host, sight.fields["user"]) == ("failure", "192.0.2.1", "root")
    assert sight.lines == ("[1] connection from 192.0.2.1", "[1] bad password for root")


def test_a_failure_without_an_address_waits_for_one():
    log = program()
    assert log.says("[1] bad password").result == "helper"
    sight = log.says("[1] end of 192.0.2.1")
    assert (sight.result, sight.host) == ("failure", "192.0.2.1")
    assert sight.lines == ("[1] bad password", "[1] end of 192.0.2.1")


def test_each_connection_has_its_own_session():
    log = program()
    log.says("[1] connection from 192.0.2.1", "[2] connection from 192.0.2.2")
    assert log.says("[1] bad password").host == "192.0.2.1"
    assert log.says("[2] bad password").host == "192.0.2.2"
    assert log.says("[3] bad password").host is None


def test_every_failure_is_told_with_the_lines_since_the_last():
    log = program()
    log.says("[1] connection from 192.0.2.1", "[1] bad password")
    assert log.says("[1] bad password").lines == ("[1] bad password",)


def test_who_is_let_in_has_not_failed():
    log = program()
    assert log.says("[1] bad password for root", "[1] welcome root", "[1] end of 192.0.2.1").result == "helper"


def test_unless_several_users_were_tried():
    log = program()
    sight = log.says("[1] connection from 192.0.2.1", "[1] bad password for root", "[1] welcome admin")
    assert (sight.result, sight.fields["users"]) == ("failure", ("root", "admin"))


def test_an_end_is_forgotten():
    log = program()
    log.says("[1] connection from 192.0.2.1", "[1] end")
    assert log.says("[1] bad password").host is None


def test_a_session_is_kept_for_five_minutes_of_the_logs_time():
    log = program()
    log.says("[1] connection from 192.0.2.1", "[2] connection from 192.0.2.2")
    log.now += 299
    assert log.says("[1] bad password").host == "192.0.2.1"
    log.now += 1
    assert log.says("[2] bad password").host is None


def test_thousands_of_connections_at_a_time_are_told_apart():
    log = program()
    for number in range(5000):
        log.says(f"[{number}] connection from 198.51.{number // 250}.{number % 250}")
    assert log.says("[0] bad password").host == "198.51.0.0"


def test_what_stands_in_an_addresss_place_without_being_one_is_nobodys():
    log = program()
    assert log.says("[1] connection from 999.1.1.1", "[1] bad password").result == "missed"


def test_without_an_id_a_helper_is_just_no_failure():
    assert Log("^<F-NOFAIL>noise</F-NOFAIL> from <HOST>").says("noise from 192.0.2.1").result == "helper"


class TestSeveralLines:
    """With maxlines, patterns see the last lines together; ^ and $ fit at each of them."""

    def test_a_pattern_may_go_over_several_lines(self):
        log = Log("^connection from <HOST>$\\n^bad password$", maxlines=2)
        sight = log.says("connection from 192.0.2.1", "bad password")
        assert (sight.host, sight.lines) == ("192.0.2.1", ("connection from 192.0.2.1", "bad password"))

    def test_lines_in_between_can_be_skipped_and_are_seen_again(self):
        log = Log("^(?P<id>\\d) from <HOST><SKIPLINES>^(?P=id) bad", maxlines=4)
        sight = log.says("1 from 192.0.2.1", "2 from 192.0.2.2", "1 bad")
        assert (sight.host, sight.lines) == ("192.0.2.1", ("1 from 192.0.2.1", "1 bad"))
        assert log.says("2 bad").host == "192.0.2.2"

    def test_no_more_lines_than_maxlines_are_remembered(self):
        log = Log("^from <HOST><SKIPLINES>^bad", maxlines=2)
        assert log.says("from 192.0.2.1", "other", "bad").result == "missed"

    def test_a_line_that_was_part_of_a_failure_is_used_up(self):
        log = Log("^from <HOST><SKIPLINES>^bad", maxlines=5)
        assert log.says("from 192.0.2.1", "bad").result == "failure"
        assert log.says("bad").result == "missed"

    def test_ignoreregex_only_sees_the_lines_that_the_pattern_covers(self):
        log = Log("^(?P<id>\\d) from <HOST><SKIPLINES>^(?P=id) bad", maxlines=5, ignoreregex=("never mind",))
        assert log.says("1 from 192.0.2.1", "never mind", "1 bad").result == "failure"
        assert log.says("1 from 192.0.2.1", "1 bad, never mind").result == "ignored"
