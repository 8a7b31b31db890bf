"""Databases written by fail2ban's own code: what runs there is found, while fail2ban has them open."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from packages import SUITES, environment

from nfjail.fail2ban.bans import OldBan, read_bans

BESIDE = Path(__file__).with_name("beside_bans.py")
NOW = 1_795_356_901.0

suites = pytest.mark.parametrize("suite", SUITES)


@contextmanager
def written(suite: str, path: Path, bans: list[list]) -> Iterator[None]:
    """fail2ban, with that database open."""
    command = [sys.executable, str(BESIDE), str(path), json.dumps(bans)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env=environment(suite), text=True, **pipes) as fail2ban:
        assert fail2ban.stdout.readline() == "written\n"
        yield
        fail2ban.communicate("")
    assert fail2ban.returncode == 0


def told(bans: tuple[OldBan, ...]) -> set[tuple]:
    return {(ban.jail, str(ban.subject), ban.since, ban.until, ban.nth, ban.reason) for ban in bans}


@suites
def test_what_runs_is_found_with_the_time_that_it_has_left(suite, tmp_path):
    bans = [
        ["sshd", "192.0.2.1", NOW - 100, 600, 1],
        ["sshd", "2001:db8::1", NOW - 100, 86400, 7],
        ["sshd", "198.51.100.0/24", NOW - 1_000_000, -1, 2],
        ["sshd", "192.0.2.2", NOW - 601, 600, 3],  # over
        ["sshd", "192.0.2.3", NOW - 5000, 600, 1],  # banned twice: the last one runs
        ["sshd", "192.0.2.3", NOW - 50, 1200, 2],
        ["my shop", "192.0.2.1", NOW - 10, 60, 1],
        ["my shop", "bob@example.org", NOW - 10, 60, 1],  # an <F-ID>
    ]
    path = tmp_path / "fail2ban.sqlite3"
    with written(suite, path, bans):
        found = read_bans(str(path), NOW)
    reason = "taken over from fail2ban (5 failures)"
    assert told(found.running) == {
        ("sshd", "192.0.2.1", NOW - 100, NOW + 500, 1, reason),
        ("sshd", "2001:db8::1", NOW - 100, NOW + 86300, 7, reason),
        ("sshd", "198.51.100.0/24", NOW - 1_000_000, None, 2, reason),
        ("sshd", "192.0.2.3", NOW - 50, NOW + 1150, 2, reason),
        ("my shop", "192.0.2.1", NOW - 10, NOW + 50, 1, reason),
    }
    assert (found.over, dict(found.unfit)) == (1, {"what is banned is no address": 1})


@suites
def test_nothing_is_changed_and_nothing_left_beside_it(suite, tmp_path):
    path = tmp_path / "fail2ban.sqlite3"
    with written(suite, path, [["sshd", "192.0.2.1", NOW, 600, 1]]):
        before = path.read_bytes()
        read_bans(str(path), NOW)
        assert path.read_bytes() == before
        assert [file.name for file in tmp_path.iterdir()] == [path.name]
