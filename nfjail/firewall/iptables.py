"""The firewall where nf_tables is missing: iptables and ip6tables, with a rule per banned address or ipset's sets.

The table filter is changed by iptables-restore --noflush alone, which is one transaction per family (nft and legacy
back ends alike): what is refused leaves no trace in that family. How the chains look is told in ipt_rules.py.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.model import Ban, Decision, Subject
from nfjail.errors import NfjailError
from nfjail.firewall import FirewallError, Gate, ipset, ipt_rules
from nfjail.firewall.ipset import ipset_available
from nfjail.firewall.ipt_rules import Place, Seen, Site
from nfjail.firewall.program import find, run

__all__ = ["IptablesFirewall", "available", "ipset_available"]

log = logging.getLogger("nfjail")

_LOCK_PATIENCE = 20  # seconds to wait for somebody else's iptables to end
# iptables-nft compares a rule to delete with all in its chain: 100 of 5,000 take 0.6 s, while writing all 5,000 anew
# takes 0.15 s (measured with 1.8.9)
_MANY_DELETIONS = 25
_UNKNOWN_END = 86_400.0  # seconds: for how long a ban is kept whose end nobody remembers
_SAFE_NAME = re.compile(r"[A-Za-z0-9._-]{1,120}")  # two of them fit into a comment (255 bytes)


def available(command: str = "iptables") -> str | None:
    """None when this iptables (or iptables-nft, iptables-legacy) works here; else why not."""
    try:
        find(f"{command}-restore")
        _saved(command)
    except NfjailError as problem:
        return str(problem)
    return None


def _saved(command: str) -> str:
    text = run([f"{command}-save", "-c", "-t", "filter"])
    if "is incompatible" in text:  # said with exit status 0, and no rule is printed
        raise FirewallError(
            f"{command} cannot read its table filter, because it holds rules of nft itself",
            'set banaction = "nftables", or move these rules into a table of their own (nft list table ip filter)',
        )
    return text


def _restore(command: str, text: str) -> None:
    run([f"{command}-restore", "--noflush", f"--wait={_LOCK_PATIENCE}"], text)


class Setup(NamedTuple):
    gates: tuple[Gate, ...] = ()
    ignore: tuple[Subject, ...] = ()


class IptablesFirewall:
    """Implements firewall.Firewall. command: iptables, iptables-nft or iptables-legacy; chain: what jumps to the bans.

    All or none holds for each family by itself, and with ipset for each line: after a FirewallError, sync.
    Bans without ipset have no timeout in the kernel: the caller's Unban ends them.
    """

    def __init__(
        self, table: str = "nfjail", chain: str = "INPUT", command: str = "iptables", use_ipset: bool = False
    ) -> None:
        folder, name = os.path.split(command)
        self._commands = {4: command, 6: os.path.join(folder, name.replace("iptables", "ip6tables", 1))}
        self._site = Site(_safe(table, "table"), _safe(chain, "chain"), use_ipset)
        self._wanted = Setup()
        self._live: Setup | None = None  # what is in the kernel; None: sync has to come first
        self._held: dict[int, set[Place]] = {}  # by family: who has a rule there (empty sets with ipset)
        self._stopped: dict[str, int] = {}  # packets counted by rules that have been replaced since
        self._said_no_ipv6 = False

    def configure(self, gates: Sequence[Gate], ignore: Sequence[Subject]) -> None:
        """Which jails there are, and who is never stopped. Takes effect with the next sync."""
        for gate in gates:
            _safe(gate.jail, "jail")
        self._wanted = Setup(tuple(gates), tuple(ignore))

    def sync(self, bans: Iterable[Ban], now: float) -> None:
        """Makes the kernel hold exactly these bans and the configured gates; bans of other jails are passed over."""
        jails = {gate.jail for gate in self._wanted.gates}
        add, _ = _sorted_out((ban for ban in bans if ban.jail in jails), now)
        seen = self._look()
        for family, look in seen.items():
            if not look.hooked:
                command, chain = self._commands[family], self._site.hook
                raise FirewallError(f"{command} has no chain {chain}", f"create it: {command} -N {chain}")
        used = self._fill_sets(add, seen) if self._site.sets else set()
        for family in seen:
            self._write(family, self._wanted, add[family], seen[family])
        self._live = self._wanted
        leftover = {name for look in seen.values() for _, name in look.sets} - used
        if leftover:
            try:
                ipset.remove(leftover)
            except FirewallError as problem:  # no reason to fail: they stop nobody any more
                log.warning("unused sets stay in the kernel: %s", problem)

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Carries out new decisions. Refused before the first sync, and when a jail's rules have been removed."""
        if self._live is None:
            raise FirewallError("the firewall is not set up yet", "sync comes first")
        add, gone = _sorted_out(decisions, now)
        jails = {gate.jail for gate in self._live.gates}
        unknown = {jail for family in add for jail, _ in add[family]} - jails
        if unknown:
            raise FirewallError(f"not in the kernel yet: jail {', '.join(sorted(unknown))}", "sync comes first")
        change = self._change_sets if self._site.sets else self._change_rules
        for family in self._held:
            change(family, self._live, add[family], {place for place in gone[family] if place[0] in jails})

    def adopt(self, now: float) -> list[Ban]:
        """The bans that are in the kernel, of whatever jails; where it tells no end, they are given one."""
        bans = []
        reason = "found as a rule in the kernel, which tells no end: given a day"
        for family, seen in self._look().items():
            bans += [Ban(jail, subject, now, now + _UNKNOWN_END, 1, "kernel", reason) for jail, subject in seen.bans]
            for name, jail in self._sets_of(family, seen).items():
                bans += [_in_set(jail, subject, left, now) for subject, left in ipset.content(name).items()]
        return bans

    def flush(self) -> None:
        """Removes the jump, the chains and the sets, in both families."""
        names: set[str] = set()
        for family, seen in self._look().items():
            names.update(self._sets_of(family, seen))
            if self._site.sets:
                names.add(self._site.spare(family))  # left by a sync that was killed
            text = ipt_rules.removal(self._site, seen)
            if text:
                _restore(self._commands[family], text)
            if seen.shared:
                log.warning("left empty, because other rules jump to them: %s", ", ".join(sorted(seen.shared)))
        self._live, self._held = None, {}
        if names:
            ipset.remove(names)

    def report(self) -> Mapping[str, int]:
        """Packets stopped, by jail, since this daemon's start; what the rules counted before it is taken over."""
        total = dict(self._stopped)
        for seen in self._look().values():
            _count(total, seen)
        return total

    def _look(self) -> dict[int, Seen]:
        """What is in the kernel now, by family; only IPv4 where ip6tables does not work."""
        looks = {4: ipt_rules.understand(_saved(self._commands[4]), self._site)}
        try:
            looks[6] = ipt_rules.understand(_saved(self._commands[6]), self._site)
        except FirewallError as problem:
            if 6 in self._held:
                raise  # it worked before: this is trouble, not a kernel without IPv6
            if not self._said_no_ipv6:
                self._said_no_ipv6 = True
                log.warning("IPv6 addresses cannot be banned: %s", problem)
        return looks

    def _sets_of(self, family: int, seen: Seen) -> dict[str, str]:
        """The sets that may hold bans, and their jails: those that rules use, and those that rules should use."""
        configured = {self._site.set(gate.jail, family): gate.jail for gate in self._wanted.gates if self._site.sets}
        return configured | {name: jail for jail, name in seen.sets}

    def _fill_sets(self, add: Mapping[int, Mapping[Place, int]], families: Iterable[int]) -> set[str]:
        """Gives every jail's sets their content before rules refer to them; returns the sets' names."""
        used: set[str] = set()
        lines: list[str] = []
        for family in families:
            content: dict[str, dict[Subject, int]] = {gate.jail: {} for gate in self._wanted.gates}
            for (jail, subject), left in add[family].items():
                content[jail][subject] = left
            for jail, timeouts in content.items():
                name = self._site.set(jail, family)
                lines += ipset.replacement(name, self._site.spare(family), family, timeouts)
                used.add(name)
        if lines:
            ipset.restore(lines)
        return used

    def _write(self, family: int, setup: Setup, places: Collection[Place], seen: Seen) -> None:
        """Puts the whole of one family into the kernel, in place of what was seen there."""
        held = () if self._site.sets else places
        _restore(self._commands[family], ipt_rules.whole(self._site, family, setup.gates, setup.ignore, held, seen))
        self._held[family] = set(held)
        _count(self._stopped, seen)

    def _change_sets(self, family: int, live: Setup, add: Mapping[Place, int], gone: set[Place]) -> None:
        if not add and not gone:
            return
        # sets outlive the rules that use them, so ask first whether these are still there
        way_to = {jail for jail, _ in add}
        _restore(self._commands[family], ipt_rules.change(self._site, family, live.gates, (), (), way_to))
        named = {gate.jail: self._site.set(gate.jail, family) for gate in live.gates}
        drops = [f"del {named[jail]} {subject}" for jail, subject in gone]
        ipset.restore(drops + [ipset.addition(named[jail], subject, left) for (jail, subject), left in add.items()])

    def _change_rules(self, family: int, live: Setup, add: Mapping[Place, int], gone: set[Place]) -> None:
        held = self._held[family]
        drop = gone & held
        new = [place for place in add if place not in held]
        if len(drop) > _MANY_DELETIONS:
            self._write(family, live, held.difference(drop).union(new), self._look()[family])
        elif add or drop:
            way_to = {jail for jail, _ in add}
            _restore(self._commands[family], ipt_rules.change(self._site, family, live.gates, new, drop, way_to))
            held.difference_update(drop)
            held.update(new)


