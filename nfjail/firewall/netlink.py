"""The few nf_tables messages that nfjail reads from the kernel itself, since libnftables has no cheap way to them.

Message and attribute numbers: linux/netlink.h, linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h. Headers are in
host byte order, nf_tables' own numbers in network byte order. What is malformed is left out, never an error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import stat
import struct
from collections.abc import Iterator
from typing import NamedTuple

from nfjail.firewall import FirewallError

PROTOCOL = 12  # NETLINK_NETFILTER
NEWGEN = 15  # NFT_MSG_*; so are the next ones: the answer, the request
_GETGEN = 16
_NEWRULE, _GETRULE = 6, 7
_NEWSET, _GETSET = 9, 10
_NEWSETELEM, _GETSETELEM = 12, 13
_SUBSYSTEM = 10  # NFNL_SUBSYS_NFTABLES
_INET = 1  # NFPROTO_INET
_HEADER = struct.Struct("=IHHII")  # struct nlmsghdr: length, type, flags, sequence, port id
_FAMILY = struct.Struct("=BBH")  # struct nfgenmsg: family, version, resource
_ATTRIBUTE = struct.Struct("=HH")
_ERROR, _DONE = 2, 3  # NLMSG_*
_REQUEST, _DUMP = 1, 0x300  # NLM_F_*
_TABLE = 1  # the name of the table, in all kinds of messages
_GEN_ID = 1
_RULE_CHAIN, _RULE_EXPRESSIONS = 2, 4
_EXPR_NAME, _EXPR_DATA = 1, 2
_COUNTER_BYTES, _COUNTER_PACKETS = 1, 2
_SET_NAME, _SET_FLAGS, _SET_KEY_LEN = 2, 3, 5
_LIST_SET, _LIST_ELEMENTS = 2, 3
_ELEM_KEY, _ELEM_TIMEOUT, _ELEM_EXPIRATION = 1, 4, 5
_HASH_WITH_TIMEOUT, _KINDS = 0x10, 0x1F  # NFT_SET_*: timeout; all that make another kind of set of it
_ANSWER = 256 * 1024


class Message(NamedTuple):
    """An nf_tables message: its NFT_MSG_ number, the sender's port id, the protocol family, its attributes."""

    kind: int
    port: int
    family: int
    body: bytes


def messages(datagram: bytes) -> Iterator[Message]:
    """The nf_tables messages in a datagram; anything else in it is passed over."""
    at, end = 0, len(datagram)
    while at + _HEADER.size <= end:
        length, kind, _, _, port = _HEADER.unpack_from(datagram, at)
        if length < _HEADER.size or at + length > end:
            return
        if kind >> 8 == _SUBSYSTEM and length >= _HEADER.size + _FAMILY.size:
            start = at + _HEADER.size
            yield Message(kind & 0xFF, port, datagram[start], datagram[start + _FAMILY.size : at + length])
        at += length + 3 & ~3


def attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Number and value of each attribute in a body or in a nested attribute's value."""
    at, end = 0, len(body)
    while at + _ATTRIBUTE.size <= end:
        length, kind = _ATTRIBUTE.unpack_from(body, at)
        if length < _ATTRIBUTE.size or at + length > end:
            return
        yield kind & 0x3FFF, body[at + _ATTRIBUTE.size : at + length]  # the two high bits are flags
        at += length + 3 & ~3


def text(value: bytes) -> str:
    """A NUL-terminated string attribute."""
    return value.rstrip(b"\0").decode("utf-8", "replace")


def table_attribute(table: str) -> bytes:
    """What the body of every message about a table, or a thing in it, begins with: attribute 1, the table's name."""
    return _attribute(_TABLE, table.encode() + b"\0")


def belongs_to(message: Message, table: bytes) -> bool:
    """Whether it is about the table of family inet with that attribute."""
    return message.family == _INET and message.body.startswith(table)


class Element(NamedTuple):
    """An address in a set: packed, and how long it was to stay and has still to stay, in seconds (None: for ever)."""

    packed: bytes
    timeout: float | None
    left: float | None


def probe() -> str | None:
    """Asks nf_tables for its generation number. None: it answered; else why it is of no use here. Changes nothing."""
    try:
        _generation()
    except OSError as error:
        if error.errno == errno.EPERM:
            return "no permission: run nfjail as root, or give it the capability CAP_NET_ADMIN"
        return f"the kernel has no nf_tables ({error.strerror or error})"
    return None


def generation() -> int:
    """The number of changes so far to all of the network namespace's tables (32 bits)."""
    try:
        return _generation()
    except OSError as error:
        raise FirewallError(f"cannot ask the kernel for its generation of rules: {error.strerror or error}") from None


