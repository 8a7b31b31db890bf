"""Many lines at once are told of as one by one, whether they look like earlier ones or not."""

from __future__ import annotations

import pytest

from nfjail.core.recognise import Recogniser
from nfjail.core.shapes import digit_words
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec

NOW = 1_795_312_984.0  # 2026-11-22T02:03:04Z
FAILED = "failed for <F-USER>.*</F-USER> from <HOST> port \\d+$"
SSH = {"prefregex": "^\\S+ <F-MLFID>ssh\\[\\d+\\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$", "logtimezone": "UTC"}


def by_line(lines: list[str], spec: FilterSpec) -> list[Sight]:
    eye = Recogniser(spec)
    return [eye.feed(line, NOW) for line in lines]


def at_once(lines: list[str], spec: FilterSpec, most: int) -> list[Sight | None]:
    """None: sift() does not tell of the line."""
    eye, told = Recogniser(spec), list[Sight | None]()
    for i in range(0, len(lines), most):
        some = lines[i : i + most]
        found = dict(eye.sift(some, "".join(f"{line}\n" for line in some), NOW))
        told += [found.get(j) for j in range(len(some))]
    return told


def same(lines: list[str], *failregex: str, most: int = 1000, **more: object) -> list[Sight]:
    """What the lines tell, one by one; at once they tell the same."""
    spec = FilterSpec("test", failregex)._replace(**{"logtype": "journal", **more})  # type: ignore[arg-type]
    expected = by_line(lines, spec)
    for sight, told in zip(expected, at_once(lines, spec, most), strict=True):
        assert told == sight if told is not None else (sight.result, sight.pattern) == ("missed", -1)
    return expected


def hosts(sights: list[Sight]) -> list[str | None]:
    return [sight.host for sight in sights]


def test_lines_that_differ_in_digits():
    lines = [f"failed for user{i} from 192.0.2.{i} port {i * 100}" for i in range(10, 20)]
    told = same(lines, f"^{FAILED}")
    assert hosts(told) == [f"192.0.2.{i}" for i in range(10, 20)]
    assert told[-1].fields == {"user": "user19", "ip4": "192.0.2.19"}


def test_other_lengths_of_numbers():
    told = same(
        [f"x failed from {host}:1" for host in ("1.2.3.4", "1.2.33.4", "1.22.3.4", "1.2.3.444", "1111.2.3.4")], "<ADDR>:1$"
    )
    assert hosts(told) == ["1.2.3.4", "1.2.33.4", "1.22.3.4", None, "111.2.3.4"]


@pytest.mark.parametrize(
    "regex",
    [
        "error 3: <HOST>", "error [1-3]: <HOST>", "error [^4-9]: <HOST>", "error [^4]+: <HOST>", "error (?!4)\\d: <HOST>",
        "error (?:3|x): <HOST>", "error 3+: <HOST>", "(?i)error 3: <HOST>",
    ],
)  # fmt: skip
def test_patterns_that_ask_for_a_digit(regex):
    told = same(["error 4: 192.0.2.4", "error 3: 192.0.2.3", "error 4: 192.0.2.4"], f"^{regex}")
    assert [sight.result for sight in told] == ["missed", "failure", "missed"]


def test_patterns_that_ask_for_a_text_again():
    told = same([f"errors {two}: 192.0.2.1" for two in ("3 4", "3 3", "3 4")], "^errors (?P<n>\\d) (?P=n): <HOST>")
    assert [sight.result for sight in told] == ["missed", "failure", "missed"]


def test_words_with_digits():
    begins = ("pop3-login: 11", "pop3-login: 13", "pop4-login: 11", "pop3-login: 11")
    told = same(
        [f"{begin}: failed from 192.0.2.{i}" for begin in begins for i in (1, 2)], "^pop3-login: 11: failed from <HOST>"
    )
    assert [sight.result for sight in told] == ["failure"] * 2 + ["missed"] * 4 + ["failure"] * 2


def test_words_that_might_hide_each_other():
    told = same(["a1b1a 192.0.2.1", "b1a1b 192.0.2.1", "a2b1a 192.0.2.1"], "^\\w*a1b\\w* <HOST>", "^\\w*b1a\\w* <HOST>")
    assert [sight.pattern for sight in told] == [0, 0, 1]


