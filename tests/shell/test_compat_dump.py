"""fail2ban-client -d and -t on fail2ban's own configuration, beside Debian's."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from compat_bed import ROOT, SHIM, environment, unpacked
from fail2ban_bed import private_copy

suites = pytest.mark.parametrize("suite", ["bookworm", "trixie"])


def run(*command: str, settings: dict[str, str] | None = None) -> tuple[str, str, int]:
    done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=120)
    return done.stdout, done.stderr, done.returncode


def ours(base: Path, *options: str) -> tuple[str, str, int]:
    settings = environment("trixie", PYTHONPATH=str(ROOT))
    return run(sys.executable, str(SHIM), "-c", str(base), *options, settings=settings)


def theirs(suite: str, base: Path, *options: str) -> tuple[str, str, int]:
    client = unpacked(suite) / "usr/bin/fail2ban-client"
    return run(sys.executable, str(client), "-c", str(base), *options, settings=environment(suite))


@suites
@pytest.mark.parametrize("option", ["-d", "--dp"])
def test_every_shipped_jail_is_dumped_byte_for_byte(suite, option, tmp_path):
    base = private_copy(suite, tmp_path)
    truth = theirs(suite, base, option)[0]
    assert truth.count("\n") > 1300
    assert ours(base, option) == (truth, "", 0)


@suites
def test_what_an_administrator_writes(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    (base / "fail2ban.local").write_text("[Definition]\ndbpurgeage = 1w\nloglevel = DEBUG\n[Thread]\nstacksize = 64\n")
    (base / "jail.local").write_text(
        "[DEFAULT]\nbantime.increment = true\nbantime.maxtime = 5w\nignoreip = 192.0.2.0/24, ::1 friend.example\n"
        "action = %(action_mwl)s\n[sshd]\nenabled = true\nbackend = systemd\nmode = aggressive\nbantime = -1\n"
        "[apache-auth]\nenabled = true\naction = dummy[target=/x]\n         dummy[name=other]\n"
        "[recidive]\nenabled = true\nmaxretry = 7\nignoreself = no\n"
    )
    assert ours(base, "-d") == (theirs(suite, base, "-d")[0], "", 0)


@suites
def test_a_good_configuration(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    (base / "jail.local").write_text("[sshd]\nenabled = true\n[nginx-http-auth]\nenabled = true\n")
    assert ours(base, "-t") == (theirs(suite, base, "-t")[0], "", 0) == ("OK: configuration test is successful\n", "", 0)


def names(commands: str) -> list[str]:
    return [ast.literal_eval(line)[0] for line in commands.splitlines()]


@suites
def test_a_jail_that_cannot_be_used(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    (base / "jail.local").write_text("[sshd]\nenabled = true\nfilter = nowhere\n")
    out, _, code = ours(base, "-d")
    truth, _, their_code = theirs(suite, base, "-d")
    assert code == their_code == 255
    assert [ast.literal_eval(line)[0] for line in out.splitlines()] == [
        ast.literal_eval(line)[0] for line in truth.splitlines()
    ]
    assert "Jail 'sshd' skipped, because of wrong configuration: " in out
    out, errors, code = ours(base, "-t")
    assert (out, code) == ("", 255)
    assert "there is no filter 'nowhere'" in errors


def test_no_configuration(tmp_path):
    out, errors, code = ours(tmp_path, "-d")
    assert (out, code) == ("", 255)
    assert "there is no jail.conf" in errors
