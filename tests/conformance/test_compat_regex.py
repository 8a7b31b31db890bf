"""The shim fail2ban-regex beside the real one: the same words, the same figures, the same exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packages import environment, sample_logs, unpacked

ROOT = Path(__file__).resolve().parents[2]
SUITE = "trixie"  # whose fail2ban-regex the shim takes the place of
TOOK = re.compile(r"processed in [\d.]+ sec")
# Not those whose prefregex has a <HOST>: what that stands for is printed, and is written in another way here.
FILTERS = (
    "3proxy", "apache-overflows", "asterisk", "cyrus-imap", "dovecot", "dropbear", "ejabberd-auth",
    "exim", "exim-spam", "freeswitch", "gssftpd", "guacamole", "haproxy-http-auth", "kerio", "mongodb-auth", "monit",
    "nginx-http-auth", "pam-generic", "postfix", "pure-ftpd", "qmail", "recidive",
    "roundcube-auth", "sendmail-auth", "sendmail-reject", "sieve", "sogo-auth", "squid", "sshd", "vsftpd",
)  # fmt: skip


def real(*arguments: str) -> tuple[str, int]:
    program = unpacked(SUITE) / "usr/bin/fail2ban-regex"
    return run([sys.executable, str(program)], arguments, environment(SUITE, LC_ALL="C.UTF-8"))


def shim(*arguments: str) -> tuple[str, int]:
    program = ROOT / "packaging/compat/fail2ban-regex"
    return run([sys.executable, str(program)], arguments, {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"})


def run(command: list[str], arguments: tuple[str, ...], around: dict[str, str]) -> tuple[str, int]:
    config = str(unpacked(SUITE) / "etc/fail2ban")
    done = subprocess.run([*command, "-c", config, *arguments], env=around, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    return TOOK.sub("processed", done.stdout), done.returncode


def same(*arguments: str) -> str:
    told, code = real(*arguments)
    assert shim(*arguments) == (told, code)
    return told


def log(name: str) -> str:
    return str(sample_logs(SUITE) / name)


@pytest.mark.parametrize("name", FILTERS)
def test_a_sample_log(name):
    assert "Lines: " in same("--raw", log(name), name)


@pytest.mark.parametrize(
    "options",
    [
        ("--print-all-matched", "--print-all-missed", "--print-all-ignored"),
        ("--print-no-missed", "--print-no-ignored"),
        ("--no-check-all",),
        ("--usedns=no",),
        ("-d", "{^LN-BEG}%b %d %H:%M:%S"),
        ("-d", "%b %d %H:%M:%S"),
        ("-d", "EPOCH"),
        ("-L", "1"),
        ("-e", "latin-1"),
        ("--print-all-matched", "--no-check-all", "--print-no-missed"),
        ("-l", "critical", "--TZ", "UTC"),
    ],
    ids=" ".join,
)
def test_an_option(options):
    same("--raw", *options, log("sshd"), "sshd")


@pytest.mark.parametrize(
    "token", ["id", "fid", "ip", "msg", "user", "port", "<ip> <F-USER>", "<fid>|<nothing>|<ip-rev>", "<ip>: <msg>"]
)
def test_only_a_token(token):
    told = same("--raw", "-o", token, log("dovecot"), "dovecot")
    assert told.count("\n") > 30


@pytest.mark.parametrize(
    "name",
    [
     "sshd[mode=aggressive]", "sshd[mode='ddos', x=\"1\"]", "filter.d/sshd.conf", "filter.d/sshd.conf[mode=extra]",
     "{}/filter.d/sshd.conf",
     "{}/filter.d/sshd.conf[mode=ddos]", "sshd.conf"],
)  # fmt: skip
def test_a_way_to_name_a_filter(name):
    same("--raw", log("sshd"), name.format(unpacked(SUITE) / "etc/fail2ban"))


LINE = "Nov 22 02:03:04 h app: no joe from 192.0.2.7"
HOST = "^ h app: no <F-USER>.*</F-USER> from <HOST>$"


@pytest.mark.parametrize(
    "arguments",
    [
        (LINE, HOST),
        (LINE, HOST, "joe"),
        (LINE, HOST, "jane"),
        ("--print-all-ignored", LINE, HOST, "from <HOST>"),
        (f"{LINE}\nelse\n\n# comment\n{LINE}", HOST),
        ("\n".join([LINE] * 7), HOST),
        ("x" * 100, "y" * 80 + "<HOST>"),
        ("# comment", HOST),
        (LINE, "^nobody$"),
        ("-v", LINE, "no <F-ID>\\S+</F-ID>"),
        ("1.2.3.4 x", "^<HOST> x"),
        ("-o", "id", LINE, HOST),
    ],
)
def test_a_line(arguments):
    told = same("--raw", *arguments)
    assert told if "-o" not in arguments else told == "192.0.2.7\n"


@pytest.mark.parametrize(
    "arguments", [(), ("x",), ("--print-no-missed", "--print-all-missed", "x", HOST), ("x", HOST, "y", "z")]
)
def test_wrong_usage(arguments):
    for told, code in (real(*arguments), shim(*arguments)):
        assert code == 255
        assert "Lines:" not in told


@pytest.mark.parametrize("arguments", [("x", "(<HOST>"), ("x", HOST, "("), ("-d", "%Q", "x", HOST), ("x", "/nonexistent.conf")])
def test_what_cannot_be_tried(arguments):
    for told, code in (real(*arguments), shim(*arguments)):
        assert code == 255
        assert "\nERROR: " in told


def test_the_version():
    assert same("--version") == "fail2ban-regex 1.1.0\n"
    assert same("-V") == "1.1.0\n"


def test_an_unfinished_last_line_of_a_file_waits(tmp_path):
    path = tmp_path / "log"
    path.write_text(f"{LINE}\n{LINE}\r\n{LINE}")
    assert "Lines: 2 lines, 0 ignored, 2 matched" in same(str(path), HOST)
