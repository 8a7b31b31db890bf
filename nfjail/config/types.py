"""The configuration as the rest of nfjail gets it: frozen, typed, complete; nobody needs to check it again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from nfjail.config.network import Ignored
from nfjail.core.filter import Filter
from nfjail.core.jail import JournalMatch
from nfjail.core.model import Subject
from nfjail.core.policy import Increment
from nfjail.core.spec import FilterSpec, Logtype, Usedns
from nfjail.firewall import Blocktype

Backend = Literal["auto", "journal", "file", "history"]
Banaction = Literal["auto", "nftables", "iptables", "iptables-ipset"]


@dataclass(frozen=True, slots=True)
class Mode:
    """Patterns of a filter that are in use only when a jail asks for this mode."""

    name: str
    failregex: tuple[str, ...]
    ignoreregex: tuple[str, ...]
    include: tuple[str, ...]  # other modes, whose patterns come first


@dataclass(frozen=True, slots=True)
class FilterConfig:
    """A filter as written: what its service logs when somebody fails."""

    name: str
    identifier: tuple[str, ...]
    journalmatch: JournalMatch
    datepattern: tuple[str, ...]  # empty: its log files are syslog's
    failregex: tuple[str, ...]  # these belong to every mode
    ignoreregex: tuple[str, ...]
    modes: tuple[Mode, ...]


@dataclass(frozen=True, slots=True)
class Fail2banFilter:
    """A filter in fail2ban's language, as written."""

    name: str
    failregex: tuple[str, ...]
    ignoreregex: tuple[str, ...]
    prefregex: str
    datepattern: tuple[str, ...]
    maxlines: int
    journalmatch: tuple[str, ...]  # fail2ban's lines
    usedns: Usedns
    logtype: Logtype | None  # None: what its jail reads
    logtimezone: str
    language: Literal["fail2ban"] = "fail2ban"

    def spec(self, logtype: Logtype) -> FilterSpec:
        """What the matcher takes. logtype: what the jail reads."""
        return FilterSpec(
            self.name, self.failregex, self.ignoreregex, self.prefregex, "\n".join(self.datepattern), self.maxlines,
            self.journalmatch, self.usedns, self.logtype or logtype, self.logtimezone,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class JailConfig:
    """A jail: whom it watches, when it bans, and how. Lengths of time are in seconds."""

    name: str
    enabled: bool | Literal["auto"]  # as written
    filter_name: str
    mode: str
    failregex: tuple[str, ...]  # the jail's own, after those of its filter
    ignoreregex: tuple[str, ...]
    backend: Backend
    logpath: tuple[str, ...]  # absolute; may be globs
    journalmatch: JournalMatch  # its own, or else its filter's; an empty group: all that is written by the system
    port: tuple[str, ...]  # "22" or "8000-8080", ascending, not overlapping; empty: all ports
    protocol: tuple[str, ...]  # empty: all protocols
    maxretry: int
    findtime: float
    bantime: float | None  # None: for ever
    increment: Increment
    ignoreip: tuple[Subject, ...]
    ignore_names: tuple[str, ...]  # host names in ignoreip, to be resolved
    ignoreself: bool
    ipv6_prefix: int
    banaction: Banaction
    blocktype: Blocktype
    maxmatches: int
    #: compiled from the above; finds nothing when the jail is not enabled and not everything was to be checked.
    #: FilterSpec: it is in fail2ban's language, its patterns have been tried; then backend is never "auto"
    filter: Filter | FilterSpec = field(compare=False, repr=False)
    #: what the jail says in place of such a filter; None: nothing
    usedns: Usedns | None = None
    logtimezone: str | None = None
    datepattern: tuple[str, ...] | None = None
    maxlines: int | None = None
    #: whether it works: it is enabled, or its service is on this machine
    works: bool = field(default=False, compare=False)

    @property
    def ignored(self) -> Ignored:
        """All that ignoreip names."""
        return Ignored(self.ignoreip, self.ignore_names)


@dataclass(frozen=True, slots=True)
class Config:
    """All of it."""

    table: str  # nftables' table, and what iptables' chains are called after
    fail2ban_log: str | None  # the file of a second log, in fail2ban's form
    hook: str
    priority: str | int
    iptables: str  # the command
    iptables_chain: str  # the chain that jumps to nfjail's
    journal_path: str | None  # None: this machine's own journal
    dbpurgeage: float  # seconds
    filters: tuple[FilterConfig | Fail2banFilter, ...]
    jails: tuple[JailConfig, ...]  # all, enabled or not
    notes: tuple[str, ...] = field(default=(), compare=False)  # what is no mistake, but should be known

    @property
    def enabled(self) -> tuple[JailConfig, ...]:
        """The jails that work."""
        return tuple(jail for jail in self.jails if jail.works)
