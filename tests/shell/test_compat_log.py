"""Tools that read fail2ban's log read nfjail's: logwatch and the recidive filter, on both logs of the same events."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from compat_bed import House, debian_package, environment, fail, fail2ban, nfjail, unpacked, until

suites = pytest.mark.parametrize("suite", ["bookworm", "trixie"])

#: what fail2ban's reader of configuration and its back ends say of themselves, which nfjail has no counterpart of
_OF_ITSELF = re.compile(
    r"fail2ban\.(database|observer|filter +\[\d+\]: INFO +(maxRetry|maxLines|findtime|encoding|Added|Removed))"
    r"|Initiated|uses poll|banTime|Server ready|New database|Exiting|Stopping|Shutdown|stopped"
)


def events(house: House, logs: Path) -> str:
    """Some failures and bans, and what the house has logged about them."""
    fail(logs, "192.0.2.66", 3)
    fail(logs, "192.0.2.67", 2)
    fail(logs, "2001:db8::6", 3)
    until(lambda: "[sshd] Ban 2001:db8::6" in house.logged())
    house.ask("set", "nginx-http-auth", "banip", "192.0.2.1", "192.0.2.2")
    house.ask("set", "sshd", "banip", "192.0.2.3")
    house.ask("set", "sshd", "unbanip", "192.0.2.66", "192.0.2.3")
    house.ask("unban", "192.0.2.2")
    until(lambda: "[nginx-http-auth] Unban 192.0.2.2" in house.logged())
    return house.logged()


def both(suite: str, folder: Path) -> tuple[str, str]:
    """nfjail's log and fail2ban's of the same events."""
    logged = []
    for start in (nfjail, lambda *places: fail2ban(suite, *places)):
        place = folder / str(len(logged))
        logs = place / "logs"
        place.mkdir()
        with start(place, logs) as house:
            logged.append(events(house, logs))
    return logged[0], logged[1]


@suites
def test_the_same_lines_for_the_same_events(suite, tmp_path):
    ours, theirs = (shapes(log) for log in both(suite, tmp_path))
    assert sorted(ours) == sorted(line.replace("v1.0.2", "v1.1.0") for line in theirs)


def shapes(log: str) -> list[str]:
    """The lines without moment and process, as long as both write them."""
    form = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (\S+) *\[\d+\]: (\S+) +(.*)"
    lines = [line for line in log.splitlines() if not _OF_ITSELF.search(line)]
    for line in lines:
        assert re.fullmatch(form, line), line
        assert line.index("]: ") - line.index("[") > 1
        assert len(line[24:48].rstrip()) < 24  # the name has its column
    return [re.sub(r" - \S+ \S+$", "", " ".join(re.fullmatch(form, line).groups())) for line in lines]


@suites
def test_logwatch(suite, tmp_path):
    ours, theirs = (logwatch(log) for log in both(suite, tmp_path))
    assert ours == theirs
    assert "sshd:                                              [  3:2  ]" in ours
    assert "Unmatched" not in ours


def logwatch(log: str) -> str:
    """Its report at the highest detail."""
    share = debian_package("logwatch") / "usr/share/logwatch"
    lines = "".join(line for line in log.splitlines(keepends=True) if not _OF_ITSELF.search(line))
    command = ["perl", "-I", str(share / "lib"), str(share / "scripts/services/fail2ban")]
    settings = {**os.environ, "LOGWATCH_DETAIL_LEVEL": "10", "LOGWATCH_NUMERIC": "1"}
    done = subprocess.run(command, input=lines, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return re.sub(r"v\d\.\d\.\d", "VERSION", done.stdout)


@suites
def test_the_recidive_filter_of_the_package_finds_the_bans(suite, tmp_path):
    with nfjail(tmp_path, tmp_path / "logs") as house:
        events(house, tmp_path / "logs")
    package = unpacked(suite)
    regex, recidive = package / "usr/bin/fail2ban-regex", package / "etc/fail2ban/filter.d/recidive.conf"
    command = ["/usr/bin/python3", "-W", "ignore", regex, "-o", "ip", house.log, recidive]
    done = subprocess.run(list(map(str, command)), env=environment(suite), capture_output=True, text=True)
    assert done.stdout.split() == ["192.0.2.66", "2001:db8::6", "192.0.2.1", "192.0.2.2", "192.0.2.3"]


def test_rotation_of_a_running_daemon(tmp_path):
    """As logrotate does it: rename, then flushlogs."""
    with nfjail(tmp_path, tmp_path) as house:
        assert house.ask("get", "logtarget").out == f"Current logging target is:\n`- {house.log}\n"
        house.log.rename(tmp_path / "fail2ban.log.1")
        assert house.ask("flushlogs").out == "logs: rolled over\n"
        assert "rollover performed" in house.logged()
        house.log.rename(tmp_path / "fail2ban.log.2")
        house.ask("set", "sshd", "banip", "192.0.2.1")
        house.ask("set", "sshd", "banip", "192.0.2.1")
        until(lambda: "[sshd] 192.0.2.1 already banned" in house.logged())
        assert house.logged().count("[sshd] Ban 192.0.2.1") == 1
    assert house.logged().endswith("Exiting Fail2ban\n")
    with nfjail_again(house) as again:
        until(lambda: "[sshd] Restore Ban 192.0.2.1" in again.logged())


def nfjail_again(house: House):
    """The same one, started once more."""
    folder = house.folder
    (folder / "etc/conf.d/bed.toml").unlink()
    (folder / "etc/conf.d").rmdir()
    (folder / "etc").rmdir()
    return nfjail(folder, folder)


def test_a_log_that_cannot_be_written_stops_nothing(tmp_path):
    (tmp_path / "fail2ban.log").mkdir()
    with nfjail(tmp_path, tmp_path) as house:
        fail(tmp_path, "192.0.2.66", 3)
        until(lambda: house.ask("get", "sshd", "banip").out == "192.0.2.66\n")
        assert house.ask("flushlogs").code == 0
    assert (tmp_path / "said").read_text().count("cannot be written") == 1
