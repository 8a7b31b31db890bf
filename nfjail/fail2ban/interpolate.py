"""Fills in %(name)s in values of fail2ban's configuration files, as Python's configparser does, with its own additions:

%(section/name)s, %(default/name)s, and %(known/name)s for what an option was before a later file replaced it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from nfjail.fail2ban.ini import DEFAULT, Section, Text
from nfjail.fail2ban.problem import Problem

KNOWN = "known/"

_DEEPEST = 10  # references in references, as in configparser
_REFERENCE = re.compile(r"%\(([^)]+)\)s")
_QUALIFIED = re.compile(r"([\w-]+)/(.+)", re.DOTALL)


class InterpolationError(Exception):
    """Something in a value cannot be filled in."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def value_of(
    sections: Mapping[str, Section],
    known: Mapping[str, Section],
    section: str,
    option: str,
    given: Mapping[str, Text] | None = None,
) -> Text | None:
    """The option's value with all references filled in; None if there is no such option.

    given: options that win over those of the section. Raises InterpolationError.
    """
    scope = _Scope(sections, known, section, {name.lower(): text for name, text in (given or {}).items()})
    text = scope.find(option.lower())
    return None if text is None else text.become(scope.filled(text, 1))


class _Scope:
    """What a reference in one section can mean."""

    def __init__(
        self, sections: Mapping[str, Section], known: Mapping[str, Section], section: str, given: Section
    ) -> None:
        self.sections, self.known, self.section, self.given = sections, known, section, given

    def find(self, name: str) -> Text | None:
        """The value of an option of this section, as written."""
        if name == "__name__" and self.section:
            return Text(self.section)
        for options in (self.given, self.sections.get(self.section, {}), self.sections[DEFAULT]):
            if name in options:
                return options[name]
        return None

    def find_qualified(self, name: str) -> Text | None:
        """The value for SECTION/OPTION, as written; where the section does not have it, that of DEFAULT."""
        match = _QUALIFIED.fullmatch(name)
        if match is None or name != name.lower():  # fail2ban finds them in lower case only
            return None
        section, option = match.groups()
        if section == "default":
            options: Section = {}
        elif section == "known":
            options = self.known.get(self.section, {})
        elif section in self.sections:
            options = self.sections[section]
        else:
            return None
        return options.get(option) or self.sections[DEFAULT].get(option)

    def filled(self, text: Text, depth: int) -> str:
        value, done, at = text.value, [], 0
        while (percent := value.find("%", at)) >= 0:
            done.append(value[at:percent])
            if value.startswith("%%", percent):
                done.append("%")
                at = percent + 2
                continue
            match = _REFERENCE.match(value, percent)
            if match is None:
                found = value[percent : percent + 12].split("\n")[0]
                raise self._error(text, percent, f"{found!r}: a % that begins no %(name)s", "write %% for a percent sign")
            done.append(self._meaning(match[1], text, percent, depth))
            at = match.end()
        return "".join((*done, value[at:]))

    def _meaning(self, name: str, text: Text, at: int, depth: int) -> str:
        found = self.find(name.lower()) or self.find_qualified(name)
        if found is None:
            raise self._error(text, at, f"%({name})s is not defined", self._advice(name))
        if depth >= _DEEPEST and "%" in found.value:
            raise self._error(text, at, f"%({name})s refers to itself, or too many times on", "break the loop")
        return self.filled(found, depth + 1)

    def _advice(self, name: str) -> str:
        if name.lower() != name and self.find_qualified(name.lower()):
            return "write it in lower case"
        return f"define it in [{self.section}] or [{DEFAULT}], or correct its name"

    @staticmethod
    def _error(text: Text, at: int, what: str, advice: str) -> InterpolationError:
        line = text.line_at(text.value.count("\n", 0, at))
        return InterpolationError(Problem(text.file, line, what, advice))
