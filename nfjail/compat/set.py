"""fail2ban-client set and unban: what changes a running jail, until the next reload as with fail2ban."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nfjail.compat.error import CommandError, incomplete, not_here
from nfjail.compat.get import get
from nfjail.compat.house import House
from nfjail.fail2ban.seconds import parse_seconds

Words = Sequence[str]
_CONF = "/etc/nfjail/conf.d"
_TRUE = ("true", "1", "yes", "on")


def set_(house: House, words: Words) -> Any:
    """Does it, and answers with what then holds. Raises CommandError."""
    if words and words[0] in _SERVER:
        return _SERVER[words[0]](house, words[1:])
    if len(words) < 2:
        raise incomplete()
    name, option, *rest = words
    if option in _OF_JAIL:
        handler, least = _OF_JAIL[option]
        if len(rest) < least:
            raise incomplete()
        return handler(house, name, rest)
    if option in _ONLY_IN_FILES or option.startswith("bantime."):
        if not rest:
            raise incomplete()
        house.figures(name)
        raise not_here(f"change {option} at run time", f"write it into [jail.{name}] in a file in {_CONF}, and reload")
    raise CommandError(f"Invalid command '{option}' (no set action or not yet implemented)")


def unban(house: House, words: Words) -> int:
    """How many bans were ended, in all jails."""
    if not words:
        raise CommandError("Invalid command")
    if words == ["--all"]:
        return int(house.ask("Unban", all=True)["count"])
    return sum(_unban_one(house, None, word)[0] for word in words)


def _unban_one(house: House, jail: str | None, word: str) -> tuple[int, bool]:
    """How many bans were ended, and whether there were any."""
    try:
        reply = house.ask("Unban", addresses=[word], jail=jail)
    except CommandError as error:
        if "is no IP address" in error.told:  # fail2ban takes any text; nobody is banned under this one
            return 0, False
        raise
    return int(reply["count"]), bool(reply["count"])


def _banip(house: House, name: str, words: Words) -> int:
    """How many were not banned before."""
    house.figures(name)
    if not words:
        return 0
    banned = house.ask("Ban", addresses=list(words), jail=name)["banned"]
    return sum(not one["already"] for one in banned)


def _unbanip(house: House, name: str, words: Words) -> int:
    house.figures(name)
    report = words[0] == "--report-absent"
    ended, absent = 0, []
    for word in words[report:]:
        count, found = _unban_one(house, name, word)
        ended += count
        if not found:
            absent.append(word)
    if report and absent:
        raise CommandError(f"not banned: {absent!r}")
    return ended


def _bantime(house: House, name: str, words: Words) -> Any:
    seconds = _seconds(words[0])
    house.change(name, **({"forever": True} if seconds < 0 else {"bantime": seconds}))
    return get(house, [name, "bantime"])


def _findtime(house: House, name: str, words: Words) -> Any:
    house.change(name, findtime=_seconds(words[0]))
    return get(house, [name, "findtime"])


def _seconds(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise CommandError(str(error)) from None


def _number(option: str) -> Callable[[House, str, Words], Any]:
    def change(house: House, name: str, words: Words) -> Any:
        try:
            number = int(words[0])
        except ValueError as error:
            raise CommandError(str(error)) from None
        return house.change(name, **{option: number})[option]

    return change


def _ignoreself(house: House, name: str, words: Words) -> Any:
    return house.change(name, ignoreself=words[0].lower() in _TRUE)["ignoreself"]


def _addignoreip(house: House, name: str, words: Words) -> Any:
    return house.change(name, ignore=list(words))["ignoreip"]


def _delignoreip(house: House, name: str, words: Words) -> Any:
    return house.change(name, unignore=[words[0]])["ignoreip"]


def _attempt(house: House, name: str, words: Words) -> int:
    """1, whatever it came to: so does fail2ban."""
    house.figures(name)
    house.ask("Attempt", jail=name, address=words[0], messages=list(words[1:]))
    return 1


def _idle(house: House, name: str, words: Words) -> Any:
    if words[0] not in ("on", "off"):
        raise CommandError("Invalid idle option, must be 'on' or 'off'")
    house.figures(name)
    if words[0] == "off":
        return False  # no jail ever is
    raise not_here("let a jail pause", f"write enabled = false into [jail.{name}] in a file in {_CONF}, and reload")


def _fixed(option: str, instead: str) -> Callable[[House, Words], Any]:
    """A setting of the server that may be set to what it is."""

    def handle(house: House, words: Words) -> Any:
        if not words:
            raise incomplete()
        now = get(house, [option])
        if str(now).lower() != words[0].lower():
            raise not_here(f"change {option} at run time", instead)
        return now

    return handle


_SERVER: dict[str, Callable[[House, Words], Any]] = {
    "loglevel": _fixed("loglevel", "it tells failures and bans always; systemctl edit nfjail can give `nfjail run` -v"),
    "logtarget": _fixed("logtarget", f'write fail2ban_log = "/var/log/nfjail/fail2ban.log" into a file in {_CONF}, and reload'),
    "syslogsocket": _fixed("syslogsocket", "it logs to the journal"),
    "dbfile": _fixed("dbfile", "nfjail run --state DIR says where the store is"),
    "dbmaxmatches": _fixed("dbmaxmatches", "write maxmatches into the jails"),
    "dbpurgeage": _fixed("dbpurgeage", f'write dbpurgeage = "30d" into [store] in a file in {_CONF}, and reload'),
    "thread": _fixed("thread", "it has no threads that could be set"),
    "allowipv6": lambda _house, words: words[0] if words else _missing(),
}

#: how many words each needs at least
_OF_JAIL: dict[str, tuple[Callable[[House, str, Words], Any], int]] = {
    "banip": (_banip, 0),
    "unbanip": (_unbanip, 1),
    "bantime": (_bantime, 1),
    "findtime": (_findtime, 1),
    "maxretry": (_number("maxretry"), 1),
    "maxmatches": (_number("maxmatches"), 1),
    "ignoreself": (_ignoreself, 1),
    "addignoreip": (_addignoreip, 0),
    "delignoreip": (_delignoreip, 1),
    "attempt": (_attempt, 1),
    "idle": (_idle, 1),
}
_ONLY_IN_FILES = {
    "ignorecommand", "ignorecache", "addlogpath", "dellogpath", "logencoding", "addjournalmatch", "deljournalmatch",
    "prefregex", "addfailregex", "delfailregex", "addignoreregex", "delignoreregex", "usedns", "datepattern",
    "logtimezone", "maxlines", "addaction", "delaction", "action",
}  # fmt: skip


def _missing() -> Any:
    raise incomplete()
