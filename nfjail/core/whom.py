"""Whom a failure is about, from what its pattern captured: an address, a network, a host name, or any other id."""

from __future__ import annotations

import re
from contextlib import suppress
from ipaddress import ip_network
from typing import NamedTuple

from nfjail.core.captures import Captured, Value
from nfjail.core.model import Subject, parse_address, parse_subject
from nfjail.core.spec import Usedns

_BYTE = "0{0,2}(?:25[0-5]|2[0-4][0-9]|1?[0-9]{1,2})"
_QUAD = re.compile(rf"(?=.{{7,15}}\Z){_BYTE}(?:\.{_BYTE}){{3}}")  # each number within 0 to 255, with zeros before it or not
_REMEMBERED = 8192  # addresses as text whose subject is kept: attackers come back


class Whom(NamedTuple):
    """host: the address or network as it is written properly, the name, or the id."""

    host: str
    subject: Subject | None  # the address or network; with an id, the one that came with it
    lookup: bool = False  # host is a name: each of its addresses has failed


class Judge:
    """Makes a Whom of captures, exactly: 999.1.1.1 is nobody, ::ffff:192.0.2.1 is 192.0.2.1."""

    def __init__(self, usedns: Usedns) -> None:
        self._usedns = usedns
        self._addresses: dict[str, Whom | None] = {}

    def judge(self, fields: Captured) -> Whom | None:
        """None: the pattern captured nobody whom one could ban."""
        fid = fields.get("fid")
        address = fields.get("ip4") or fields.get("ip6")
        if isinstance(address, str):
            cidr = fields.get("cidr")
            whom = self._address(address) if cidr is None else self._network(address, str(cidr))
            return whom if fid is None or fid == address else Whom(_text(fid), whom.subject if whom else None)
        name = fields.get("dns")
        if isinstance(name, str):
            whom = self._name(name)
            return whom if fid is None or fid == name else Whom(_text(fid), whom.subject if whom else None)
        return None if fid is None else _identity(fid)

    def _address(self, address: str) -> Whom | None:
        known = self._addresses
        if address in known:
            return known[address]
        if len(known) >= _REMEMBERED:
            known.clear()
        subject = parse_address(address)
        whom: Whom | None = None
        if subject is not None:  # an IPv4 address can be written in one way only
            whom = Whom(str(subject) if ":" in address else address, subject)
        elif _QUAD.fullmatch(address):
            # 192.030.0.6 is told, since it is no garbage; but is it .30, or octal .24? So it bans nobody.
            whom = Whom(address, None)
        known[address] = whom
        return whom

    def _network(self, address: str, cidr: str) -> Whom | None:
        subject = parse_address(address)
        if subject is not None and cidr:
            subject = _widened(subject, address, cidr)
        return None if subject is None else Whom(str(subject), subject)

    def _name(self, name: str) -> Whom | None:
        subject = parse_address(name)
        if subject is not None:
            return Whom(str(subject), subject)
        if self._usedns == "no":
            return None
        return Whom(name, None, lookup=self._usedns != "raw")


def _widened(subject: Subject, address: str, cidr: str) -> Subject | None:
    """The network with that prefix length, its host bits zero; None if there is no such length."""
    length = int(cidr) if len(cidr) <= 3 and cidr.isascii() and cidr.isdigit() else -1
    if subject.family == 4 and ":" in address:  # ::ffff:192.0.2.0/120 is 192.0.2.0/24
        length -= 96
    return subject.widened(length) if 0 <= length <= subject.prefixlen else None


def _identity(fid: Value) -> Whom:
    """An id may be an address or a network, too."""
    text = _text(fid)
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    subject = parse_address(bare)
    if subject is None and "/" in bare:
        with suppress(ValueError):
            subject = parse_subject(str(ip_network(bare, strict=False)))  # 192.0.2.7/24 and /255.255.255.0 alike
    return Whom(text if subject is None else str(subject), subject)


def _text(fid: Value) -> str:
    """An id of several parts is shown as fail2ban shows it."""
    return fid if isinstance(fid, str) else str(fid)
