"""fail2ban-client -d and -t: the configuration as the commands by which fail2ban would set itself up, and whether it is good.

What is read is fail2ban's own configuration, which nfjail can import or run on; nfjail's is shown by nfjail check --show.
"""

from __future__ import annotations

import glob
import json
import os
import pprint
import shlex
from collections.abc import Iterator
from typing import Any

from nfjail.compat.error import ClientError
from nfjail.fail2ban.actions import FLAGS, Action
from nfjail.fail2ban.definition import DEFINITION
from nfjail.fail2ban.files import load
from nfjail.fail2ban.filters import ETC, Filter
from nfjail.fail2ban.interpolate import value_of
from nfjail.fail2ban.jails import Jail, Jails, read_jails
from nfjail.fail2ban.problem import Fail2banError
from nfjail.fail2ban.server import Server, read_server
from nfjail.fail2ban.settings import is_true

__all__ = ["ETC", "dump", "test"]

Command = list[Any]
_BOOLEANS = ("bantime.increment", "bantime.overalljails", "ignoreself")
_NUMBERS = ("maxretry", "maxmatches")
#: in fail2ban's order; the filter's options, enabled, backend and action are not among them
_OF_JAIL = (
    "maxretry", "maxmatches", "findtime", "bantime", "bantime.increment", "bantime.factor", "bantime.formula",
    "bantime.multipliers", "bantime.maxtime", "bantime.rndtime", "bantime.overalljails", "ignorecommand", "ignoreself",
    "ignoreip", "ignorecache", "logtimezone", "logencoding",
)  # fmt: skip


def dump(folder: str, *, pretty: bool) -> bool:
    """Prints all commands, one a line. Whether the configuration is good."""
    jails, server = _read(folder)
    enabled = [jail for jail in jails.jails if jail.enabled]
    commands = list(_of_server(server, _purgeage(folder)))
    for jail in enabled:
        commands += _of_jail(jail, folder)
    commands += [["start", jail.name] for jail in enabled if not jail.problems]
    for command in commands:
        print(pprint.pformat(command, width=1000, indent=2) if pretty else command)
    return not any(jail.problems for jail in enabled)


def test(folder: str) -> bool:
    """Says whether the configuration is good. Raises ClientError with all that is wrong."""
    jails, server = _read(folder)
    problems = [*jails.problems, *server.problems, *(problem for jail in jails.jails for problem in jail.problems)]
    if problems:
        raise ClientError("; ".join(map(str, problems)))
    print("OK: configuration test is successful")
    return True


def _read(folder: str) -> tuple[Jails, Server]:
    try:
        jails = read_jails(folder)
    except Fail2banError as error:
        raise ClientError(f"Failed during configuration: {error}") from None
    if jails.problems:
        raise ClientError(f"Failed during configuration: {'; '.join(map(str, jails.problems))}")
    return jails, read_server(folder)


def _purgeage(folder: str) -> str:
    """As it is written there."""
    merged = load(folder, "fail2ban")
    text = value_of(merged.sections, merged.known, DEFINITION, "dbpurgeage") if DEFINITION in merged.sections else None
    return text.value if text else "1d"


def _of_server(server: Server, purgeage: str) -> Iterator[Command]:
    if server.stacksize is not None:
        yield ["set", "thread", {"stacksize": server.stacksize}]
    for name in ("syslogsocket", "loglevel", "logtarget", "allowipv6", "dbfile"):
        yield ["set", name, getattr(server, name)]
    if server.dbmaxmatches is not None:
        yield ["set", "dbmaxmatches", server.dbmaxmatches]
    yield ["set", "dbpurgeage", purgeage]


def _of_jail(jail: Jail, folder: str) -> Iterator[Command]:
    if jail.problems:
        why = "; ".join(map(str, jail.problems))
        yield ["config-error", f"Jail '{jail.name}' skipped, because of wrong configuration: {why}"]
        return
    yield ["add", jail.name, jail.options["backend"].value]
    if jail.filter:
        yield from _of_filter(jail.name, jail.filter)
    for option in _OF_JAIL:
        if option in jail.options:
            yield ["set", jail.name, *_value(option, jail.options[option].value)]
    if jail.settings.backend.name != "systemd":
        for path in jail.settings.logpath:
            tail = "tail" if path.tail else "head"
            yield from (["set", jail.name, "addlogpath", file, tail] for file in glob.glob(path.pattern))
    for action in jail.actions:
        yield from _of_action(jail.name, action, folder)


def _value(option: str, text: str) -> Command:
    if option == "ignoreip":
        return ["addignoreip", *text.replace(",", " ").split()]
    if option in _BOOLEANS:
        return [option, is_true(text)]
    return [option, int(text) if option in _NUMBERS else text]


def _of_filter(jail: str, found: Filter) -> Iterator[Command]:
    spec, written = found.spec, found.options
    for option in ("usedns", "prefregex", "maxlines"):
        if option in written:
            yield ["set", jail, option, spec.maxlines if option == "maxlines" else written[option].value]
    for option in ("ignoreregex", "failregex"):
        regexes = list(getattr(spec, option))
        if len(regexes) > 1:
            yield ["multi-set", jail, f"add{option}", regexes]
        elif regexes:
            yield ["set", jail, f"add{option}", regexes[0]]
    if "datepattern" in written:
        yield ["set", jail, "datepattern", written["datepattern"].value]
    for match in spec.journalmatch:
        yield ["set", jail, "addjournalmatch", *shlex.split(match)]


def _of_action(jail: str, action: Action, folder: str) -> Iterator[Command]:
    if action.file.endswith(".py"):
        path = os.path.join(folder, "action.d", action.file)
        yield ["set", jail, "addaction", action.name, path, json.dumps(dict(action.given))]
        return
    yield ["set", jail, "addaction", action.name]
    hooks = [[key, is_true(value) if key in FLAGS else value] for key, value in action.hooks.items()]
    settings: list[Command] = [*hooks, *([key, value] for key, value in action.parameters.items())]
    if len(settings) > 1:
        yield ["multi-set", jail, "action", action.name, settings]
    elif settings:
        yield ["set", jail, "action", action.name, *settings[0]]
