"""Puts the parts together that the configuration asks for: jails, their gates in the firewall, and who is ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from nfjail.config import Config, JailConfig
from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import MANUAL, Jail, Rules
from nfjail.core.model import Subject
from nfjail.core.policy import Policy
from nfjail.core.spec import FilterSpec
from nfjail.firewall import Gate
from nfjail.firewall.choice import Settings
from nfjail.source.journal import journal_is_kept

MANUAL_BANTIME = 600.0  # seconds, as fail2ban's default


class Ignored(NamedTuple):
    """Who must not be banned, beside what a jail's own ignoreip says."""

    own: tuple[Subject, ...]  # the machine's addresses
    names: Mapping[str, tuple[Subject, ...]]  # host names in ignoreip, and what they stand for now
    added: tuple[Subject, ...]  # with ctl ignore add


def source_of(jail: JailConfig, journal_path: str | None) -> str:
    """"journal", "file" or "history": what backend = "auto" comes to on this machine."""
    if jail.backend != "auto":
        return jail.backend
    if jail.journalmatch and (journal_path or journal_is_kept()):
        return "journal"
    return "file"


def make_jails(config: Config, ignored: Ignored) -> dict[str, Jail]:
    """All enabled jails, and the one for bans by hand."""
    rules = [rules_of(jail) for jail in config.enabled]
    rules.append(Rules(MANUAL, Filter(MANUAL, ()), Policy(MANUAL_BANTIME)))
    ignore = ignore_lists(config, ignored)
    return {one.name: Jail(one, ignore[one.name]) for one in rules}


def rules_of(jail: JailConfig) -> Rules:
    return Rules(
        name=jail.name,
        filter=jail.filter if isinstance(jail.filter, Filter) else Filter(jail.filter_name, ()),
        policy=Policy(jail.bantime, jail.increment),
        maxretry=jail.maxretry,
        findtime=jail.findtime,
        journalmatch=jail.journalmatch,
        ipv6_prefix=jail.ipv6_prefix,
        maxmatches=jail.maxmatches,
        spec=jail.filter if isinstance(jail.filter, FilterSpec) else None,
        history=jail.backend == "history",
    )


def ignore_lists(config: Config, ignored: Ignored) -> dict[str, IgnoreList]:
    """Whom each jail never bans; bans by hand are refused for own addresses and what `ctl ignore add` named."""
    lists = {jail.name: IgnoreList(_ignored_by(jail, ignored)) for jail in config.enabled}
    return {**lists, MANUAL: IgnoreList((*ignored.own, *ignored.added))}


def _ignored_by(jail: JailConfig, ignored: Ignored) -> list[Subject]:
    named = [subject for name in jail.ignore_names for subject in ignored.names.get(name, ())]
    return [*jail.ignoreip, *named, *(ignored.own if jail.ignoreself else ()), *ignored.added]


def ignored_by_all(config: Config, ignored: Ignored) -> list[Subject]:
    """Whom the kernel lets pass before it asks any jail: only those that every jail ignores."""
    first, *others = [_ignored_by(jail, ignored) for jail in config.enabled] or [[]]
    common = [subject for subject in first if all(subject in other for other in others)]
    return list(dict.fromkeys((*ignored.own, *ignored.added, *common)))


def make_gates(config: Config) -> list[Gate]:
    """What the firewall must know of each enabled jail, and of the one for bans by hand: that stops everything."""
    gates = [Gate(jail.name, jail.port, jail.protocol, jail.blocktype) for jail in config.enabled]
    return [*gates, Gate(MANUAL, (), ())]


def banactions(config: Config) -> dict[str, str]:
    """Each jail's banaction as configured. Bans by hand go where the most jails' go."""
    actions = {jail.name: jail.banaction for jail in config.enabled}
    used = list(actions.values())
    return {**actions, MANUAL: max(used, key=used.count, default="auto")}


def settings_of(config: Config) -> Settings:
    return Settings(config.table, config.hook, config.priority, config.iptables, config.iptables_chain)


def longest_findtime(jails: Iterable[Jail]) -> float:
    """How far back the logs must be read again so that every counter is right, in seconds."""
    return max((jail.rules.findtime for jail in jails if not jail.rules.history), default=0.0)
