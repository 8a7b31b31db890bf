"""Reads a manual page's source: a small part of Markdown, with definition lists as Pandoc has them.

    # nfjail(1) 2026-11-22             the page's name, section and date
    ## OPTIONS                         a section; ### one below it
    Text with `code`, **bold**, *what stands for something else*, and other(8) pages; a blank line ends it.
        indented: as it is
    - one of a list
    term
    :   what it means; goes on with lines that are indented by four
    @options run                       filled in from the program (tables.py); a definition list behind it adds to it

A backslash takes the meaning from the character behind it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Union


class Heading(NamedTuple):
    level: int
    text: str


class Text(NamedTuple):
    text: str


class Code(NamedTuple):
    lines: tuple[str, ...]


class Points(NamedTuple):
    items: tuple[Blocks, ...]


class Terms(NamedTuple):
    items: tuple[tuple[str, Blocks], ...]


class Directive(NamedTuple):
    words: tuple[str, ...]


Block = Union[Heading, Text, Code, Points, Terms, Directive]
Blocks = tuple[Block, ...]


class Page(NamedTuple):
    name: str
    section: str
    date: str
    blocks: Blocks


class PageError(Exception):
    """The source cannot be used."""


_TITLE = re.compile(r"# ([\w.-]+)\((\d)\) (\d{4}-\d\d-\d\d)")
_INDENT = "    "


def read_page(source: str) -> Page:
    """Raises PageError."""
    first, _, rest = source.partition("\n")
    title = _TITLE.fullmatch(first)
    if title is None or not source.isascii():
        raise PageError(f"{first!r}: a page is in ASCII, and begins with: # NAME(SECTION) YYYY-MM-DD")
    name, section, date = title.groups()
    return Page(name, section, date, tuple(_blocks(rest.splitlines())))


def _blocks(lines: Sequence[str]) -> Iterator[Block]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if not line.strip():
            at += 1
        elif line.startswith(("## ", "### ")):
            marks, _, text = line.partition(" ")
            yield Heading(len(marks) - 1, text)
            at += 1
        elif line.startswith("@"):
            yield Directive(tuple(line[1:].split()))
            at += 1
        elif line.startswith(_INDENT):
            body, at = _indented(lines, at)
            yield Code(body)
        else:
            block, at = _list_or_text(lines, at)
            yield block


def _list_or_text(lines: Sequence[str], at: int) -> tuple[Block, int]:
    points: list[Blocks] = []
    terms: list[tuple[str, Blocks]] = []
    while at < len(lines) and lines[at].startswith("- "):
        body, at = _indented((lines[at][2:].rjust(len(lines[at]) + 2), *lines[at + 1 :]), 0, at, "  ")
        points.append(tuple(_blocks(body)))
    if points:
        return Points(tuple(points)), at
    while at + 1 < len(lines) and lines[at].strip() and lines[at + 1].startswith(":   "):
        term = lines[at]
        body, at = _indented((_INDENT + lines[at + 1][4:], *lines[at + 2 :]), 0, at + 1)
        terms.append((term, tuple(_blocks(body))))
    if terms:
        return Terms(tuple(terms)), at
    end = at
    while end < len(lines) and lines[end].strip() and not lines[end].startswith(("@", "## ", "### ")):
        end += 1
    return Text(" ".join(map(str.strip, lines[at:end]))), end


def _indented(lines: Sequence[str], at: int, base: int = 0, indent: str = _INDENT) -> tuple[tuple[str, ...], int]:
    """The indented lines from at on without their indent, and where (counted from base) the next thing begins."""
    end = at
    while end < len(lines) and (lines[end].startswith(indent) or not lines[end].strip()):
        end += 1
    body = [line[len(indent) :] for line in lines[at:end]]
    while body and not body[-1].strip():
        body.pop()
    return tuple(body), base + end
