"""nfjail ctl: asks the running daemon, and tells it what to do. The one table of its verbs stands here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from nfjail.cli import ctl_settings, ctl_verbs, description
from nfjail.core.duration import parse_duration

HELP = "ask the running daemon, or ban and unban by hand"
EXAMPLES = """\
  nfjail ctl status                   what is watched, and how much it found
  nfjail ctl list | head              who is banned
  nfjail ctl why 192.0.2.7            and why
  nfjail ctl ban 192.0.2.7 --for 2h
  nfjail ctl unban 192.0.2.7
  nfjail ctl ban --help               each verb has more examples"""


class Argument(NamedTuple):
    name: str  # a positional's name, or an option's
    help: str
    settings: Mapping[str, Any] = {}  # more of what argparse's add_argument() takes


class Verb(NamedTuple):
    summary: str
    examples: str
    arguments: tuple[Argument, ...]
    run: Callable[[argparse.Namespace], int]


def _duration(text: str) -> dict[str, Any]:
    """The parameters of Ban that say how long."""
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if seconds == 0:
        raise argparse.ArgumentTypeError("must be longer than nothing")
    return {"forever": True} if seconds is None else {"seconds": seconds}


_TIME = {"metavar": "TIME", "type": _duration}
_ADDR = {"metavar": "ADDR", "nargs": "*"}
_REASON = Argument("--reason", "why, for the record", {"metavar": "TEXT"})


def _length(default: str) -> Argument:
    settings = {"dest": "duration", "metavar": "TIME", "type": _duration, "default": {}}
    return Argument("--for", f'how long: "2h", "1d 12h", "forever" (default: {default})', settings)


def _jail(text: str) -> Argument:
    return Argument("--jail", text, {"metavar": "JAIL"})


VERBS: dict[str, Verb] = {
    "status": Verb(
        "how the daemon and its jails are doing",
        "  nfjail ctl status\n  nfjail ctl status sshd\n  nfjail ctl status --json | jq '.jails[].banned'",
        (Argument("name", "only this jail", {"metavar": "JAIL", "nargs": "?"}),),
        ctl_verbs.status,
    ),
    "list": Verb(
        "who is banned now",
        "  nfjail ctl list\n  nfjail ctl list sshd | head\n  nfjail ctl list --json | jq -r .address",
        (Argument("name", "only this jail", {"metavar": "JAIL", "nargs": "?"}),),
        ctl_verbs.list_bans,
    ),
    "why": Verb(
        "why an address is or was banned, with the log lines that led to it",
        "  nfjail ctl why 192.0.2.7\n  nfjail ctl why 2001:db8::7",
        (Argument("address", "the address or network", {"metavar": "ADDR"}),),
        ctl_verbs.why,
    ),
    "watch": Verb(
        "what happens from now on, until Ctrl-C",
        "  nfjail ctl watch\n  nfjail ctl watch --json | jq -r 'select(.event == \"ban\").address'",
        (),
        ctl_verbs.watch,
    ),
    "ban": Verb(
        "ban addresses or networks",
        "  nfjail ctl ban 192.0.2.7                  on all ports, in the jail manual\n"
        "  nfjail ctl ban 192.0.2.0/24 2001:db8::/64 --for 2h\n"
        '  nfjail ctl ban 192.0.2.7 --jail sshd --for 4w --reason "named by the CERT"',
        (
            Argument("addresses", "an address, or a network like 192.0.2.0/24", {"metavar": "ADDR", "nargs": "+"}),
            _jail("only from what this jail protects (default: manual: from everything)"),
            _length("the jail's bantime"),
            _REASON,
            Argument("--force", "even if your own SSH connection is cut by it", {"action": "store_true"}),
        ),
        ctl_verbs.ban,
    ),
    "unban": Verb(
        "end bans before their time",
        "  nfjail ctl unban 192.0.2.7\n  nfjail ctl unban 192.0.2.7 --jail sshd\n"
        "  nfjail ctl unban --jail sshd              everybody in it\n  nfjail ctl unban --all",
        (
            Argument("addresses", "an address or network that is banned", _ADDR),
            _jail("only in this jail (default: in all); without ADDR: all its bans"),
            Argument("--all", "all bans of all jails", {"action": "store_true"}),
        ),
        ctl_verbs.unban,
    ),
    "ignore": Verb(
        "who is never banned: add, del or list addresses and networks",
        '  nfjail ctl ignore add 192.0.2.7 --for 1h --reason "penetration test"\n'
        "  nfjail ctl ignore del 192.0.2.7\n  nfjail ctl ignore list",
        (
            Argument("action", "add, del or list", {"choices": ("add", "del", "list")}),
            Argument("addresses", "an address or network", _ADDR),
            _length("forever"),
            _REASON,
        ),
        ctl_verbs.ignore,
    ),
    "set": Verb(
        "a jail's settings in force, and their change until the next reload",
        "  nfjail ctl set sshd                       shows them\n"
        "  nfjail ctl set sshd --bantime 2h --maxretry 3\n"
        "  nfjail ctl set sshd --ignore 192.0.2.0/24 friend.example",
        (
            Argument("name", "the jail", {"metavar": "JAIL"}),
            Argument("--bantime", 'how long bans last from now on: "2h", "forever"', _TIME),
            Argument("--findtime", "how long a failure counts", _TIME),
            Argument("--maxretry", "failures within findtime that make a ban", {"metavar": "N", "type": int}),
            Argument("--ignore", "never ban these, in this jail", {"metavar": "ADDR", "nargs": "+"}),
            Argument("--unignore", "take them out of its ignoreip", {"metavar": "ADDR", "nargs": "+"}),
        ),
        ctl_settings.set_,
    ),
    "reload": Verb(
        "read the configuration again; with a mistake in it, everything stays as it is",
        "  nfjail ctl reload\n  nfjail check && nfjail ctl reload",
        (),
        ctl_verbs.reload,
    ),
    "ping": Verb("whether the daemon is there and answers", "  nfjail ctl ping && echo well", (), ctl_verbs.ping),
    "flush": Verb(
        "remove all bans, and all of nfjail's from the firewall, without asking back",
        "  nfjail ctl flush",
        (),
        ctl_verbs.flush,
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    _add_common(parser, runtime="/run/nfjail", json=False)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", required=True)
    for name, verb in VERBS.items():
        sub = verbs.add_parser(name, help=verb.summary, **description(verb.summary, verb.examples))
        # Also behind the verb; not given there, they must not undo what stood before it.
        _add_common(sub, runtime=argparse.SUPPRESS, json=argparse.SUPPRESS)
        for argument in verb.arguments:
            sub.add_argument(argument.name, help=argument.help, **argument.settings)


def _add_common(parser: argparse.ArgumentParser, runtime: str, json: bool | str) -> None:
    where = "where the daemon's control socket is (default: /run/nfjail)"
    parser.add_argument("--runtime", metavar="DIR", default=runtime, help=where)
    form = "answer in JSON (list, watch: one object a line)"
    parser.add_argument("--json", action="store_true", default=json, help=form)


def main(args: argparse.Namespace) -> int:
    return VERBS[args.verb].run(args)
