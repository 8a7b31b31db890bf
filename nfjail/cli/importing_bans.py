"""`nfjail import --bans`: fail2ban's running bans go on in the running nfjail, for the time that they have left."""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nfjail.cli.ctl_client import Client, NotRunningError
from nfjail.config.adopt import name_of
from nfjail.errors import NfjailError
from nfjail.fail2ban.bans import OldBan, OldBans, read_bans
from nfjail.fail2ban.server import read_server
from nfjail.text import printable

_AT_ONCE = 2000  # bans in one request; one of 1 MiB is the most


class UsageError(NfjailError):
    """The command line makes no sense; nothing has been done."""

    exit_code = 2


def take_over(args: argparse.Namespace) -> int:
    """Exit code 0 when all that runs goes on here; 1 when a jail for some of it is missing."""
    if args.output is not None or args.force:
        raise UsageError("--bans goes with neither -o nor --force", "write the configuration first, then reload, then --bans")
    path = args.bans or _database(args.folder)
    found = read_bans(path, time.time())
    for line in _told(path, found):
        print(printable(line))
    if not found.running:
        return 0
    try:
        with Client(args.runtime) as daemon:
            return _hand_over(daemon, found.running)
    except NotRunningError as error:
        advice = "start it with fail2ban's jails (nfjail import -o /etc/nfjail; systemctl start nfjail), then do this again"
        raise NotRunningError(error.what, advice) from None


def _database(folder: str) -> str:
    path = read_server(folder).dbfile if os.path.isdir(folder) else ""
    if path in ("None", ":memory:"):
        what = f"fail2ban keeps no database: dbfile = {path} in {folder}/fail2ban.conf"
        raise NfjailError(what, "its bans cannot be taken over; what attackers do next, nfjail sees itself")
    return path or read_server().dbfile


def _told(path: str, found: OldBans) -> Iterator[str]:
    yield f"{path}: {len(found.running)} running bans, {found.over} that are over"
    for why, count in sorted(found.unfit.items()):
        yield f"{count} left out: {why}"


def _hand_over(daemon: Client, bans: Sequence[OldBan]) -> int:
    known = {jail["name"] for jail in daemon.call("Status")["jails"]}
    wanted = [(name_of(ban.jail), ban) for ban in bans]
    taken, ignored = 0, []
    for part in _parts([_info(name, ban) for name, ban in wanted if name in known]):
        answer = daemon.call("TakeOver", bans=part)
        taken += answer["taken"]
        ignored += answer["ignored"]
    missing = Counter(ban.jail for name, ban in wanted if name not in known)
    print(f"took over {taken} bans; {len(bans) - taken - len(ignored) - sum(missing.values())} others held here already")
    for place in ignored:
        print(printable(f"{place['jail']}: {place['address']} is not banned here: ignoreip, or an own address"))
    for jail, count in sorted(missing.items()):
        print(printable(f"{jail}: {count} bans left out: there is no such jail here, or it is not enabled"))
    return 1 if missing else 0


def _info(jail: str, ban: OldBan) -> dict[str, Any]:
    place = {"jail": jail, "address": str(ban.subject), "since": ban.since, "until": ban.until}
    return {**place, "nth": ban.nth, "origin": "import", "reason": ban.reason}


def _parts(bans: Sequence[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (list(bans[at : at + _AT_ONCE]) for at in range(0, len(bans), _AT_ONCE))
