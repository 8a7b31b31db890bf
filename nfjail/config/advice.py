"""What to write instead: for misspelt names, for what fail2ban spells in another way, for the usual slips in TOML."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from nfjail.config.toml import key_text, value_text

_REMOVE = "remove it"
_OTHER = 'filters of fail2ban\'s are written filter = "fail2ban:NAME", or language = "fail2ban" in [filter.NAME]'

#: fail2ban's options that nfjail has elsewhere, in another spelling, or not at all
FAIL2BAN: Mapping[str, str] = {
    "action": 'remove it: bans go to the firewall without it; banaction = "auto" says which one',
    "action_": 'remove it: bans go to the firewall without it; banaction = "auto" says which one',
    "actionban": 'remove it: bans go to the firewall without it; banaction = "auto" says which one',
    "allowipv6": f"{_REMOVE}: IPv6 is always watched",
    "banaction_allports": 'write port = "all" in the jails that are to ban on all ports',
    "datepattern": f"{_REMOVE}: the times of syslog and of the journal are understood without it; {_OTHER}",
    "dbfile": f"{_REMOVE}: nfjail run --state DIR says where the store is",
    "dbmaxmatches": "write maxmatches in the jail",
    "destemail": f"{_REMOVE}: no mail is sent",
    "ignorecache": f"{_REMOVE}: nothing slow is asked",
    "ignorecommand": f"{_REMOVE}: list addresses, networks and host names in ignoreip",
    "journalflags": "remove it: [journal] path names another journal folder",
    "logencoding": f"{_REMOVE}: lines are read as UTF-8, and what is not valid does no harm",
    "loglevel": f"{_REMOVE}: nfjail logs to standard error",
    "logtarget": f"{_REMOVE}: nfjail logs to standard error",
    "logtimezone": f"{_REMOVE}: times are those of this machine; {_OTHER}",
    "maxlines": f"{_REMOVE}: each line is looked at by itself; {_OTHER}",
    "mta": f"{_REMOVE}: no mail is sent",
    "prefregex": f"write the whole pattern, without the prefix, in failregex; {_OTHER}",
    "sender": f"{_REMOVE}: no mail is sent",
    "sendername": f"{_REMOVE}: no mail is sent",
    "skip_if_nologs": f"{_REMOVE}: a log file may appear later",
    "usedns": f"{_REMOVE}: names in a log are never resolved, whoever logs could choose them; {_OTHER}",
    "systemd_if_nologs": 'remove it: backend = "auto" does that',
    "_daemon": 'write identifier = ["sshd"]',
}

#: by what fail2ban writes after "bantime."
INCREMENT = ("increment", "factor", "formula", "multipliers", "maxtime", "rndtime", "overalljails")

_TABLES = {
    "DEFAULT": "write [default]",
    "Definition": "write [filter.NAME] with the filter's name",
    "Init": "write [filter.NAME] with the filter's name",
    "INCLUDES": f"{_REMOVE}: files are merged by their folder and name",
    "Thread": _REMOVE,
}

_BARE_VALUE = re.compile(r"\s*([A-Za-z0-9_.-]+)\s*=\s*([^\s#\"'\[{].*?)\s*(?:#.*)?")
_FLAG = {"yes": "true", "true": "true", "on": "true", "no": "false", "false": "false", "off": "false"}


def for_key(key: str, known: Iterable[str], elsewhere: Iterable[str]) -> str:
    """For a key that does not belong where it stands; elsewhere: in which tables there is one of that name."""
    if key in FAIL2BAN:
        return FAIL2BAN[key]
    places = list(elsewhere)
    if places:
        return f"write it {' or '.join(places)}"
    near = nearest(key, known)
    return f"did you mean {key_text(near)}?" if near else "remove it; these are known: " + ", ".join(sorted(known))


def for_table(name: str, known: Iterable[str], is_table: bool, elsewhere: Iterable[str]) -> str:
    """For an unknown table, or key, at the top of a file."""
    if name in _TABLES:
        return _TABLES[name]
    if not is_table:
        return for_key(name, known, elsewhere)
    near = nearest(name, known)
    jail = f"a jail is written [jail.{key_text(name)}]"
    return f"did you mean [{near}]? Else: {jail}" if near else jail


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that word is most like, or ""."""
    by_lower = {name.lower(): name for name in known}
    import difflib  # only now: most never need it, and it costs memory

    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[near[0]] if near else ""


def for_syntax(what: str, line: str) -> str:
    """For a file that is no TOML: what the parser said, and the line where it said it."""
    if re.match(r"\s*bantime\s*\.", line):
        return "write [jail.NAME.increment] with enabled = true, factor = 2 ... below the jail's other keys"
    if "twice" in what or "overwrite" in what or "mutate" in what or "redefine" in what:
        return "write each table and each key once in a file"
    bare = _BARE_VALUE.fullmatch(line)
    if "escape" in what.lower():
        return "write patterns in single quotes, which leave backslashes alone: '^Failed .* from <HOST>\\b'"
    if bare and bare[2].lower() in _FLAG:
        return f"write {bare[1]} = {_FLAG[bare[2].lower()]}"
    if bare and "'" not in bare[2]:
        return f"text stands in quotes: write {bare[1]} = {_quoted(bare[2])}"
    if "Unclosed" in what or "Expected ']'" in what or "Expected ']]'" in what:
        return "close what was opened: [ with ], and a quote with the same quote"
    if re.match(r"\s+\S", line) or re.match(r"\s*\w+\s*:", line):
        return 'write key = "value"; a list of several lines stands in [ ] with commas between its items'
    return 'write tables as [jail.sshd] and values as key = "text", 5, true or ["a", "b"]'


def _quoted(text: str) -> str:
    return f"'{text}'" if "\\" in text else value_text(text)
