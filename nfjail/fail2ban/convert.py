"""What a jail of fail2ban's is in nfjail's own terms: the tables of its TOML, and what is lost on the way and why."""

from __future__ import annotations

import glob
import ipaddress
import os
import re
import shlex
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nfjail.core.duration import LONGEST, format_duration, parse_duration
from nfjail.core.journal_line import journal_terms
from nfjail.core.policy import Increment
from nfjail.core.spec import FilterSpec
from nfjail.fail2ban.banactions import InverseError, block_of
from nfjail.fail2ban.ini import Section, Text
from nfjail.fail2ban.jails import Jail

PREFIX = "fail2ban-"  # of the filters' names: nfjail's own of the same name stay as they are

_RECIDIVE = "recidive"  # the filter that reads fail2ban's own log
_MOST = 10_000  # of maxretry and maxmatches in nfjail
_LEAST_FACTOR, _MOST_FACTOR = 1e-9, 1e6
_LONGEST = 64  # characters of a name
_TELLS_WHO = ("_SYSTEMD_", "_UID", "_TRANSPORT")  # fields that journald knows, and whose values only the system has

#: lengths of time that nfjail does not take: what is there for one that is too short, and for one that is too long
_FITTING: Mapping[str, tuple[tuple[Any, str], tuple[Any, str]]] = {
    "findtime": ((1, "a second"), ("100y", "100 years")),
    "bantime": ((1, "a second"), ("forever", "for ever")),
    "bantime.maxtime": (("forever", "no limit"), ("forever", "no limit")),
    "bantime.rndtime": ((0, "nothing"), ("100y", "100 years")),
}

Table = dict[str, Any]


class Converted(NamedTuple):
    """A jail, ready to be written. With a reason it cannot be carried over at all."""

    name: str
    jail: Table = {}  # noqa: RUF012
    increment: Table = {}  # noqa: RUF012
    filter_name: str = ""
    filter: Table = {}  # noqa: RUF012
    files: tuple[str, ...] = ()  # those that the filter was read from
    call: str = ""  # how fail2ban's jail names its filter
    origin: Mapping[str, Text] = {}  # by key of the jail: where it stands in fail2ban's files
    inherited: frozenset[str] = frozenset()  # keys of the jail, or "increment", that come from [DEFAULT]
    lost: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()  # what is carried over but has another meaning than one might think
    reason: str = ""
    top: Table = {}  # noqa: RUF012  # what the jail needs that stands in no table


def better_backend(jail: Jail) -> str:
    """What the jail is to be read with in place of its own backend, which would find nothing; "": that is well.

    As fail2ban does since 1.1.1 for backend = auto: without a log file the journal, if the filter says what of it.
    """
    backend, paths = jail.settings.backend.name, jail.settings.logpath
    if jail.filter is None or jail.problems:
        return ""
    if jail.filter.spec.name == _RECIDIVE:
        return "auto" if backend == "systemd" and paths else ""
    if backend != "auto" or not jail.settings.systemd_if_nologs or not jail.filter.spec.journalmatch:
        return ""
    return "" if any(glob.glob(path.pattern) for path in paths) else "systemd"


def convert(jail: Jail, default: Section) -> Converted:
    """The jail in nfjail's terms; default: what fail2ban's [DEFAULT] says. Nothing is compared with nfjail's defaults."""
    reason = _reason(jail)
    if reason:
        return Converted(jail.name, reason=reason)
    lost: list[str] = []
    remarks: list[str] = []
    try:
        block = block_of(jail, lost)
    except InverseError as error:
        return Converted(jail.name, reason=str(error))
    if block is None:
        told = f" ({'; '.join(lost)})" if lost else ""
        return Converted(jail.name, reason=f"it has no action that blocks, and nfjail would block{told}")
    source, filter = _reads(jail, lost, remarks)
    name = _filter_name(jail.name) if filter else ""
    # Without its ignorecommand it would ban whom that spares: better to leave them to other jails.
    enabled = not jail.settings.ignorecommand
    table: Table = {"enabled": enabled, "filter": name, **source, **_policy(jail, lost)}
    table |= {"port": list(block.port) or "all", "protocol": list(block.protocol) or "all", "blocktype": block.blocktype}
    _note_lost(jail, lost)
    increment = _increment(jail, jail.settings.increment, lost) if jail.settings.increment.enabled else {}
    top = _own_log(jail, source, lost, remarks)
    return Converted(
        jail.name,
        table,
        increment,
        name,
        filter,
        jail.filter.files if jail.filter else (),
        jail.options["filter"].value,
        {key: text for key, text in (*jail.variables.items(), *jail.options.items()) if text.file},
        _inherited(jail.options, default),
        tuple(dict.fromkeys(lost)),
        tuple(dict.fromkeys(remarks)),
        top=top,
    )


