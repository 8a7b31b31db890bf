"""Names that an administrator may give to the nftables table, to jails, to filters and their modes."""

from __future__ import annotations

import re

from nfjail.core.jail import MANUAL

_TABLE = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,15}")
_JAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")  # the firewalls shorten names, or put a _ before them
_FILTER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CHAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,27}")  # XT_EXTENSION_MAXNAMELEN, linux/netfilter/x_tables.h

#: Words of nft's own language: nft 1.0.6 refuses `add table inet WORD` or `list table inet WORD` for these, or a newer
#: one does (its scanner.l). Longer words that begin with one are taken.
_WORDS = """
    accept add ah all and arp auto-merge bridge cgroup chain chains comment comp constant continue counter counters
    cpu create ct day dccp define delete describe destroy device devices dnat drop dst dup dynamic ecn element elements
    eq esp ether exists expires export exthdr fib flags flow flowtable flowtables flush frag fwd gc-interval ge geneve
    get goto gre gretap gt handle hbh hook hooks hour ibriport ibrname icmp icmpv6 igmp iif iifgroup iifname iiftype
    import include index inet insert interval ip ip6 ipsec jhash jump last le limit limits list log lshift lt map maps
    mark masquerade meta meter meters mh missing monitor ne netdev nftrace not notrack numgen obriport obrname offload
    oif oifgroup oifname oiftype or osf pkttype policy position priority queue quota quotas random redefine redirect
    reject rename replace reset return rshift rt rt0 rt2 rtclassid rule ruleset sctp secmark secmarks set sets size
    skgid skuid snat socket srh symhash synproxy synproxys table tables tcp th time timeout tproxy tunnel tunnels type
    typeof udp udplite undefine update vlan vmap vni vxlan xor xt
"""
RESERVED = frozenset(_WORDS.split())

#: tables of this name in the family inet are somebody else's: Debian's nftables.conf, firewalld, OpenWrt, fail2ban
_FOREIGN_TABLES = frozenset({"filter", "nat", "mangle", "raw", "security", "firewalld", "fw4", "f2b-table"})

Trouble = tuple[str, str]  # what, advice


def table_trouble(name: str) -> Trouble | None:
    """Why the nftables table cannot be called so."""
    if not _TABLE.fullmatch(name):
        return "it is no name for a table", "write up to 16 letters, digits, '_' and '-', a letter first"
    if name in RESERVED:
        return f"{name} is a word of nft's own language", f'write for example "{name[:9]}-nfjail"'
    if name in _FOREIGN_TABLES:
        return f"a table {name} usually belongs to somebody else, and nfjail would replace it", 'write "nfjail"'
    return None


def jail_trouble(name: str) -> Trouble | None:
    """Why a jail cannot be called so."""
    if name == "DEFAULT":
        return "it is no jail", "write [default]"
    if not _JAIL.fullmatch(name):
        return "it is no name for a jail", "write up to 64 letters, digits, '_', '-' and '.', a letter or digit first"
    if name == MANUAL:
        return "this jail is reserved for bans by hand (nfjail ctl ban)", "give it another name"
    return None


def filter_trouble(name: str) -> Trouble | None:
    """Why a filter or a mode cannot be called so."""
    if not _FILTER.fullmatch(name):
        return "it is no name for a filter or a mode", "write letters, digits, '_', '-' and '.'"
    return None


def chain_trouble(name: str) -> Trouble | None:
    """Why no chain of iptables can be called so."""
    if not _CHAIN.fullmatch(name):
        return "it is no name of a chain", 'write for example "INPUT" or "DOCKER-USER"'
    return None