def test_which_digits_an_expression_looks_for():
    assert digit_words("pop3(?:s|d)-login \\d{1,3} [0-9a-f]+ 550 ") == {b"pop3", b" 550 "}
    assert digit_words("no digits") == frozenset()
    assert digit_words("x[12]") is None


def test_sessions_and_dates():
    lines = []
    for i in range(30):
        stamp = f"Nov 21 0{i % 3}:02:{i:02}"
        lines += [
            f"{stamp} host ssh[{i}]: failed for root from 192.0.2.{i} port {i}",
            f"host ssh[{i}]: failed for x from 192.0.2.9 port 1",
            f"{stamp} host ssh[{i}]: other",
            "",
            f"2026-11-21 01:02:{i:02}.{i} host ssh[1]: failed for y from 192.0.2.1 port 1",
        ]
    for most in (1, 3, 7, 1000):
        told = same(lines, f"^{FAILED}", logtype="file", most=most, **SSH)
    assert told[0].time == 1_795_219_320.0  # 2026-11-21T00:02:00Z


@pytest.mark.parametrize("behind", [" ", ".5 ", "] ", ",", "+0100 ", " CET "])
def test_lines_of_one_minute(behind):
    seconds = ("01", "01", "59", "07", "61", "x1", "08", "08.25", "9", "10")
    lines = [f"2026-11-21 01:02:{second}{behind}failed for x from 192.0.2.{i} port 1" for i, second in enumerate(seconds, 1)]
    lines += [lines[0], lines[0].replace("01:02", "01:03"), "no date: failed for x from 192.0.2.9 port 1", lines[2]]
    for most in (1, 4, 1000):
        told = same(lines, FAILED, logtype="file", logtimezone="UTC", most=most)
    assert [told[i].time is not None for i in (0, 2, 12)] == [True, True, False]


def test_a_date_amid_what_is_captured():
    lines = [f"user joe [21/Nov/2026:01:02:0{i}] x{i} failed from 192.0.2.{i}" for i in range(1, 9)]
    told = same(lines, "^user <F-USER>.+</F-USER> failed from <HOST>", logtype="file", logtimezone="UTC")
    assert told[3].fields["user"] == "joe [] x4"


def test_words_with_digits_that_meet_where_the_date_was():
    lines = [f"app{i}2026-11-21 01:02:03{j} failed from 192.0.2.1" for i in (1, 2) for j in (1, 2, 1)]
    told = same(lines, "^app11 failed from <HOST>", logtype="file", datepattern="**%Y-%m-%d %H:%M:%S**", logtimezone="UTC")
    assert [sight.result for sight in told] == ["failure", "missed", "failure", "missed", "missed", "missed"]


def test_ignored_lines():
    lines = [f"failed for root from 192.0.2.{i} port 1" for i in range(1, 5)]
    told = same(lines, f"^{FAILED}", ignoreregex=("192.0.2.3 ",))
    assert [sight.result for sight in told] == ["failure", "failure", "ignored", "failure"]


def test_parts_of_captures():
    lines = [f"failed user='{user}' other={i} from 192.0.2.{i}" for i, user in enumerate(("", "joe", "", "joe"))]
    told = same(lines, "^failed user='<F-USER>\\w*</F-USER>' other=<F-ALT_USER>\\d+</F-ALT_USER> from <HOST>")
    assert [sight.fields["user"] for sight in told] == ["0", "joe", "2", "joe"]


def test_many_different_lines():
    letters = str.maketrans("0123456789", "abcdefghij")
    lines = [f"failed for {str(i).translate(letters)} from ::{i} port 1" for i in range(9000)]
    assert same(lines, f"^{FAILED}")[-1].host == "::8999"


def test_long_lines():
    lines = [f"failed for {'x' * 9000} from 192.0.2.1 port 1", f"failed for {'x' * 5000} from 192.0.2.1 port 1"] * 2
    assert hosts(same(lines, f"^{FAILED}")) == [None, "192.0.2.1"] * 2
