"""Jails: defaults, own options and filter put together into what the engine works with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from nfjail.config import advice
from nfjail.config.filters import Patterns, ReadFilter, compile_filter, patterns_of
from nfjail.config.foreign import OF_JAIL, ReadForeign, check_spec, journal_groups, load_named, with_jails_own
from nfjail.config.kinds import FAIL2BAN
from nfjail.config.names import jail_trouble
from nfjail.config.problem import Node, Problems
from nfjail.config.read import merge
from nfjail.config.settings import INCREMENT, JAIL
from nfjail.config.tables import inner_table, named_tables, read_values
from nfjail.config.toml import brief, key_text
from nfjail.config.types import JailConfig
from nfjail.core.filter import Filter
from nfjail.core.jail import JournalMatch
from nfjail.core.policy import Increment
from nfjail.core.spec import FilterSpec, Logtype
from nfjail.presence import can_tell, present

Filters = Mapping[str, ReadFilter | ReadForeign]
_JOURNALMATCH = 'write journalmatch = ["_SYSTEMD_UNIT=NAME.service"] in the jail or its filter'


class _Draft(NamedTuple):
    """A jail of which not everything is checked yet."""

    table: Node  # as written, the defaults below it
    values: dict[str, Any]
    filter_name: str
    filter: ReadFilter | ReadForeign | None

    def is_wrong(self, key: str, problems: Problems) -> bool:
        """Whether something has been written under this key in the jail or its filter that cannot be used."""
        tables = (self.table, self.filter.table) if self.filter else (self.table,)
        return any(problems.has(table.value.get(key)) for table in tables)

    def incomplete(self, what: str, hint: str, problems: Problems) -> None:
        """Notes what is missing, for the file that switched the jail on."""
        enabled = self.table.value.get("enabled", self.table)
        problems.add(enabled.file, self.table.key, what, hint)


class _Watched(NamedTuple):
    """See nfjail.presence.Watched."""

    journalmatch: JournalMatch
    logpath: tuple[str, ...]


class _Reading(NamedTuple):
    """What all jails are read with."""

    filters: Filters
    check_all: bool
    journal_kept: bool
    problems: Problems


def read_jails(root: Node, filters: Filters, check_all: bool, journal_kept: bool, problems: Problems) -> tuple[JailConfig, ...]:
    """All jails. Only those that are enabled must be complete; check_all compiles the patterns of the others, too.

    journal_kept: whether there is a journal, so that backend = "auto" can choose it.
    """
    default = inner_table(root, "default", problems)
    read_values(default, JAIL, problems)  # its mistakes count even when there is no jail
    read_values(inner_table(default, "increment", problems), INCREMENT, problems)
    tables = named_tables(inner_table(root, "jail", problems), jail_trouble, problems)
    reading = _Reading(filters, check_all, journal_kept, problems)
    return tuple(_read_jail(name, merge(default, node), reading) for name, node in tables)


def _read_jail(name: str, table: Node, reading: _Reading) -> JailConfig:
    problems = reading.problems
    values = read_values(table, JAIL, problems)
    increment = read_values(inner_table(table, "increment", problems), INCREMENT, problems)
    ignored, asked = values.pop("ignoreip"), values.pop("filter")
    filter_name = name if asked is None else asked
    if values["maxmatches"] is None:
        values["maxmatches"] = values["maxretry"]
    banaction = table.value.get("banaction")
    if banaction is not None and str(banaction.value).endswith("-allports"):  # fail2ban's of that name ignore port
        values["port"] = ()
    draft = _Draft(table, values, filter_name, reading.filters.get(filter_name))
    values["works"] = _works(draft, problems)
    foreign = filter_name.startswith(FAIL2BAN) or isinstance(draft.filter, ReadForeign)
    found: Filter | FilterSpec
    if values["backend"] == "history":
        filter_name, found = "", _no_filter(draft, problems)
    else:
        found = _foreign(draft, reading) if foreign else _native(draft, reading)
    return JailConfig(
        name=name,
        filter_name=filter_name,
        increment=Increment(**increment),
        ignoreip=ignored.subjects,
        ignore_names=ignored.names,
        filter=found,
        **values,
    )


def _works(draft: _Draft, problems: Problems) -> bool:
    """Whether the jail is enabled, by itself or by what is on this machine."""
    enabled = draft.values["enabled"]
    if enabled != "auto":
        return bool(enabled)
    watched = _Watched(draft.values["journalmatch"] or _journalmatch_of(draft.filter), draft.values["logpath"])
    node = draft.table.value["enabled"]
    if not can_tell(watched) and not node.key.startswith("default."):
        what = '"auto" does not tell: neither journalmatch names a unit, nor logpath a log of its own'
        problems.at(node, what, "write true, or false")
    return present(watched) is not None


def _journalmatch_of(found: ReadFilter | ReadForeign | None) -> JournalMatch:
    if isinstance(found, ReadForeign):
        return journal_groups(found.config.spec("journal"))
    return found.config.journalmatch if found else ()


def _no_filter(draft: _Draft, problems: Problems) -> Filter:
    """For a jail that reads no log, but counts what other jails have done."""
    for key in ("filter", "failregex", "ignoreregex", "logpath", "journalmatch", *OF_JAIL):
        node = draft.table.value.get(key)
        if node is not None and node.value not in ("", []) and not node.key.startswith("default."):
            hint = 'remove it, or write backend = "auto", "journal" or "file"'
            problems.at(node, 'backend = "history" counts the bans of other jails, and reads no log', hint)
    nothing = {"journalmatch": (), "logpath": (), "failregex": (), "ignoreregex": (), **dict.fromkeys(OF_JAIL)}
    draft.values.update(nothing)
    return Filter("", ())


def _native(draft: _Draft, reading: _Reading) -> Filter:
    """The jail's filter in nfjail's own language."""
    values, problems = draft.values, reading.problems
    found = draft.filter if isinstance(draft.filter, ReadFilter) else None
    _refuse_foreign_keys(draft, problems)
    if values["journalmatch"] is None:
        values["journalmatch"] = found.config.journalmatch if found else ()
    wanted = values["works"] or reading.check_all
    patterns = _patterns(draft, found, wanted, reading.filters, problems)
    if values["works"]:
        _check_complete(draft, bool(patterns.failregex), problems, values["backend"])
    if not wanted:
        return Filter(draft.filter_name, ())
    return compile_filter(found, draft.filter_name, patterns, problems)


def _refuse_foreign_keys(draft: _Draft, problems: Problems) -> None:
    for key in OF_JAIL:
        node = draft.table.value.get(key)
        if node is not None and not node.key.startswith("default.") and (key, draft.values[key]) != ("usedns", "no"):
            what = f"only for filters in fail2ban's language, which {brief(draft.filter_name)} is not"
            problems.at(node, what, advice.FAIL2BAN[key])
        draft.values[key] = None


def _foreign(draft: _Draft, reading: _Reading) -> FilterSpec:
    """The jail's filter in fail2ban's language; decides what backend = "auto" is."""
    values, problems = draft.values, reading.problems
    wanted = values["works"] or reading.check_all
    logtype: Logtype = "file" if values["backend"] == "file" else "journal"
    spec = _load(draft, logtype, wanted, problems)
    given, asked = values["journalmatch"], values["backend"]
    if asked == "auto":
        readable = reading.journal_kept or not values["logpath"]
        if not (readable and (given or (spec and spec.journalmatch))):
            logtype = "file"
            spec = _load(draft, logtype, wanted, problems)
    values["backend"] = "file" if logtype == "file" else "journal"
    if spec is None:  # that has been told
        values["journalmatch"] = given or ()
        return FilterSpec(draft.filter_name, ())
    if wanted:
        check_spec(*_unchecked(draft, spec), problems)
    if given is None:
        values["journalmatch"] = journal_groups(spec) if spec.journalmatch or asked == "journal" else ()
    if values["works"]:
        _check_complete(draft, bool(spec.failregex), problems, asked)
    return spec


def _load(draft: _Draft, logtype: Logtype, wanted: bool, problems: Problems) -> FilterSpec | None:
    values = draft.values
    asked = draft.table.value.get("filter", draft.table)
    if isinstance(draft.filter, ReadForeign):
        if values["mode"] != "normal":
            problems.at(draft.table.value["mode"], *_no_mode(draft.filter_name, values["mode"]))
        return with_jails_own(draft.filter.config.spec(logtype), values)
    if not wanted:
        return FilterSpec(draft.filter_name, ())
    spec = load_named(draft.filter_name, values["mode"], logtype, asked, problems)
    return with_jails_own(spec, values) if spec else None


def _unchecked(draft: _Draft, spec: FilterSpec) -> tuple[FilterSpec, tuple[Node, ...]]:
    """What of the filter has not been tried yet, and the tables where it stands."""
    if isinstance(draft.filter, ReadForeign):
        return spec, (draft.table, draft.filter.table)
    own = spec._replace(failregex=draft.values["failregex"], ignoreregex=draft.values["ignoreregex"])
    return own, (draft.table,)


def _no_mode(name: str, mode: str) -> tuple[str, str]:
    return f"the filter {key_text(name)} has no mode {brief(mode)}", "remove it: this filter has no modes"


def _patterns(draft: _Draft, found: ReadFilter | None, wanted: bool, filters: Filters, problems: Problems) -> Patterns:
    """Those of the filter in the jail's mode, then the jail's own."""
    table, values, name = draft.table, draft.values, draft.filter_name
    own = patterns_of(table, values["failregex"], values["ignoreregex"])
    if found is None:
        asked = table.value.get("filter")
        if name and asked is not None and wanted and not problems.has(asked):
            near = advice.nearest(name, filters)
            hint = f'did you mean "{near}"?' if near else f"write [filter.{key_text(name)}] with failregex"
            problems.at(asked, f"there is no filter {brief(name)}", hint)
        return own
    mode, modes = values["mode"], found.modes
    if mode in modes:
        return modes[mode].then(own)
    what, hint = _no_mode(name, mode)
    if len(modes) > 1:
        hint = f"write one of {', '.join(map(key_text, modes))}"
    problems.at(table.value["mode"], what, hint)
    return own


def _check_complete(draft: _Draft, has_patterns: bool, problems: Problems, backend: str) -> None:
    """Whether an enabled jail has all it needs to work. What is there but wrong has been noted already.

    backend: as written.
    """
    if not has_patterns and not draft.filter_name:
        return  # it is only for bans by hand
    keys = ("filter", "mode", "failregex", "backend", "logpath", "journalmatch")
    wrong = {key for key in keys if draft.is_wrong(key, problems)}
    name = key_text(draft.filter_name)
    if not has_patterns and not wrong & {"filter", "mode", "failregex"}:
        if draft.filter:
            what = f"it is enabled, but its filter {name} has no pattern in mode {draft.values['mode']}"
            draft.incomplete(what, "add failregex to the filter or to the jail", problems)
        elif "filter" not in draft.table.value:
            hint = f"write [filter.{name}] with failregex, or name another filter"
            draft.incomplete("it is enabled, but there is no filter of this name", hint, problems)
    if "backend" not in wrong:
        _check_source(draft, wrong, problems, backend)


def _check_source(draft: _Draft, wrong: set[str], problems: Problems, backend: str) -> None:
    """Whether there is something to read for the backend."""
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
