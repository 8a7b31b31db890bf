"""The log in fail2ban's form: its lines, its rotation, and a disk that is full."""

from __future__ import annotations

import logging
import os
import re
import resource
import signal
import subprocess
import sys

import pytest
from compat_bed import ROOT

from nfjail.core.model import Ban, Failure, Unban, parse_subject
from nfjail.engine import Counted
from nfjail.fail2ban_log import Fail2banLog, line
from tests.zone import in_zone

NOW = 1_700_000_000.25
V4, NET, V6 = (parse_subject(text) for text in ("192.0.2.1", "192.0.2.0/24", "2001:db8::/64"))


@pytest.fixture(autouse=True)
def utc():
    with in_zone("UTC"):
        yield


@pytest.fixture
def log(tmp_path):
    held = Fail2banLog(str(tmp_path / "fail2ban.log"))
    yield held
    held.close()


def written(log: Fail2banLog) -> list[str]:
    log.flush()
    with open(log.path) as file:
        return [re.sub(r"\[\d+\]:", "[PID]:", one.rstrip("\n")) for one in file]


def test_a_failure(log):
    log.failure(Counted("sshd", Failure(NOW - 61, V4, "x", "", 0, {}), 1, 3), NOW)
    assert written(log) == [
        "2023-11-14 22:13:20,250 fail2ban.filter         [PID]: INFO    [sshd] Found 192.0.2.1 - 2023-11-14 22:12:19"
    ]


DECISIONS = [
    (Ban("sshd", V4, NOW, NOW + 600), ["actions        [PID]: NOTICE  [sshd] Ban 192.0.2.1"]),
    (Ban("sshd", V4, NOW, None, origin="ctl"), ["actions        [PID]: NOTICE  [sshd] Ban 192.0.2.1"]),
    (Ban("sshd", NET, NOW, NOW + 600, origin="ctl"), ["actions        [PID]: NOTICE  [sshd] Ban 192.0.2.0/24"]),
    (Ban("sshd", V6, NOW, NOW + 600), ["actions        [PID]: NOTICE  [sshd] Ban 2001:db8::"]),
    (Unban("sshd", V4, NOW, "expired"), ["actions        [PID]: NOTICE  [sshd] Unban 192.0.2.1"]),
    (
        Ban("sshd", V4, NOW, NOW + 2400, nth=3),
        [
            "actions        [PID]: NOTICE  [sshd] Ban 192.0.2.1",
            "observer       [PID]: NOTICE  [sshd] Increase Ban 192.0.2.1 (3 # 40m -> 2023-11-14 22:53:20)",
        ],
    ),
]


@pytest.mark.parametrize(("decision", "lines"), DECISIONS)
def test_a_decision(log, decision, lines):
    log.decisions([decision], {"sshd": 600.0}, (), NOW)
    assert written(log) == [f"2023-11-14 22:13:20,250 fail2ban.{one}" for one in lines]


def test_somebody_who_is_banned_already(log):
    ban = Ban("sshd", V4, NOW, NOW + 600)
    log.decisions([ban], {}, [ban], NOW)
    assert written(log) == ["2023-11-14 22:13:20,250 fail2ban.actions        [PID]: NOTICE  [sshd] 192.0.2.1 already banned"]


def test_start_reload_and_stop(log):
    log.started([("sshd", V4)], ["sshd"], NOW)
    log.reloaded(["sshd", "old"], ["sshd", "new"], NOW)
    log.stopped(["sshd"], NOW)
    assert [one.partition("fail2ban.")[2] for one in written(log)] == [
        "server         [PID]: INFO    --------------------------------------------------",
        "server         [PID]: INFO    Starting Fail2ban v1.1.0",
        "jail           [PID]: INFO    Creating new jail 'sshd'",
        "jail           [PID]: INFO    Jail 'sshd' started",
        "actions        [PID]: NOTICE  [sshd] Restore Ban 192.0.2.1",
        "server         [PID]: INFO    Reload all jails",
        "server         [PID]: INFO    Reload jail 'sshd'",
        "server         [PID]: INFO    Jail 'sshd' reloaded",
        "jail           [PID]: INFO    Creating new jail 'new'",
        "jail           [PID]: INFO    Jail 'new' started",
        "jail           [PID]: INFO    Jail 'old' stopped",
        "server         [PID]: INFO    Reload finished.",
        "server         [PID]: INFO    Shutdown in progress...",
        "server         [PID]: INFO    Stopping all jails",
        "jail           [PID]: INFO    Jail 'sshd' stopped",
        "server         [PID]: INFO    Exiting Fail2ban",
    ]