def _reads(jail: Jail, lost: list[str], remarks: list[str]) -> tuple[Table, Table]:
    """What the jail reads, and the filter; nothing for one that is only for bans by hand."""
    if jail.filter is None or not jail.filter.spec.failregex:
        remarks.append("it has no filter: it is for bans by hand (nfjail ctl ban --jail NAME ADDRESS)")
        return {"backend": "file"}, {}
    source, filter = _source(jail, lost), filter_table(jail.filter.spec, remarks)
    if jail.switched and source["backend"] == "journal":
        paths = ", ".join(path.pattern for path in jail.settings.logpath)
        remarks.append(f"the journal is read, as fail2ban does since 1.1.1, for there is no {paths or 'logpath'} now")
    if source["backend"] == "file" and not source["logpath"]:
        lost.append("its filter, as there is nothing to read: no logpath, and backend is not systemd; it is for bans by hand")
        return {"backend": "file"}, {}
    return source, filter


def _filter_name(jail: str) -> str:
    return plain_name(PREFIX, jail)


def plain_name(prefix: str, name: str) -> str:
    """A name that can stand anywhere; two different ones never become the same."""
    plain = prefix + "".join(c if c.isascii() and (c.isalnum() or c in "_.-") else "-" for c in name)
    if plain == prefix + name and len(plain) <= _LONGEST:
        return plain
    return f"{plain[: _LONGEST - 9]}-{zlib.crc32(name.encode()):08x}"


def _policy(jail: Jail, lost: list[str]) -> Table:
    settings = jail.settings
    table: Table = {
        "maxretry": _at_most(_MOST, "maxretry", settings.maxretry, lost),
        "findtime": _duration(jail.options, "findtime", settings.findtime, lost),
        "bantime": _duration(jail.options, "bantime", settings.bantime, lost),
    }
    if "ignoreip" in jail.options:
        table["ignoreip"] = list(_ignored(settings.ignoreip, lost))
    if "ignoreself" in jail.options:
        table["ignoreself"] = settings.ignoreself
    if settings.maxmatches != settings.maxretry:
        table["maxmatches"] = _at_most(_MOST, "maxmatches", settings.maxmatches, lost)
    return table


def _at_most(most: int, name: str, number: int, lost: list[str]) -> int:
    if number > most:
        lost.append(f"{name} = {number}: {most} is the most here")
    return min(number, most)


def _inherited(options: Section, default: Section) -> frozenset[str]:
    same = {name for name, text in options.items() if name in default and text[1:] == default[name][1:]}
    increment = {name for name in options if name.startswith("bantime.")}
    return frozenset(same | {"increment"}) if increment <= same else frozenset(same)


def _own_log(jail: Jail, source: Table, lost: list[str], remarks: list[str]) -> Table:
    """Where nfjail writes for a jail that reads what fail2ban logs."""
    if jail.filter is None or jail.filter.spec.name != _RECIDIVE:
        return {}
    if not source.get("logpath"):
        way = "with logpath = /var/log/fail2ban.log nfjail would write that"
        lost.append(f"it reads what fail2ban writes to the journal: {way}")
        return {}
    path = source["logpath"][0]
    remarks.append(f"it reads {path}, where nfjail is to tell of its bans as fail2ban does (fail2ban_log)")
    return {"fail2ban_log": path}


def _reason(jail: Jail) -> str:
    """Why the jail cannot be carried over."""
    if jail.problems:
        return f"fail2ban cannot use it either: {jail.problems[0]}"
    return ""


def _source(jail: Jail, lost: list[str]) -> Table:
    settings = jail.settings
    if settings.backend.name == "systemd":
        lost += [f"backend parameter {name}: see [journal] path" for name in settings.backend.parameters]
        return {"backend": "journal"}
    paths = [path.pattern for path in settings.logpath]
    lost += [f"logpath {path.pattern} tail: it is read from findtime ago on" for path in settings.logpath if path.tail]
    relative = [path for path in paths if not os.path.isabs(path)]
    lost += [f"logpath {path}: only absolute paths can be read" for path in relative]
    missing = [path for path in paths if path not in relative and not glob.glob(path)]
    if jail.filter and jail.filter.spec.name != _RECIDIVE:  # for that nfjail makes one
        lost += [f"logpath {path}: there is no such file now; it is read once there is one" for path in missing]
    return {"backend": "file", "logpath": [path for path in paths if path not in relative]}


