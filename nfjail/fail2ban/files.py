"""Finds the files that together make up one configuration of fail2ban's, and merges them: later values win.

NAME.conf, NAME.d/*.conf, NAME.local, NAME.d/*.local, in this order; each may name others in [INCLUDES], to be read
before or after it, and each file that is named brings its .local twin along.
"""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from nfjail.fail2ban.ini import DEFAULT, Fault, Ini, Section, Text, read_ini
from nfjail.fail2ban.interpolate import InterpolationError, value_of
from nfjail.fail2ban.problem import Problem

INCLUDES = "INCLUDES"

_CONDITIONAL = re.compile(r"(\w+)(\?.+)")  # [Init?family=inet6]


class Merged(NamedTuple):
    """Several files as one."""

    files: tuple[str, ...]  # in the order in which they were read
    sections: dict[str, Section]  # DEFAULT among them, always
    known: dict[str, Section]  # by section: what an option was before it was replaced, for %(known/...)s
    faults: tuple[Fault, ...] = ()  # why parts of it, or all, must not be used
    notes: tuple[Problem, ...] = ()  # what is odd but does no harm


def load(base: str, name: str) -> Merged:
    """The configuration called name ("jail", "filter.d/sshd") below base. No files: there was none."""
    stem = os.path.join(base, name)
    folder = glob.escape(stem) + ".d"
    conf, local = sorted(glob.glob(f"{folder}/*.conf")), sorted(glob.glob(f"{folder}/*.local"))
    return _merged([f"{stem}.conf", *conf, f"{stem}.local", *local])


def load_file(path: str) -> Merged:
    """One file with its .local twin and all that they include."""
    return _merged([path])


def _merged(paths: list[str]) -> Merged:
    inclusion = _Inclusion()
    sections: dict[str, Section] = {DEFAULT: {}}
    known: dict[str, Section] = {}
    files = list(inclusion.all_of(paths, ()))
    for file in files:
        for name, options in inclusion.ini(file).sections.items():
            if name == DEFAULT:
                sections[DEFAULT].update(options)
            else:
                _merge(*_unconditional(name, options), sections, known)
    faults = [fault for file in dict.fromkeys(files) for fault in inclusion.ini(file).faults]
    return Merged(tuple(files), sections, known, (*faults, *inclusion.faults), tuple(dict.fromkeys(inclusion.notes)))


def _unconditional(name: str, options: Section) -> tuple[str, Section]:
    """[Init?family=inet6] x = ... is [Init] x?family=inet6 = ..."""
    match = _CONDITIONAL.fullmatch(name)
    return (match[1], {option + match[2]: text for option, text in options.items()}) if match else (name, options)


def _merge(name: str, options: Section, sections: dict[str, Section], known: dict[str, Section]) -> None:
    if name in sections:
        replaced = {option: text for option, text in sections[name].items() if option in options}
        known.setdefault(name, {}).update(replaced)
        sections[name].update(options)
    else:
        sections[name] = dict(options)


class _Inclusion:
    """Follows [INCLUDES]; reads each file once."""

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.notes: list[Problem] = []
        self._inis: dict[str, Ini | None] = {}

    def ini(self, path: str) -> Ini:
        ini = self._read(path)
        return Ini(path, {}) if ini is None else ini

    def _read(self, path: str) -> Ini | None:
        if path not in self._inis:
            self._inis[path] = read_ini(path)
        return self._inis[path]

    def all_of(self, paths: list[str], outer: tuple[str, ...]) -> Iterator[str]:
        """The files that exist of paths with their .local twins, each between those that it includes."""
        for path in paths:
            yield from self._with_included(path, outer)
            twin = f"{os.path.splitext(path)[0]}.local"
            if twin not in paths:
                yield from self._with_included(twin, outer)

    def _with_included(self, path: str, outer: tuple[str, ...]) -> Iterator[str]:
        ini = self._read(path)
        if ini is None:
            return
        yield from self._included("before", ini, outer)
        yield path
        yield from self._included("after", ini, outer)

    def _included(self, option: str, ini: Ini, outer: tuple[str, ...]) -> Iterator[str]:
        text = self._names(option, ini)
        for index, name in enumerate(text.value.split("\n")):
            if not name:
                continue
            path = os.path.join(os.path.dirname(ini.file), name)
            chain = (*outer, os.path.realpath(ini.file))
            if os.path.realpath(path) in chain:
                what = f"{name} is included by itself" if len(chain) == 1 else f"{name} and this file include each other"
                self.notes.append(Problem(ini.file, text.line_at(index), what, "remove one of the two: it is not read again"))
                continue
            if self._read(path) is None and not path.endswith(".local"):
                what, advice = f"there is no {name} to include", f"install {path}, or remove its name"
                self.notes.append(Problem(ini.file, text.line_at(index), what, advice))
            yield from self.all_of([path], chain)

    def _names(self, option: str, ini: Ini) -> Text:
        """What stands under before or after; nothing where it is not there."""
        sections = Merged((ini.file,), ini.sections, {})
        if INCLUDES not in ini.sections:
            return Text("")
        try:
            return value_of(sections.sections, sections.known, INCLUDES, option) or Text("")
        except InterpolationError as error:
            self.faults.append(Fault(None, error.problem))
            return Text("")
