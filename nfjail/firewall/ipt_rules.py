"""The text that iptables-restore is given, and what iptables-save prints, understood. No program is run here.

    INPUT         first of all:        -m comment --comment nfjail -j nfjail
    nfjail        loopback:            -i lo -j RETURN
                  ignored networks:    -s 198.51.100.0/24 -j RETURN
                  each jail's ports:   -p tcp -m multiport --dports 22 -j nfjail-sshd
    nfjail-sshd   a banned address:    -s 192.0.2.7 -j REJECT --reject-with icmp-port-unreachable
                  or all of them:      -m set --match-set nfjail-sshd-4 src -j REJECT ...
                  at its end:          -m comment --comment nfjail:sshd -j RETURN

The comments say whose a chain is and which jail's, because names alone do not: they may be shortened, and the chain
nfjail-2-x may belong to the instance nfjail with a jail 2-x or to the instance nfjail-2 with a jail x.
"""

from __future__ import annotations

import shlex
import zlib
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.model import Subject, parse_subject
from nfjail.firewall import Gate

_CHAIN_LIMIT = 28  # XT_EXTENSION_MAXNAMELEN - 1, linux/netfilter/x_tables.h
_SET_LIMIT = 31  # IPSET_MAXNAMELEN - 1, linux/netfilter/ipset/ip_set.h
_PORTS_LIMIT = 15  # XT_MULTI_PORTS, linux/netfilter/xt_multiport.h; a range counts twice
_BUILT_IN = {"INPUT", "FORWARD", "OUTPUT"}  # iptables-nft makes them when they are first used
_WITH_PORTS = ("tcp", "udp", "sctp", "dccp")
_UNREACHABLE = {4: "icmp-port-unreachable", 6: "icmp6-port-unreachable"}


class Site(NamedTuple):
    """Where this instance lives in the table filter."""

    table: str  # what its names begin with
    hook: str  # the chain that jumps to the base chain
    sets: bool  # bans are in ipset's sets instead of a rule each

    @property
    def base(self) -> str:
        return _shortened(self.table, _CHAIN_LIMIT)

    @property
    def jump(self) -> str:
        return f"-m comment --comment {self.table} -j {self.base}"

    def chain(self, jail: str) -> str:
        return _shortened(f"{self.table}-{jail}", _CHAIN_LIMIT)

    def set(self, jail: str, family: int) -> str:
        return _shortened(f"{self.table}-{jail}", _SET_LIMIT - 2) + f"-{family}"

    def spare(self, family: int) -> str:
        """The set that is filled and then swapped; no jail's name has a ~ in it."""
        return _shortened(self.table, _SET_LIMIT - 2) + f"~{family}"


Place = tuple[str, Subject]  # the jail, and whom it keeps out


class Rule(NamedTuple):
    chain: str
    packets: int
    words: tuple[str, ...]

    def option(self, name: str) -> str:
        """The word after name, or ""."""
        return self.words[self.words.index(name) + 1] if name in self.words[:-1] else ""

    @property
    def target(self) -> str:
        return self.option("-j") or self.option("-g")


class Seen(NamedTuple):
    """What one family's kernel table holds of an instance."""

    hooked: bool  # whether the configured chain exists
    chains: frozenset[str]
    jumps: tuple[str, ...]  # the chains that jump to the base chain, as often as they do it
    first: bool  # the configured chain's first rule is the jump
    shared: frozenset[str]  # own chains that somebody else's rules use
    bans: tuple[Place, ...]
    sets: tuple[tuple[str, str], ...]  # jail, name of the set
    stopped: Mapping[str, int]  # packets, by jail


def _shortened(name: str, limit: int) -> str:
    """name, or its beginning and a hash of it where the kernel allows fewer bytes."""
    if len(name) <= limit:
        return name
    return f"{name[: limit - 9]}~{zlib.crc32(name.encode()):08x}"


