"""Bans that run in fail2ban go on in a running nfjail: in the kernel, for the time that is left, also after a restart."""

from __future__ import annotations

import sqlite3
import sys
import time

from tests.system.house import Nfjail, in_bed, in_kernel, run, who

JAILS = """
[default.increment]
enabled = true
[jail.sshd]
backend = "file"
logpath = ["/run/house/auth.log"]
port = [22]
"""
TABLE = "CREATE TABLE bips(ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON)"


@in_bed("sshd.sh")
def test_running_bans_are_taken_over():
    now = int(time.time())
    rows = [
        ("198.51.100.1", "sshd", now - 600, 3600, 3, '{"failures": 5}'),
        ("2001:db8:1::1", "sshd", now - 600, -1, 1, "{}"),
        ("198.51.100.2", "sshd", now - 600, 60, 1, "{}"),
        ("198.51.100.3", "gone", now - 600, 3600, 1, "{}"),
    ]
    with sqlite3.connect("/run/fail2ban.sqlite3") as db:
        db.execute(TABLE)
        db.executemany("INSERT INTO bips VALUES (?, ?, ?, ?, ?, ?)", rows)
    db.close()
    command = [sys.executable, "-m", "nfjail", "import", "--bans", "/run/fail2ban.sqlite3", "--runtime"]
    with Nfjail(JAILS) as nfjail:
        said = run(*command, str(nfjail.folder / "run"), status=1)
        assert said.splitlines() == [
            "/run/fail2ban.sqlite3: 3 running bans, 1 that are over",
            "took over 2 bans; 0 others held here already",
            "gone: 1 bans left out: there is no such jail here, or it is not enabled",
        ]
        wanted = {("sshd", "198.51.100.1"), ("sshd", "2001:db8:1::/64")}
        assert who(in_kernel()) == wanted
        (ban,) = [ban for ban in nfjail.list() if ban["address"] == "198.51.100.1"]
        assert (ban["since"], ban["until"], ban["nth"], ban["origin"]) == (now - 600, now + 3000, 3, "import")
        assert "took over 0 bans; 2 others" in run(*command, str(nfjail.folder / "run"), status=1)
        nfjail.kill()
        nfjail.start()
        assert who(in_kernel()) == wanted
        nfjail.ctl("unban", "198.51.100.1")
        nfjail.ctl("ban", "198.51.100.1", "--jail", "sshd")
        (ban,) = [ban for ban in nfjail.list() if ban["address"] == "198.51.100.1"]
        assert ban["nth"] == 4
