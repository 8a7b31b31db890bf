"""What `nfjail import` writes: fail2ban's jails as TOML that a person could have written, with where each value came from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any

from nfjail.config.adopt import Adopted, increment_origin, own
from nfjail.config.problem import Node, plain
from nfjail.config.settings import INCREMENT, JAIL, section
from nfjail.config.toml import joined, value_text
from nfjail.fail2ban.convert import Converted, Table
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.jails import Jails
from nfjail.text import printable

_COMMENT_AT = 60  # the column at which comments behind values begin
_WIDEST = 110  # of a list with one item


def texts_of(adopted: Adopted, read: Jails, shipped: Node, folder: str) -> dict[str, str]:
    """What is to be written, by names of files."""
    default = adopted.default
    texts = {"": _default_text(adopted, read, folder)}
    ours = plain(shipped).get("jail", {})
    good = [jail for jail in adopted.jails if not jail.reason]
    texts |= {jail.name: _jail_text(jail, default, ours.get(jail.name, {}), folder) for jail in good}
    texts |= {name: _off_text(name, text, folder) for name, text in adopted.off}
    return {f"fail2ban-{name}.toml" if name else "fail2ban.toml": text for name, text in texts.items() if text}


def _default_text(adopted: Adopted, read: Jails, folder: str) -> str:
    """What concerns more than one jail; what stands in no table comes first, as TOML wants it."""
    values = _different(adopted.default, JAIL, {})
    increment = _different(adopted.default.get("increment", {}), INCREMENT, {})
    top = {key: value for jail in adopted.jails for key, value in jail.top.items()}
    if not (values or increment or top or adopted.store):
        return ""
    lines = [f"# What all jails of {folder} have in common: [DEFAULT] in its files."]
    if top:
        lines += ["", *_lines(top, {})]
    if adopted.store:
        lines += ["", "[store]", *_lines(adopted.store, {})]
    if values:
        lines += ["", "[default]", *_lines(values, read.default)]
    if increment:
        lines += ["", "[default.increment]", *_lines(increment, increment_origin(read.default))]
    return "\n".join((*lines, ""))


def _jail_text(jail: Converted, default: Table, ours: Table, folder: str) -> str:
    """ours: the jail of that name that comes with nfjail."""
    called = f" with filter {printable(jail.call)}" if jail.call else ""
    lines = [f"# From {folder}: jail {jail.name}{called}."]
    lines += [f"# Differs from fail2ban: {printable(what)}" for what in jail.lost]
    lines += [f"# Note: {printable(remark)}" for remark in jail.remarks]
    table, increment = own(jail, default)
    table = _different(table, JAIL, default, ("enabled", "filter", "backend", *ours))
    increment = _different(increment, INCREMENT, default.get("increment", {}), tuple(ours.get("increment", ())))
    lines += ["", f"[{joined('jail', jail.name)}]", *_lines(table, jail.origin)]
    if increment:
        lines += ["", f"[{joined('jail', jail.name, 'increment')}]", *_lines(increment, increment_origin(jail.origin))]
    if jail.filter:
        lines += ["", f"# From {', '.join(printable(_within(file, folder)) for file in jail.files)}."]
        lines += [f"[{joined('filter', jail.filter_name)}]", *_lines(jail.filter, {})]
    return "\n".join((*lines, ""))


def _within(file: str, folder: str) -> str:
    """A file of the folder, as people say it."""
    short = os.path.relpath(file, folder)
    return file if short.startswith("..") else short


def _off_text(name: str, where: Text, folder: str) -> str:
    lines = [f"# From {folder}: jail {name}, which is not enabled there. nfjail's own of this name would be."]
    return "\n".join((*lines, "", f"[{joined('jail', name)}]", *_lines({"enabled": False}, {"enabled": where}), ""))


def _different(table: Table, where: str, default: Table, always: tuple[str, ...] = ()) -> Table:
    """Those keys whose values are not what holds without them: nfjail's default, or that of the files that are written."""
    settings = section(where)

    def holds(key: str) -> Any:
        value = default.get(key, settings[key].default)
        return None if value is None else settings[key].kind.parse(value)

    return {
        key: value
        for key, value in table.items()
        if key in always or (key in settings and settings[key].kind.parse(value) != holds(key))
    }


def _lines(table: Table, origin: Mapping[str, Text]) -> Iterator[str]:
    for key, value in table.items():
        line = f"{key} = {_readable(value)}"
        place = _place(origin[key]) if key in origin else ""
        yield f"{line:<{_COMMENT_AT - 2}}  # {place}" if place and "\n" not in line else line


def _place(text: Text) -> str:
    return f"{os.path.basename(text.file)}:{text.line}" if text.file else ""


def _readable(value: Any) -> str:
    """As TOML: patterns as they are, a longer list with a line for each item."""
    if not isinstance(value, list):
        return _pattern(value) if isinstance(value, str) else value_text(value)
    items = [_pattern(item) if isinstance(item, str) else value_text(item) for item in value]
    short = f"[{', '.join(items)}]"
    fits = len(short) <= (_WIDEST if len(items) == 1 else _COMMENT_AT)
    return short if fits and len(items) < 4 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def _pattern(text: str) -> str:
    """A text in quotes; one with backslashes in those that leave them alone."""
    if "\\" in text and "'" in text and "'''" not in text and not text.endswith("'") and text.isprintable():
        return f"'''{text}'''"
    return value_text(text)
