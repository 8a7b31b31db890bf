"""Reads fail2ban's jails: jail.conf, jail.d/*.conf, jail.local, jail.d/*.local, each with its filter and its actions."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

from nfjail.fail2ban.actions import Action, read_actions
from nfjail.fail2ban.call import parse_call
from nfjail.fail2ban.files import INCLUDES, Merged, load
from nfjail.fail2ban.filters import ETC, FOLDER, OPTIONS, Filter, apply_logtype, defined, finished, load_named
from nfjail.fail2ban.ini import DEFAULT, Section, Text
from nfjail.fail2ban.interpolate import KNOWN, InterpolationError, value_of
from nfjail.fail2ban.problem import Fail2banError, Problem
from nfjail.fail2ban.settings import Reading, Settings, is_true, read_settings

VERSION = "1.1.0"  # of fail2ban, as whose equal nfjail reads the files: %(fail2ban_version)s

#: what decides about filter and the rest, and must therefore be read first
FIRST = ("enabled", "backend", "filter")
#: the options of a jail, in fail2ban's order
JAIL_OPTIONS = (
    "enabled", "backend", "maxretry", "maxmatches", "findtime", "bantime", "bantime.increment", "bantime.factor",
    "bantime.formula", "bantime.multipliers", "bantime.maxtime", "bantime.rndtime", "bantime.overalljails",
    "ignorecommand", "ignoreself", "ignoreip", "ignorecache", "filter", "logtimezone", "logencoding", "logpath",
    "skip_if_nologs", "systemd_if_nologs", "action", *OPTIONS,
)  # fmt: skip
_DEFAULTS = {"enabled": "false", "backend": "auto", "filter": "", "action": ""}
_FLAGS = ("enabled", "bantime.increment", "bantime.overalljails", "ignoreself", "skip_if_nologs", "systemd_if_nologs")
_NUMBERS = ("maxretry", "maxmatches", "maxlines")


class Jail(NamedTuple):
    """One jail. With problems it must not be used; one that is not enabled was not looked at any further."""

    name: str
    enabled: bool
    options: Section = {}  # noqa: RUF012  # JAIL_OPTIONS that are set, as text, and where they were written
    variables: Section = {}  # noqa: RUF012  # all others, as written: port, banaction and what the actions are built of
    settings: Settings = Settings()
    filter: Filter | None = None  # None: the jail has none, or only bans by hand
    actions: tuple[Action, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    switched: bool = False  # to another backend than its own


class Jails(NamedTuple):
    """All that jail.* says."""

    files: tuple[str, ...]
    jails: tuple[Jail, ...]
    problems: tuple[Problem, ...] = ()  # of files or of [DEFAULT], which any jail may depend on
    notes: tuple[Problem, ...] = ()
    default: Section = {}  # noqa: RUF012  # what [DEFAULT] says, as written


def read_jails(base: str = ETC, *, every: bool = False, prefer: Callable[[Jail], str] = lambda _: "") -> Jails:
    """All jails below base. What is wrong with one jail is noted there, and the others stay.

    every: those that are not enabled are read as if they were. prefer: a backend that a jail is to be read with in place
    of its own; "": none. Raises Fail2banError where there is no configuration at all.
    """
    base = base.rstrip("/") or "/"
    merged = load(base, "jail")
    if not merged.files:
        what = "there is no jail.conf and no jail.local" if os.path.isdir(base) else "there is no such folder"
        raise Fail2banError([Problem(base, 0, what, "name the folder with fail2ban's configuration")])
    names = [name for name in merged.sections if name not in (DEFAULT, INCLUDES)]
    default = dict(merged.sections[DEFAULT])
    merged.sections[DEFAULT].update({"fail2ban_version": Text(VERSION), "fail2ban_confpath": Text(base)})
    general = [fault.problem for fault in merged.faults if fault.section not in names]
    jails = tuple(_read(base, merged, name, every, prefer) for name in names)
    return Jails(merged.files, jails, tuple(dict.fromkeys(general)), merged.notes, default)


def _read(base: str, merged: Merged, name: str, every: bool, prefer: Callable[[Jail], str]) -> Jail:
    jail = _Reader(base, merged, name).jail(every)
    backend = prefer(jail)
    if not backend:
        return jail
    own = {**merged.sections[name], "backend": jail.options["backend"].become(backend)}
    switched = merged._replace(sections={**merged.sections, name: own})
    return _Reader(base, switched, name).jail(every)._replace(switched=True)


class _Reader:
    """Reads one jail."""

    def __init__(self, base: str, merged: Merged, name: str) -> None:
        self.base, self.merged, self.name = base, merged, name
        self.sections = dict(merged.sections)
        self.problems = [fault.problem for fault in merged.faults if fault.section == name]

    def jail(self, every: bool) -> Jail:
        first = self._options(FIRST)
        reading = Reading(first)
        enabled = reading.flag("enabled", False)
        if not (enabled or every):
            return Jail(self.name, False, first, self._variables(), problems=self._all_problems(), notes=tuple(reading.notes))
        found: Filter | None = None
        try:
            options, found = self._with_filter(first)
        except Fail2banError as error:
            self.problems += error.problems
            options = self._options(JAIL_OPTIONS)
        except InterpolationError as error:
            self.problems.append(error.problem)
            options = self._options(JAIL_OPTIONS)
        actions = read_actions(self.base, self.name, _as_given(options), self.problems)
        reading = Reading(options)
        settings = read_settings(reading)
        self.problems += reading.problems
        notes = (*reading.notes, *(found.notes if found else ()), *(note for action in actions for note in action.notes))
        problems, notes = self._all_problems(), tuple(dict.fromkeys(notes))
        return Jail(self.name, enabled, options, self._variables(), settings, found, actions, problems, notes)

    def _variables(self) -> Section:
        written = {**self.merged.sections[DEFAULT], **self.merged.sections[self.name]}
        return {name: text for name, text in written.items() if name not in JAIL_OPTIONS}

    def _all_problems(self) -> tuple[Problem, ...]:
        return tuple(dict.fromkeys(self.problems))

    def _options(self, names: Iterable[str]) -> Section:
        """Those of the named options that the jail has; what is wrong with one is noted."""
        options: Section = {}
        for name in names:
            try:
                text = value_of(self.sections, self.merged.known, self.name, name)
            except InterpolationError as error:
                self.problems.append(error.problem)
                continue
            if text is None and name in _DEFAULTS:
                text = Text(_DEFAULTS[name])
            if text is not None:
                options[name] = text
        return options

    def _with_filter(self, first: Section) -> tuple[Section, Filter | None]:
        """All options of the jail, and its filter. The jail's may be built on the filter's, as %(known/failregex)s."""
        asked = first.get("filter", Text(""))
        if not asked.value:
            return self._options(JAIL_OPTIONS), None
        try:
            file, given = parse_call(asked.value)
        except ValueError as error:
            raise Fail2banError([asked.problem(f"filter = {asked.value}: {error}")]) from None
        merged = load_named(self.base, FOLDER, file.strip(), asked)
        definition = defined(merged, {name: asked.become(value) for name, value in given.items()})
        logtype = "journal" if first["backend"].value.startswith("systemd") else "file"
        apply_logtype(definition, "journal" if logtype == "journal" else "file")
        known = definition.combined(definition.options(OPTIONS, _as_given(first), others=True))
        own = {KNOWN + name: text for name, text in known.items() if not name.startswith(KNOWN)}
        self.sections[self.name] = {**self.sections[self.name], **own}
        options = self._options(JAIL_OPTIONS)
        combined = definition.combined(definition.options(OPTIONS, _as_given(options)))
        zone = options.get("logtimezone", Text("")).value
        return options, finished(file.strip(), combined, options, "journal" if logtype == "journal" else "file", merged, zone)


def _as_given(options: Section) -> Section:
    """The options as filters and actions see them: fail2ban has turned them into values, and these into text again."""
    given = dict(options)
    for name, text in options.items():
        if name in _FLAGS:
            given[name] = text.become(str(is_true(text.value)))
        elif name in _NUMBERS:
            given[name] = text.become(_number(text.value))
    return given


def _number(text: str) -> str:
    try:
        return str(int(text))
    except ValueError:
        return text
