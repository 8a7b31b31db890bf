"""Reads a filter's or an action's file: the options of [Definition], those of [Init], and the parameters given to it.

A parameter wins over a jail's option of the same name, that over [Init], and [Init] over [Definition].
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nfjail.fail2ban.files import Merged
from nfjail.fail2ban.ini import Section, Text
from nfjail.fail2ban.interpolate import KNOWN, value_of
from nfjail.fail2ban.tags import fill_in

DEFINITION = "Definition"
INIT = "Init"
_WAS = f"KNOWN/{DEFINITION}"  # as what [Definition] was before later files replaced parts of it is looked up

_CONDITIONAL = re.compile(r"(\w+)\?.+")
_QUALIFIED = re.compile(r"([\w-]+)/([^\s>]+)")


class Definition:
    """One filter or action with its parameters. Every method raises InterpolationError.

    A jail asks twice: first with what it needs to find the filter, then, as its own options may be built on the
    filter's (%(known/failregex)s), with all of them.
    """

    def __init__(self, merged: Merged, parameters: Mapping[str, Text]) -> None:
        self.parameters: Section = dict(parameters)  # with those of [Init] once options() was called
        self._merged = merged
        self._given: Section = {}
        self._found: dict[str, Text | None] = {}

    def has(self, option: str) -> bool:
        """Whether the files themselves define it in [Definition]."""
        return option in self._merged.sections.get(DEFINITION, {})

    def options(self, names: Iterable[str], jail: Mapping[str, Text], *, others: bool = False) -> Section:
        """Those of the named options that [Definition] has, without those that parameters or the jail's options replace;
        with others: every further option of it too."""
        self._given = {**jail, **self.parameters}
        options: Section = {}
        for name in names:
            text = None if name in self._given else self._value(DEFINITION, name, self._given)
            if text is not None:
                options[name] = text
        self._take_init()
        if others:
            for name in self._merged.sections.get(DEFINITION, {}):
                text = None if name in options else self._value(DEFINITION, name)
                if text is not None:
                    options[name] = text
        return options

    def _take_init(self) -> None:
        for name in self._merged.sections.get(INIT, {}):
            text = self._value(INIT, name)
            if text is not None:
                self.parameters[KNOWN + name] = text
                self.parameters.setdefault(name, text)

    def combined(self, options: Mapping[str, Text], keep: frozenset[str] = frozenset()) -> Section:
        """The options with all parameters added and their <tags> filled in, but for those to keep."""
        together = {**options, **self.parameters}
        conditional = {match[1] for name in together if (match := _CONDITIONAL.fullmatch(name))}
        return fill_in(together, self._find, keep | conditional)

    def _find(self, tag: str) -> Text | None:
        """What stands for <tag> when no option is called so: <section/option>, <known/option>, those of DEFAULT."""
        if tag not in self._found:  # what has no meaning when first asked for has none later: so it is in fail2ban
            self._found[tag] = self._look_up(tag)
        return self._found[tag]

    def _look_up(self, tag: str) -> Text | None:
        if match := _QUALIFIED.match(tag):
            section, option = match.groups()
            places = {"known": (_WAS, DEFINITION), "default": ("DEFAULT",)}.get(section.lower(), (section,))
            for place in places:
                text = self._value(place, option)
                if text is not None:
                    return text
        return self._value(DEFINITION, tag, self._given)

    def _value(self, section: str, option: str, given: Mapping[str, Text] | None = None) -> Text | None:
        merged = self._merged
        if section == _WAS:
            sections = {**merged.sections, _WAS: merged.known.get(DEFINITION, {})}
            return value_of(sections, {}, _WAS, option) if DEFINITION in merged.known else None
        if section not in merged.sections:
            return None
        return value_of(merged.sections, merged.known, section, option, given)
