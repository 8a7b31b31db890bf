"""Broken files of fail2ban's, as `nfjail check` tells of them in each of the ways to use them, and as `nfjail import` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_fail2ban_bad_files import FILTERS, GOOD, JAILS, put

from nfjail.cli import main
from nfjail.config import load


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for name, text in GOOD.items():
        put(tmp_path / "fail2ban" / name, text.encode())
    put(tmp_path / "fail2ban/action.d/good.conf", b"[Definition]\nactionban = ban <ip>\nactionunban = unban <ip>\n")
    return tmp_path / "fail2ban"


def check(base: Path, toml: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str], list[str]]:
    """Exit code, and the lines on stdout and stderr, with paths below base."""
    put(base.parent / "etc/conf.d/x.toml", toml.encode())
    code = main(["check", "--config", str(base.parent / "etc")])
    return code, *lines(base, capsys)


def lines(base: Path, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    told = capsys.readouterr()
    return tuple(text.replace(f"{base}/", "").splitlines() for text in (told.out, told.err))


def whole(expected: str, base: Path) -> str:
    return expected.replace("{base}", str(base)).replace(f"{base}/", "")


@pytest.mark.parametrize("name", FILTERS)
def test_a_bad_filter_that_a_jail_names(name: str, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, expected = FILTERS[name]
    put(base / "filter.d/bad.conf", content)
    jail = f"[jail.bad]\nenabled = true\nfilter = 'fail2ban:{base}/filter.d/bad.conf'\nbackend = 'file'\nlogpath = '/x'\n"
    code, out, err = check(base, jail, capsys)
    assert (code, out, len(err)) == (78, [], 1)
    assert_told(err[0], expected, base)


@pytest.mark.parametrize("name", FILTERS)
def test_a_bad_filter_in_the_whole_folder(name: str, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content, expected = FILTERS[name]
    put(base / "filter.d/bad.conf", content)
    code, out, err = check(base, f"fail2ban = '{base}'\n", capsys)
    assert (code, out, len(err)) == (78, [], 1)
    assert_told(err[0], expected, base)


@pytest.mark.parametrize("name", JAILS)
def test_a_bad_jail_in_the_whole_folder(name: str, base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, expected = JAILS[name]
    put(base / "jail.local", f"[bad]\n{written}\n".encode())
    code, out, err = check(base, f"fail2ban = '{base}'\n", capsys)
    assert (code, out, len(err)) == (78, [], 1)
    assert_told(err[0], expected, base)


@pytest.mark.parametrize(("kind", "name"), [*(("filter", name) for name in FILTERS), *(("jail", name) for name in JAILS)])
def test_import_leaves_it_out_with_the_reason_and_takes_the_rest(
    kind: str, name: str, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written, expected = (FILTERS if kind == "filter" else JAILS)[name]
    if kind == "filter":
        put(base / "filter.d/bad.conf", written)
    else:
        put(base / "jail.local", f"[bad]\n{written}\n".encode())
    assert main(["import", str(base), "-o", str(base.parent / "out")]) == 78
    out, err = lines(base, capsys)
    assert err == []
    (bad,) = [line for line in out if line.startswith("bad: ")]
    assert_told(bad.removeprefix("bad: not carried over: fail2ban cannot use it either: "), expected, base)
    assert any(line.startswith("good: carried over") for line in out)
    assert {jail.name for jail in load(str(base.parent / "out")).enabled} >= {"good"}


def assert_told(line: str, expected: str, base: Path) -> None:
    """Of some lines the tables have only the beginning or the end."""
    assert whole(expected, base) in line
    assert line.startswith(("filter.d/", "jail.local:"))


def test_bad_files_among_those_of_the_jails(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(base / "filter.d/bad.conf", b"[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "jail.d/1.conf", b"\xff\xfe\0")
    put(base / "jail.d/2.conf", b"[DEFAULT]\nfindtime = 1\nfindtime")
    os.mkfifo(base / "jail.d/3.conf")
    (base / "jail.d/4.conf").mkdir()
    expected = [
        "jail.d/1.conf:1: it is not UTF-8 text (byte 0xff); remove it, or convert it",
        "jail.d/2.conf:3: 'findtime' is no option; write NAME = VALUE, or indent the further lines of a value",
        "jail.d/3.conf: it is not a file; remove it, or put the right file in its place",
        "jail.d/4.conf: it is not a file; remove it, or put the right file in its place",
    ]
    assert check(base, f"fail2ban = '{base}'\n", capsys) == (78, [], expected)
    assert main(["import", str(base), "-o", str(base.parent / "out")]) == 78
    out, _ = lines(base, capsys)
    assert out[:4] == expected


def test_files_that_include_each_other_are_told_and_do_no_harm(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(base / "filter.d/bad.conf", b"[INCLUDES]\nbefore = one.conf\n[Definition]\nfailregex = ^a <HOST>$\n")
    put(base / "filter.d/one.conf", b"[INCLUDES]\nafter = bad.conf\n")
    told = "note: filter.d/one.conf:2: bad.conf and this file include each other; remove one of the two: it is not read again"
    code, out, err = check(base, f"fail2ban = '{base}'\n", capsys)
    assert (code, err) == (0, [])
    assert out.count(told) == 1
    assert main(["import", str(base), "-o", str(base.parent / "out")]) == 0
    assert lines(base, capsys)[0].count(told) == 1


@pytest.mark.parametrize("verb", ["check", "import"])
def test_a_file_that_may_not_be_read(base: Path, verb: str) -> None:
    put(base / "filter.d/bad.conf", b"[Definition]\nfailregex = ^a <HOST>$\n")
    (base / "filter.d/bad.conf").chmod(0)
    put(base.parent / "etc/conf.d/x.toml", f"fail2ban = '{base}'\n".encode())
    arguments = {"check": ["check", "--config", str(base.parent / "etc")], "import": ["import", str(base)]}[verb]
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "nfjail", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 78
    assert f"{base}/filter.d/bad.conf: it cannot be read: Permission denied; check its mode and owner" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("what", ["folder", "file", "empty"])
def test_no_configuration_at_all(what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = tmp_path / "fail2ban"
    if what == "file":
        base.touch()
    elif what == "empty":
        base.mkdir()
    why = "there is no jail.conf and no jail.local" if what == "empty" else "there is no such folder"
    said = f"{base}: {why}; name the folder with fail2ban's configuration"
    assert check(base, f"fail2ban = '{base}'\n", capsys) == (78, [], [said])
    assert main(["import", str(base)]) == 78
    assert capsys.readouterr().err == f"nfjail: {said}\n"
