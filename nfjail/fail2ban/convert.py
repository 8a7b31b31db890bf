"""What a jail of fail2ban's is in nfjail's own terms: the tables of its TOML, and what is lost on the way and why."""

from __future__ import annotations

import glob
import ipaddress
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nfjail.core.duration import parse_duration
from nfjail.core.model import parse_address
from nfjail.core.policy import Increment
from nfjail.core.spec import FilterSpec
from nfjail.fail2ban.banactions import FOREIGN, Block, InverseError, recognise
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.jails import Jail

PREFIX = "fail2ban-"  # of the filters' names: nfjail's own of the same name stay as they are

Table = dict[str, Any]


class Converted(NamedTuple):
    """A jail, ready to be written. With a reason it cannot be carried over at all."""

    name: str
    jail: Table = {}  # noqa: RUF012
    increment: Table = {}  # noqa: RUF012
    filter_name: str = ""
    filter: Table = {}  # noqa: RUF012
    origin: Mapping[str, str] = {}  # noqa: RUF012  # by key of the jail: where it stands in fail2ban's files
    lost: tuple[str, ...] = ()
    reason: str = ""


def convert(jail: Jail) -> Converted:
    """The jail in nfjail's terms; nothing of it is compared with nfjail's defaults yet."""
    reason = _reason(jail)
    if reason or jail.filter is None:
        return Converted(jail.name, reason=reason)
    lost: list[str] = []
    block = _block(jail, lost)
    if block is None:
        return Converted(jail.name, reason=lost[-1] if lost else "it has no action that keeps anybody out: nfjail would ban")
    settings = jail.settings
    table: Table = {"enabled": True, "filter": PREFIX + jail.name, **_source(jail, lost)}
    table |= {"port": list(block.port) or "all", "protocol": list(block.protocol) or "all", "blocktype": block.blocktype}
    table |= {
        "maxretry": settings.maxretry,
        "findtime": _duration(jail.options, "findtime", settings.findtime),
        "bantime": _duration(jail.options, "bantime", settings.bantime),
        "maxmatches": settings.maxmatches,
        "ignoreip": list(_ignored(settings.ignoreip, lost)),
        "ignoreself": settings.ignoreself,
    }
    if "maxmatches" not in jail.options or settings.maxmatches == settings.maxretry:
        del table["maxmatches"]  # nfjail's default, and that of fail2ban's jail.conf
    _note_lost(jail, lost)
    return Converted(
        jail.name,
        table,
        _increment(jail, settings.increment) if settings.increment.enabled else {},
        table["filter"],
        filter_table(jail.filter.spec, lost),
        {key: _place(text) for key, text in jail.options.items() if text.file} | _places_of_actions(jail),
        tuple(dict.fromkeys(lost)),
    )


def _reason(jail: Jail) -> str:
    """Why the jail cannot be carried over."""
    if jail.problems:
        return f"fail2ban cannot use it either: {jail.problems[0]}"
    if jail.filter is None:
        return "it has no filter: it is for bans by hand, for which nfjail has `nfjail ctl ban`"
    if not jail.filter.spec.failregex:
        return "its filter has no failregex: it is for bans by hand, for which nfjail has `nfjail ctl ban`"
    if jail.filter.spec.name == "recidive":
        return "it reads fail2ban's own log; write instead: [default.increment] enabled = true, overalljails = true"
    return ""


def _block(jail: Jail, lost: list[str]) -> Block | None:
    """What the jail's firewall action closes. Every other action is lost."""
    found: Block | None = None
    for action in jail.actions:
        try:
            block = recognise(action)
        except InverseError as error:
            lost.append(str(error))
            return None
        if block is None:
            why = "is for another system" if action.file in FOREIGN else "is not carried over"
            lost.append(f"action {action.file} {why}")
        elif found is None:
            found = block
            lost += block.lost
        elif (block.port, block.protocol) != (found.port, found.protocol):
            lost.append(f"action {action.file} is a second one that blocks: only the first is carried over")
    return found


