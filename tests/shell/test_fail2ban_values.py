"""The small languages within fail2ban's options: lengths of time, calls with parameters, lists of paths."""

from __future__ import annotations

import pytest

from nfjail.core.policy import Increment
from nfjail.fail2ban.call import parse_call, split_calls
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.seconds import parse_seconds
from nfjail.fail2ban.settings import Backend, Cache, Logpath, Reading, Settings, read_settings

DAY = 86_400


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("600", 600), ("-1", -1), ("10m", 600), ("10 min", 600), ("1d12h", 1.5 * DAY), ("1d 12h", 1.5 * DAY),
        ("1h 2m 3s", 3723), ("1.5h", 5400), ("1hour+30min", 5400), ("1year-6mo", 15_778_800), ("6 months", 15_778_800),
        ("1 Week", 7 * DAY), ("2ww", 14 * DAY), ("1y", 365.25 * DAY), ("1mon", 30.4375 * DAY), ("3 sec", 3), ("5mm", 300),
        ("60*60", 3600), ("2*(1h 30m)", 10_800), ("max(1h, 20m)", 3600), ("2**10", 1024), ("10h/4", 9000), ("1 hou", 3600),
    ],
)  # fmt: skip
def test_lengths_of_time(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "soon", "10x", "m", "1+", "(1", "ban.Time", "9**9**9", "1/0", "'a'", "x()", "1<2<", "1e999", "lambda: 1", "1 or x"],
)
def test_what_is_no_length_of_time(text):
    with pytest.raises(ValueError, match="is no length of time: write for example"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("sshd", "sshd", {}),
        ("sshd[]", "sshd", {}),
        ("sshd[mode=aggressive]", "sshd", {"mode": "aggressive"}),
        ('a[x="1, 2]", y=\'"3"\', z= 4 ]', "a", {"x": "1, 2]", "y": '"3"', "z": "4"}),
        ("a[x=1][y=2] [z=3,]", "a", {"x": "1", "y": "2", "z": "3"}),
        ('a[x="1",\ny="2"\n]\n', "a", {"x": "1", "y": "2"}),
        ("a[x=, y=a=b]", "a", {"x": "", "y": "a=b"}),
        ("a[x=1, x=2]", "a", {"x": "2"}),
        ('a[blocktype?family=inet6="DROP"]', "a", {"blocktype?family=inet6": "DROP"}),
        ("systemd[journalpath=/x/y]", "systemd", {"journalpath": "/x/y"}),
    ],
)
def test_calls(text, name, parameters):
    assert parse_call(text) == (name, parameters)


@pytest.mark.parametrize("text", ["", "[a=1]", "a[b=1", "a[b]", 'a[b="1"c]', "a[b=1]c", "a[=1]"])
def test_what_is_no_call(text):
    with pytest.raises(ValueError, match=r"is not of the form|a comma or \] belongs there"):
        parse_call(text)


def test_lists_of_calls():
    text = 'one[x="a b"]\n\ntwo   three[y=1][z=2]\nfour[x="1",\n  y="2"]'
    assert split_calls(text) == ['one[x="a b"]', "two", "three[y=1][z=2]", 'four[x="1",\n  y="2"]']


@pytest.mark.parametrize("text", ["a[" + "x=1 " * 5000, "a[" + 'x="1",' * 5000, "a" * 100_000 + "[", "a " * 20_000])
def test_long_rubbish_takes_no_time(text):
    assert split_calls(text)  # with a regular expression that goes back to try again it would take for ever
    with pytest.raises(ValueError, match="is not of the form"):
        parse_call(f"{text}[")


def settings(**options: str) -> Settings:
    reading = Reading({name.replace("__", "."): Text(value) for name, value in options.items()})
    result = read_settings(reading)
    assert not reading.problems
    return result


def test_a_jail_without_options_has_those_of_fail2bans_program():
    assert settings() == Settings(maxretry=3, findtime=600, bantime=600, maxmatches=5, backend=Backend("auto"), ignoreself=True)


def test_options_become_values():
    read = settings(
        maxretry="4", findtime="1h", bantime="-1", backend="systemd[journalfiles=/a/*.journal]", ignoreself="No",
        logpath="/a.log\n/b/*.log tail\n/c.log head", ignoreip="192.0.2.0/24 ::1,example.org", maxmatches="0",
        ignorecache='key="<F-USER>@<ip-host>", max-count=100, max-time=5m', logtimezone="UTC+0200",
        bantime__increment="true", bantime__factor="2*1.5", bantime__multipliers="1 2  4", bantime__maxtime="5w",
        bantime__rndtime="8m", bantime__overalljails="yes", bantime__formula="ban.Time * 2",
    )  # fmt: skip
    assert read == Settings(
        backend=Backend("systemd", {"journalfiles": "/a/*.journal"}),
        logpath=(Logpath("/a.log"), Logpath("/b/*.log", tail=True), Logpath("/c.log")),
        logtimezone="UTC+0200",
        maxretry=4,
        findtime=3600,
        bantime=None,
        increment=Increment(True, 3, (1, 2, 4), "ban.Time * 2", 35 * DAY, 480, True),
        maxmatches=0,
        ignoreip=("192.0.2.0/24", "::1", "example.org"),
        ignoreself=False,
        ignorecache=Cache("<F-USER>@<ip-host>", 100, 300),
    )


def test_what_is_neither_yes_nor_no_means_no_and_is_noted():
    reading = Reading({"ignoreself": Text("sure", "jail.local", (7,))})
    assert read_settings(reading).ignoreself is False
    assert [str(note) for note in reading.notes] == ["jail.local:7: ignoreself = sure: this means no; write true or false"]
