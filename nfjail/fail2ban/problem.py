"""What is wrong with fail2ban's configuration: every problem with its file, its line and what to do about it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from nfjail.errors import NfjailError


class Problem(NamedTuple):
    """One mistake, or one thing to know. line counts from 1; 0: the file as a whole."""

    file: str
    line: int
    what: str
    advice: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return f"{place}: {self.what}; {self.advice}" if self.advice else f"{place}: {self.what}"


class Fail2banError(NfjailError):
    """A filter, an action or a jail that cannot be used; the text has one line for each problem."""

    exit_code = 78  # EX_CONFIG, sysexits(3)

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(dict.fromkeys(problems))
        super().__init__("\n".join(map(str, self.problems)))
