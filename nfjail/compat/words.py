"""How fail2ban's client prints an answer: byte for byte, because scripts cut it up with grep, awk and sed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

Words = Sequence[str]


def told(command: Words, answer: Any) -> str:
    """The text that fail2ban-client prints for this answer to this command."""
    name = command[0]
    if name in _OF_COMMAND:
        return _OF_COMMAND[name](command, answer)
    if name in ("get", "set"):
        if command[1] in _OF_SERVER:
            return _OF_SERVER[command[1]](answer)
        option = command[2].removeprefix("add").removeprefix("del") if len(command) > 2 else ""
        if option in _OF_JAIL and (name, option) != ("set", "banip"):
            return _OF_JAIL[option](command, answer)
    return str(answer)


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _status(command: Words, answer: list[Any]) -> str:
    if len(command) > 1 and command[1] != "--all":
        return "\n".join((f"Status for the jail: {command[1]}", *_tree(answer, "")))
    jails = answer[-1] if isinstance(answer[-1], dict) else None
    pairs = answer if jails is None else answer[:-1]
    lines = ["Status"]
    for number, (name, value) in enumerate(pairs, 1):
        lines.append(f"{'`-' if number == len(pairs) and not jails else '|-'} {name}:\t{_text(value)}")
    if jails:
        lines.append("`- Status for the jails:")
        for number, (jail, parts) in enumerate(jails.items(), 1):
            last = number == len(jails)
            lines.append(f"   {'`-' if last else '|-'} Jail: {jail}")
            lines += _tree(parts, "      " if last else "   |  ")
    return "\n".join(lines)


def _tree(parts: Sequence[tuple[str, Sequence[tuple[str, Any]]]], indent: str) -> Iterator[str]:
    """|- and `- for what stands in the list, with a tab before each value."""
    for number, (part, pairs) in enumerate(parts, 1):
        last = number == len(parts)
        yield f"{indent}{'`-' if last else '|-'} {part}"
        for place, (name, value) in enumerate(pairs, 1):
            branch = "`-" if place == len(pairs) else "|-"
            yield f"{indent}{'   ' if last else '|  '}{branch} {name}:\t{_text(value)}"


def _stats(_command: Words, answer: dict[str, Any]) -> str:
    """The table of `stats`: 1.1.0 draws it with these characters."""
    rows = [[name, backend, *map(str, (*found, *banned))] for name, (backend, found, banned) in answer.items()]
    least = (8, 8, 3, 3, 3, 3)
    wide = [max([width, *(len(row[column]) for row in rows)]) for column, width in enumerate(least)]
    whole = (wide[0], wide[1], wide[2] + wide[3] + 3, wide[4] + wide[5] + 3)

    def cells(row: Sequence[str]) -> str:
        jail, backend, *numbers = row
        found, failed, banned, bans = (text.rjust(width) for text, width in zip(numbers, wide[2:], strict=True))
        head = (jail.ljust(wide[0]), backend.ljust(wide[1]))
        return " ║ ".join((*head, f"{found} │ {failed}", f"{banned} │ {bans}"))

    first = " ║ ".join(text.ljust(width) for text, width in zip(("", "", "Filter", "Actions"), whole, strict=True))
    named = f"{'Jail'.ljust(wide[0])} ║ {'Backend'.ljust(wide[1])}"
    second = f"{named} ╟─{'─╫─'.join('─' * width for width in whole[2:])}─"
    above, below = (f"{sign.join('═' * width for width in whole)}═" for sign in ("═╬═", "═╩═"))
    return "\n".join((first, second, cells(("", "", "cur", "tot", "cur", "tot")), above, *map(cells, rows), below))


def _listed(title: str, none: str) -> Callable[[Words, list[str]], str]:
    """A list with a branch before each item."""

    def tell(_command: Words, items: list[str]) -> str:
        return "\n".join((title, *(f"|- {item}" for item in items[:-1]), f"`- {items[-1]}")) if items else none

    return tell


def _numbered(_command: Words, items: list[str]) -> str:
    tell = _listed("The following regular expression are defined:", "No regular expression is defined")
    return tell(_command, [f"[{number}]: {item}" for number, item in enumerate(items)])


def _journalmatch(_command: Words, matches: list[list[str]]) -> str:
    if not matches:
        return "No journal match filter set"
    return "Current match filter:\n" + " + ".join(" ".join(match) for match in matches)


def _datepattern(_command: Words, answer: tuple[str | None, str] | None) -> str:
    text = "Not set/required"
    if answer is not None:
        text = answer[1] if answer[0] is None else f"{answer[0]} ({answer[1]})"
    return f"Current date pattern set to: {text}"


def _actions(command: Words, names: list[str]) -> str:
    if not names:
        return f"No actions for jail {command[1]}"
    return f"The jail {command[1]} has the following actions:\n{', '.join(names)}"


def _banip(command: Words, lines: list[str]) -> str:
    separator = command[3] if len(command) > 3 else " "
    return ("\n" if separator == "--with-time" else separator).join(lines)


_OF_COMMAND: dict[str, Callable[[Words, Any], str]] = {
    "ping": lambda _command, answer: f"Server replied: {answer}",
    "flushlogs": lambda _command, answer: f"logs: {answer}",
    "echo": lambda _command, answer: " ".join(answer),
    "status": _status,
    "stats": _stats,
    "statistics": _stats,
}

_OF_SERVER: dict[str, Callable[[Any], str]] = {
    "syslogsocket": lambda answer: f"Current syslog socket is:\n`- {answer}",
    "logtarget": lambda answer: f"Current logging target is:\n`- {answer}",
    "loglevel": lambda answer: f"Current logging level is {answer!r}",
    "dbfile": lambda answer: f"Current database file is:\n`- {answer}",
    "dbpurgeage": lambda answer: f"Current database purge age is:\n`- {int(answer)}seconds",
}

_OF_JAIL: dict[str, Callable[[Words, Any], str]] = {
    "logpath": _listed("Current monitored log file(s):", "No file is currently monitored"),
    "logencoding": lambda _command, answer: f"Current log encoding is set to:\n{answer}",
    "journalmatch": _journalmatch,
    "datepattern": _datepattern,
    "ignoreip": _listed("These IP addresses/networks are ignored:", "No IP address/network is ignored"),
    "failregex": _numbered,
    "ignoreregex": _numbered,
    "actions": _actions,
    "banip": _banip,
}
