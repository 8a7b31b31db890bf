"""Run with fail2ban's package on PYTHONPATH: has its own code write a database, and keeps it open until stdin ends.

Arguments: the file, and the bans as JSON: [[jail, id, time of ban, length, how often banned], ...]. Prints "written".
"""

from __future__ import annotations

import json
import logging
import sys

from fail2ban.server.database import Fail2BanDb
from fail2ban.server.ticket import BanTicket


class Jail:
    """As much of a jail as the database asks for."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.actions = self

    def getBanTime(self) -> int:  # noqa: N802  # fail2ban's name
        return 600


logging.disable(logging.CRITICAL)
database = Fail2BanDb(sys.argv[1])
jails = {}
for name, who, time, length, count in json.loads(sys.argv[2]):
    jail = jails.setdefault(name, Jail(name))
    database.addJail(jail)
    ticket = BanTicket(who, time, ["Failed password from somewhere ✓ \udcff"])
    ticket.setAttempt(5)
    ticket.setBanTime(length)
    ticket.setBanCount(count)
    database.addBan(jail, ticket)
print("written", flush=True)
sys.stdin.read()
