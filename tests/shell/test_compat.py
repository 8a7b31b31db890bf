"""fail2ban-client over a running nfjail says what Debian's fail2ban-client says over a running fail2ban, byte for byte."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from compat_bed import ROOT, SHIM, House, Nfjail, Said, fail, fail2ban, nfjail, unpacked, until

from nfjail.compat.words import told

suites = pytest.mark.parametrize("suite", ["bookworm", "trixie"])

# What scripts ask, in the order of a story; "fail" lines are what happens meanwhile. fail2ban sorts its bans by whole seconds.
STORY = """\
ping
version
status
status sshd
status nginx-http-auth
status nowhere
status sshd short
status sshd other
status a b c
get sshd banip
banned
banned 192.0.2.1
set sshd banip 192.0.2.1 192.0.2.2
set sshd banip 192.0.2.1
set sshd banip 192.0.2.3 192.0.2.2
set sshd banip
set nowhere banip 192.0.2.1
set nginx-http-auth banip 192.0.2.2 2001:db8::1
banned
banned 192.0.2.1
banned 192.0.2.2 192.0.2.9
status sshd
status nginx-http-auth
get sshd banned
get sshd banned 192.0.2.1
get sshd banned 192.0.2.1 192.0.2.77
get sshd banip
get sshd banip ,
get sshd banip --with-time
get nginx-http-auth banip --with-time
next second
fail 192.0.2.66 3
fail 192.0.2.67 2
fail 2001:db8::6 3
status sshd
status sshd short
get sshd banip
set sshd unbanip 192.0.2.1
set sshd unbanip 192.0.2.1
set sshd unbanip --report-absent 192.0.2.1
set sshd unbanip --report-absent 192.0.2.1 192.0.2.2
set sshd unbanip
set sshd banip 198.51.100.0/24
set sshd unbanip 198.51.100.0/24
unban 192.0.2.3 192.0.2.99
unban
unban --all
banned
status sshd
set sshd attempt 192.0.2.99
set sshd attempt 192.0.2.99
set sshd attempt 192.0.2.99 Failed-somehow
get sshd banip
get sshd bantime
get nginx-http-auth bantime
get sshd findtime
get sshd maxretry
get sshd maxmatches
get sshd maxlines
get sshd ignoreip
get sshd ignoreself
get sshd ignorecommand
get sshd ignorecache
get sshd logpath
get sshd logencoding
get sshd journalmatch
get sshd ignoreregex
get sshd datepattern
get sshd logtimezone
get sshd bantime.increment
get sshd bantime.factor
get sshd bantime.other
get sshd other
get sshd
get
get nowhere bantime
get nowhere other
get loglevel
get syslogsocket
get dbmaxmatches
get thread
set sshd bantime 700
set sshd bantime 1h
set sshd bantime -1
set sshd bantime 10m
set sshd findtime 700
set sshd findtime 1d
set sshd maxretry 4
set sshd maxretry x
set sshd maxretry
set sshd maxmatches 7
set sshd ignoreself true
set sshd ignoreself false
set sshd addignoreip 192.0.2.9
set sshd addignoreip 192.0.2.9
set sshd addignoreip 198.51.100.0/24 friend.invalid
get sshd ignoreip
set sshd delignoreip 192.0.2.9
set sshd delignoreip
set nowhere bantime 3
set nowhere
set sshd
set sshd other 3
set
set sshd idle
set sshd idle x
set sshd idle off
set loglevel INFO
flushlogs
echo a b
other
help
server-status
reload nowhere
reload one two
reload
reload sshd
get sshd bantime
get sshd ignoreip
start
start sshd
start nowhere
stop nowhere
ping 3
ping x
--version
--str2sec 1h
--str2sec 1d12h
status --all
status --all short
reload --restart sshd
restart sshd
-V
-q -p /nowhere.pid --pname x --loglevel INFO ping
"""
# Only in 1.1.0; and what 1.0.2 says of itself.
NOT_IN_BOOKWORM = ("status --all", "status --all short", "version", "-V", "--version")


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    return tmp_path / "logs"


@pytest.fixture
def ours(tmp_path: Path, logs: Path) -> Iterator[Nfjail]:
    with nfjail(tmp_path, logs) as house:
        yield house


@suites
def test_a_story_told_to_both(suite, tmp_path, logs, ours):
    differences = []
    with fail2ban(suite, tmp_path, logs) as theirs:
        for line in STORY.splitlines():
            words = line.split()
            if words[0] == "next":
                time.sleep(1 - time.time() % 1)
            elif words[0] == "fail":
                fail(logs, words[1], int(words[2]))
            elif suite == "trixie" or line not in NOT_IN_BOOKWORM:
                said, truth = both(words, ours, theirs)
                if said != truth:
                    differences.append(f"{line}\nours:   {said}\ntheirs: {truth}")
    assert not differences, "\n".join(differences)


def both(words: list[str], ours: House, theirs: House) -> tuple[Said, Said]:
    """What both say. fail2ban bans in a thread of its own and looks into logs once a second: who only asks, asks again."""
    end = time.monotonic() + (4 if words[0] in ("get", "status", "banned") else 0)
    while True:
        said, truth = ours.ask(*words), theirs.ask(*words)
        if said == truth or time.monotonic() >= end:
            return said, truth
        time.sleep(0.1)


@suites
def test_nobody_there(suite, tmp_path, logs):
    with fail2ban(suite, tmp_path, logs) as theirs:
        pass
    ours = Nfjail(tmp_path, tmp_path, [str(SHIM), "-s", f"{tmp_path}/io.nfjail"], {})
    for words in (["ping"], ["status"], ["set", "sshd", "banip", "192.0.2.1"], ["reload"], ["reload", "sshd"]):
        truth = House.ask(theirs, *words)  # started anew: the other one has ended with its server
        assert ours.ask(*words) == truth._replace(errors=truth.errors.replace("fail2ban.sock", "io.nfjail"))
        assert truth.code == 255


def test_the_table_of_stats(tmp_path, logs):
    """Its characters are fail2ban's; which backend reads the logs is told for nfjail."""
    with fail2ban("trixie", tmp_path, logs) as theirs:
        theirs.ask("set", "sshd", "banip", *(f"192.0.2.{n}" for n in range(120)), *(f"198.51.{n}.1" for n in range(20)))
        wide = {"nginx-http-auth": ["polling", (0, 0), (0, 0)], "sshd": ["polling", (0, 0), (140, 140)]}
        for command in ("stats", "statistics"):
            assert theirs.ask(command) == Said(told([command], wide) + "\n", "", 0)


