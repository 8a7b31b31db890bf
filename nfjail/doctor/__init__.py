"""What `nfjail doctor` looks at: each module has the probes of one part of the machine, and they only look.

A probe takes what it needs as arguments (the configuration, the machine, what somebody has found out already) and yields
findings. What cannot be seen, for want of rights or of a program, is a finding as well: silence means that all is well.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Mark = Literal["ok", "note", "warning", "problem"]
MARKS: tuple[Mark, ...] = ("ok", "note", "warning", "problem")  # from good to bad

SERVICES, LOGS, FIREWALL, KERNEL, ITSELF = SECTIONS = ("Services", "Logs", "Firewall", "Kernel and clock", "nfjail itself")

LOCAL = "/etc/nfjail/conf.d/local.toml"


class Finding(NamedTuple):
    """One thing that was found. note: good to know. warning: attackers may be missed. problem: something does not work."""

    section: str
    mark: Mark
    key: str  # the same in all versions: for programs
    what: str  # what is so, and what that means
    advice: tuple[str, ...] = ()  # lines to write, or commands; each stands by itself


def ok(section: str, key: str, what: str, *advice: str) -> Finding:
    return Finding(section, "ok", key, what, advice)


def note(section: str, key: str, what: str, *advice: str) -> Finding:
    return Finding(section, "note", key, what, advice)


def warning(section: str, key: str, what: str, *advice: str) -> Finding:
    return Finding(section, "warning", key, what, advice)


def problem(section: str, key: str, what: str, *advice: str) -> Finding:
    return Finding(section, "problem", key, what, advice)


def setting(table: str, *lines: str) -> tuple[str, ...]:
    """Advice: these lines of a table of the configuration."""
    return (f"in {LOCAL}:", f"[{table}]", *lines)


def listed(names: list[str], most: int = 8) -> str:
    """Names in a sentence; not all of very many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def plural(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"
