"""Turns a table of the merged configuration into values, as the table of settings says; notes every problem."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from nfjail.config import advice
from nfjail.config.problem import Node, Problems, plain
from nfjail.config.settings import DEFAULTS, FILTER, JAIL, MODE, section, sections_with
from nfjail.config.toml import brief, joined, key_text

#: tables inside of tables, which their own functions read
INNER = {JAIL: ("increment",), FILTER: ("mode",)}
TOP = ("journal", "store", "firewall", "default", "jail", "filter")
_WHERE = {"": "above the first [table]", JAIL: "under [jail.NAME] or [default]"}


def read_values(table: Node, name: str, problems: Problems) -> dict[str, Any]:
    """The values of one of the settings' sections, by key. What is missing or wrong has its default."""
    settings, inner = section(name), INNER.get(name, ())
    values = {key: DEFAULTS[setting.name] for key, setting in settings.items()}
    for key, node in table.value.items():
        if key in settings:
            if name == JAIL and key == "bantime" and isinstance(node.value, dict):
                _bantime_table(node, problems)
            else:
                values[key] = problems.attempt(node, settings[key].kind.parse, values[key])
        elif key not in inner:
            problems.at(node, "this key is not known", advice.for_key(key, (*settings, *inner), _elsewhere(key)))
    return values


def read_top(root: Node, problems: Problems) -> dict[str, Any]:
    """The settings that stand in no table."""
    settings = section("")
    own = {key: node for key, node in root.value.items() if key in settings}
    for key, node in root.value.items():
        if key not in (*settings, *TOP):
            is_table = isinstance(node.value, dict)
            what = "this table is not known" if is_table else "this key is not known"
            problems.at(node, what, advice.for_table(key, (*settings, *TOP), is_table, _elsewhere(key)))
    return read_values(Node(own, root.file, ""), "", problems)


def inner_table(parent: Node, key: str, problems: Problems) -> Node:
    """The table called key in parent; an empty one if there is none, or something else."""
    node = parent.value.get(key)
    if node is None:
        return Node({}, parent.file, joined(key) if not parent.key else f"{parent.key}.{key_text(key)}")
    if isinstance(node.value, dict):
        return Node(*node)
    hint = f"write true, false, or a table [{node.key}]" if key == "increment" else f"write a table: [{node.key}]"
    problems.at(node, f"{brief(node.value)} is no table", hint)
    return Node({}, node.file, node.key)


def named_tables(
    parent: Node, trouble: Callable[[str], tuple[str, str] | None], problems: Problems
) -> Iterator[tuple[str, Node]]:
    """The tables in parent by the names that the administrator chose; those that cannot be called so are noted."""
    for name, node in parent.value.items():
        found = trouble(name)
        if found is not None:
            problems.at(node, *found)
        elif not isinstance(node.value, dict):
            example = f"{parent.key}.NAME"
            problems.at(node, f"{brief(node.value)} is no table", f"write [{example}], and the keys below it")
        else:
            yield name, node


def _bantime_table(node: Node, problems: Problems) -> None:
    """`bantime.increment = true` is a table to TOML."""
    parent = node.key.rpartition(".")[0]
    for key in plain(node):
        if key not in advice.INCREMENT:
            problems.at(node, f"a length of time has no key {key_text(key)}", 'write bantime = "10m"')
            continue
        target = "enabled = true" if key == "increment" else f"{key} = ..."
        problems.at(node, f"bantime.{key} is written differently", f"write [{parent}.increment] with {target} below")


def _elsewhere(key: str) -> list[str]:
    """Where a key of this name can stand."""
    return [_WHERE.get(name, f"under [{name}]") for name in sections_with(key) if name != MODE]
