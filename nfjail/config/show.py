"""The effective configuration as TOML, which read again gives the same Config."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from nfjail.config.foreign import journal_groups
from nfjail.config.kinds import FAIL2BAN
from nfjail.config.settings import FILTER, FOREIGN, INCREMENT, JAIL, MODE, section
from nfjail.config.toml import joined, value_text
from nfjail.config.types import Config, Fail2banFilter, FilterConfig, JailConfig
from nfjail.core.spec import FilterSpec

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
            if value is not None or setting.default is not None:  # those with neither say only something when they are there
                yield f"{key} = {_readable(setting.kind.write(value))}"


def _readable(value: Any) -> str:
    """As TOML; a long list with a line for each item."""
    text = value_text(value)
    if not isinstance(value, list) or len(text) <= _WIDE:
        return text
    return "[\n" + "".join(f"    {value_text(item)},\n" for item in value) + "]"


def _filter(config: FilterConfig | Fail2banFilter) -> Iterator[str]:
    if isinstance(config, Fail2banFilter):
        yield from ("", f"[{joined('filter', config.name)}]", *_values(FOREIGN, config))
        return
    yield from ("", f"[{joined('filter', config.name)}]", *_values(FILTER, config))
    for mode in config.modes:
        yield from ("", f"[{joined('filter', config.name, 'mode', mode.name)}]", *_values(MODE, mode))


def _jail(jail: JailConfig) -> Iterator[str]:
    yield from ("", f"[{joined('jail', jail.name)}]")
    spec = jail.filter if isinstance(jail.filter, FilterSpec) else None
    for line in _values(JAIL, jail):
        # Written out, it would demand a filter of the jail's name, which a jail with patterns of its own need not have.
        if jail.filter_name == jail.name and line.startswith("filter = "):
            continue
        # What follows from the filter stays there: it may name what nobody could write here.
        if spec is not None and line.startswith("journalmatch = ") and jail.journalmatch in ((), journal_groups(spec)):
            continue
        yield line
    if spec is not None and jail.filter_name.startswith(FAIL2BAN):
        yield from _comment(spec)
    yield from ("", f"[{joined('jail', jail.name, 'increment')}]", *_values(INCREMENT, jail.increment))


def _comment(spec: FilterSpec) -> Iterator[str]:
    """What the filter of that name is now."""
    yield "# which now is, with what the jail adds to it:"
    for key in section(FOREIGN):
        value = getattr(spec, key, None)
        if value:
            text = _readable(list(value) if isinstance(value, tuple) else value)
            yield from (f"#     {line}" for line in f"{key} = {text}".split("\n"))
