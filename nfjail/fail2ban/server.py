"""Reads fail2ban.conf (and fail2ban.d/*.conf, fail2ban.local, fail2ban.d/*.local): what holds for the whole program."""

from __future__ import annotations

from typing import NamedTuple

from nfjail.fail2ban.definition import DEFINITION
from nfjail.fail2ban.files import load
from nfjail.fail2ban.filters import ETC
from nfjail.fail2ban.ini import Section
from nfjail.fail2ban.interpolate import InterpolationError, value_of
from nfjail.fail2ban.problem import Problem
from nfjail.fail2ban.seconds import parse_seconds
from nfjail.fail2ban.settings import Reading

OPTIONS = (
    "loglevel", "logtarget", "syslogsocket", "socket", "pidfile", "allowipv6", "dbfile", "dbmaxmatches", "dbpurgeage",
)  # fmt: skip


class Server(NamedTuple):
    """The program's options. The defaults are fail2ban's."""

    loglevel: str = "INFO"
    logtarget: str = "STDERR"
    syslogsocket: str = "auto"
    socket: str = "/var/run/fail2ban/fail2ban.sock"
    pidfile: str = "/var/run/fail2ban/fail2ban.pid"
    allowipv6: str = "auto"
    dbfile: str = "/var/lib/fail2ban/fail2ban.sqlite3"  # "None": there is none
    dbmaxmatches: int | None = None
    dbpurgeage: float = 86_400.0  # seconds
    stacksize: int | None = None  # of each thread, KiB
    problems: tuple[Problem, ...] = ()


def read_server(base: str = ETC) -> Server:
    """fail2ban.conf and what belongs to it; the defaults where there is none."""
    merged = load(base, "fail2ban")
    options: Section = {}
    problems = [fault.problem for fault in merged.faults]
    for section, names in ((DEFINITION, OPTIONS), ("Thread", ("stacksize",))):
        for name in names if section in merged.sections else ():
            try:
                text = value_of(merged.sections, merged.known, section, name)
            except InterpolationError as error:
                problems.append(error.problem)
                continue
            if text is not None:
                options[name] = text
    reading, default = Reading(options), Server()
    take = reading.take
    return Server(
        loglevel=take("loglevel", str, default.loglevel),
        logtarget=take("logtarget", str, default.logtarget),
        syslogsocket=take("syslogsocket", str, default.syslogsocket),
        socket=take("socket", str, default.socket),
        pidfile=take("pidfile", str, default.pidfile),
        allowipv6=take("allowipv6", str, default.allowipv6),
        dbfile=take("dbfile", str, default.dbfile),
        dbmaxmatches=take("dbmaxmatches", int, default.dbmaxmatches),
        dbpurgeage=take("dbpurgeage", parse_seconds, default.dbpurgeage),
        stacksize=take("stacksize", int, default.stacksize),
        problems=(*problems, *reading.problems),
    )
