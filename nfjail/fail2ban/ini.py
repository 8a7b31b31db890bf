"""Reads one file in fail2ban's INI dialect: sections of options, each with the lines on which it was written.

The dialect is that of Python's configparser as fail2ban sets it up: `#` and `;` begin a comment line, a `;` after a
blank begins a comment anywhere, `=` or `:` stands between name and value, lines that are indented deeper go on with
the value, names are lower-cased, and in one file an option may stand only once.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from nfjail.fail2ban.problem import Problem

LARGEST = 32 << 20  # bytes of a file
LONGEST = 1 << 20  # characters of a line; a list of a thousand networks has 20,000

DEFAULT = "DEFAULT"  # the section whose options hold in all others

_HEADER = re.compile(r"\[(?P<name>.+)\]")
_OPTION = re.compile(r"(?P<name>.*?)\s*[=:]\s*(?P<value>.*)")
_COMMENT = re.compile(r"(?:^|(?<=\s));")


class Text(NamedTuple):
    """The value of an option, and where it was written."""

    value: str
    file: str = ""
    lines: tuple[int, ...] = (0,)  # for each line of value its number in the file; or only that of the first

    @property
    def line(self) -> int:
        """The number of its first line that says something."""
        return next((n for n, text in zip(self.lines, self.value.split("\n"), strict=False) if text), self.lines[0])

    def line_at(self, index: int) -> int:
        """The number of its line at that index, from 0."""
        return self.lines[index] if index < len(self.lines) else self.lines[0]

    def problem(self, what: str, advice: str = "") -> Problem:
        """What is wrong with it."""
        return Problem(self.file, self.line, what, advice)

    def become(self, value: str) -> Text:
        """The same option after something in it was replaced."""
        same_lines = value.count("\n") == self.value.count("\n")
        return Text(value, self.file, self.lines if same_lines else self.lines[:1])


Section = dict[str, Text]


class Fault(NamedTuple):
    """A problem, and what it spoils: the section in which it was found, or the whole file (None)."""

    section: str | None
    problem: Problem


class Ini(NamedTuple):
    """One file, read."""

    file: str
    sections: dict[str, Section]  # DEFAULT among them, always
    faults: tuple[Fault, ...] = ()


def read_ini(path: str) -> Ini | None:
    """The file's sections and faults; None if there is no such file. Raises nothing for a bad one."""
    try:
        text = _content(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        return _unusable(path, 0, f"it cannot be read: {error.strerror}", "check its mode and owner")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        what = f"it is not UTF-8 text (byte 0x{error.object[error.start]:02x})"
        return _unusable(path, line, what, "remove it, or convert it")
    except _UnfitError as unfit:
        return _unusable(path, unfit.line, str(unfit), "remove it, or put the right file in its place")
    return _Parser(path).parse(text)


def _unusable(path: str, line: int, what: str, advice: str) -> Ini:
    return Ini(path, {DEFAULT: {}}, (Fault(None, Problem(path, line, what, advice)),))


class _UnfitError(Exception):
    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line


def _content(path: str) -> str:
    """The text of a file, with line feeds as the only line ends."""
    if os.path.exists(path) and not os.path.isfile(path):  # a fifo or a device would block or never end
        raise _UnfitError(0, "it is not a file")
    with open(path, "rb") as stream:
        content = stream.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise _UnfitError(0, f"it is larger than {LARGEST >> 20} MiB: this is no configuration")
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        raise _UnfitError(text.count("\n", 0, text.index("\0")) + 1, "a NUL character: this is no text")
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LONGEST:
            raise _UnfitError(number, f"the line has {len(line):,} characters, {LONGEST:,} is the most")
    return text


class _Parser:
    """Goes through the lines of a file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.sections: dict[str, dict[str, list[tuple[int, str]]]] = {DEFAULT: {}}
        self.faults: list[Fault] = []
        self.seen: set[str] = set()
        self.section: str | None = None
        self.option: list[tuple[int, str]] | None = None  # the lines of the option to which deeper ones belong
        self.indent = 0

    def parse(self, text: str) -> Ini:
        for number, line in enumerate(text.split("\n"), 1):
            self._line(number, line)
        sections = {
            name: {option: self._joined(lines) for option, lines in options.items()}
            for name, options in self.sections.items()
        }
        return Ini(self.file, sections, tuple(self.faults))

    def _joined(self, lines: list[tuple[int, str]]) -> Text:
        return Text("\n".join(text for _, text in lines).rstrip(), self.file, tuple(number for number, _ in lines))

    def _line(self, number: int, line: str) -> None:
        content = line.strip()
        comment = content.startswith(("#", ";")) or _COMMENT.search(line)
        if comment:
            content = "" if comment is True else line[: comment.start()].strip()
        if not content:
            if not comment and self.option is not None:
                self.option.append((number, ""))  # empty lines belong to the value, lines with a comment do not
            return
        indent = len(line) - len(line.lstrip())
        if self.option is not None and indent > self.indent:
            self.option.append((number, content))
            return
        self.indent = indent
        header = _HEADER.match(content)
        if header:
            self._begin_section(number, header["name"])
        elif self.section is None:
            self._fault(None, number, "an option before any [section]", "write the section's name in brackets above it")
        else:
            self._begin_option(number, self.section, content)

    def _begin_section(self, number: int, name: str) -> None:
        if name in self.seen:
            self._fault(name, number, f"section [{name}] stands here a second time", "put its options into the first")
        if name != DEFAULT:  # which may come again in fail2ban, too
            self.seen.add(name)
        self.section = name
        self.sections.setdefault(name, {})
        self.option = None

    def _begin_option(self, number: int, section: str, content: str) -> None:
        match = _OPTION.fullmatch(content)
        if match is None or not match["name"]:
            advice = "write NAME = VALUE, or indent the further lines of a value"
            self._fault(section, number, f"{_short(content)!r} is no option", advice)
            return
        name = match["name"].lower()
        options = self.sections[section]
        if name in options:
            first = options[name][0][0]
            self._fault(section, number, f"{name} stands here a second time (first on line {first})", "remove one of them")
        self.option = options[name] = [(number, match["value"])]

    def _fault(self, section: str | None, line: int, what: str, advice: str) -> None:
        """Of each kind of trouble a section has one is told: after a file was cut or mixed up, every line is wrong."""
        if not any(fault.section == section and fault.problem.advice == advice for fault in self.faults):
            self.faults.append(Fault(section, Problem(self.file, line, what, advice)))


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
