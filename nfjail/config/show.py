"""The effective configuration as TOML, which read again gives the same Config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nfjail.config.settings import FILTER, INCREMENT, JAIL, MODE, section
from nfjail.config.toml import joined, value_text
from nfjail.config.types import Config, FilterConfig, JailConfig

_WIDE = 100  # characters


def show(config: Config) -> str:
    """All settings with their values, those that were never written included."""
    return "\n".join(_lines(config)) + "\n"


def _lines(config: Config) -> Iterator[str]:
    yield from _values("", config)
    for name in ("journal", "store", "firewall"):
        yield from ("", f"[{name}]", *_values(name, config))
    for filter_config in config.filters:
        yield from _filter(filter_config)
    for jail in config.jails:
        yield from _jail(jail)


def _values(name: str, holder: Any) -> Iterator[str]:
    for key, setting in section(name).items():
        if setting.field != "-":
            value = getattr(holder, setting.field or key)
            yield f"{key} = {_readable(setting.kind.write(value))}"


def _readable(value: Any) -> str:
    """As TOML; a long list with a line for each item."""
    text = value_text(value)
    if not isinstance(value, list) or len(text) <= _WIDE:
        return text
    return "[\n" + "".join(f"    {value_text(item)},\n" for item in value) + "]"


def _filter(config: FilterConfig) -> Iterator[str]:
    yield from ("", f"[{joined('filter', config.name)}]", *_values(FILTER, config))
    for mode in config.modes:
        yield from ("", f"[{joined('filter', config.name, 'mode', mode.name)}]", *_values(MODE, mode))


def _jail(jail: JailConfig) -> Iterator[str]:
    yield from ("", f"[{joined('jail', jail.name)}]")
    for line in _values(JAIL, jail):
        # Written out, it would demand a filter of the jail's name, which a jail with patterns of its own need not have.
        if jail.filter_name != jail.name or not line.startswith("filter = "):
            yield line
    yield from ("", f"[{joined('jail', jail.name, 'increment')}]", *_values(INCREMENT, jail.increment))