def filter_table(spec: FilterSpec, remarks: list[str]) -> Table:
    """The filter, whose patterns are fail2ban's: on the whole line but for its date."""
    table: Table = {"language": "fail2ban"}
    if spec.logtype == "journal":
        table["logtype"] = spec.logtype
        table |= {"journalmatch": list(spec.journalmatch)} if spec.journalmatch else {}
        remarks += _journal_remarks(spec.journalmatch)
    else:
        table |= {"datepattern": spec.datepattern.strip().split("\n")} if spec.datepattern.strip() else {}
        table |= {"logtimezone": spec.logtimezone} if spec.logtimezone else {}
    table |= {"usedns": spec.usedns} if spec.usedns != "warn" else {}
    table |= {"maxlines": spec.maxlines} if spec.maxlines > 1 else {}
    table |= {"prefregex": spec.prefregex} if spec.prefregex else {}
    table["failregex"] = list(spec.failregex)
    table |= {"ignoreregex": list(spec.ignoreregex)} if spec.ignoreregex else {}
    return table


def _journal_remarks(journalmatch: Sequence[str]) -> Iterator[str]:
    """What of the journal any local user could forge; nfjail wants to know who wrote it."""
    if not journalmatch:
        yield "without journalmatch the whole journal is read, as far as the system wrote it (_UID below 1000)"
    for group in journal_terms(journalmatch):
        if not any(field.startswith(_TELLS_WHO) for field, _ in group):
            words = shlex.join(f"{field}={value}" for field, value in group)
            yield f"{words} counts only if the system wrote it (_UID below 1000): any local user could log so"


def _duration(options: Mapping[str, Text], name: str, seconds: float | None, lost: list[str]) -> Any:
    """As it was written, if nfjail understands it so, too."""
    if seconds is None:
        return "forever"
    written = options[name].value if name in options else ""
    if seconds > LONGEST or seconds < 0 or (seconds == 0 and name == "bantime"):
        fitting, said = _FITTING[name][seconds > 0]
        lost.append(f"{name} = {written}: it is {said} here")
        return fitting
    try:
        if written and not re.fullmatch(r"[\d.]+", written) and parse_duration(written) == seconds:
            return written
    except ValueError:
        pass  # 2*30, 1year-6mo
    text = format_duration(seconds)
    return text if parse_duration(text) == seconds else int(seconds) if seconds == int(seconds) else seconds


def _increment(jail: Jail, increment: Increment, lost: list[str]) -> Table:
    multipliers = [_factor(number, lost) for number in increment.multipliers]
    table: Table = {"enabled": True, "factor": _factor(increment.factor, lost), "multipliers": multipliers}
    table |= {"formula": increment.formula, "overalljails": increment.overalljails}
    table["maxtime"] = _duration(jail.options, "bantime.maxtime", increment.maxtime, lost)
    table["rndtime"] = _duration(jail.options, "bantime.rndtime", increment.rndtime, lost)
    return table


def _factor(number: float, lost: list[str]) -> float:
    """Within what nfjail takes. No ban is shorter than bantime, so that nothing and next to nothing are the same."""
    fitting = min(max(number, _LEAST_FACTOR), _MOST_FACTOR)
    if fitting != number:
        lost.append(f"factor {number:g}: it is {fitting:g} here")
    return fitting


def _ignored(items: Sequence[str], lost: list[str]) -> Iterator[str]:
    for item in items:
        if item.startswith("file:"):
            lost.append(f"ignoreip {item}: the addresses in that file have to be written into the list")
            continue
        if "/" in item:
            try:
                item = str(ipaddress.ip_network(item, strict=False))  # 127.0.0.1/8 and 192.0.2.0/255.255.255.0, too
            except ValueError:
                lost.append(f"ignoreip {item} is no network")
                continue
        yield item


def _note_lost(jail: Jail, lost: list[str]) -> None:
    settings = jail.settings
    if settings.ignorecommand:
        why = "nfjail starts no program for each failure, and would ban whom it spares: so this jail is switched off here"
        lost.append(f"ignorecommand {settings.ignorecommand}: {why}; write them into ignoreip, and enabled = true")
    if settings.logencoding.lower() not in ("auto", "utf-8", "utf8", "ascii"):
        lost.append(f"logencoding {settings.logencoding}: all is read as UTF-8, and replaced where it is none")
