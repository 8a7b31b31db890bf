"""What the nftables firewall says to the kernel, as text in nft's own language (nft(8)). Pure: values in, text out.

One table holds everything. Each jail has a chain with its verdicts, and a set for each address family and prefix
length in which somebody is banned: `sshd-4`, `sshd-6`, `sshd-6-64`, `sshd-4-24`. They are all hash sets, whose elements
are found and added in constant time and end by their own timeouts; one lookup with the masked source address finds a
whole network. (Interval sets, made for networks, are re-read by nft at each change: over 10 ms at 10,000 elements.)
A base chain in front sends a packet to the chains of the jails whose ports and protocols it has.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from nfjail.core.model import Ban, Decision, Subject, masked
from nfjail.firewall import Gate

Width = tuple[int, int]  # family (4 or 6) and prefix length
BITS = {4: 32, 6: 128}
WIDTHS: tuple[Width, ...] = ((4, 32), (6, 128), (6, 64))  # each jail has these; others are made when first needed

_HOOKS = frozenset({"prerouting", "input", "forward"})  # where packets that come from elsewhere pass
_TAKEN = _HOOKS | {"ignore"}  # our own names: the base chain is called like its hook, the sets ignore-4 and ignore-6
_WORD = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_SET = re.compile(r"(.+)-([46])(?:-(\d\d\d?))?")
_PRIORITY = re.compile(r"-?\d+|[a-z]+( ?[+-] ?\d+)?")
_IP = {4: "ip", 6: "ip6"}
_AF = {4: socket.AF_INET, 6: socket.AF_INET6}
_PORTED = ("tcp", "udp", "sctp", "dccp")  # the protocols that have ports
_LONGEST = 100 * 365.25 * 86400.0  # nft takes no number of more than 8 digits and the kernel none above 2^64 ns
_JOIN = ",\n"  # short lines: nft repeats the whole line in an error


class Names(NamedTuple):
    """The table, and what the base chain hooks into."""

    table: str
    hook: str
    priority: str


class Plan(NamedTuple):
    """What there is apart from the bans: the jails, their names in the kernel (key_of), and who is never stopped."""

    gates: Mapping[str, Gate]
    keys: Mapping[str, str]
    ignore: tuple[Subject, ...]


class Batch(NamedTuple):
    """What apply() sends, and the sets that it makes."""

    text: str
    new: dict[str, set[Width]]  # by jail


Widths = Mapping[str, Collection[Width]]  # by jail: the sets that are there
Stopped = Mapping[str, tuple[int, int]]  # by chain: packets and bytes so far


def checked_names(table: str, hook: str, priority: str | int) -> Names:
    """The three settings, fit to stand in a command. Raises ValueError, which says which one is wrong."""
    if not _WORD.fullmatch(table):
        raise ValueError(f"{table!r} is no name for a table: write letters, digits, '-', '_' and '.', a letter first")
    if hook not in _HOOKS:
        raise ValueError(f"{hook!r} is no hook: write one of {', '.join(sorted(_HOOKS))}")
    if not _PRIORITY.fullmatch(str(priority)):
        raise ValueError(f'{priority!r} is no priority: write a number, "raw", or "filter - 10"')
    return Names(table, hook, str(priority))


def key_of(jail: str, reserved: bool = False) -> str:
    """The jail's name in the kernel: its own, with `_` in front if that would not do (3proxy; tcp, a word of nft's).

    reserved: nft's parser does not take it as a name. Raises ValueError if no name can be made of it.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", jail):
        raise ValueError(f"{jail!r} is no name for a jail: write up to 200 letters, digits, '-', '_' and '.'")
    plain = _WORD.fullmatch(jail) and jail not in _TAKEN and not reserved
    return jail if plain else f"_{jail}"


def jail_of(key: str) -> str:
    """key_of's inverse."""
    return key.removeprefix("_")


def set_name(key: str, width: Width) -> str:
    """`sshd-4`, `sshd-6`, `sshd-6-64`; `sshd-6-08`, so that it is never the same as a set of a jail called `sshd-6`."""
    family, prefixlen = width
    return f"{key}-{family}" if prefixlen == BITS[family] else f"{key}-{family}-{prefixlen:02d}"


