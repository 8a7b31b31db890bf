"""The nouns that go from room to room: Failure -> Ban | Unban, and the Subject they are about.

All are immutable. Times are seconds since the epoch (UTC) as float, with the log's own precision.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import partial
from typing import Literal, NamedTuple, Union

_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_BITS = {4: 32, 6: 128}
_MAPPED = b"\0" * 10 + b"\xff\xff"  # RFC 4291, 2.5.5.2: an IPv4 address in IPv6 clothes


class Subject(NamedTuple):
    """Whom a failure or a ban is about: one address, or a network.

    family: 4 or 6. packed: 4 or 16 bytes, network order, all bits behind the prefix zero. prefixlen: 0 to 32 or 128.
    """

    family: int
    packed: bytes
    prefixlen: int

    def __str__(self) -> str:
        text = self.address
        return text if self.is_single else f"{text}/{self.prefixlen}"

    @property
    def address(self) -> str:
        """The (first) address as text, without the prefix length."""
        return socket.inet_ntop(_FAMILY[self.family], self.packed)

    @property
    def is_single(self) -> bool:
        return self.prefixlen == _BITS[self.family]

    @property
    def is_link_local(self) -> bool:
        """In fe80::/10 (RFC 4291, 2.5.6), which every link has for itself."""
        return b"\xfe\x80" <= self.packed < b"\xfe\xc0" and self.family == 6

    def widened(self, prefixlen: int) -> Subject:
        """The network of that prefix length around it; itself when it is already as wide."""
        if prefixlen >= self.prefixlen:
            return self
        return _new_subject((self.family, masked(self.packed, prefixlen), prefixlen))

    def covers(self, other: Subject) -> bool:
        """Whether every address of other is an address of self."""
        return (
            self.family == other.family
            and self.prefixlen <= other.prefixlen
            and masked(other.packed, self.prefixlen) == self.packed
        )


_new_subject = partial(tuple.__new__, Subject)  # Subject(...) goes through a Python function: twice the time


def masked(packed: bytes, prefixlen: int) -> bytes:
    """packed with all bits behind the first prefixlen ones zero."""
    if prefixlen == 64 and len(packed) == 16:  # by far the most frequent: IPv6 counted by /64
        return packed[:8] + b"\0\0\0\0\0\0\0\0"
    bits = len(packed) * 8
    number = int.from_bytes(packed, "big") >> (bits - prefixlen) << (bits - prefixlen)
    return number.to_bytes(len(packed), "big")


def parse_address(text: str) -> Subject | None:
    """One IPv4 or IPv6 address, or None if it is none. `::ffff:192.0.2.1` is 192.0.2.1; a zone (`%eth0`) is cut off."""
    try:
        if ":" not in text:
            return _new_subject((4, socket.inet_pton(socket.AF_INET, text), 32))
        packed = socket.inet_pton(socket.AF_INET6, text.partition("%")[0])
    except (OSError, ValueError):  # ValueError: a NUL in it
        return None
    if packed.startswith(_MAPPED):
        return _new_subject((4, packed[12:], 32))
    return _new_subject((6, packed, 128))


def parse_subject(text: str) -> Subject:
    """An address or a network (`192.0.2.0/24`, `2001:db8::/64`). Raises ValueError, which says what is wrong."""
    address, slash, length = text.strip().partition("/")
    subject = parse_address(address.strip("[]"))
    if subject is None:
        raise ValueError(f"{text!r} is no IP address or network")
    if not slash:
        return subject
    bits = subject.prefixlen
    mapped = 96 if bits == 32 and ":" in address else 0  # ::ffff:192.0.2.0/120 is 192.0.2.0/24
    if not (length.isascii() and length.isdigit() and mapped <= int(length) <= mapped + bits):
        raise ValueError(f"{text!r}: the prefix length must be a number from {mapped} to {mapped + bits}")
    wide = subject.widened(int(length) - mapped)
    if wide.packed != subject.packed:
        raise ValueError(f"{text!r} has bits set behind the prefix: write {wide}")
    return wide


class Failure(NamedTuple):
    """A journal entry or log line that a jail's filter recognised as a failed login or an exploit."""

    time: float
    subject: Subject
    message: str
    position: str
    pattern: int  # index into the filter's failregex list
    fields: Mapping[str, str]  # what the pattern captured besides the address: {"user": "root"}


Origin = Literal["filter", "ctl", "kernel", "import"]


class Ban(NamedTuple):
    """Subject is kept out of what jail protects, from since until until (None: for ever)."""

    jail: str
    subject: Subject
    since: float
    until: float | None
    nth: int = 1  # how often this subject has been banned by now, this time included
    origin: Origin = "filter"
    reason: str = ""  # why, for people: "3 failures in 41s", or the text given with ctl ban --reason
    evidence: tuple[Failure, ...] = ()  # empty when restored: the store keeps it


EXPIRED = "expired"


class Unban(NamedTuple):
    """The ban of subject in jail ended at that time."""

    jail: str
    subject: Subject
    at: float
    why: str  # EXPIRED, or who asked


Decision = Union[Ban, Unban]