def test_stats_of_nfjail(ours):
    ours.ask("set", "sshd", "banip", "192.0.2.1")
    assert re.search(r"^sshd +║ pyinotify ║   0 │   0 ║   1 │   1$", ours.ask("stats").out, re.MULTILINE)


JOURNAL = "[postfix]\nenabled = true\nbackend = systemd{more}\n"


OPTIONS = """
    bantime findtime maxretry maxmatches maxlines ignoreip ignoreself ignorecommand bantime.increment bantime.factor
    journalmatch logpath logencoding logtimezone usedns
"""


# 1.0.2's server, made for Python 3.11, crashes on 3.13 as soon as it reads a journal.
@pytest.mark.parametrize("suite", ["bookworm", "trixie"] if sys.version_info < (3, 12) else ["trixie"])
def test_jails_of_fail2bans_own_that_read_the_journal(suite, tmp_path, bed):
    """The same configuration, read by fail2ban and by nfjail."""
    subprocess.run([str(bed / "make-journal.sh"), "10", str(tmp_path / "journal")], check=True, stdout=subprocess.DEVNULL)
    own = tmp_path / "own"
    subprocess.run(["cp", "-r", str(unpacked(suite) / "etc/fail2ban"), str(own)], check=True)
    (own / "jail.d/defaults-debian.conf").write_text(JOURNAL.format(more=""))
    config = f'fail2ban = "{own}"\n[journal]\npath = "{tmp_path}/journal"\n[jail.sshd]\nenabled = false\n'
    jail = JOURNAL.format(more=f"[journalpath={tmp_path}/journal, journalflags=0]\naction =")  # fail2ban shall not try to ban
    with fail2ban(suite, tmp_path, tmp_path, jail) as theirs, nfjail(tmp_path, tmp_path, config) as ours:
        assert "Journal matches:\t_SYSTEMD_UNIT=postfix" in ours.ask("status", "postfix").out
        for line in ("status", "status postfix"):
            assert ours.ask(*line.split()) == theirs.ask(*line.split()), line
        for key in OPTIONS.split():
            assert ours.ask("get", "postfix", key) == theirs.ask("get", "postfix", key), key
        assert ours.ask("set", "postfix", "maxretry", "2") == theirs.ask("set", "postfix", "maxretry", "2")


