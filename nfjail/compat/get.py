"""fail2ban-client get: the settings of a jail, and the few of the server."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from nfjail.compat.error import CommandError, incomplete
from nfjail.compat.house import Held, House, Info
from nfjail.core.jail import MANUAL
from nfjail.fail2ban_log import local_time
from nfjail.store_rows import MAX_FAILURES

Words = Sequence[str]
_DEFAULTS = {"factor": 1, "formula": "", "rndtime": 0, "overalljails": False}  # of bantime.OPTION
_NEVER = "9999-12-31 23:59:59"  # when a ban for ever ends


def get(house: House, words: Words) -> Any:
    """What the option is. Raises CommandError."""
    if words and words[0] in _SERVER:
        return _SERVER[words[0]](house)
    if len(words) < 2:
        raise incomplete()
    name, option, *rest = words
    if option in _OF_JAIL:
        return _OF_JAIL[option](house, name, rest)
    if option.startswith("bantime."):
        return _increment(house.settings(name)["increment"], option.removeprefix("bantime."))
    if option not in _SETTINGS:
        raise CommandError("Invalid command (no get action or not yet implemented)")
    return _SETTINGS[option](house.settings(name))


def whole(seconds: float | None) -> int | float:
    """fail2ban's way to write it: -1 for ever, and no decimals where there are none."""
    if seconds is None:
        return -1
    return int(seconds) if seconds == int(seconds) else seconds


def _increment(increment: Info, option: str) -> Any:
    """None for those that are not in use or as they are by themselves: fail2ban knows only those that are written."""
    if option == "increment":
        return increment["enabled"] or None
    value = increment.get(option) if increment["enabled"] else None
    if option == "multipliers":
        return " ".join(f"{one:g}" for one in value or ()) or None
    if isinstance(value, float):
        value = whole(value)
    return None if value == _DEFAULTS.get(option) else value


def _banned(house: House, name: str, words: Words) -> Any:
    held = house.banned(name)
    if not words:
        return held
    told = [int(word in held) for word in words]
    return told[0] if len(told) == 1 else told


def _banip(house: House, name: str, words: Words) -> list[str]:
    """By the end of the ban."""
    if words[:1] == ["--with-time"]:
        return [_with_time(ban) for ban in house.bans(name)]
    return house.banned(name, by_end=True)


def _with_time(ban: Held) -> str:
    if ban.until is None:
        return f"{ban.address} \t{local_time(ban.since)} + -1 = {_NEVER}"
    length = round(ban.until - ban.since)
    return f"{ban.address} \t{local_time(ban.since)} + {length} = {local_time(ban.until)}"


def _files(house: House, name: str, _words: Words) -> list[str]:
    reads_journal, sources = house.sources(name)
    return [] if reads_journal else sources


def _matches(house: House, name: str, _words: Words) -> list[list[str]]:
    reads_journal, sources = house.sources(name)
    return [source.split(" ") for source in sources] if reads_journal else []


def _actions(house: House, name: str, _words: Words) -> list[str]:
    """A jail has one, which nfjail does itself: its firewall."""
    if name == MANUAL:
        return []
    action: str = house.settings(name)["banaction"]
    return [action]


def _action(house: House, name: str, words: Words) -> Any:
    if not words:
        raise incomplete()
    if words[0] not in _actions(house, name, ()):
        raise CommandError(f"'Invalid Action name: {words[0]}'", f"Invalid Action name: {words[0]}")
    raise CommandError(f"the action {words[0]} has no commands: nfjail itself talks to the firewall")


def _datepattern(settings: Info) -> tuple[str | None, str] | None:
    patterns = settings["filter"]["datepattern"].split("\n")
    if settings["backend"] == "journal" and patterns == [""]:  # its entries have a time of their own
        return None
    if len(patterns) > 1 or patterns[0] in ("", "{^LN-BEG}", "{DEFAULT}") or "{DATE}" in patterns[0]:
        return None, "Default Detectors"
    return patterns[0], patterns[0]


def _of_filter(key: str) -> Callable[[Info], Any]:
    return lambda settings: settings["filter"][key]


_SERVER: dict[str, Callable[[House], Any]] = {
    "loglevel": lambda _house: "INFO",
    "logtarget": lambda house: house.ask("Settings")["fail2ban_log"] or "STDERR",
    "syslogsocket": lambda _house: "auto",
    "thread": lambda _house: {"stacksize": 0},
    "dbfile": lambda house: house.ask("Settings")["store"],
    "dbmaxmatches": lambda _house: MAX_FAILURES,
    "dbpurgeage": lambda house: whole(house.ask("Settings")["dbpurgeage"]),
}

#: those for which more than the settings must be asked
_OF_JAIL: dict[str, Callable[[House, str, Words], Any]] = {
    "banned": _banned,
    "banip": _banip,
    "logpath": _files,
    "journalmatch": _matches,
    "actions": _actions,
    "action": _action,
    "actionproperties": _action,
    "actionmethods": _action,
}

_SETTINGS: dict[str, Callable[[Info], Any]] = {
    "bantime": lambda settings: whole(settings["bantime"]),
    "findtime": lambda settings: whole(settings["findtime"]),
    "maxretry": lambda settings: settings["maxretry"],
    "maxmatches": lambda settings: settings["maxmatches"],
    "ignoreip": lambda settings: settings["ignoreip"],
    "ignoreself": lambda settings: settings["ignoreself"],
    "ignorecommand": lambda _settings: "",
    "ignorecache": lambda _settings: None,
    "logencoding": lambda _settings: "UTF-8",
    "datepattern": _datepattern,
    "logtimezone": lambda settings: settings["filter"]["logtimezone"] or None,
    **{key: _of_filter(key) for key in ("failregex", "ignoreregex", "prefregex", "usedns", "maxlines")},
}
