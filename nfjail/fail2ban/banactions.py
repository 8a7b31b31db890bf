"""Which of fail2ban's actions block somebody in the machine's firewall: nfjail does that itself, quicker and safer."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from nfjail.fail2ban.actions import Action
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.jails import Jail
from nfjail.firewall import Blocktype


class Block(NamedTuple):
    """What a firewall action closes, in nfjail's terms."""

    port: tuple[str, ...] = ()  # numbers, names, ranges as 8000-8080; none: all ports
    protocol: tuple[str, ...] = ("tcp",)  # none: all protocols
    blocktype: Blocktype = "reject"
    lost: tuple[str, ...] = ()  # what nfjail does differently, in words


#: by action what it closes: the ports it is given ("ports"), all of the protocol it is given ("protocol"), all there is
#: ("host"), or one of the first two, as its parameter type says
_SCOPES: dict[str, Literal["ports", "protocol", "host", "type"]] = {
    "nftables": "type", "nftables-multiport": "ports", "nftables-allports": "protocol",
    "iptables": "type", "iptables-multiport": "ports", "iptables-allports": "protocol", "iptables-new": "ports",
    "iptables-multiport-log": "ports", "iptables-ipset": "type", "iptables-ipset-proto4": "ports",
    "iptables-ipset-proto6": "ports", "iptables-ipset-proto6-allports": "protocol", "iptables-xt_recent-echo": "host",
    "firewallcmd-new": "ports", "firewallcmd-multiport": "ports", "firewallcmd-allports": "host",
    "firewallcmd-ipset": "type", "firewallcmd-rich-rules": "ports", "firewallcmd-rich-logging": "ports",
    "ufw": "host", "shorewall": "host", "shorewall-ipset-proto6": "host", "route": "host", "apf": "host", "csf": "host",
    "symbiosis-blacklist-allports": "host",
}  # fmt: skip

#: what blocks somewhere else: where
_ELSEWHERE = {
    **dict.fromkeys(("pf", "ipfw", "bsd-ipfw", "ipfilter", "npf", "osx-ipfw", "osx-afctl"), "in a firewall of another system"),
    "cloudflare": "at Cloudflare", "cloudflare-token": "at Cloudflare", "mikrotik": "in a router",
    "netscaler": "in a NetScaler", "nsupdate": "in a name server's zone",
    "hostsdeny": "in hosts.deny", "nginx-block-map": "in nginx",
}  # fmt: skip

#: by how the name of an action begins what it does, for those that only tell
_TELLS = (
    ("mail", "it sends mail"), ("sendmail", "it sends mail"), ("smtp.py", "it sends mail"), ("complain", "it sends mail"),
    ("xarf", "it sends mail"), ("dshield", "it reports to DShield"), ("abuseipdb", "it reports to AbuseIPDB"),
    ("blocklist_de", "it reports to blocklist.de"), ("ipthreat", "it reports to IPThreat"),
    ("mynetwatchman", "it reports to myNetWatchman"), ("apprise", "it sends notifications"), ("dummy", "it only writes a file"),
)  # fmt: skip

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
        scope = "protocol" if "allports" in given.get("type", "") + given.get("actiontype", "") else "ports"
    blocktype = given.get("blocktype", "")
    if _LETS_IN.match(blocktype):
        raise InverseError(f"{action.file} with blocktype {blocktype} lets those in whom it finds, instead of keeping them out")
    port = _ports(given.get("port", "")) if scope == "ports" else ()
    protocol = _words(given.get("protocol", "tcp")) if scope != "host" else ()
    return Block(
        port,
        () if "all" in protocol else protocol,
        "drop" if action.file in _SILENT else _blocktype(blocktype),
        tuple(_lost(action)),
    )


def block_of(jail: Jail, lost: list[str]) -> Block | None:
    """What the jail's actions close; None if none of them blocks. Every other action is lost. Raises InverseError."""
    found: Block | None = None
    for action in jail.actions:
        block = recognise(action)
        if block is None:
            block = _unknown(action, jail, lost)
        if block is not None:
            lost += block.lost
            found = _both(found, block, lost) if found else block
    return found


def _both(one: Block, other: Block, lost: list[str]) -> Block:
    """What two actions of a jail close: for each other's protocols, too, for a jail here has one list of each."""
    port = tuple(dict.fromkeys((*one.port, *other.port))) if one.port and other.port else ()
    protocol = tuple(dict.fromkeys((*one.protocol, *other.protocol))) if one.protocol and other.protocol else ()
    if one.port != other.port and one.protocol != other.protocol:
        lost.append(f"which of its ports are of which protocol: all of them are closed for {', '.join(protocol) or 'all'}")
    return Block(port, protocol, one.blocktype)


def _unknown(action: Action, jail: Jail, lost: list[str]) -> Block | None:
    """What nfjail closes in place of an action that it does not know; None: it only tells."""
    if action.file in _ELSEWHERE:
        lost.append(f"action {action.file}: it blocks {_ELSEWHERE[action.file]}, nfjail in this machine's firewall instead")
        return _given_block(action)
    does = next((what for name, what in _TELLS if action.file.startswith(name)), "")
    if does or not (_is_banaction(action, jail) or action.hooks.get("actionunban", "").strip()):
        does = does or f"it runs {_command(action)}"
        lost.append(f"action {action.file}: {does}, and nfjail runs no actions yet")
        return None
    lost.append(f"action {action.file}: it runs {_command(action)}; nfjail blocks in this machine's firewall instead")
    return _given_block(action)


def _is_banaction(action: Action, jail: Jail) -> bool:
    """Whether the jail itself calls it so."""
    named = (jail.variables.get(name, Text("")).value for name in ("banaction", "banaction_allports"))
    return action.file in (name.partition("[")[0].strip() for name in named)


def _given_block(action: Action) -> Block:
    given = action.parameters
    protocol = _words(given.get("protocol", "tcp"))
    return Block(_ports(given.get("port", "")), () if "all" in protocol else protocol)


def _command(action: Action) -> str:
    if action.file.endswith(".py"):
        return "a program in Python"
    line = next(iter(action.hooks.get("actionban", "").strip().split("\n")), "")
    return f"`{line if len(line) <= 60 else line[:59] + '…'}`" if line else "nothing to ban"


def _blocktype(text: str) -> Blocktype:
    word = text.lower()
    return next((meaning for part, meaning in _BLOCKTYPES if part in word), "reject")


def _ports(text: str) -> tuple[str, ...]:
    ports = tuple(re.sub(r"^(\d+):(\d+)$", r"\1-\2", word) for word in _words(text))
    return () if {"0-65535", "1-65535", "all", "any"} & set(ports) else ports


def _words(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word for word in re.split(r"[\s,{}]+", text) if word))


def _lost(action: Action) -> list[str]:
    lost = []
    chain = action.given.get("chain", "")
    if chain not in _CHAINS:
        lost.append(f"chain {chain}: nfjail's own comes before all of these, for published ports of containers, too")
    if "log" in action.file:
        lost.append("packets are not logged")
    if action.file == "iptables-new":
        lost.append("open connections are cut, too")
    return lost
