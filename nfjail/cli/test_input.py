"""The lines that `nfjail test` reads: one given on the command line, a file's, standard input's, or the journal's."""

from __future__ import annotations

import codecs
import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

from nfjail.cli.test_clock import UsageError
from nfjail.cli.test_filters import Trial, journal_of
from nfjail.cli.test_progress import Progress
from nfjail.core.journal_line import Get, journal_line, journal_time
from nfjail.errors import NfjailError

_CHUNK = 65_536  # bytes that are read at once: few enough to stay in the processor's cache
_LONGEST = 1_048_576  # bytes of a line that are kept: a file without line ends must not fill the memory


class InputError(NfjailError):
    """There is nothing to read."""

    exit_code = 66  # EX_NOINPUT, sysexits(3)


class Batch(NamedTuple):
    """Lines that were there at once, and when each was written if that is known without looking into it."""

    lines: Sequence[str]
    times: Iterable[float | None] = repeat(None)  # as many as there are lines, or more


class Block(NamedTuple):
    """Lines that were there at once, also as text: each with its end."""

    lines: list[str]
    text: str

    @property
    def times(self) -> Iterable[None]:
        return repeat(None)


def find_input(where: str | None, trial: Trial, now: float, encoding: str = "utf-8") -> Iterator[Batch | Block]:
    """The lines of LINE, FILE, journal, journal:FOLDER or - (standard input, also if nothing is given)."""
    try:
        codecs.lookup(encoding)
    except LookupError:
        raise UsageError(f"--encoding {encoding}: there is no such encoding", "write utf-8 or latin-1, say") from None
    folder = journal_of(where)
    if folder is not None:
        return _journal(folder, trial, now)
    if where is None or where == "-":
        return _standard_input(encoding)
    if os.path.exists(where):
        return _file(where, encoding)
    if where.startswith(("/", "./", "../")) and not any(map(str.isspace, where)):
        raise InputError(f"there is no file {where}", "give a log file, a line, or journal")
    text = os.fsencode(where).decode(encoding, "replace")
    return iter([_block(text)])


def _standard_input(encoding: str) -> Iterator[Block]:
    if sys.stdin is None:
        raise InputError("standard input is closed", "give a log file, a line, or journal")
    if sys.stdin.isatty():
        print("reading lines from the terminal until Ctrl-D", file=sys.stderr)
    return _descriptor(sys.stdin.fileno(), "standard input", encoding)


def _file(path: str, encoding: str) -> Iterator[Block]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        yield from _descriptor(descriptor, path, encoding)
    finally:
        os.close(descriptor)


def _descriptor(descriptor: int, name: str, encoding: str) -> Iterator[Block]:
    status = os.fstat(descriptor)
    with Progress(status.st_size if stat.S_ISREG(status.st_mode) else 0) as progress:
        rest = b""
        while True:
            try:
                chunk = os.read(descriptor, _CHUNK)
            except OSError as error:
                raise _unreadable(name, error) from None
            if not chunk:
                break
            whole, newline, behind = chunk.rpartition(b"\n")
            if newline:
                block = _block((rest + whole).decode(encoding, "replace"))
                rest = behind
                progress.go_on(len(chunk), len(block.lines))
                yield block
            elif len(rest) < _LONGEST:
                rest += chunk
        if rest:
            yield _block(rest.decode(encoding, "replace"))


def _block(text: str) -> Block:
    lines = text.split("\n")
    if "\r" in text:
        lines = [line.rstrip("\r") for line in lines]
        text = "\n".join(lines)
    return Block(lines, f"{text}\n")


def _unreadable(name: str, error: OSError) -> InputError:
    return InputError(f"{name} cannot be read: {error.strerror}", "give a log file, a line, or journal")


def _journal(folder: str, trial: Trial, now: float) -> Iterator[Batch]:
    """Every entry of the journal that concerns the filter, as the filter gets to see it."""
    if not trial.terms:
        what = f"{trial.name} does not say what of the journal concerns it"
        raise UsageError(what, "give --journalmatch FIELD=value")
    from nfjail.source.journal import JournalSource

    def sift(message: str, get: Get, here: Callable[[], tuple[float, str]], _now: float) -> list[tuple[str, float]]:
        written = journal_time(get, 0.0) or here()[0]
        return [(journal_line(message, get) if trial.spec else message, written)]

    source = JournalSource(folder or None, trial.terms, sift, None, now, now)
    try:
        with Progress(0) as progress:
            while source.more:
                found = source.read(now).found
                progress.go_on(0, len(found))
                if found:
                    yield Batch([line for line, _ in found], [time for _, time in found])
    finally:
        source.close()
