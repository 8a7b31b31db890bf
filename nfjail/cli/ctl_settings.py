"""nfjail ctl set: a jail's settings in force, and their change until the next reload."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from nfjail.cli.ctl_verbs import UsageError, ask, tell
from nfjail.core.duration import format_duration


def set_(args: argparse.Namespace) -> int:
    values = _wanted(args)
    if values:
        settings = ask(args, "Set", jail=args.name, **values)["settings"]
    else:
        settings = ask(args, "Settings", jail=args.name)["jails"][0]
    return tell(args, _lines(settings, changed=bool(values)))


def _wanted(args: argparse.Namespace) -> dict[str, Any]:
    """The parameters of Set that are to change."""
    values: dict[str, Any] = {}
    if args.bantime is not None:
        values |= args.bantime if "forever" in args.bantime else {"bantime": args.bantime["seconds"]}
    if args.findtime is not None:
        if "forever" in args.findtime:
            raise UsageError("findtime cannot be for ever", 'write a length of time: "10m", "1d"')
        values["findtime"] = args.findtime["seconds"]
    more = {"maxretry": args.maxretry, "ignore": args.ignore, "unignore": args.unignore}
    return values | {key: value for key, value in more.items() if value is not None}


def _lines(settings: dict[str, Any], *, changed: bool) -> Iterator[str]:
    span, ban = format_duration(settings["findtime"]), format_duration(settings["bantime"])
    lasting = "for ever" if settings["bantime"] is None else f"for {ban}"
    until = ", until the next reload" if changed else ""
    yield f"{settings['jail']}: a ban {lasting} after {settings['maxretry']} failures in {span}{until}"
    yield f"never banned there: {', '.join(settings['ignoreip']) or 'nobody by ignoreip'}"
