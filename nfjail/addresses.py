"""The machine's own addresses, and word of when they change: nobody may ever ban these."""

from __future__ import annotations

import logging
import os
import socket
import struct

from nfjail.core.model import Subject

log = logging.getLogger("nfjail")

# linux/rtnetlink.h, linux/netlink.h, linux/if_addr.h
_RTM_NEWADDR, _RTM_GETADDR = 20, 22
_NLM_F_REQUEST_DUMP = 0x301
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_GROUPS = 0x10 | 0x100  # RTMGRP_IPV4_IFADDR, RTMGRP_IPV6_IFADDR
_HEADER = struct.Struct("=IHHII")  # nlmsghdr
_IFADDRMSG = struct.Struct("=BBBBI")
_ATTRIBUTE = struct.Struct("=HH")
_FAMILY = {socket.AF_INET: 4, socket.AF_INET6: 6}


def own_addresses() -> list[Subject]:
    """Every address of every interface, as the kernel has them now.

    But for link-local ones: they come and go with every container, and nobody else's traffic has them as source.
    """
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 0) as sock:
        sock.send(_HEADER.pack(_HEADER.size + _IFADDRMSG.size, _RTM_GETADDR, _NLM_F_REQUEST_DUMP, 1, 0)
                  + _IFADDRMSG.pack(0, 0, 0, 0, 0))  # fmt: skip
        found: dict[Subject, None] = {}
        while True:
            data = sock.recv(65536)
            if _addresses(data, found):
                return [subject for subject in found if not subject.is_link_local]


def _addresses(data: bytes, found: dict[Subject, None]) -> bool:
    """Collects the addresses of one answer; True when it was the last."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, _, _ = _HEADER.unpack_from(data, at)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
            return True
        if kind == _RTM_NEWADDR:
            family = _IFADDRMSG.unpack_from(data, at + _HEADER.size)[0]
            address = _address(data[at + _HEADER.size + _IFADDRMSG.size : at + length])
            if address and family in _FAMILY:
                found[Subject(_FAMILY[family], address, len(address) * 8)] = None
        at += (length + 3) & ~3
    return False


def _address(attributes: bytes) -> bytes:
    """IFA_LOCAL, or IFA_ADDRESS where there is none: on a point-to-point link the latter is the other side's."""
    found: dict[int, bytes] = {}
    at = 0
    while at + 4 <= len(attributes):
        length, kind = _ATTRIBUTE.unpack_from(attributes, at)
        if length < 4:
            break
        found[kind] = attributes[at + 4 : at + length]
        at += (length + 3) & ~3
    return found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS) or b""


class AddressWatch:
    """Becomes readable when an address comes or goes."""

    def __init__(self) -> None:
        self._sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
        self._sock.bind((0, _GROUPS))

    def fileno(self) -> int:
        return self._sock.fileno()

    def drain(self) -> None:
        """Takes what has been said; what it was does not matter, own_addresses() knows."""
        try:
            while self._sock.recv(65536):
                pass
        except BlockingIOError:
            return
        except OSError as error:
            log.debug("address changes overflowed: %s", os.strerror(error.errno or 0))

    def close(self) -> None:
        self._sock.close()