def whole(
    site: Site, family: int, gates: Sequence[Gate], ignore: Iterable[Subject], places: Iterable[Place], seen: Seen
) -> str:
    """The input of iptables-restore that makes the table hold exactly this of ours, in one transaction."""
    base, chains = site.base, [site.chain(gate.jail) for gate in gates]
    leftover = sorted(seen.chains.difference(chains, [base]))
    lines = [f":{chain} - [0:0]" for chain in [base, *chains, *leftover]]  # declaring a chain empties it
    lines.append(f"-A {base} -i lo -j RETURN")
    lines += [f"-A {base} -s {subject} -j RETURN" for subject in ignore if subject.family == family]
    lines += [f"-A {base} {spec}" for gate in gates for spec in _dispatch(site, gate)]
    lines += [f"-A {site.chain(gate.jail)} {spec}" for gate in gates for spec in _set_rules(site, family, gate)]
    lines += _ban_rules(site, family, gates, places, "-A {}")
    lines += [f"-A {site.chain(gate.jail)} -m comment --comment {site.table}:{gate.jail} -j RETURN" for gate in gates]
    lines += [f"-X {chain}" for chain in leftover if chain not in seen.shared]
    if not (seen.first and len(seen.jumps) == 1):
        lines += [f"-D {chain} {site.jump}" for chain in seen.jumps]
        lines.append(f"-I {site.hook} 1 {site.jump}")
    return _batch(lines)


def removal(site: Site, seen: Seen) -> str:
    """The input of iptables-restore that takes away all that is ours; "" when there is nothing."""
    lines = [f":{chain} - [0:0]" for chain in sorted(seen.chains)]
    lines += [f"-D {chain} {site.jump}" for chain in seen.jumps]
    lines += [f"-X {chain}" for chain in sorted(seen.chains - seen.shared)]
    return _batch(lines) if lines else ""


def change(
    site: Site, family: int, gates: Sequence[Gate], new: Iterable[Place], drop: Iterable[Place], way_to: Container[str]
) -> str:
    """The input of iptables-restore for new rules and for rules to drop.

    way_to: the jails to which a packet must find its way: where it does not, all is refused.
    """
    lines = [f"-C {site.hook} {site.jump}"]
    for gate in gates:
        if gate.jail in way_to:
            lines += [f"-C {site.base} {spec}" for spec in _dispatch(site, gate)]
            lines += [f"-C {site.chain(gate.jail)} {spec}" for spec in _set_rules(site, family, gate)]
    lines += _ban_rules(site, family, gates, drop, "-D {}")
    # in front of the RETURN at the end; what goes in last stands first
    lines += reversed(_ban_rules(site, family, gates, new, "-I {} 1"))
    return _batch(lines)


def _batch(lines: Sequence[str]) -> str:
    return "\n".join(("*filter", *lines, "COMMIT", ""))


def _set_rules(site: Site, family: int, gate: Gate) -> list[str]:
    if not site.sets:
        return []
    return [f"-m set --match-set {site.set(gate.jail, family)} src {stop}" for stop in _stops(family, gate)]


def _ban_rules(site: Site, family: int, gates: Iterable[Gate], places: Iterable[Place], act: str) -> list[str]:
    """A rule for each of these, in the order given; act is the command of iptables, {} standing for the chain."""
    shape = {gate.jail: (act.format(site.chain(gate.jail)), _stops(family, gate)) for gate in gates}
    return [f"{shape[jail][0]} -s {subject} {stop}" for jail, subject in places for stop in shape[jail][1]]


def _stops(family: int, gate: Gate) -> tuple[str, ...]:
    """How a jail answers what it stops. Only TCP can be reset (iptables-extensions(8)); the rest is rejected then."""
    if gate.blocktype == "drop":
        return ("-j DROP",)
    reject = f"-j REJECT --reject-with {_UNREACHABLE[family]}"
    if gate.blocktype == "reject":
        return (reject,)
    reset = "-p tcp -j REJECT --reject-with tcp-reset"
    return (reset,) if tuple(gate.protocols) == ("tcp",) else (reset, reject)