def _safe(name: str, what: str) -> str:
    """name, if it can stand in a line for iptables-restore as it is."""
    if not _SAFE_NAME.fullmatch(name):
        raise FirewallError(f"{what} {name!r} cannot be used with iptables", "use letters, digits and _ . - only")
    return name


def _sorted_out(decisions: Iterable[Decision], now: float) -> tuple[dict[int, dict[Place, int]], dict[int, set[Place]]]:
    """By family: whom to ban, with the seconds left, and whom no longer. The last word on a subject counts."""
    add: dict[int, dict[Place, int]] = {4: {}, 6: {}}
    gone: dict[int, set[Place]] = {4: set(), 6: set()}
    for decision in decisions:
        family = decision.subject.family
        for subject in _halves(decision.subject):
            place = (decision.jail, subject)
            if isinstance(decision, Ban) and (decision.until is None or decision.until > now):
                add[family][place] = ipset.seconds_left(decision.until, now)
                gone[family].discard(place)
            else:
                gone[family].add(place)
                add[family].pop(place, None)
    return add, gone


def _halves(subject: Subject) -> tuple[Subject, ...]:
    """subject; everything (/0) in two halves, because ipset takes no /0 and iptables-save does not print one."""
    if subject.prefixlen:
        return (subject,)
    return (subject._replace(prefixlen=1), subject._replace(prefixlen=1, packed=b"\x80" + subject.packed[1:]))


def _in_set(jail: str, subject: Subject, left: int, now: float) -> Ban:
    if left:
        return Ban(jail, subject, now, now + left, 1, "kernel", "found in the kernel's set, with this end")
    reason = "found in the kernel's set, longer than it can count: given that long"
    return Ban(jail, subject, now, now + ipset.LONGEST, 1, "kernel", reason)


def _count(total: dict[str, int], seen: Seen) -> None:
    for jail, packets in seen.stopped.items():
        total[jail] = total.get(jail, 0) + packets
