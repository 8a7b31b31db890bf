"""What fail2ban's server would answer to a command, as the plain value that goes over its socket.

The commands are those of fail2ban-client(1) of 1.1.0. Each function takes the words behind the command.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nfjail.compat.error import CommandError, incomplete, not_here
from nfjail.compat.get import get
from nfjail.compat.house import BACKENDS, House, Info
from nfjail.compat.set import set_, unban
from nfjail.fail2ban_log import VERSION

Words = Sequence[str]
_INVALID = "Invalid command"


def answer(house: House, command: Words) -> Any:
    """The server's answer. Raises CommandError."""
    handler = _COMMANDS.get(command[0])
    if handler is None:
        raise CommandError(_INVALID)
    return handler(house, command[1:])


def _ping(house: House, _words: Words) -> str:
    house.ask("Ping")
    return "pong"


def _status(house: House, words: Words) -> list[Any]:
    """Of the server, of a jail, or of all; as fail2ban's pairs of name and value."""
    if len(words) > 2:
        raise CommandError("Invalid command (no status)")
    name, flavor = (*words, "", "")[:2]
    if name and name != "--all":
        return _jail_status(house, house.figures(name), flavor)
    jails = house.jails()
    pairs: list[Any] = [("Number of jail", len(jails)), ("Jail list", ", ".join(sorted(jails)))]
    if name:
        pairs.append({one: _jail_status(house, jails[one], flavor) for one in sorted(jails)})
    return pairs


def _jail_status(house: House, jail: Info, flavor: str) -> list[Any]:
    if flavor == "cymru":
        raise not_here("ask Team Cymru whose addresses these are", "leave the word cymru away")
    reads_journal, sources = house.sources(jail["name"])
    found = [("Currently failed", jail["failing"]), ("Total failed", jail["failures"])]
    acted = [("Currently banned", jail["banned"]), ("Total banned", jail["total"])]
    source = ("Journal matches", [" + ".join(sources)]) if reads_journal else ("File list", sources)
    if flavor == "short":
        return [("Filter", [*found, source]), ("Actions", acted)]
    banned = house.banned(jail["name"])
    acted[0] = ("Currently banned", len(banned))
    return [("Filter", [*found, source]), ("Actions", [*acted, ("Banned IP list", banned)])]


def _stats(house: House, _words: Words) -> dict[str, Any]:
    jails = house.jails()
    backends = {one["jail"]: one["backend"] for one in house.ask("Settings")["jails"]}
    return {
        name: [
            BACKENDS.get(backends.get(name, ""), "none"),
            (jails[name]["failing"], jails[name]["failures"]),
            (jails[name]["banned"], jails[name]["total"]),
        ]
        for name in sorted(jails)
    }


def _banned(house: House, words: Words) -> list[Any]:
    held = {name: house.banned(name) for name in house.jails()}
    if not words:
        return [{name: banned} for name, banned in held.items()]
    return [[name for name, banned in held.items() if word in banned] for word in words]


def _flush_logs(house: House, _words: Words) -> str:
    return "rolled over" if house.ask("FlushLogs")["path"] else "flushed"


class NoSectionError(CommandError):
    """The jail to be reloaded is not in the configuration. fail2ban's client finds that out by itself."""

    def __init__(self, name: str) -> None:
        super().__init__(f"No section: {name!r}")
        self.name = name


def _reload(house: House, words: Words) -> str:
    """nfjail reads all its configuration anew or nothing, whichever jail was meant; bans stay."""
    name = None if not words or words[0] == "--all" else words[0]
    if "--unban" in words[1:] and (name is None or name in house.jails()):
        house.ask("Unban", jail=name, all=None if name else True)
    jails = house.ask("Reload")["jails"]
    if name is not None and name not in jails:
        raise NoSectionError(name)
    return "OK"


def _start(house: House, words: Words) -> str:
    """Of a jail that runs. One that does not is unknown here, as it is to fail2ban's server."""
    if not words:
        raise incomplete()
    house.figures(words[0])
    return "Jail started"


def _stop(house: House, words: Words) -> Any:
    if not words or words[0] == "--all":
        raise not_here("be stopped so", "systemctl stop nfjail")
    house.figures(words[0])
    raise not_here("stop a single jail", f"write enabled = false into [jail.{words[0]}], and reload")


def _add(_house: House, words: Words) -> Any:
    if not words:
        raise incomplete()
    raise not_here("add a jail at run time", f"write [jail.{words[0]}] into a file in /etc/nfjail/conf.d, and reload")


_COMMANDS: dict[str, Callable[[House, Words], Any]] = {
    "ping": _ping,
    "status": _status,
    **dict.fromkeys(("stats", "statistic", "statistics"), _stats),
    "banned": _banned,
    "unban": unban,
    "get": get,
    "set": set_,
    "flushlogs": _flush_logs,
    "version": lambda _house, _words: VERSION,
    "echo": lambda _house, words: list(words),
    "server-status": lambda _house, _words: "Server ready",
    "reload": _reload,
    "start": _start,
    "stop": _stop,
    "add": _add,
}