def _generation() -> int:
    with _socket() as sock:
        _ask(sock, _GETGEN, _REQUEST, b"")
        datagram = sock.recv(_ANSWER)
    _check(datagram)
    bodies = [dict(attributes(message.body)) for message in messages(datagram)]
    return _number(bodies[0], _GEN_ID) if bodies else 0


def counters(table: str) -> dict[str, tuple[int, int]]:
    """Packets and bytes counted by the rules of each chain of `table inet`; empty if there is no such table.

    Sets are not read: with 100,000 elements libnftables' `list chain` takes a second (1.0.6), this 0.2 ms.
    """
    totals: dict[str, tuple[int, int]] = {}
    for rule in _dump(_GETRULE, _NEWRULE, table):
        parts = dict(attributes(rule))
        packets, octets = _counted(parts.get(_RULE_EXPRESSIONS, b""))
        before = totals.get(chain := text(parts.get(_RULE_CHAIN, b"")), (0, 0))
        totals[chain] = (before[0] + packets, before[1] + octets)
    return totals


def timeout_sets(table: str) -> dict[str, int]:
    """The hash sets with timeouts in `table inet`, and the length of their keys in bytes."""
    found: dict[str, int] = {}
    for each in _dump(_GETSET, _NEWSET, table):
        parts = dict(attributes(each))
        if _number(parts, _SET_FLAGS) & _KINDS == _HASH_WITH_TIMEOUT:
            found[text(parts.get(_SET_NAME, b""))] = _number(parts, _SET_KEY_LEN)
    return found


def elements(table: str, name: str) -> Iterator[Element]:
    """What is in such a set."""
    for listing in _dump(_GETSETELEM, _NEWSETELEM, table, _attribute(_LIST_SET, name.encode() + b"\0")):
        for kind, value in attributes(listing):
            for _, element in attributes(value) if kind == _LIST_ELEMENTS else ():
                parts = dict(attributes(element))
                packed = next((key for _, key in attributes(parts.get(_ELEM_KEY, b""))), b"")
                timeout = _number(parts, _ELEM_TIMEOUT) / 1000 or None
                yield Element(packed, timeout, timeout and _number(parts, _ELEM_EXPIRATION) / 1000)


def own_sockets() -> dict[int, int]:
    """This process's sockets of all kinds: inode and file descriptor."""
    found: dict[int, int] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own descriptor is gone by now
            behind = os.fstat(int(name))
            if stat.S_ISSOCK(behind.st_mode):
                found[behind.st_ino] = int(name)
    return found


def _dump(request: int, answer: int, table: str, more: bytes = b"") -> Iterator[bytes]:
    """The bodies of all things of that kind in the table; nothing if it is not there."""
    start = table_attribute(table)
    try:
        with _socket() as sock:
            _ask(sock, request, _REQUEST | _DUMP, start + more)
            while True:
                datagram = sock.recv(_ANSWER)
                for message in messages(datagram):
                    if message.kind == answer and belongs_to(message, start):
                        yield message.body
                if _check(datagram):
                    return
    except OSError as error:
        if error.errno != errno.ENOENT:
            raise FirewallError(f"cannot read the table {table} from the kernel: {error.strerror or error}") from None


def _counted(expressions: bytes) -> tuple[int, int]:
    packets = octets = 0
    for _, expression in attributes(expressions):
        parts = dict(attributes(expression))
        if parts.get(_EXPR_NAME) == b"counter\0":
            data = dict(attributes(parts.get(_EXPR_DATA, b"")))
            packets += _number(data, _COUNTER_PACKETS)
            octets += _number(data, _COUNTER_BYTES)
    return packets, octets


def _number(parts: dict[int, bytes], kind: int) -> int:
    return int.from_bytes(parts.get(kind, b""), "big")


def _attribute(kind: int, value: bytes) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + b"\0" * (-length % 4)


def _socket() -> socket.socket:
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, PROTOCOL)
    sock.settimeout(5)  # the kernel answers at once; nothing may hang for ever
    return sock


def _ask(sock: socket.socket, kind: int, flags: int, body: bytes) -> None:
    payload = _FAMILY.pack(_INET, 0, 0) + body
    sock.send(_HEADER.pack(_HEADER.size + len(payload), _SUBSYSTEM << 8 | kind, flags, 1, 0) + payload)


def _check(datagram: bytes) -> bool:
    """Whether the answer ends with this datagram. Raises OSError for the kernel's error message."""
    at = 0
    while at + _HEADER.size + 4 <= len(datagram):
        length, kind, *_ = _HEADER.unpack_from(datagram, at)
        if kind in (_ERROR, _DONE):
            (code,) = struct.unpack_from("=i", datagram, at + _HEADER.size)
            if code < 0:
                raise OSError(-code, os.strerror(-code))
            return True
        at += max(length, _HEADER.size) + 3 & ~3
    return False
