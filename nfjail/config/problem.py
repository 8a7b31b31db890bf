"""What is wrong with a configuration: every problem with its file, its key and what to write instead."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from nfjail.errors import NfjailError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. key is the full path in the file ("jail.sshd.maxretry"), or the line of a syntax error."""

    file: str
    key: str
    what: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.file}: {self.key}" if self.key else self.file
        return f"{place}: {self.what}; {self.advice}" if self.advice else f"{place}: {self.what}"


class ConfigError(NfjailError):
    """The configuration cannot be used; its text has one line for each problem."""

    exit_code = 78  # EX_CONFIG, sysexits(3)

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class BadValueError(ValueError):
    """What is wrong with one value: pairs of what and advice, for a list may have several wrong items."""

    def __init__(self, *troubles: tuple[str, str]) -> None:
        super().__init__("; ".join(what for what, _ in troubles))
        self.troubles = troubles


class Node(NamedTuple):
    """A value of the merged configuration, and where it was written."""

    value: Any  # a table as dict[str, Node], or what TOML gave
    file: str
    key: str  # "jail.sshd.maxretry", as written there


class Problems:
    """Collects problems, each once, in the order in which they were found."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def add(self, file: str, key: str, what: str, advice: str) -> None:
        self._found[Problem(file, key, what, advice)] = None

    def at(self, node: Node, what: str, advice: str) -> None:
        self.add(node.file, node.key, what, advice)

    def has(self, node: Node | None) -> bool:
        """Whether something has been found wrong with this value."""
        return node is not None and any((p.file, p.key) == (node.file, node.key) for p in self._found)

    def attempt(self, node: Node, parse: Callable[[Any], T], instead: T) -> T:
        """The parsed value of node; if it is wrong, that is noted and instead returned."""
        try:
            return parse(plain(node))
        except BadValueError as wrong:
            for what, advice in wrong.troubles:
                self.at(node, what, advice)
        return instead


def plain(node: Node) -> Any:
    """The value of a node as TOML gave it."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    return node.value