def parse_set_name(name: str) -> tuple[str, Width] | None:
    """set_name's inverse: key and width; None for a name that it would not have made."""
    match = _SET.fullmatch(name)
    if match is None:
        return None
    family = int(match[2])
    width = (family, int(match[3] or BITS[family]))
    return (match[1], width) if width[1] <= BITS[family] and set_name(match[1], width) == name else None


def duration(seconds: float) -> str:
    """A timeout as nft takes it, rounded up to the next millisecond: a ban must not end early."""
    ms = -int(-seconds * 1000 // 1)
    if ms < 100_000_000:
        return f"{ms}ms"
    days, ms = divmod(ms, 86_400_000)
    return f"{days}d{ms}ms"


def refused(subject: Subject) -> bool:
    """Whether a ban of it would stop everybody."""
    return subject.prefixlen == 0


def ports_text(ports: Iterable[str]) -> str:
    """`22, 8000-8080`: sorted and merged, since nft refuses ranges that overlap."""
    ranges = sorted((int(low), int(high or low)) for low, _, high in (port.partition("-") for port in ports))
    merged: list[tuple[int, int]] = []
    for low, high in ranges:
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(high, merged[-1][1]))
        else:
            merged.append((low, high))
    return ", ".join(f"{low}" if low == high else f"{low}-{high}" for low, high in merged)


def dispatch(gate: Gate, key: str) -> str:
    """The base chain's rule that sends a packet to the jail's chain."""
    protocols = gate.protocols or (_PORTED if gate.ports else ())
    match = f"meta l4proto {{ {', '.join(protocols)} }} " if protocols else ""
    if gate.ports:
        match += f"th dport {{ {ports_text(gate.ports)} }} "
    return f"{match}jump {key}"


