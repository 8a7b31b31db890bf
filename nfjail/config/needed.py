"""Which of the shipped files a daemon needs: a hundred services come with nfjail, of which a machine has a few."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from nfjail.config.problem import Node

_TABLE = re.compile(r'^\[(?:jail|filter)\."?([\w.-]+?)"?(?:\.(?:mode|increment)(?:\..*)?)?\]', re.MULTILINE)
_ASKED = re.compile(r'^filter = "(.+?)"', re.MULTILINE)
_ON = re.compile(r"^enabled = (?!false)", re.MULTILINE)
_ALWAYS = "00-nfjail.toml"


def needless(folder: str, written: Node) -> set[str]:
    """The names of those files in the folder that can be left out for what has been written beside them.

    None may be, where that is about all jails. A file is needed if it switches a jail on, or has a jail or filter that is
    named by what was written, or by another file that is needed.
    """
    default = _table(written, "default")
    if "enabled" in default or "fail2ban" in written.value:
        return set()
    texts = _texts(folder)
    jails = _table(written, "jail")
    filters = [jail.value.get("filter") for jail in jails.values() if isinstance(jail.value, dict)]
    named = {*jails, *_table(written, "filter"), *(str(asked.value) for asked in filters if asked)}
    needed = {name for name, text in texts.items() if name == _ALWAYS or _ON.search(text)}
    while True:
        named |= {asked for name in needed for asked in _ASKED.findall(texts[name])}
        more = {name for name, text in texts.items() if name not in needed and not named.isdisjoint(_TABLE.findall(text))}
        if not more:
            return set(texts) - needed
        needed |= more


def _table(node: Node, key: str) -> Mapping[str, Node]:
    found = node.value.get(key)
    return found.value if found and isinstance(found.value, dict) else {}


def _texts(folder: str) -> dict[str, str]:
    """What cannot be read is left to whoever reads it properly."""
    texts: dict[str, str] = {}
    try:
        names = [name for name in os.listdir(folder) if name.endswith(".toml")]
        for name in names:
            with open(os.path.join(folder, name), encoding="utf-8", errors="replace") as file:
                texts[name] = file.read()
    except OSError:
        return {}
    return texts
