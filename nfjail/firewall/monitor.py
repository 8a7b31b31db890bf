"""Notices when somebody else changes nfjail's nftables table, and says who: the kernel announces each change to it.

It listens to the multicast group of nf_tables (linux/netfilter/nfnetlink.h). A transaction is announced as one message
for each thing it changed, and then one (NEWGEN) with the number and name of the process. Our own transactions never
reach this process: a filter in the kernel drops them. The end of an element by its timeout is not announced at all.
"""

from __future__ import annotations

import ctypes
import errno
import os
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from nfjail.firewall import FirewallError, netlink

_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _ADD_MEMBERSHIP, _DROP_MEMBERSHIP = 270, 1, 2
_SO_ATTACH_FILTER, _SO_RCVBUFFORCE = 26, 33
_BUFFER = 64 * 1024 * 1024  # used only while there is much to read: a set of 100,000 that is flushed needs 25 MB
_DATAGRAM = 256 * 1024  # the kernel fills at most NLMSG_GOODSIZE (8 KiB) for one; a single message may be larger
_TURN = 500  # datagrams in one read(): the daemon has more to do
_NAMED = 4  # things that a Change names
_GEN_PROC_PID, _GEN_PROC_NAME = 2, 3
_DELTABLE = 2
_CHANGES = {  # NFT_MSG_*: what to say, and the attribute with the thing's name
    0: ("changed the table", 0),
    _DELTABLE: ("deleted the table", 0),
    3: ("added chain {}", 3),
    5: ("deleted chain {}", 3),
    6: ("added a rule to {}", 2),
    8: ("deleted a rule of {}", 2),
    9: ("added set {}", 2),
    11: ("deleted set {}", 2),
    12: ("added elements to {}", 2),
    14: ("removed elements from {}", 2),
    18: ("added object {}", 2),
    20: ("deleted object {}", 2),
    22: ("added flowtable {}", 2),
    24: ("deleted flowtable {}", 2),
}


class Change(NamedTuple):
    """One transaction of somebody else's that touched our table. pid 0: the kernel does not say."""

    pid: int  # as the host's outermost pid namespace counts
    command: str
    what: str


LOST = Change(0, "", "unknown: too many changes to follow")


class Monitor:
    """The socket for one table: readable when something was changed. Raises FirewallError if it cannot be had."""

    def __init__(self, table: str) -> None:
        self._table = netlink.table_attribute(table)
        self._did: dict[str, None] = {}  # what the transaction that is being announced did to our table, in order
        self._own: frozenset[int] = frozenset()
        try:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            self._socket = socket.socket(socket.AF_NETLINK, kind, netlink.PROTOCOL)
            self._socket.bind((0, 0))  # what is not bound gets nothing
            self._widen()
            self._attach(self._own_ports())
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)
        except OSError as error:
            raise FirewallError(
                f"cannot listen for changes of the firewall: {error.strerror}", "it needs the capability CAP_NET_ADMIN"
            ) from None

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Meanwhile nobody's changes are noticed, and the kernel does not spend anything on announcing them."""
        self._socket.setsockopt(_SOL_NETLINK, _DROP_MEMBERSHIP, _GROUP)
        try:
            yield
        finally:
            self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)

    def read(self) -> list[Change]:
        """What has been announced since the last call, one Change for each transaction; never waits, never raises."""
        changes: list[Change] = []
        for _ in range(_TURN):
            try:
                datagram = self._socket.recv(_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    break
                self._did.clear()
                changes.append(LOST)
                continue
            for message in netlink.messages(datagram):
                if message.kind == netlink.NEWGEN:
                    changes += self._finished(message)
                else:
                    self._note(message)
        return changes

    def _note(self, message: netlink.Message) -> None:
        if message.kind in _CHANGES and netlink.belongs_to(message, self._table):
            words, attribute = _CHANGES[message.kind]
            names = (netlink.text(value) for kind, value in netlink.attributes(message.body) if kind == attribute)
            self._did[words.format(next(names, "?"))] = None

    def _finished(self, message: netlink.Message) -> list[Change]:
        if not self._did:
            return []
        did, self._did = list(self._did), {}
        if message.port not in self._own and message.port in (ports := self._own_ports()):
            self._attach(ports)  # libnftables opened its socket after us, or opened a new one
        if message.port in self._own:
            return []
        pid, command = 0, ""
        for kind, value in netlink.attributes(message.body):
            if kind == _GEN_PROC_PID:
                pid = int.from_bytes(value, "big")
            elif kind == _GEN_PROC_NAME:
                command = netlink.text(value)
        return [Change(pid, command, _summary(did))]

    def _widen(self) -> None:
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:  # in a container: as much as is allowed there
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)

    def _own_ports(self) -> frozenset[int]:
        """The netlink addresses of this process's other nf_tables sockets: libnftables does not tell its own.

        /proc/net/netlink lists all sockets of the network namespace: protocol, port id, ..., inode.
        """
        inodes = netlink.own_sockets().keys() - {os.fstat(self._socket.fileno()).st_ino}
        ports = set()
        with open("/proc/self/net/netlink", encoding="ascii") as listing:
            for line in listing:
                columns = line.split()
                if columns[1] == str(netlink.PROTOCOL) and int(columns[-1]) in inodes:
                    ports.add(int(columns[2]))
        return frozenset(ports - {0})

    def _attach(self, ports: frozenset[int]) -> None:
        """The kernel is to drop what these ports caused: the port is at offset 12 of each message (struct nlmsghdr)."""
        self._own = ports
        code = [(0x20, 0, 0, 12)]  # BPF_LD|BPF_W|BPF_ABS, in network byte order (linux/filter.h)
        for index, port in enumerate(sorted(ports)):
            code.append((0x15, len(ports) - index, 0, _swapped(port)))  # BPF_JMP|BPF_JEQ: if equal, to the end
        code += [(0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)]  # BPF_RET: everything; nothing
        program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in code))
        header = struct.pack("HP", len(code), ctypes.addressof(program))
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, header)


def _swapped(port: int) -> int:
    """A host-order number as a load in network byte order sees it."""
    return socket.htonl(port) if sys.byteorder == "little" else port


def _summary(did: list[str]) -> str:
    table = _CHANGES[_DELTABLE][0]
    if table in did:  # all that was in it is announced, too
        return table
    more = len(did) - _NAMED
    return ", ".join(did[:_NAMED]) + (f" and {more} more" if more > 0 else "")
