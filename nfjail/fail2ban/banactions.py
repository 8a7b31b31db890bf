"""Which of fail2ban's actions block somebody in the machine's firewall: nfjail does that itself, quicker and safer."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

from nfjail.fail2ban.actions import Action
from nfjail.firewall import Blocktype




class Block(NamedTuple):
    """What a firewall action closes, in nfjail's terms."""

    port: tuple[str, ...] = ()  # numbers, names, ranges as 8000-8080; none: all ports
    protocol: tuple[str, ...] = ("tcp",)  # none: all protocols
    blocktype: Blocktype = "reject"
    lost: tuple[str, ...] = ()  # what nfjail does differently, in words


#: by action: whether it closes the ports it is given, or all of them ("type": its parameter type says which)
_SCOPES: dict[str, Literal["ports", "all", "type"]] = {
    "nftables": "type", "nftables-multiport": "ports", "nftables-allports": "all",
    "iptables": "type", "iptables-multiport": "ports", "iptables-allports": "all", "iptables-new": "ports",
    "iptables-multiport-log": "ports", "iptables-ipset": "type", "iptables-ipset-proto4": "ports",
    "iptables-ipset-proto6": "ports", "iptables-ipset-proto6-allports": "all", "iptables-xt_recent-echo": "all",
    "firewallcmd-new": "ports", "firewallcmd-multiport": "ports", "firewallcmd-allports": "all",
    "firewallcmd-ipset": "type", "firewallcmd-rich-rules": "ports", "firewallcmd-rich-logging": "ports",
    "ufw": "all", "shorewall": "all", "shorewall-ipset-proto6": "all", "route": "all", "apf": "all", "csf": "all",
    "symbiosis-blacklist-allports": "all",
}  # fmt: skip

#: firewalls of other systems than Linux
FOREIGN = ("pf", "ipfw", "bsd-ipfw", "ipfilter", "npf", "osx-ipfw", "osx-afctl")

#: how the word that says what becomes of a packet begins, and what that is here; the first that fits
_BLOCKTYPES: tuple[tuple[str, Blocktype], ...] = (
    ("tcp-reset", "tcp-reset"), ("tcp reset", "tcp-reset"), ("reject", "reject"), ("unreachable", "reject"),
    ("prohibit", "reject"), ("drop", "drop"), ("deny", "drop"), ("blackhole", "drop"),
)  # fmt: skip
_SILENT = ("apf", "csf", "shorewall-ipset-proto6")  # these say nowhere what they do; it is to drop
_LETS_IN = re.compile(r"accept|allow|return", re.IGNORECASE)
_CHAINS = ("", "INPUT", "input", "f2b-chain", "<known/chain>")


class InverseError(ValueError):
    """The action lets in instead of keeping out."""


def recognise(action: Action) -> Block | None:
    """What the action closes; None if it is no firewall action. Raises InverseError."""
    scope = _SCOPES.get(action.file)
    if scope is None:
        return None
    given = action.parameters
    if scope == "type":
        scope = "all" if given.get("type", _own_type(action)) in ("allports", "all") else "ports"
    blocktype = given.get("blocktype", "")
    if _LETS_IN.match(blocktype):
        raise InverseError(f"{action.file} with blocktype {blocktype} lets those in whom it finds, instead of keeping them out")
    port = _ports(given.get("port", "")) if scope == "ports" else ()
    protocol = _words(given.get("protocol", "tcp")) if port else ()
    return Block(
        port,
        () if "all" in protocol else protocol,
        "drop" if action.file in _SILENT else _blocktype(blocktype),
        tuple(_lost(action, given)),
    )


def _own_type(action: Action) -> str:
    """The action's type where the jail gives none: it shows in the commands."""
    text = "".join(action.hooks.values())
    return "ports" if "<port>" in text or "--dport" in text or "dport" in text else "allports"


def _blocktype(text: str) -> Blocktype:
    word = text.lower()
    return next((meaning for part, meaning in _BLOCKTYPES if part in word), "reject")


def _ports(text: str) -> tuple[str, ...]:
    ports = tuple(re.sub(r"^(\d+):(\d+)$", r"\1-\2", word) for word in _words(text))
    return () if {"0-65535", "1-65535", "all", "any"} & set(ports) else ports


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,{}]+", text) if word))


def _lost(action: Action, given: Mapping[str, str]) -> list[str]:
    lost = []
    chain = action.given.get("chain", "")
    if chain not in _CHAINS:
        lost.append(f"chain {chain}: nfjail's own comes before all of these, for published ports of containers, too")
    if "log" in action.file:
        lost.append("packets are not logged")
    if action.file == "iptables-new":
        lost.append("open connections are cut, too")
    return lost
