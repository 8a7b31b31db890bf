"""The one table of all settings: name, kind, default, what it is for. Parsing, defaults and `--show` come from it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from nfjail.config import names
from nfjail.config.kinds import (
    BOOLEAN,
    ENABLED,
    FACTOR,
    FILTER_NAME,
    FORMULA,
    LINES,
    MULTIPLIERS,
    PATHS,
    PRIORITY,
    TEXT,
    ZONE,
    Kind,
    duration,
    folder,
    named,
    texts,
    whole,
    word,
)
from nfjail.config.network import IGNOREIP, JOURNALMATCH, PORTS, PROTOCOLS

JAIL, INCREMENT, FILTER, MODE = "jail.NAME", "jail.NAME.increment", "filter.NAME", "filter.NAME.mode.MODE"
FOREIGN = "filter.NAME:fail2ban"  # with language = "fail2ban"
SECTIONS = ("", "journal", "store", "firewall", JAIL, INCREMENT, FILTER, MODE, FOREIGN)


class Setting(NamedTuple):
    """One setting. default is as somebody would write it; None: it depends on others, as doc says."""

    name: str  # the whole key, "firewall.hook"; NAME and MODE stand for what the administrator chooses
    kind: Kind
    default: Any
    doc: str
    field: str = ""  # what holds it in Config, JailConfig ... if that is called differently; "-": it is only checked

    @property
    def key(self) -> str:
        return self.name.rpartition(".")[2]


_BACKEND = word(("auto", "journal", "file", "history"), {"systemd": "journal", "polling": "file", "pyinotify": "file"})
_BANACTION = word(
    ("auto", "nftables", "iptables", "iptables-ipset"),
    {
        **dict.fromkeys(("nftables-multiport", "nftables-allports", "nftables-common"), "nftables"),
        **dict.fromkeys(("iptables-multiport", "iptables-allports", "iptables-new"), "iptables"),
        **dict.fromkeys(("iptables-ipset-proto4", "iptables-ipset-proto6"), "iptables-ipset"),
        "iptables-ipset-proto6-allports": "iptables-ipset",
    },
    otherwise='write "auto": nfjail keeps a table of its own, which firewalld, ufw and others leave alone',
)
_JOURNAL = folder("for the journal of this machine")
_IPTABLES = word(("iptables", "iptables-nft", "iptables-legacy"))
_CHAIN = named(names.chain_trouble)
_LANGUAGE = word(("nfjail", "fail2ban"))
_USEDNS = word(("no", "warn", "yes", "raw"))
_PATTERNS = texts("['^Failed password for .* from <HOST> ']")


def _in(prefix: str, *rows: tuple[Any, ...]) -> tuple[Setting, ...]:
    return tuple(Setting(f"{prefix}.{row[0]}", *row[1:]) for row in rows)


SETTINGS = (
    Setting("table", named(names.table_trouble), "nfjail", "the nftables table that nfjail owns"),
    Setting("fail2ban_log", folder("for none"), "", 'a file for a second log, in fail2ban\'s form; "": none'),
    Setting("fail2ban", folder("for none"), "", 'folder of fail2ban\'s configuration whose jails run, too; "": none', "-"),
    Setting("journal.path", _JOURNAL, "", 'folder of the journal to read; "": that of this machine', "journal_path"),
    Setting("store.dbpurgeage", duration(), "30d", "ended bans are forgotten after this time", "dbpurgeage"),
    *_in(
        "firewall",
        ("hook", word(("prerouting", "input")), "prerouting", "where nftables stops packets"),
        ("priority", PRIORITY, "raw", "the place of nfjail's chain among others there"),
        ("iptables", _IPTABLES, "iptables", "the command for banaction iptables; ip6tables accordingly"),
        ("chain", _CHAIN, "INPUT", "the chain of iptables that jumps to nfjail's", "iptables_chain"),
    ),
    *_in(
        JAIL,
        ("enabled", ENABLED, False, 'whether the jail works; "auto": if its service is on this machine'),
        ("filter", FILTER_NAME, None, 'the filter; default: that of the jail\'s name; "": only bans by hand', "filter_name"),
        ("mode", named(names.filter_trouble), "normal", "which mode of the filter"),
        ("failregex", _PATTERNS, [], "more patterns, after those of the filter"),
        ("ignoreregex", _PATTERNS, [], "more patterns of what does not count"),
        ("backend", _BACKEND, "auto", "what is read; auto: the journal or else logpath; history: the bans of other jails"),
        ("logpath", PATHS, [], "log files, as absolute paths or globs"),
        ("journalmatch", JOURNALMATCH, None, "who writes to the journal, as FIELD=value; default: the filter's"),
        ("port", PORTS, "all", "ports that are closed to the banned: numbers, ranges, names of services"),
        ("protocol", PROTOCOLS, "tcp", "protocols that are closed to the banned"),
        ("maxretry", whole(1, 10_000), 5, "failures within findtime that make a ban"),
        ("findtime", duration(), "10m", "how long a failure counts"),
        ("bantime", duration(forever=True), "10m", "how long a ban lasts"),
        ("ignoreip", IGNOREIP, [], "addresses, networks, host names that are never banned", "ignored"),
        ("ignoreself", BOOLEAN, True, "never ban addresses of this machine"),
        ("ipv6_prefix", whole(1, 128), 64, "IPv6 is counted and banned by networks of this prefix length"),
        ("banaction", _BANACTION, "auto", "the firewall; auto: nftables, else iptables, with ipset if it is there"),
        ("blocktype", word(("reject", "tcp-reset", "drop")), "reject", "what the banned get for an answer"),
        ("maxmatches", whole(0, 10_000), None, "failures kept as evidence of a ban; default: maxretry"),
        ("usedns", _USEDNS, None, "for fail2ban's filters: whether names in a log are resolved; default: the filter's"),
        ("logtimezone", ZONE, None, "for fail2ban's filters: the zone of times that name none; default: the filter's"),
        ("datepattern", LINES, None, "for fail2ban's filters: how dates look; default: the filter's"),
        ("maxlines", whole(1, 10_000), None, "for fail2ban's filters: lines that patterns see at once; default: the filter's"),
    ),
    *_in(
        INCREMENT,
        ("enabled", BOOLEAN, False, "longer bans for those who come back"),
        ("factor", FACTOR, 1, "the length is multiplied by it; banFactor in formula"),
        ("multipliers", MULTIPLIERS, [], "of bantime: for the first ban, the second ... ; instead of formula"),
        ("formula", FORMULA, "", 'seconds, from ban.Time, ban.Count, banFactor; "": bantime doubles with each ban'),
        ("maxtime", duration(forever=True), "forever", "no ban gets longer"),
        ("rndtime", duration(least=-1.0), 0, "up to so much is added by chance"),
        ("overalljails", BOOLEAN, False, "earlier bans in all jails count"),
    ),
    *_in(
        FILTER,
        ("language", _LANGUAGE, "nfjail", "whose patterns these are", "-"),
        ("identifier", texts('["sshd"]'), [], "syslog identifiers; a line of another one is not looked at"),
        ("journalmatch", JOURNALMATCH, [], "who writes to the journal, as FIELD=value"),
        ("datepattern", LINES, [], "how lines of its log files are dated; default: as syslog does it"),
        ("failregex", _PATTERNS, [], "patterns of failures, in every mode; <HOST> stands for the address"),
        ("ignoreregex", _PATTERNS, [], "patterns of what does not count, in every mode"),
    ),
    *_in(
        MODE,
        ("failregex", _PATTERNS, [], "more patterns, in this mode"),
        ("ignoreregex", _PATTERNS, [], "more patterns of what does not count, in this mode"),
        ("include", texts('["normal"]'), [], "modes whose patterns come first"),
    ),
    *_in(
        FOREIGN,
        ("language", _LANGUAGE, "fail2ban", "whose patterns these are"),
        ("prefregex", TEXT, "", "what every line must have; its <F-CONTENT> is what failregex then sees"),
        ("failregex", _PATTERNS, [], "patterns of failures, on the line without its date"),
        ("ignoreregex", _PATTERNS, [], "patterns of what does not count"),
        ("datepattern", LINES, [], "how dates look; default: fail2ban's templates"),
        ("maxlines", whole(1, 10_000), 1, "how many lines a pattern sees at once"),
        ("journalmatch", LINES, [], "who writes to the journal, as FIELD=value, with + for or"),
        ("usedns", _USEDNS, "warn", "whether names in a log are resolved"),
        ("logtype", word(("file", "journal")), None, "how lines look; default: as what the jail reads"),
        ("logtimezone", ZONE, "", "the zone of times that name none; default: this machine's"),
    ),
)


@lru_cache
def section(name: str) -> dict[str, Setting]:
    """The settings of one of SECTIONS, by key."""
    prefix = f"{name}." if name else ""
    return {s.key: s for s in SETTINGS if s.name == prefix + s.key}


def sections_with(key: str) -> list[str]:
    """Which of SECTIONS have a setting of that key."""
    return [name for name in SECTIONS if key in section(name)]


#: the parsed defaults, by the settings' whole names
DEFAULTS = {s.name: None if s.default is None else s.kind.parse(s.default) for s in SETTINGS}
