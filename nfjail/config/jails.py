"""Jails: defaults, own options and filter put together into what the engine works with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nfjail.config import advice
from nfjail.config.filters import Patterns, ReadFilter, compile_filter, patterns_of
from nfjail.config.names import jail_trouble
from nfjail.config.problem import Node, Problems
from nfjail.config.read import merge
from nfjail.config.settings import INCREMENT, JAIL
from nfjail.config.tables import inner_table, named_tables, read_values
from nfjail.config.toml import brief, key_text
from nfjail.config.types import JailConfig
from nfjail.core.filter import Filter
from nfjail.core.policy import Increment

Filters = Mapping[str, ReadFilter]
_JOURNALMATCH = 'write journalmatch = ["_SYSTEMD_UNIT=NAME.service"] in the jail or its filter'


class _Draft(NamedTuple):
    """A jail of which not everything is checked yet."""

    table: Node  # as written, the defaults below it
    values: dict[str, Any]
    filter_name: str
    filter: ReadFilter | None

    def is_wrong(self, key: str, problems: Problems) -> bool:
        """Whether something has been written under this key in the jail or its filter that cannot be used."""
        tables = (self.table, self.filter.table) if self.filter else (self.table,)
        return any(problems.has(table.value.get(key)) for table in tables)

    def incomplete(self, what: str, hint: str, problems: Problems) -> None:
        """Notes what is missing, for the file that switched the jail on."""
        enabled = self.table.value.get("enabled", self.table)
        problems.add(enabled.file, self.table.key, what, hint)


def read_jails(root: Node, filters: Filters, check_all: bool, problems: Problems) -> tuple[JailConfig, ...]:
    """All jails. Only those that are enabled must be complete; check_all compiles the patterns of the others, too."""
    default = inner_table(root, "default", problems)
    read_values(default, JAIL, problems)  # its mistakes count even when there is no jail
    read_values(inner_table(default, "increment", problems), INCREMENT, problems)
    tables = named_tables(inner_table(root, "jail", problems), jail_trouble, problems)
    return tuple(_read_jail(name, merge(default, node), filters, check_all, problems) for name, node in tables)


def _read_jail(name: str, table: Node, filters: Filters, check_all: bool, problems: Problems) -> JailConfig:
    values = read_values(table, JAIL, problems)
    increment = read_values(inner_table(table, "increment", problems), INCREMENT, problems)
    del values["usedns"]
    ignored = values.pop("ignoreip")
    filter_name = values.pop("filter") or name
    found = filters.get(filter_name)
    if values["journalmatch"] is None:
        values["journalmatch"] = found.config.journalmatch if found else ()
    if values["maxmatches"] is None:
        values["maxmatches"] = values["maxretry"]
    banaction = table.value.get("banaction")
    if banaction is not None and str(banaction.value).endswith("-allports"):  # fail2ban's of that name ignore port
        values["port"] = ()
    draft = _Draft(table, values, filter_name, found)
    wanted = values["enabled"] or check_all
    patterns = _patterns(draft, wanted, filters, problems)
    if values["enabled"]:
        _check_complete(draft, patterns, problems)
    identifier = found.config.identifier if found else ()
    return JailConfig(
        name=name,
        filter_name=filter_name,
        increment=Increment(**increment),
        ignoreip=ignored.subjects,
        ignore_names=ignored.names,
        filter=compile_filter(filter_name, patterns, identifier, problems) if wanted else Filter(filter_name, ()),
        **values,
    )


def _patterns(draft: _Draft, wanted: bool, filters: Filters, problems: Problems) -> Patterns:
    """Those of the filter in the jail's mode, then the jail's own."""
    table, values, name = draft.table, draft.values, draft.filter_name
    own = patterns_of(table, values["failregex"], values["ignoreregex"])
    if draft.filter is None:
        asked = table.value.get("filter")
        if asked is not None and wanted and not problems.has(asked):
            near = advice.nearest(name, filters)
            hint = f'did you mean "{near}"?' if near else f"write [filter.{key_text(name)}] with failregex"
            problems.at(asked, f"there is no filter {brief(name)}", hint)
        return own
    mode, modes = values["mode"], draft.filter.modes
    if mode in modes:
        return modes[mode].then(own)
    hint = f"write one of {', '.join(map(key_text, modes))}" if len(modes) > 1 else "remove it: this filter has no modes"
    problems.at(table.value["mode"], f"the filter {key_text(name)} has no mode {brief(mode)}", hint)
    return own


def _check_complete(draft: _Draft, patterns: Patterns, problems: Problems) -> None:
    """Whether an enabled jail has all it needs to work. What is there but wrong has been noted already."""
    keys = ("filter", "mode", "failregex", "backend", "logpath", "journalmatch")
    wrong = {key for key in keys if draft.is_wrong(key, problems)}
    name = key_text(draft.filter_name)
    if not patterns.failregex and not wrong & {"filter", "mode", "failregex"}:
        if draft.filter:
            what = f"it is enabled, but its filter {name} has no pattern in mode {draft.values['mode']}"
            draft.incomplete(what, "add failregex to the filter or to the jail", problems)
        elif "filter" not in draft.table.value:
            hint = f"write [filter.{name}] with failregex, or name another filter"
            draft.incomplete("it is enabled, but there is no filter of this name", hint, problems)
    if "backend" not in wrong:
        _check_source(draft, wrong, problems)


def _check_source(draft: _Draft, wrong: set[str], problems: Problems) -> None:
    """Whether there is something to read for the backend."""
    backend = draft.values["backend"]
    has_logpath = draft.values["logpath"] or "logpath" in wrong
    has_journalmatch = draft.values["journalmatch"] or wrong & {"journalmatch", "filter"}
    if backend == "file" and not has_logpath:
        what = 'it is enabled, its backend is "file", but it has no logpath'
        draft.incomplete(what, 'write logpath = ["/var/log/..."]', problems)
    elif backend == "journal" and not has_journalmatch:
        what = 'it is enabled, its backend is "journal", but it has no journalmatch'
        draft.incomplete(what, _JOURNALMATCH, problems)
    elif not has_logpath and not has_journalmatch:
        what = "it is enabled, but has neither journalmatch nor logpath"
        draft.incomplete(what, f'{_JOURNALMATCH}, or logpath = ["/var/log/..."]', problems)
