"""Writes a manual page in roff, with the macros of man(7)."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from page import Block, Blocks, Code, Heading, Page, PageError, Points, Terms, Text

_CHARACTERS = str.maketrans({"\\": "\\e", "-": "\\-", "'": "\\(aq", "`": "\\(ga", "^": "\\(ha", "~": "\\(ti", '"': "\\(dq"})
_INLINE = re.compile(
    r"\\(?P<plain>.)"
    r"|`(?P<code>[^`]+)`"
    r"|\*\*(?P<bold>(?:\\.|[^*\\])+)\*\*"
    r"|\*(?P<meta>(?:\\.|[^*\\])+)\*"
    r"|\b(?P<page>[a-z][\w.-]*)\((?P<section>[1-8])\)"
)
_WIDTH = 78


def write_page(page: Page, version: str, manual: str) -> str:
    """The page as man(1) takes it. manual: what the book is called that it belongs to."""
    head = f'.TH {page.name.upper()} {page.section} {page.date} "nfjail {version}" "{manual}"'
    lines = ['.\\" Made by packaging/man/make: change its source there.', ".nr HY 0", head, ".ad l", *_top(page.blocks)]
    return "\n".join(lines) + "\n"


def _top(blocks: Blocks) -> Iterator[str]:
    fresh = False  # right below a heading no paragraph is begun
    for block in blocks:
        if isinstance(block, Heading):
            yield f".{'SH' if block.level == 1 else 'SS'} {_argument(_inline(block.text))}"
        elif isinstance(block, Text):
            yield from ([] if fresh else [".PP"])
            yield from _filled(block.text)
        elif isinstance(block, Code):
            yield from ([".RS 4"] if fresh else [".PP", ".RS 4"])
            yield from (*_code(block), ".RE")
        else:
            yield from _list(block)
        fresh = isinstance(block, Heading)


def _list(block: Block) -> Iterator[str]:
    if isinstance(block, Points):
        for body in block.items:
            yield ".IP \\(bu 2"
            yield from _body(body)
    elif isinstance(block, Terms):
        for term, body in block.items:
            yield from (".TP", _inline(term))
            yield from _body(body)
    else:
        raise PageError(f"{block} has no place here")


def _body(blocks: Blocks) -> Iterator[str]:
    """What stands behind a term or a point."""
    for number, block in enumerate(blocks):
        if isinstance(block, Text):
            yield from (*([".IP"] if number else []), *_filled(block.text))
        elif isinstance(block, Code):
            yield from (".IP", *_code(block))
        else:
            yield from (".RS", *_list(block), ".RE")


def _code(block: Code) -> Iterator[str]:
    yield ".EX"
    yield from (_guarded(_literal(line)) for line in block.lines)
    yield ".EE"


def _filled(text: str) -> Iterator[str]:
    """Text in lines of a handy length, a sentence beginning on a line of its own."""
    for sentence in re.split(r"(?<=[a-z`)\"][.?!]) +(?=[A-Z`*\"])", text):
        wrapped = textwrap.wrap(_inline(sentence), _WIDTH, break_long_words=False, break_on_hyphens=False)
        yield from map(_guarded, wrapped)


def _inline(text: str) -> str:
    written, at = "", 0
    for found in _INLINE.finditer(text):
        written += _plain(text[at : found.start()]) + _marked(found)
        at = found.end()
    return written + _plain(text[at:])


def _marked(found: re.Match[str]) -> str:
    if found["plain"]:
        return _plain(found["plain"])
    if found["page"]:
        return f"\\fB{_literal(found['page'])}\\fP({found['section']})"
    if found["meta"]:
        return f"\\fI{_inline(found['meta'])}\\fP"
    return f"\\fB{_literal(found['code']) if found['code'] else _inline(found['bold'])}\\fP"


def _plain(text: str) -> str:
    return text.replace("\\", "\\e").replace("~", "\\(ti").replace("^", "\\(ha").replace("`", "\\(ga")


def _argument(text: str) -> str:
    """Of a macro, for which quotes have a meaning."""
    return text.replace('"', "\\(dq")


def _literal(text: str) -> str:
    """Characters that a reader may copy: none of them becomes another."""
    return text.translate(_CHARACTERS)


def _guarded(line: str) -> str:
    return f"\\&{line}" if line.startswith((".", "'")) else line
