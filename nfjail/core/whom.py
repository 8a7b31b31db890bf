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
_TOO_LONG = 1000  # prefix length that no address has: it is the address itself that is to blame
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
        self.known: dict[str, Whom | None] = {}  # addresses as text

    def judge(self, fields: Captured) -> Whom | None:
        """None: the pattern captured nobody whom one could ban."""
        fid = fields.get("fid")
        address = fields.get("ip4") or fields.get("ip6")
        if fid is None and "cidr" not in fields and (known := self.known.get(address)) is not None:  # type: ignore[arg-type]
            return known
        if isinstance(address, str):
            cidr = fields.get("cidr")
            whom = self._address(address) if cidr is None else self._network(address, str(cidr))
            return whom if fid is None or fid == address else Whom(self._identity(fid).host, whom.subject if whom else None)
        name = fields.get("dns")
        if isinstance(name, str):
            if fid is None or fid == name or self._usedns != "raw":  # each address of the name is an id of its own
                return self._name(name)
            return Whom(self._identity(fid).host, parse_address(name))
        return None if fid is None else self._identity(fid)

    def _address(self, address: str) -> Whom | None:
        known = self.known
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
        if subject is None or not (cidr.isascii() and cidr.isdigit()):
            return None if cidr else self._address(address)
        mapped = 96 if subject.family == 4 and ":" in address else 0  # ::ffff:192.0.2.0/120 is 192.0.2.0/24
        length = int(cidr) - mapped if len(cidr) <= 3 else _TOO_LONG
        return _of_network(subject.widened(length if length >= 0 else _TOO_LONG))

    def _identity(self, fid: Value) -> Whom:
        whom = _identity(fid)
        return whom._replace(host=str(fid)) if self._usedns == "raw" else whom

    def _name(self, name: str) -> Whom | None:
        subject = parse_address(_bare(name))
        if subject is not None:
            return Whom(str(subject), subject)
        if self._usedns == "no":
            return None
        return Whom(name, None, lookup=self._usedns != "raw")


def _of_network(subject: Subject) -> Whom:
    """Nobody can mean to ban the whole world because a log line says so."""
    return Whom(str(subject), subject if subject.prefixlen else None)


def _identity(fid: Value) -> Whom:
    """An id may be an address or a network, too. One of several parts is shown as fail2ban shows it."""
    if not isinstance(fid, str):
        return Whom(str(fid), None)
    text = _bare(fid)
    subject = parse_address(text)
    if subject is None and "/" in text:
        with suppress(ValueError):
            subject = parse_subject(str(ip_network(text, strict=False)))  # 192.0.2.7/24 and /255.255.255.0 alike
    return Whom(text, None) if subject is None else _of_network(subject)


def _bare(text: str) -> str:
    """Without brackets around it."""
    return text[1:-1] if len(text) > 2 and text[0] == "[" and text[-1] == "]" else text
