"""What of a machine's nftables rules matters to nfjail's own. Pure: the JSON of `nft -j list ruleset` in, findings out.

A packet passes all base chains of its hook, one after the other by priority, and the hooks in their order: first ingress,
then prerouting, then input or forward. `accept` ends only the base chain in which it is said, so nobody's accept lets a
packet past nfjail's chain. Nor does notrack, as nfjail asks nothing of connection tracking. What does:

- other addresses or ports in the packet before nfjail looks (dnat, redirect, a payload that is set);
- another way for it: sent on at ingress (fwd), or known to a flowtable, whose connections skip prerouting and forward;
- XDP, which is before all of this, and no part of nftables.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from nfjail.doctor import FIREWALL, Finding, listed, note, ok, problem, setting, warning

_PRIORITIES = {"raw": -300, "mangle": -150, "filter": 0, "security": 50}  # nft(8), as far as firewall.priority takes them
_IP = ("ip", "ip6", "inet")
_ADDRESSING = {"saddr", "daddr", "sport", "dport"}
_PROXY = "tproxy"  # leaves the packet as it is, but delivers to this machine what is for others
_XT = {"DNAT", "REDIRECT", "TPROXY", "NETMAP"}  # what iptables-nft's rules call the same


class Chain(NamedTuple):
    """A base chain."""

    family: str
    table: str
    name: str
    hook: str
    priority: int

    def __str__(self) -> str:
        return f"{self.family} {self.table} {self.name} ({self.hook}, {self.priority})"


class Ruleset(NamedTuple):
    """What nft listed. rules: the statements of each chain (family, table, name)."""

    tables: frozenset[tuple[str, str]]
    chains: tuple[Chain, ...]
    rules: dict[tuple[str, str, str], list[Any]]
    flowtables: tuple[str, ...]


def read(text: str) -> Ruleset | None:
    """What `nft -j list ruleset` printed; None when that is no such thing."""
    try:
        things = json.loads(text[text.index("{") :])["nftables"]
    except (ValueError, KeyError, TypeError):
        return None
    tables, chains, flowtables = set(), [], []
    rules: dict[tuple[str, str, str], list[Any]] = {}
    for kind, each in (pair for thing in things for pair in thing.items()):
        if kind == "table":
            tables.add((each["family"], each["name"]))
        elif kind == "chain" and "hook" in each:
            chains.append(Chain(each["family"], each["table"], each["name"], each["hook"], int(each.get("prio", 0))))
        elif kind == "rule":
            rules.setdefault((each["family"], each["table"], each["chain"]), []).extend(each.get("expr", ()))
        elif kind == "flowtable":
            flowtables.append(f"{each['family']} {each['table']} {each['name']}")
    return Ruleset(frozenset(tables), tuple(chains), rules, tuple(flowtables))


def priority_number(priority: str | int) -> int:
    """-300 for "raw"."""
    return priority if isinstance(priority, int) else _PRIORITIES[priority]


def own_table(rules: Ruleset, table: str, hook: str, priority: str | int, running: bool) -> Iterator[Finding]:
    """Whether nfjail's table is there, with its base chain where the configuration says."""
    if ("inet", table) not in rules.tables:
        if running:
            what = f"nfjail runs, but its table (inet {table}) is not in the kernel: nobody is kept out"
            yield problem(FIREWALL, "table-missing", what, "nfjail ctl reload", "journalctl -u nfjail")
        else:
            what = f"nfjail's table (inet {table}) is not in the kernel: nobody is banned"
            yield note(FIREWALL, "table-missing", what)
        return
    own = [chain for chain in rules.chains if (chain.family, chain.table) == ("inet", table)]
    wanted = (hook, priority_number(priority))
    if not own:
        what = f"nfjail's table (inet {table}) has no chain that packets come by: nobody is kept out"
        yield problem(FIREWALL, "table-unhooked", what, "nfjail ctl reload")
    elif (own[0].hook, own[0].priority) != wanted:
        what = f"nfjail's chain is at {own[0].hook} {own[0].priority}, the configuration says {wanted[0]} {wanted[1]}"
        yield warning(FIREWALL, "table-elsewhere", what, "systemctl restart nfjail")
    else:
        yield ok(FIREWALL, "table-there", f"nfjail's table is in the kernel: inet {table}, at {hook} {wanted[1]}")