def test_many_bans_are_told_soon(ours):
    for part in range(10):
        ours.ask("set", "sshd", "banip", *(f"10.0.{part}.{n}" for n in range(250)))
    banned = ours.ask("get", "sshd", "banip").out.split()
    assert len(banned) == len(set(banned)) == 2500
    assert banned == ours.ask("status", "sshd").out.rpartition("\t")[2].split()
    assert len(ours.ask("get", "sshd", "banip", "--with-time").out.splitlines()) == 2500


REFUSED = {
    "stop": "systemctl stop nfjail",
    "stop sshd": "write enabled = false into [jail.sshd]",
    "add other": "write [jail.other] into a file in /etc/nfjail/conf.d",
    "set sshd idle on": "enabled = false",
    "set sshd usedns no": "write it into [jail.sshd]",
    "set sshd addfailregex x<HOST>": "write it into [jail.sshd]",
    "set sshd bantime.factor 2": "write it into [jail.sshd]",
    "set sshd bantime x": "'x' is no length of time",
    "set sshd maxretry 0": "cannot be used; write a whole number from 1 to 10000",
    "set sshd delignoreip 192.0.2.1": "not in ignoreip of jail sshd: 192.0.2.1",
    "set sshd addignoreip 0.0.0.0/0": "everybody",
    "set sshd banip 999.1.1.1": "'999.1.1.1' is no IP address",
    "set sshd banip 127.0.0.1": "is ignored in jail sshd",
    "set sshd attempt 192.0.2.0/24": "is a network",
    "set loglevel DEBUG": "nfjail run",
    "set logtarget SYSLOG": "fail2ban_log",
    "set dbpurgeage 2d": "dbpurgeage",
    "status sshd cymru": "leave the word cymru away",
    "get manual bantime": "no settings",
}


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[Nfjail]:
    folder = tmp_path_factory.mktemp("house")
    with nfjail(folder, folder) as running:
        yield running


@pytest.mark.parametrize("line", REFUSED)
def test_what_nfjail_cannot_do_is_refused_with_what_to_do(house, line):
    said = house.ask(*line.split())
    assert (said.code, said.out.count("\n")) == (255, 1)
    assert REFUSED[line] in said.out
    assert re.fullmatch(r"MOMENT fail2ban {16}\[PID\]: ERROR   NOK: \(.*,\)", said.errors)


def test_no_interactive_mode(house):
    assert "no interactive mode" in house.ask("-i").errors


def test_help_and_wrong_options(house):
    assert house.ask("--help")[1:] == ("", 0)
    assert house.ask("-h").out.startswith("Usage: fail2ban-client [OPTIONS] <COMMAND>\n")
    assert house.ask("--nonsense").code == house.ask().code == 255


def test_bans_by_hand_of_nfjails_own_show_as_a_jail_while_there_are_any(ours):
    assert "manual" not in ours.ask("status").out
    ctl = ["nfjail", "ctl", "--runtime", str(ours.folder / "run"), "ban", "192.0.2.9"]
    subprocess.run([sys.executable, "-m", *ctl], env=ours.settings, check=True, stdout=subprocess.DEVNULL)
    assert "Jail list:\tmanual, nginx-http-auth, sshd\n" in ours.ask("status").out
    assert "Banned IP list:\t192.0.2.9\n" in ours.ask("status", "manual").out
    assert ours.ask("unban", "192.0.2.9").out == "1\n"


