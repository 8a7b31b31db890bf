"""Each way in which a fail2ban configuration can be broken: one clear problem with its file and line, the rest goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nfjail.fail2ban.jails import Jails, read_jails
from nfjail.fail2ban.problem import Fail2banError

GOOD = {
    "jail.conf": "[DEFAULT]\nfilter = good\naction = good\nenabled = true\n[good]\n[bad]\nfilter = bad\n",
    "filter.d/good.conf": "[Definition]\nfailregex = ^from <HOST>$\n",
    "action.d/good.conf": "[Definition]\nactionban = ban <ip>\n",
}

FILTERS = {
    "cut off within a name": (
        b"[Definition]\nfailregex = ^a <HOST>$\nignorereg",
        "filter.d/bad.conf:3: 'ignorereg' is no option; write NAME = VALUE, or indent the further lines of a value",
    ),
    "cut off within a section": (
        b"[Definition]\nfailregex = ^a <HOST>$\n[Ini",
        "filter.d/bad.conf:3: '[Ini' is no option; write NAME = VALUE, or indent the further lines of a value",
    ),
    "cut off within a pattern": (
        b"[Definition]\nfailregex = ^a <HOST>$\n  ^b <HO",
        "filter.d/bad.conf:3: failregex '^b <HO': it has no <HOST> or <F-ID>: nobody could be banned for it; "
        "correct the regular expression",
    ),
    "empty": (b"", "filter.d/bad.conf: there is no [Definition]; this file is made to be included by others"),
    "without a section": (
        b"# mine\nfailregex = ^a <HOST>$\nignoreregex =\n",
        "filter.d/bad.conf:2: an option before any [section]; write the section's name in brackets above it",
    ),
    "an option twice": (
        b"[Definition]\nfailregex = ^a <HOST>$\nusedns = no\nFailRegex = ^b <HOST>$\n",
        "filter.d/bad.conf:4: failregex stands here a second time (first on line 2); remove one of them",
    ),
    "a section twice": (
        b"[Definition]\nfailregex = ^a <HOST>$\n[Init]\n[Definition]\nusedns = no\n",
        "filter.d/bad.conf:4: section [Definition] stands here a second time; put its options into the first",
    ),
    "a broken pattern": (
        b"[Definition]\nfailregex = ^a <HOST>$\n\n    # comment\n    ^b (<HOST>$\n    ^c <HOST>$\n",
        "filter.d/bad.conf:5: failregex '^b (<HOST>$': missing ), unterminated subpattern; "
        "correct the regular expression",
    ),
    "a broken prefregex": (
        b"[Definition]\nprefregex = ^[<F-CONTENT>.*</F-CONTENT>\nfailregex = ^b$\n",
        "filter.d/bad.conf:2: prefregex '^[<F-CONTENT>.*</F-CONTENT>': unterminated character set; "
        "correct the regular expression",
    ),
    "a broken ignoreregex": (
        b"[Definition]\nfailregex = ^b <HOST>\nignoreregex =\n   *\n",
        "filter.d/bad.conf:4: ignoreregex '*': nothing to repeat; correct the regular expression",
    ),
    "a broken datepattern": (
        b"[Definition]\nfailregex = ^b <HOST>\ndatepattern = {^LN-BEG}\n    %%Y-%%Q\n",
        "filter.d/bad.conf:4: datepattern '%Y-%Q': '%Q' is no field of a date; "
        "a percent sign that means itself is written twice; correct it",
    ),
    "nobody to ban": (
        b"[Definition]\nfailregex = ^login failed$\n",
        "filter.d/bad.conf:2: failregex '^login failed$': it has no <HOST> or <F-ID>: nobody could be banned for it; "
        "correct the regular expression",
    ),
    "an unknown tag": (
        b"[Definition]\nfailregex = <mdre-<mode>>\nmdre-normal = ^a <HOST>$\nmode = nromal\n",
        "filter.d/bad.conf:2: failregex '<mdre-nromal>': it has no <HOST> or <F-ID>: nobody could be banned for it; "
        "<mdre-nromal> is no option here and no tag of a pattern; there is <mdre-normal>",
    ),
    "an undefined reference": (
        b"[Definition]\nfailregex = ^a\n    ^%(__prefix_line)s <HOST>$\n",
        "filter.d/bad.conf:3: %(__prefix_line)s is not defined; define it in [Definition] or [DEFAULT], or correct its name",
    ),
    "a reference to itself": (
        b"[Definition]\nfailregex = ^%(a)s <HOST>$\na = %(b)s\nb = %(a)s\n",
        "filter.d/bad.conf:3: %(b)s refers to itself, or too many times on; break the loop",
    ),
    "a lone percent sign": (
        b"[Definition]\nfailregex = ^a\n  100% of <HOST>$\n",
        "filter.d/bad.conf:3: '% of <HOST>$': a % that begins no %(name)s; write %% for a percent sign",
    ),
    "a tag within itself": (
        b"[Definition]\nfailregex = ^<a> <HOST>$\na = x<b>\nb = <a>\n",
        "filter.d/bad.conf:2: <a> in failregex contains itself; break the loop",
    ),
    "tags that double each other": (
        b"[Definition]\nfailregex = ^<a0> <HOST>$\n" + b"".join(b"a%d = <a%d><a%d>\n" % (i, i + 1, i + 1) for i in range(64)),
        "in failregex contains itself; break the loop",
    ),
    "binary": (
        b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe",
        "filter.d/bad.conf:1: it is not UTF-8 text (byte 0xff); remove it, or convert it",
    ),
    "Latin-1": (
        "[Definition]\n# für\nfailregex = ^a <HOST>$\n".encode("latin-1"),
        "filter.d/bad.conf:2: it is not UTF-8 text (byte 0xfc); remove it, or convert it",
    ),
    "a NUL character": (
        b"[Definition]\nfailregex = ^a\0 <HOST>$\n",
        "filter.d/bad.conf:2: a NUL character: this is no text; remove it, or put the right file in its place",
    ),
    "a line of 10 MB": (
        b"[Definition]\nfailregex = ^a <HOST>$\nx = " + b"y" * 10_000_000 + b"\n",
        "filter.d/bad.conf:3: the line has 10,000,004 characters, 1,048,576 is the most; "
        "remove it, or put the right file in its place",
    ),
    "maxlines is no number": (
        b"[Definition]\nfailregex = ^a <HOST>$\n[Init]\nmaxlines = ten\n",
        "filter.d/bad.conf:4: maxlines = ten: it is no number of lines; write 1 or more",
    ),
    "journalmatch with an open quotation": (
        b"[Definition]\nfailregex = ^a <HOST>$\njournalmatch = _COMM=\"a\n",
        'filter.d/bad.conf:3: journalmatch = _COMM="a: No closing quotation; close the quotation',
    ),
    "usedns with another word": (
        b"[Definition]\nfailregex = ^a <HOST>$\nusedns = never\n",
        "filter.d/bad.conf:3: usedns = never: there is no such setting; write yes, warn, no or raw",
    ),
}

JAILS = {
    "no such filter": ("filter = godo", "jail.local:2: there is no filter 'godo' in {base}/filter.d; did you mean good?"),
    "no such action": (
        "filter = good\naction = good\n   %(__name__)s",
        "jail.local:3: there is no action 'bad' in {base}/action.d; install its file, or correct the name",
    ),
    "parameters without an end": (
        "filter = good[a=1",
        "jail.local:2: filter = good[a=1: 'good[a=1' is not of the form NAME[PARAMETER=VALUE, ...]",
    ),
    "an option twice": (
        "filter = good\nmaxretry = 1\nmaxretry = 2",
        "jail.local:4: maxretry stands here a second time (first on line 3); remove one of them",
    ),
    "an undefined reference": (
        "filter = good\nlogpath = %(sshd_log)s",
        "jail.local:3: %(sshd_log)s is not defined; define it in [bad] or [DEFAULT], or correct its name",
    ),
    "bantime in words": (
        "filter = good\nbantime = a week",
        "jail.local:3: bantime = a week: 'a week' is no length of time: write for example 10m, 1d 12h, 3600 or -1; correct it",
    ),
    "bantime as a program": (
        "filter = good\nbantime = __import__('os').system('id')",
        "jail.local:3: bantime = __import__('os').system('id'): \"__import__('os').system('id')\" is no length of time: "
        "write for example 10m, 1d 12h, 3600 or -1; correct it",
    ),
    "a formula that is a program": (
        "filter = good\nbantime.formula = open('/etc/passwd').read()",
        "jail.local:3: bantime.formula = open('/etc/passwd').read(): \"open('/etc/passwd').read()\": only min, max, abs",
    ),
    "maxretry in words": (
        "filter = good\nmaxretry = some",
        "jail.local:3: maxretry = some: this is no number; correct it",
    ),
    "an unknown backend": (
        "filter = good\nbackend = journald",
        "jail.local:3: backend = journald: there is no such backend, only auto, pyinotify, gamin, polling, systemd; correct it",
    ),
    "an unknown zone": (
        "filter = good\nlogtimezone = Mars/Olympus",
        "jail.local:3: logtimezone = Mars/Olympus: 'Mars/Olympus' is no time zone known here",
    ),
    "an unknown encoding": (
        "filter = good\nlogencoding = utf-9",
        "jail.local:3: logencoding = utf-9: no such encoding is known; correct it",
    ),
    "a path with a blank": (
        "filter = good\nlogpath = /var/log/my log",
        "jail.local:3: logpath = /var/log/my log: 'log' after a blank: only head or tail may stand there; "
        "write one path on a line; correct it",
    ),
}


@pytest.fixture
def base(tmp_path):
    for name, text in GOOD.items():
        put(tmp_path / name, text.encode())
    return tmp_path


def put(path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def told(read: Jails, base) -> list[str]:
    """The problems of the jail "bad"; the jail "good" must have none."""
    by_name = {jail.name: jail for jail in read.jails}
    assert not by_name["good"].problems
    assert by_name["good"].filter.spec.failregex == ("^from <HOST>$",)
    return [str(problem).replace(f"{base}/", "", 1) for problem in by_name["bad"].problems]


@pytest.mark.parametrize("name", FILTERS)
def test_a_bad_filter(name, base):
    content, expected = FILTERS[name]
    put(base / "filter.d/bad.conf", content)
    (problem,) = told(read_jails(str(base)), base)
    assert expected in problem
    assert len(problem) < 300


@pytest.mark.parametrize("name", JAILS)
def test_a_bad_jail(name, base):
    lines, expected = JAILS[name]
    put(base / "jail.local", f"[bad]\n{lines}\n".encode())
    (problem,) = told(read_jails(str(base)), base)
    assert expected.replace("{base}", str(base)) in problem


def test_a_bad_file_that_a_filter_includes_spoils_only_that_filter(base):
    put(base / "filter.d/bad.conf", b"[INCLUDES]\nbefore = shared.conf\n[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "filter.d/shared.conf", b"[DEFAULT]\nx = 1\nx = 2\n")
    (problem,) = told(read_jails(str(base)), base)
    assert problem.startswith("filter.d/shared.conf:3: x stands here a second time")


def test_files_that_include_each_other_are_read_once_and_noted(base):
    put(base / "filter.d/bad.conf", b"[INCLUDES]\nbefore = one.conf\n[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "filter.d/one.conf", b"[INCLUDES]\nafter = missing.conf\n   bad.conf\n   ../filter.d/one.conf\n")
    read = read_jails(str(base))
    assert told(read, base) == []
    assert [str(note).replace(f"{base}/", "") for note in read.jails[1].notes] == [
        "filter.d/one.conf:2: there is no missing.conf to include; install filter.d/missing.conf, or remove its name",
        "filter.d/one.conf:3: bad.conf and this file include each other; remove one of the two: it is not read again",
        "filter.d/one.conf:4: ../filter.d/one.conf and this file include each other; "
        "remove one of the two: it is not read again",
    ]


def test_a_tag_that_is_none_may_be_meant_and_is_only_noted(base):
    put(base / "filter.d/bad.conf", b"[Definition]\nfailregex = ^a <HOST>$\n    ^<title> from <HOST> (?P<x>.)</F-USER>$\n")
    read = read_jails(str(base))
    assert told(read, base) == []
    assert [str(note).replace(f"{base}/", "") for note in read.jails[1].notes] == [
        f"filter.d/bad.conf:3: {tag} in failregex is neither an option nor a tag of a pattern: it is matched literally; "
        "correct its name, unless that is meant"
        for tag in ("<title>", "</F-USER>")
    ]


def test_a_bad_file_among_those_of_the_jails_is_left_out_and_told(base):
    put(base / "filter.d/bad.conf", b"[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "jail.d/1.conf", b"\xff\xfe\0")
    put(base / "jail.d/2.conf", b"[DEFAULT]\nfindtime = 1\nfindtime = 2\n")
    os.mkfifo(base / "jail.d/3.conf")
    (base / "jail.d/4.conf").mkdir()
    (base / "jail.d/5.conf").symlink_to("nowhere")
    read = read_jails(str(base))
    assert told(read, base) == []
    assert [str(problem).replace(f"{base}/", "") for problem in read.problems] == [
        "jail.d/1.conf:1: it is not UTF-8 text (byte 0xff); remove it, or convert it",
        "jail.d/2.conf:3: findtime stands here a second time (first on line 2); remove one of them",
        "jail.d/3.conf: it is not a file; remove it, or put the right file in its place",
        "jail.d/4.conf: it is not a file; remove it, or put the right file in its place",
    ]


def test_a_file_that_may_not_be_read(base):
    """Root may read all, unless it gives that up."""
    put(base / "filter.d/bad.conf", b"[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "jail.d/secret.conf", b"[bad]\n")
    (base / "jail.d/secret.conf").chmod(0)
    script = f"from nfjail.fail2ban.jails import read_jails; print(*read_jails({str(base)!r}).problems)"
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.stdout == f"{base}/jail.d/secret.conf: it cannot be read: Permission denied; check its mode and owner\n"


@pytest.mark.parametrize("what", ["folder", "jails"])
def test_no_configuration_at_all(tmp_path, what):
    path = tmp_path if what == "jails" else tmp_path / "nothing"
    expected = "there is no jail.conf and no jail.local" if what == "jails" else "there is no such folder"
    with pytest.raises(Fail2banError) as caught:
        read_jails(str(path))
    assert str(caught.value) == f"{path}: {expected}; name the folder with fail2ban's configuration"
