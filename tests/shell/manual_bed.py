"""The manual's pages for its tests: their parts, the files and commands in their examples, and their text as readers see it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
MAN = ROOT / "packaging" / "man"
sys.path[:0] = [str(MAN), str(MAN.parent), str(ROOT / "tests/conformance")]

from commands import arguments_of, commands  # noqa: E402  # found only from here on
from packages import unpacked  # noqa: E402
from page import Block, Blocks, Code, Heading, Page, PageError, Points, Terms, read_page  # noqa: E402
from tables import fill  # noqa: E402

__all__ = ["Heading", "PageError", "arguments_of", "commands", "unpacked"]  # for tests, which cannot find them themselves

SOURCES = sorted(MAN.glob("*.[1-8].md"))
NAMES = [source.name.removesuffix(".md") for source in SOURCES]


@cache
def source_of(name: str) -> Page:
    """The page as it is written, by name and section: "nfjail.1"."""
    return read_page((MAN / f"{name}.md").read_text())


@cache
def page_of(name: str) -> Page:
    """The page with all that is taken from the program."""
    return fill(source_of(name))


def make_pages(folder: Path) -> Path:
    subprocess.run([MAN / "make", folder], check=True, env={"PATH": "/usr/bin:/bin"})
    return folder


def shown(file: Path) -> str:
    """The page as man shows it on a wide terminal, in ASCII."""
    done = subprocess.run(["mandoc", "-Tascii", "-Owidth=200", file], check=True, capture_output=True, text=True)
    return re.sub(r".\x08", "", done.stdout)


def every(blocks: Blocks) -> Iterator[Block]:
    """All blocks, also those within lists."""
    for block in blocks:
        yield block
        if isinstance(block, Terms):
            for _, body in block.items:
                yield from every(body)
        elif isinstance(block, Points):
            for body in block.items:
                yield from every(body)


def codes(page: Page) -> list[tuple[str, ...]]:
    return [block.lines for block in every(page.blocks) if isinstance(block, Code)]


class Command(NamedTuple):
    """A command in an example, and lines of its output."""

    text: str
    output: tuple[str, ...]


def commands_in(lines: tuple[str, ...]) -> Iterator[Command]:
    """What stands behind "$ ", with the lines that go on behind a backslash or up to END."""
    rest = list(lines)
    while rest:
        text = rest.pop(0).removeprefix("$ ")
        while text.endswith("\\") or ("<<END" in text and not text.endswith("\nEND")):
            text += "\n" + rest.pop(0)
        output: list[str] = []
        while rest and not rest[0].startswith("$ "):
            if line := rest.pop(0):
                output.append(line)
        yield Command(text, tuple(output))


class Stage:
    """Where the examples of a page are tried: a folder for their files, and an nfjail that reads its conf.d."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "conf.d").mkdir()
        (folder / "bin").mkdir()
        program = folder / "bin" / "nfjail"
        # The examples are for /etc/nfjail.
        program.write_text(f'#!/bin/sh\nverb=$1; shift\nexec {sys.executable} -m nfjail "$verb" --config {folder} "$@"\n')
        program.chmod(0o755)
        path = f"{folder / 'bin'}:{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "TZ": "UTC", "COLUMNS": "80"}

    def put(self, lines: tuple[str, ...]) -> Path:
        """Writes an example's file, whose name stands in its first line."""
        name = lines[0].removeprefix("# ")
        path = self.folder / re.sub(r"^(/etc/nfjail|DIR|\.)/", "", name)
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
            text=True,
        )  # fmt: skip