def rules(key: str, width: Width, gate: Gate, stopped: tuple[int, int] = (0, 0)) -> list[str]:
    """The rules in the jail's chain that look for the source address in one of its sets."""
    family, prefixlen = width
    mask = ""
    if prefixlen < BITS[family]:
        mask = " & " + socket.inet_ntop(_AF[family], masked(b"\xff" * (BITS[family] // 8), prefixlen))
    match = f"{_IP[family]} saddr{mask} @{set_name(key, width)}"
    count = "counter packets {} bytes {}".format(*stopped)
    if gate.blocktype == "drop":
        return [f"{match} {count} drop"]
    reject = f"{match} {count} reject with icmpx type port-unreachable"
    if gate.blocktype == "reject":
        return [reject]
    return [f"meta l4proto tcp {match} counter reject with tcp reset", reject]


def set_body(width: Width) -> str:
    return f"type ipv{width[0]}_addr; flags timeout;"


def grouped(bans: Iterable[Ban], jails: Collection[str], now: float) -> dict[str, dict[Width, list[str]]]:
    """The elements of each jail's sets, with their timeouts; without other jails' bans and those that have ended."""
    groups: dict[str, dict[Width, list[str]]] = {jail: {width: [] for width in WIDTHS} for jail in jails}
    ntop, inet, inet6 = socket.inet_ntop, socket.AF_INET, socket.AF_INET6
    for ban in bans:
        jail, (family, packed, prefixlen), until = ban.jail, ban.subject, ban.until
        sets = groups.get(jail)
        if sets is None or (until is not None and until <= now):
            continue
        text = ntop(inet if family == 4 else inet6, packed)
        if until is not None and until - now < _LONGEST:
            text = f"{text} timeout {duration(until - now)}"
        width = (family, prefixlen)
        if width in sets:
            sets[width].append(text)
        else:
            sets[width] = [text]
    return groups


def table(names: Names, plan: Plan, groups: Mapping[str, Mapping[Width, Sequence[str]]], stopped: Stopped) -> str:
    """One transaction that replaces the whole table; the kernel changes from the old one to the new one at once."""
    parts = [f"{removal(names.table)}\ntable inet {names.table} {{"]
    for family in (4, 6):
        elements = _JOIN.join(str(subject) for subject in plan.ignore if subject.family == family)
        parts.append(_set(f"ignore-{family}", f"type ipv{family}_addr; flags interval; auto-merge;", elements))
    for jail, gate in plan.gates.items():
        key, sets = plan.keys[jail], groups[jail]
        parts.extend(_set(set_name(key, width), set_body(width), _JOIN.join(group)) for width, group in sets.items())
        counts = [stopped.get(key, (0, 0))] + [(0, 0)] * (len(sets) - 1)  # the old table's figures go on in one rule
        verdicts = [rule for width, count in zip(sets, counts, strict=True) for rule in rules(key, width, gate, count)]
        parts.append("\n".join([f"chain {key} {{", *verdicts, "}"]))
    parts.append(_base_chain(names, plan))
    parts.append("}\n")
    return "\n".join(parts)


def removal(table: str) -> str:
    """Removes the table if it is there: deleting an absent one would be an error, and nft 1.0.6 has no `destroy`."""
    return f"add table inet {table}\ndelete table inet {table}"


def batch(names: Names, plan: Plan, widths: Widths, decisions: Sequence[Decision], now: float) -> Batch:
    """One transaction that carries out the decisions; for the same subject in the same jail the last one counts.

    A banned address is added, deleted and added with its timeout: kernels before 6.12 keep an existing element's old
    timeout, and deleting an absent element would be an error that undoes everything.
    """
    last: dict[tuple[str, Subject], Decision] = {(each.jail, each.subject): each for each in decisions}
    new: dict[str, set[Width]] = {}
    named: dict[str, list[str]] = {}
    banned: dict[str, list[str]] = {}
    for (jail, subject), decision in last.items():
        width = (subject.family, subject.prefixlen)
        until = _until(decision, now)
        if width not in widths.get(jail, ()):
            if until == now:
                continue  # no such set: nothing to take out
            new.setdefault(jail, set()).add(width)
        name = set_name(plan.keys[jail], width)
        address = subject.address
        named.setdefault(name, []).append(address)
        if until is None:
            banned.setdefault(name, []).append(address)
        elif until > now:
            banned.setdefault(name, []).append(f"{address} timeout {duration(until - now)}")
    lines = [line for jail in new for width in sorted(new[jail]) for line in _new_set(names, plan, jail, width)]
    for name, elements in named.items():
        everything = _JOIN.join(elements)
        lines += [f"{verb} element inet {names.table} {name} {{ {everything} }}" for verb in ("add", "delete")]
        if name in banned:
            lines.append(f"add element inet {names.table} {name} {{ {_JOIN.join(banned[name])} }}")
    return Batch("\n".join(lines), new)


def _until(decision: Decision, now: float) -> float | None:
    """When it ends; None: never; now: it is an unban, or the ban has ended already."""
    if not isinstance(decision, Ban):
        return now
    if decision.until is None or decision.until - now >= _LONGEST:
        return None
    return max(decision.until, now)


def _new_set(names: Names, plan: Plan, jail: str, width: Width) -> list[str]:
    key = plan.keys[jail]
    lines = [f"add set inet {names.table} {set_name(key, width)} {{ {set_body(width)} }}"]
    return lines + [f"add rule inet {names.table} {key} {rule}" for rule in rules(key, width, plan.gates[jail])]


def _set(name: str, body: str, elements: str) -> str:
    return f"set {name} {{ {body}\n" + (f"elements = {{ {elements} }}\n}}" if elements else "}")


def _base_chain(names: Names, plan: Plan) -> str:
    lines = [f"chain {names.hook} {{", f"type filter hook {names.hook} priority {names.priority}; policy accept;"]
    lines.append("iif lo return")
    if names.hook == "prerouting":  # what is only routed through this machine is none of ours
        lines.append("fib daddr type != local return")
    lines += ["ip saddr @ignore-4 return", "ip6 saddr @ignore-6 return"]
    lines += [dispatch(gate, plan.keys[jail]) for jail, gate in plan.gates.items()]
    return "\n".join([*lines, "}"])
