"""How a command of fail2ban's fails: with what its client prints, and what it notes on standard error."""

from __future__ import annotations

from nfjail.errors import NfjailError


class CommandError(Exception):
    """told: for standard output. noted: what fail2ban's own exception carries; kind: of which class that is there."""

    def __init__(self, told: str, noted: str | None = None, kind: str = "builtins:Exception") -> None:
        super().__init__(told if noted is None else noted)
        self.told = told
        self.kind = kind


class ClientError(Exception):
    """The client itself cannot go on; it says so on standard error only."""


def no_such_jail(name: str) -> CommandError:
    return CommandError(f"Sorry but the jail '{name}' does not exist", name, "fail2ban.exceptions:UnknownJailException")


def incomplete() -> CommandError:
    return CommandError("Sorry but the command is invalid", "list index out of range", "builtins:IndexError")


def refused(error: NfjailError) -> CommandError:
    """What nfjail refuses, in one line with its advice."""
    return CommandError(f"{error.what}; {error.advice}" if error.advice else error.what)


def not_here(what: str, instead: str) -> CommandError:
    """What fail2ban can do, and nfjail cannot."""
    return CommandError(f"nfjail cannot {what}: {instead}")