def test_no_text_makes_two_lines_of_one():
    assert line(NOW, "x", "INFO", "a\nb\x1b[2J\u202e", 7).count("\n") == 1


def test_a_rotated_file_is_left_alone(log, tmp_path):
    """logrotate renames; the next line goes into a new file, which logrotate need not have made."""
    log.stopped([], NOW)
    assert len(written(log)) == 3
    (tmp_path / "fail2ban.log").rename(tmp_path / "fail2ban.log.1")
    log.decisions([Ban("sshd", V4, NOW, None)], {}, (), NOW)
    assert len(written(log)) == 1
    log.reopened(NOW)
    assert [one.partition("INFO")[2] for one in written(log)][1:] == [f"    rollover performed on {log.path}"]


def test_a_file_that_was_copied_and_cut_goes_on_at_its_beginning(log):
    log.stopped([], NOW)
    log.flush()
    os.truncate(log.path, 0)
    log.decisions([Ban("sshd", V4, NOW, None)], {}, (), NOW)
    assert len(written(log)) == 1


def test_its_mode_is_for_root_and_the_group(log):
    log.stopped([], NOW)
    log.flush()
    assert os.stat(log.path).st_mode & 0o777 == 0o640


def test_without_a_path_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    log = Fail2banLog("")
    log.stopped(["sshd"], NOW)
    log.reopened(NOW)
    log.close()
    assert os.listdir(tmp_path) == []


def test_another_path_after_a_reload(log, tmp_path):
    log.stopped([], NOW)
    log.use(str(tmp_path / "other"))
    log.decisions([Ban("sshd", V4, NOW, None)], {}, (), NOW)
    assert len(written(log)) == 1
    assert (tmp_path / "fail2ban.log").read_text().count("\n") == 3


def test_a_full_disk_is_told_once_and_nothing_is_lost(log, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("nfjail"), "propagate", True)
    ban = Ban("sshd", V4, NOW, None)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))  # bytes of a file: as full as a disk, and quicker to fill
    try:
        for _ in range(5):
            log.decisions([ban], {}, (), NOW)
            log.flush()
        assert os.path.getsize(log.path) == 100
        assert len([record for record in caplog.records if "cannot be written" in record.message]) == 1
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert len(set(written(log))) == 1
    assert len(written(log)) == 5
    assert caplog.records[-1].message == f"{log.path} is written again"


def test_what_waits_for_room_is_bounded(tmp_path, caplog):
    log = Fail2banLog(str(tmp_path))  # a folder cannot be written
    for _ in range(30_000):
        log.decisions([Ban("sshd", V4, NOW, None)], {}, (), NOW)
    assert 1 << 20 <= len(log._waiting) < (1 << 20) + 200
    log.close()


def test_a_pipe_that_nobody_reads_holds_nobody_up(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    log = Fail2banLog(str(path))
    log.stopped(["sshd"], NOW)
    log.flush()
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log.flush()
    assert os.read(reader, 65536).count(b"\n") == 4
    os.close(reader)
    log.close()


def test_many_lines_at_once_are_cheap():
    """A flood is told as well: what a line costs is bounded by what reading its failure costs."""
    program = f"""
import sys, time
sys.path.insert(0, {str(ROOT)!r})
from nfjail.core.model import Failure, parse_subject
from nfjail.engine import Counted
from nfjail.fail2ban_log import Fail2banLog
log = Fail2banLog("/dev/null")
counted = Counted("sshd", Failure(1.0, parse_subject("192.0.2.1"), "", "", 0, {{}}), 1, 3)
for n in range(20000):
    log.failure(counted, 1700000000.0 + n / 1000)
print(time.process_time())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 2.0