def _dispatch(site: Site, gate: Gate) -> list[str]:
    """The rules of the base chain that lead a jail's packets to its chain."""
    jump = f"-j {site.chain(gate.jail)}"
    if not gate.ports:
        return [f"-p {protocol} {jump}" for protocol in gate.protocols] or [jump]
    groups = _groups([port.replace("-", ":") for port in gate.ports])
    protocols = gate.protocols or _WITH_PORTS
    return [f"-p {name} -m multiport --dports {','.join(group)} {jump}" for name in protocols for group in groups]


def _groups(ports: Sequence[str]) -> list[list[str]]:
    """ports in as many groups as multiport's limit asks for."""
    groups: list[list[str]] = [[]]
    room = _PORTS_LIMIT
    for port in ports:
        cost = 2 if ":" in port else 1
        if cost > room:
            groups.append([])
            room = _PORTS_LIMIT
        groups[-1].append(port)
        room -= cost
    return groups


def understand(text: str, site: Site) -> Seen:
    """What `iptables-save -c -t filter` printed, as far as it is this instance's."""
    rules = list(_rules(text))
    declared = {line[1:].split(" ", 1)[0] for line in text.splitlines() if line.startswith(":")}
    jails = {rule.chain: jail for rule in rules if (jail := _mark(rule, site))}
    prefix = site.chain("")
    led_to = {rule.target for rule in rules if rule.chain == site.base and rule.target.startswith(prefix)}
    own = frozenset(declared & {site.base, *jails, *led_to})
    jump = tuple(site.jump.split())
    at_hook = [rule for rule in rules if rule.chain == site.hook]
    others = [rule for rule in rules if rule.chain not in own and rule.words != jump]
    in_jails = [(jails[rule.chain], rule) for rule in rules if rule.chain in jails]
    return Seen(
        hooked=site.hook in _BUILT_IN | declared,
        chains=own,
        jumps=tuple(rule.chain for rule in rules if rule.words == jump),
        first=bool(at_hook) and at_hook[0].words == jump,
        shared=own & {rule.target for rule in others},
        bans=tuple(dict.fromkeys((jail, subject) for jail, rule in in_jails if (subject := _banned(rule)))),
        sets=tuple(dict.fromkeys((jail, name) for jail, rule in in_jails if (name := rule.option("--match-set")))),
        stopped=_stopped(rules, jails, site),
    )


def _rules(text: str) -> Iterable[Rule]:
    for line in text.splitlines():
        if line.startswith("["):  # [packets:bytes] -A CHAIN ...
            counters, _, chain, *words = shlex.split(line) if '"' in line else line.split()
            yield Rule(chain, int(counters[1:].partition(":")[0]), tuple(words))


def _banned(rule: Rule) -> Subject | None:
    """Whom a rule of a jail's chain stops, if it is one of those that _ban_rules makes."""
    if rule.words[:1] != ("-s",) or rule.target not in ("REJECT", "DROP"):
        return None
    try:
        return parse_subject(rule.words[1])
    except ValueError:  # a stranger's rule with a mask such as 255.0.255.0
        return None


def _mark(rule: Rule, site: Site) -> str:
    """The jail whose chain ends with this rule; "" when it is no such mark of ours."""
    table, colon, jail = rule.option("--comment").partition(":")
    ours = colon and table == site.table and rule.target == "RETURN" and rule.chain == site.chain(jail)
    return jail if ours else ""


def _stopped(rules: Iterable[Rule], jails: Mapping[str, str], site: Site) -> dict[str, int]:
    """Packets that entered a jail's chain and did not return: unlike a rule's own counter, this outlives an unban."""
    packets = dict.fromkeys(jails.values(), 0)
    for rule in rules:
        if rule.chain == site.base and rule.target in jails:
            packets[jails[rule.target]] += rule.packets
        elif _mark(rule, site):
            packets[jails[rule.chain]] -= rule.packets
    return {jail: max(0, count) for jail, count in packets.items()}
