"""Bans for the tests of the store."""

from __future__ import annotations

from nfjail.core.model import Ban, Failure, Unban, parse_subject

NOW = 1_700_000_000.0


def failure(address: str, message: str = "Failed password for root", time: float = NOW) -> Failure:
    return Failure(time, parse_subject(address), message, "s=1;i=2", 0, {"user": "root"})


def ban(address: str, jail: str = "sshd", since: float = NOW, seconds: float | None = 600.0, nth: int = 1) -> Ban:
    until = None if seconds is None else since + seconds
    kept = (failure(address, time=since - 1), failure(address, time=since))
    return Ban(jail, parse_subject(address), since, until, nth, "filter", "2 failures in 1s", kept)


def unban(address: str, jail: str = "sshd", at: float = NOW + 60, why: str = "by hand") -> Unban:
    return Unban(jail, parse_subject(address), at, why)


def number(n: int) -> str:
    """The nth of many addresses."""
    return f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"