def test_settings_hold_at_once_and_until_the_reload(ours, logs):
    for change in ("bantime 2h", "maxretry 2", "addignoreip 192.0.2.8 198.51.100.0/24", "findtime 1h"):
        assert ours.ask("set", "sshd", *change.split()).code == 0
    fail(logs, "192.0.2.8", 5)
    fail(logs, "198.51.100.7", 5)
    fail(logs, "192.0.2.7", 2)
    until(lambda: ours.ask("get", "sshd", "banip").out == "192.0.2.7\n")
    assert " + 7200 = " in ours.ask("get", "sshd", "banip", "--with-time").out
    assert ours.ask("reload").out == "OK\n"
    assert [ours.ask("get", "sshd", key).out for key in ("bantime", "maxretry", "findtime")] == ["600\n", "3\n", "600\n"]
    fail(logs, "192.0.2.8", 3)
    until(lambda: ours.ask("get", "sshd", "banned", "192.0.2.8").out == "1\n")


def test_who_is_ignored_from_now_on_is_free(ours):
    ours.ask("set", "sshd", "banip", "192.0.2.8")
    ours.ask("set", "sshd", "addignoreip", "192.0.2.0/24")
    assert ours.ask("get", "sshd", "banip").out == "\n"


def test_reload_with_a_mistake_changes_nothing_and_says_where(ours):
    ours.configure("[jail.sshd]\nmaxretry = 0\n")
    said = ours.ask("reload")
    assert said.code == 255
    assert "more.toml: jail.sshd.maxretry" in said.out
    assert ours.ask("get", "sshd", "maxretry").out == "3\n"


def test_reload_unban(ours):
    ours.ask("set", "sshd", "banip", "192.0.2.1")
    ours.ask("set", "nginx-http-auth", "banip", "192.0.2.2")
    assert ours.ask("reload", "--unban", "sshd").out == "OK\n"
    assert ours.ask("banned").out == "[{'sshd': []}, {'nginx-http-auth': ['192.0.2.2']}]\n"


def test_the_installed_command(house):
    done = subprocess.run([*house.command, "ping"], env=house.settings, capture_output=True, text=True)
    assert (done.stdout, done.stderr, done.returncode) == ("Server replied: pong\n", "", 0)
    piped = f"{SHIM} -s {house.folder}/run/io.nfjail status | head -n 1"
    done = subprocess.run(["sh", "-c", piped], env=house.settings, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("Status\n", "")


#: who is banned first, and the check's options
CHECKED = [
    ((), ()),
    ((), ("-j", "nowhere")),
    (("192.0.2.1",), ("-j", "sshd")),
    (("192.0.2.1", "192.0.2.2", "192.0.2.3"), ()),
]


@suites
def test_the_nagios_check_of_the_package(suite, tmp_path, logs, ours):
    """files/nagios/check_fail2ban, as it comes with fail2ban."""
    check = unpacked(suite) / "usr/share/doc/fail2ban/examples/nagios/check_fail2ban"
    with fail2ban(suite, tmp_path, logs) as theirs:
        client = tmp_path / "client"
        client.write_text(f'#!/bin/sh\nexec {" ".join(theirs.command)} "$@"\n')
        client.chmod(0o755)
        for banned, more in CHECKED:
            checks = []
            for path, one in ((f"{SHIM} -s {ours.folder}/run/io.nfjail", ours), (str(client), theirs)):
                one.ask("set", "sshd", "banip", *banned)
                program, *options = path.split()
                socket = ("-S", options[1]) if options else ()
                command = ["perl", str(check), "-P", program, *socket, "-p", "-w", "1", "-c", "3", *more]
                done = subprocess.run(command, env=one.settings, capture_output=True, text=True)
                checks.append((done.stdout, done.returncode))
            assert checks[0] == checks[1]
    assert checks[0][1] == 2


def test_it_is_where_the_package_will_look_for_it():
    assert SHIM == ROOT / "packaging/compat/fail2ban-client"
    assert os.access(SHIM, os.X_OK)