def _source(jail: Jail, lost: list[str]) -> Table:
    settings, spec = jail.settings, jail.filter.spec if jail.filter else None
    matches = list(spec.journalmatch) if spec else []
    if settings.backend.name == "systemd":
        lost += [f"backend parameter {name}: see [journal] path" for name in settings.backend.parameters]
        return {"backend": "journal", "journalmatch": list(trusted(matches, lost))}
    paths = [path.pattern for path in settings.logpath]
    lost += [f"logpath {path.pattern} tail: it is read from findtime ago on" for path in settings.logpath if path.tail]
    relative = [path for path in paths if not os.path.isabs(path)]
    lost += [f"logpath {path}: only absolute paths can be read" for path in relative]
    lost += [f"logpath {path}: there is no such file now" for path in paths if path not in relative and not glob.glob(path)]
    return {"backend": "file", "logpath": [path for path in paths if path not in relative]}


def trusted(matches: Sequence[str], lost: list[str]) -> Iterator[str]:
    """journalmatch, with every part that any local user could forge limited to what root writes."""
    for line in matches:
        groups: list[list[str]] = [[]]
        for word in shlex.split(line):
            groups.append([]) if word == "+" else groups[-1].append(word)
        for group in filter(None, groups):
            if not any(word.startswith(("_SYSTEMD_", "_UID=", "_GID=", "_EXE=", "_SELINUX_CONTEXT=")) for word in group):
                lost.append(f"journalmatch {' '.join(group)}: only from root (_UID=0), as any local user could log so")
                group = [*group, "_UID=0"]
            yield shlex.join(group)


def filter_table(spec: FilterSpec, lost: list[str]) -> Table:
    """The filter, whose patterns are fail2ban's: on the whole line but for its date."""
    table: Table = {"language": "fail2ban"}
    if spec.logtype == "journal":
        table["logtype"] = spec.logtype
        table["journalmatch"] = list(trusted(spec.journalmatch, lost))
    else:
        table |= {"datepattern": spec.datepattern.strip().split("\n")} if spec.datepattern.strip() else {}
        table |= {"logtimezone": spec.logtimezone} if spec.logtimezone else {}
    table |= {"usedns": spec.usedns} if spec.usedns != "warn" else {}
    table |= {"maxlines": spec.maxlines} if spec.maxlines > 1 else {}
    table |= {"prefregex": spec.prefregex} if spec.prefregex else {}
    table["failregex"] = list(spec.failregex)
    table |= {"ignoreregex": list(spec.ignoreregex)} if spec.ignoreregex else {}
    return table


def _duration(options: Mapping[str, Text], name: str, seconds: float | None) -> Any:
    """As it was written, if nfjail understands it so, too; else in seconds."""
    if seconds is None:
        return "forever"
    text = options[name].value if name in options else ""
    try:
        if text and not text.isdigit() and parse_duration(text) == seconds:
            return text
    except ValueError:
        pass  # 2*30, 1year-6mo
    return int(seconds) if seconds == int(seconds) else seconds


def _increment(jail: Jail, increment: Increment) -> Table:
    table: Table = {"enabled": True, "factor": increment.factor, "multipliers": list(increment.multipliers)}
    table |= {"formula": increment.formula, "overalljails": increment.overalljails}
    table["maxtime"] = _duration(jail.options, "bantime.maxtime", increment.maxtime)
    table["rndtime"] = _duration(jail.options, "bantime.rndtime", increment.rndtime)
    return table


def _ignored(items: Sequence[str], lost: list[str]) -> Iterator[str]:
    for item in items:
        if item.startswith("file:"):
            lost.append(f"ignoreip {item}: the addresses in that file have to be written into the list")
            continue
        address, slash, mask = item.partition("/")
        if slash and not mask.isdigit():
            try:
                item = str(ipaddress.ip_network(item, strict=False))
            except ValueError:
                lost.append(f"ignoreip {item} is no network")
                continue
        elif slash and parse_address(address) is None:
            lost.append(f"ignoreip {item} is no network")
            continue
        yield item


def _note_lost(jail: Jail, lost: list[str]) -> None:
    settings = jail.settings
    if settings.ignorecommand:
        lost.append(f"ignorecommand {settings.ignorecommand}: nfjail starts no program for each failure")
    if settings.logencoding.lower() not in ("auto", "utf-8", "utf8", "ascii"):
        lost.append(f"logencoding {settings.logencoding}: all is read as UTF-8, and replaced where it is none")


def _place(text: Text) -> str:
    return f"{os.path.basename(text.file)}:{text.line}"


def _places_of_actions(jail: Jail) -> dict[str, str]:
    places = [f"{os.path.basename(file)}:{line}" for action in jail.actions for file, line in [action.place] if file]
    return dict.fromkeys(("port", "protocol", "blocktype"), places[0]) if places else {}
