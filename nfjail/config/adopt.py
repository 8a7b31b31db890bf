"""fail2ban's jails as nfjail reads them: as the tables that `nfjail import` writes, and for `fail2ban = "DIR"`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nfjail.config.foreign import note_all
from nfjail.config.kinds import duration_text
from nfjail.config.names import jail_trouble
from nfjail.config.problem import BadValueError, Node, Problems
from nfjail.config.settings import DEFAULTS, INCREMENT, JAIL, section
from nfjail.core.duration import LONGEST
from nfjail.fail2ban.convert import Converted, Table, better_backend, convert, plain_name
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.jails import Jails, read_jails
from nfjail.fail2ban.problem import Fail2banError
from nfjail.fail2ban.server import Server, read_server

#: what jails may have from a common [default]
COMMON = ("maxretry", "findtime", "bantime", "ignoreip", "ignoreself")


class Adopted(NamedTuple):
    """All of fail2ban's jails, ready for nfjail."""

    default: Table  # what all jails have in common that take it from fail2ban's [DEFAULT]; "increment" is a table in it
    jails: list[Converted]  # those that are enabled; some of them cannot be carried over
    off: list[tuple[str, Text]]  # jails that nfjail ships and has on, and fail2ban has off: where it says so
    notes: list[str]  # what is odd in fail2ban's files but does no harm
    store: Table  # what of fail2ban.conf is about its database


def adopt(read: Jails, server: Server, shipped: Node) -> Adopted:
    """What nfjail makes of fail2ban's jails. shipped: the configuration that comes with nfjail."""
    jails = [_fit(convert(jail, read.default)) for jail in read.jails if jail.enabled or jail.problems]
    ours = shipped.value["jail"].value if "jail" in shipped.value else {}
    off = [
        (jail.name, jail.options.get("enabled", Text("")))
        for jail in read.jails
        if not jail.enabled and not jail.problems and jail.name in ours and ours[jail.name].value.get("enabled")
    ]
    odd = [*server.problems, *read.notes, *(note for jail in read.jails if jail.enabled for note in jail.notes)]
    notes = list(dict.fromkeys(map(str, odd)))
    longer = server.dbpurgeage > (DEFAULTS["store.dbpurgeage"] or 0.0)  # who asks for less than that will not mind
    store = {"dbpurgeage": duration_text(min(server.dbpurgeage, LONGEST))} if longer else {}
    return Adopted(_common([jail for jail in jails if not jail.reason]), jails, off, notes, store)


def _fit(jail: Converted) -> Converted:
    """Without what nfjail would refuse to read."""
    name, lost = name_of(jail.name), list(jail.lost)
    if name != jail.name and not jail.reason:
        lost.append(f"its name, which nfjail cannot use: it is called {name} here")
    table = {key: _accepted(key, value, JAIL, lost) for key, value in jail.jail.items()}
    increment = {key: _accepted(key, value, INCREMENT, lost) for key, value in jail.increment.items()}
    return jail._replace(
        name=name,
        jail={key: value for key, value in table.items() if value is not None},
        increment={key: value for key, value in increment.items() if value is not None},
        lost=tuple(lost),
    )


def name_of(jail: str) -> str:
    """What nfjail calls fail2ban's jail."""
    if jail_trouble(jail) is None:
        return jail
    return plain_name("jail-", jail)


def _accepted(key: str, value: Any, where: str, lost: list[str]) -> Any:
    """The value, of a list only the items that can be read; None if nothing can."""
    setting = section(where)[key]
    items = value if isinstance(value, list) else [value]
    good = []
    for item in items:
        try:
            setting.kind.parse([item] if isinstance(value, list) else item)
            good.append(item)
        except BadValueError as error:
            lost += [f"{key}: {what}; {advice}" for what, advice in error.troubles]
    if not isinstance(value, list):
        return good[0] if good else None
    if items and not good and key in ("port", "protocol"):
        return "all"  # rather too much than nothing
    return good or (None if items else [])


def _common(jails: list[Converted]) -> Table:
    common: Table = {}
    for key in COMMON:
        values = [jail.jail[key] for jail in jails if key in jail.inherited and key in jail.jail]
        if values and all(value == values[0] for value in values):
            common[key] = values[0]
    increments = [jail.increment for jail in jails if "increment" in jail.inherited]
    if increments and all(increment == increments[0] for increment in increments):
        common["increment"] = increments[0]
    return common


def own(jail: Converted, default: Table) -> tuple[Table, Table]:
    """The jail's table and that of its increment, without what it takes from default."""
    shared = {key for key in (*COMMON, "increment") if key in jail.inherited and key in default}
    increment = {} if "increment" in shared else jail.increment
    if not jail.increment and "increment" not in shared and default.get("increment"):
        increment = {"enabled": False}
    return {key: value for key, value in jail.jail.items() if key not in shared}, increment


def read_folder(folder: str, asked: Node, shipped: Node, notes: list[str], problems: Problems) -> Node:
    """The jails below that folder as a configuration; asked: the value that names it. What is lost goes to notes."""
    try:
        read = read_jails(folder, prefer=better_backend)
    except Fail2banError as error:
        note_all(error.problems, asked, problems)
        return Node({}, folder, "")
    note_all([*read.problems, *(problem for jail in read.jails for problem in jail.problems)], asked, problems)
    adopted = adopt(read, read_server(folder), shipped)
    good = [jail for jail in adopted.jails if not jail.reason]
    notes += [f"{jail.name}: {why}" for jail in adopted.jails for why in ((jail.reason,) if jail.reason else jail.lost)]
    notes += adopted.notes
    default = {key: _value(key, value, read.default, folder) for key, value in adopted.default.items()}
    jails = {name: Node({"enabled": Node(False, _place(text, folder), "enabled")}, folder, name) for name, text in adopted.off}
    jails |= {jail.name: _jail_node(jail, adopted.default, folder) for jail in good}
    filters = {jail.filter_name: _table(jail.filter, {}, ", ".join(jail.files) or folder, "") for jail in good if jail.filter}
    store = {key: Node(value, f"{folder}/fail2ban.conf", key) for key, value in adopted.store.items()}
    tables = {"store": store, "default": default, "jail": jails, "filter": filters}
    top = {key: Node(value, folder, key) for jail in good for key, value in jail.top.items()}
    return Node({**top, **{key: Node(table, folder, key) for key, table in tables.items()}}, folder, "")


def _jail_node(jail: Converted, default: Table, folder: str) -> Node:
    table, increment = own(jail, default)
    node = _table(table, jail.origin, folder, jail.name)
    if increment:
        node.value["increment"] = _value("increment", increment, jail.origin, folder)
    return node


def _table(table: Table, origin: Mapping[str, Text], folder: str, key: str) -> Node:
    return Node({name: _value(name, value, origin, folder) for name, value in table.items()}, folder, key)


def _value(key: str, value: Any, origin: Mapping[str, Text], folder: str) -> Node:
    if isinstance(value, dict):
        return _table(value, increment_origin(origin), folder, key)
    return Node(value, _place(origin.get(key, Text("")), folder), key)


def increment_origin(origin: Mapping[str, Text]) -> dict[str, Text]:
    """bantime.increment is what [increment] enabled says, bantime.factor its factor, and so on."""
    names = {"bantime.increment": "enabled"}
    return {names.get(key, key.partition(".")[2]): text for key, text in origin.items() if key.startswith("bantime.")}


def _place(text: Text, folder: str) -> str:
    return f"{text.file}:{text.line}" if text.file else folder
