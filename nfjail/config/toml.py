"""Values as TOML text: for what `nfjail check --show` prints, and to repeat in a message what somebody wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST = 80  # characters of a value that a message repeats


def key_text(key: str) -> str:
    """One key, quoted where TOML wants it."""
    return key if _BARE.fullmatch(key) else _basic(key)


def joined(*keys: str) -> str:
    """A dotted key: ("jail", "a.b") -> jail."a.b"."""
    return ".".join(map(key_text, keys))


def value_text(value: object) -> str:
    """A bool, number, text, list or table as TOML. A date, which no setting takes, as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _literal(value) if "\\" in value and _fits_literal(value) else _basic(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(value_text, value)) + "]"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key_text(key)} = {value_text(item)}" for key, item in value.items()) + "}"
    return str(value)


def brief(value: object) -> str:
    """A value for a message: one line, and not a long one."""
    text = value_text(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _fits_literal(text: str) -> bool:
    return "'" not in text and text.isprintable()


def _literal(text: str) -> str:
    return f"'{text}'"


def _basic(text: str) -> str:
    # JSON's escapes are TOML's too, with one gap: it lets DEL stand.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
