"""`nfjail test` beside `fail2ban-regex`, processes both, on fail2ban's sample logs: as many lines fit, and do not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from packages import SUITES, environment, sample_logs, unpacked

ROOT = Path(__file__).resolve().parents[2]
FILTERS = (
    "3proxy", "apache-auth", "apache-botsearch", "asterisk", "cyrus-imap", "dovecot", "dropbear", "exim[mode=aggressive]",
    "exim-spam", "freeswitch", "gssftpd", "haproxy-http-auth", "named-refused", "nginx-http-auth", "pam-generic",
    "postfix[mode=aggressive]", "proftpd", "pure-ftpd", "recidive", "roundcube-auth", "sendmail-reject[mode=extra]",
    "sogo-auth", "sshd", "sshd[mode=aggressive]", "vsftpd", "zoneminder",
)  # fmt: skip


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("filter", FILTERS)
def test_as_many_lines_fit(filter, suite, tmp_path):
    name = filter.partition("[")[0]
    log = tmp_path / "log"  # without the comments, as fail2ban-regex leaves them out
    lines = (sample_logs(suite) / name).read_bytes().split(b"\n")
    log.write_bytes(b"".join(line + b"\n" for line in lines if line.rstrip(b"\r") and not line.startswith(b"#")))
    lines, ignored, matched, missed = theirs(suite, filter, log)
    ours = Counter(json.loads(line)["result"] for line in verb(suite, filter, log))
    assert sum(ours.values()) == lines
    assert ours["missed"] == missed
    # What is nobody's failure yet, fail2ban-regex calls matched; what only helps, ignored.
    assert matched - ours["helper"] <= ours["failure"] <= matched
    assert ours["ignored"] <= ignored <= ours["ignored"] + ours["helper"]


def theirs(suite: str, filter: str, log: Path) -> list[int]:
    folder = unpacked(suite)
    program = [sys.executable, str(folder / "usr/bin/fail2ban-regex"), "-c", str(folder / "etc/fail2ban")]
    command = [*program, "--raw", str(log), file_of(suite, filter)]
    done = subprocess.run(command, env=environment(suite, LC_ALL="C.UTF-8"), capture_output=True, text=True, timeout=60)
    found = re.search(r"^Lines: (\d+) lines, (\d+) ignored, (\d+) matched, (\d+) missed$", done.stdout, re.MULTILINE)
    assert found, done.stdout + done.stderr
    return [int(number) for number in found.groups()]


def file_of(suite: str, filter: str) -> str:
    """By its name alone, fail2ban 1.1 would take the jail of that name."""
    name, bracket, parameters = filter.partition("[")
    return f"{unpacked(suite)}/etc/fail2ban/filter.d/{name}.conf{bracket}{parameters}"


def verb(suite: str, filter: str, log: Path) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "nfjail",
        "test",
        f"fail2ban:{file_of(suite, filter)}",
        str(log),
        "--json",
        "--usedns",
        "raw",
    ]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()