def before(rules: Ruleset, table: str, hook: str, priority: int) -> list[Chain]:
    """The others' chains that a packet comes by before nfjail's; with the same priority the order is by chance."""
    found = []
    for chain in rules.chains:
        if (chain.family, chain.table) == ("inet", table):
            continue
        earlier_hook = chain.hook == "ingress" or (chain.hook == "prerouting" and hook != "prerouting")
        same_hook = chain.hook == hook and chain.priority <= priority
        if (chain.family in (*_IP, "netdev") and earlier_hook) or (chain.family in _IP and same_hook):
            found.append(chain)
    return found


def foreign(rules: Ruleset, table: str, hook: str, priority: str | int) -> Iterator[Finding]:
    """What others' rules do to packets before nfjail sees them, or without its seeing them."""
    chains = before(rules, table, hook, priority_number(priority))
    twisted = {chain: acts for chain in chains if (acts := _acts(rules, chain) - {_PROXY})}
    for chain, acts in twisted.items():
        what = f"the chain {chain} comes before nfjail's and changes where packets go or come from ({listed(sorted(acts))})"
        what += ": nfjail sees the changed packet, and a ban of the real address or port may miss it"
        yield warning(FIREWALL, "chain-before", what, *_ahead_of(chain))
    plain = [str(chain) for chain in chains if chain not in twisted]
    if plain:
        what = f"others' chains come before nfjail's, and leave addresses and ports as they are: {listed(plain)}"
        yield ok(FIREWALL, "chain-before", f"{what}. What they accept nfjail still sees; what they drop it does not count")
    elif not chains:
        yield ok(FIREWALL, "chain-before", "no rules of others come before nfjail's")
    if rules.flowtables:
        what = f"flowtables are in use ({listed(list(rules.flowtables))}): forwarded connections that they have taken over"
        what += " skip every chain, so a ban does not cut those to containers that are open already; new ones it stops"
        yield note(FIREWALL, "flowtable", what)
    if hook == "prerouting" and any(_PROXY in _acts(rules, chain) for chain in rules.chains if chain.hook == "prerouting"):
        what = "a transparent proxy (tproxy) takes packets that are for addresses of others: nfjail does not look at these"
        advice = "to have it look at them, but not at published ports of containers any more,"
        yield note(FIREWALL, "tproxy", what, advice, *setting("firewall", 'hook = "input"'))


def _ahead_of(chain: Chain) -> tuple[str, ...]:
    if chain.hook == "ingress":
        return (f"see whether that is meant: nft list chain {chain.family} {chain.table} {chain.name}",)
    priority = "\"raw\"" if chain.priority > _PRIORITIES["raw"] else chain.priority - 10
    return setting("firewall", 'hook = "prerouting"', f"priority = {priority}")


def _acts(rules: Ruleset, chain: Chain) -> set[str]:
    """What the rules that a packet meets in a base chain do to its addresses, ports or way."""
    found: set[str] = set()
    todo, seen = [chain.name], {chain.name}
    while todo:
        for statement in rules.rules.get((chain.family, chain.table, todo.pop()), ()):
            acts, targets = _act(statement)
            found |= acts
            todo += [name for name in targets if name not in seen]
            seen |= set(targets)
    return found


def _act(statement: Any) -> tuple[set[str], Sequence[str]]:
    """What one statement does, and the chains that it leads to."""
    if not isinstance(statement, dict):
        return set(), ()
    for kind, value in statement.items():
        if kind in ("dnat", "redirect", "tproxy", "fwd"):
            return {kind}, ()
        if kind == "xt" and isinstance(value, dict) and value.get("name") in _XT:
            return {str(value["name"]).lower()}, ()
        if kind == "mangle":
            field = value.get("key", {}).get("payload", {}).get("field")
            return ({f"sets {field}"} if field in _ADDRESSING else set()), ()
        if kind in ("jump", "goto"):
            return set(), (value["target"],)
        if kind == "vmap":
            return set(), _targets(value)
    return set(), ()


def _targets(value: Any) -> list[str]:
    """The chains in a verdict map; a named one shows only its name with nft -t, and is passed over."""
    data = value.get("data") if isinstance(value, dict) else None
    pairs = data.get("set", ()) if isinstance(data, dict) else ()
    verdicts = [pair[1] for pair in pairs if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], dict)]
    return [verdict[word]["target"] for verdict in verdicts for word in ("jump", "goto") if word in verdict]
