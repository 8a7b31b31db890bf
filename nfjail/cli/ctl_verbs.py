"""What each verb of `nfjail ctl` does: takes the parsed arguments, asks the daemon, shows its answer."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from nfjail.cli.ctl_client import Client
from nfjail.cli.ctl_lockout import refuse_lockout
from nfjail.cli.ctl_output import because, clock, event_line, length, record_lines, say, say_json, say_table, until
from nfjail.core.duration import format_duration
from nfjail.core.model import Subject, parse_subject
from nfjail.errors import NfjailError


class UsageError(NfjailError):
    """The command line makes no sense; nothing has been asked of the daemon."""

    exit_code = 2


def subjects(texts: Sequence[str]) -> list[Subject]:
    """The addresses and networks of a command line. Raises UsageError, which names all that are none."""
    good, bad = [], []
    for text in texts:
        try:
            good.append(parse_subject(text))
        except ValueError as error:
            bad.append(str(error))
    if bad:
        raise UsageError("\n        ".join(bad), "write addresses like 192.0.2.7, 2001:db8::7 or 192.0.2.0/24")
    return good


def addresses(texts: Sequence[str]) -> list[str]:
    return [str(subject) for subject in subjects(texts)]


def ask(args: argparse.Namespace, method: str, **parameters: Any) -> dict[str, Any]:
    """The daemon's answer; already printed if JSON is wanted."""
    with Client(args.runtime) as daemon:
        reply = daemon.call(method, **parameters)
    if args.json:
        say_json(reply)
    return reply


def tell(args: argparse.Namespace, lines: Iterable[str]) -> int:
    """Prints lines, unless the answer has been printed as JSON."""
    if not args.json:
        for line in lines:
            say(line)
    return 0


def ban(args: argparse.Namespace) -> int:
    wanted = subjects(args.addresses)
    if not args.force:
        refuse_lockout(wanted, os.environ, os.getppid())
    texts = [str(subject) for subject in wanted]
    reply = ask(args, "Ban", addresses=texts, jail=args.jail, reason=args.reason, **args.duration)
    return tell(args, map(_banned_line, reply["banned"]))


def _banned_line(banned: dict[str, Any]) -> str:
    now = banned["ban"]
    if not banned["already"]:
        return f"{now['jail']}: banned {now['address']} {length(now)}"
    return f"{now['jail']}: {now['address']} was already banned {until(banned['before'])}, now {until(now['until'])}"


def unban(args: argparse.Namespace) -> int:
    if args.all and (args.addresses or args.jail):
        raise UsageError("--all ends every ban: it goes with neither addresses nor --jail")
    if not (args.all or args.addresses or args.jail):
        raise UsageError("whom to unban?", "name addresses, or a --jail, or --all")
    wanted = addresses(args.addresses) or None
    reply = ask(args, "Unban", addresses=wanted, jail=args.jail, all=args.all or None)
    return tell(args, _unbanned_lines(reply, wanted is None))


def _unbanned_lines(reply: dict[str, Any], counted: bool) -> Iterator[str]:
    if counted:
        yield f"ended {_bans(reply['count'])}"
    for place in reply["bans"]:
        yield f"{place['jail']}: unbanned {place['address']}"
    for address in reply["missing"]:
        yield f"{address} was not banned"


def _bans(count: int) -> str:
    return f"{count} ban{'' if count == 1 else 's'}"


def status(args: argparse.Namespace) -> int:
    reply = ask(args, "Status", jail=args.name)
    if args.json:
        return 0
    uptime = format_duration(max(0.0, time.time() - reply["since"]))
    say(f"nfjail {reply['version']}, process {reply['pid']}, up {uptime}")
    for trouble in reply["trouble"]:
        say(f"trouble: {trouble}")
    rows = [
        (
            jail["name"],
            *(str(jail[name]) for name in ("failures", "banned", "total")),
            "-" if jail["refused"] is None else str(jail["refused"]),
            ", ".join(jail["sources"]) or "-",
        )
        for jail in reply["jails"]
    ]
    say("")
    numbers = ("FAILURES", "BANNED", "TOTAL", "REFUSED")
    say_table(("JAIL", *numbers, "WATCHES"), rows, right=numbers)
    return 0


def list_bans(args: argparse.Namespace) -> int:
    with Client(args.runtime) as daemon:
        bans = (reply["ban"] for reply in daemon.stream("List", jail=args.name) if reply.get("ban"))
        if args.json:
            for one in bans:
                say_json(one, indent=None)
            return 0
        now = time.time()
        say_table(("JAIL", "ADDRESS", "SINCE", "LEFT", "BY", "WHY"), (_list_row(one, now) for one in bans))
    return 0


def _list_row(one: dict[str, Any], now: float) -> tuple[str, ...]:
    left = "forever" if one["until"] is None else format_duration(max(0.0, one["until"] - now))
    why = because(one["reason"], one["nth"])
    return one["jail"], one["address"], clock(one["since"]), left, one["origin"], why


def why(args: argparse.Namespace) -> int:
    (address,) = addresses([args.address])
    reply = ask(args, "Why", address=address)
    now = time.time()
    lines = (line for record in reply["records"] for line in record_lines(record, now))
    return tell(args, lines if reply["records"] else [f"no ban of {address} is on record"])


def watch(args: argparse.Namespace) -> int:
    with Client(args.runtime) as daemon:
        for reply in daemon.stream("Watch"):
            event = reply.get("event")
            if event and args.json:
                say_json(event, indent=None)
            elif event:
                say(event_line(event))
            sys.stdout.flush()
    return 0


def ignore(args: argparse.Namespace) -> int:
    if args.action == "list":
        if args.addresses or args.duration or args.reason:
            raise UsageError("ignore list takes no addresses, --for or --reason")
        return _ignore_list(args)
    if not args.addresses:
        raise UsageError(f"whom to {args.action}?", f"name addresses: nfjail ctl ignore {args.action} 192.0.2.7")
    wanted = addresses(args.addresses)
    if args.action == "add":
        reply = ask(args, "IgnoreAdd", addresses=wanted, seconds=args.duration.get("seconds"), reason=args.reason)
        return tell(args, (f"ignoring {one['address']} {until(one['until'])}" for one in reply["ignored"]))
    if args.duration or args.reason:
        raise UsageError("ignore del takes no --for or --reason")
    reply = ask(args, "IgnoreDelete", addresses=wanted)
    done = [f"no longer ignoring {address}" for address in reply["deleted"]]
    return tell(args, done + [f"{address} was not ignored" for address in reply["missing"]])


def _ignore_list(args: argparse.Namespace) -> int:
    reply = ask(args, "IgnoreList")
    if not args.json:
        rows = ((one["address"], until(one["until"]), one["origin"], one["reason"]) for one in reply["ignored"])
        say_table(("ADDRESS", "HOW LONG", "BY", "WHY"), rows)
    return 0


def reload(args: argparse.Namespace) -> int:
    reply = ask(args, "Reload")
    return tell(args, [f"configuration read again; jails: {', '.join(reply['jails']) or 'none'}"])


def ping(args: argparse.Namespace) -> int:
    reply = ask(args, "Ping")
    return tell(args, [f"nfjail {reply['version']} is running (process {reply['pid']})"])


def flush(args: argparse.Namespace) -> int:
    reply = ask(args, "Flush")
    return tell(args, [f"removed {_bans(reply['count'])}: nobody is kept out until the next one"])
