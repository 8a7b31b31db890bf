"""The values that are about the network and the journal: ports, protocols, ignoreip, journalmatch."""

from __future__ import annotations

import itertools
import re
import shlex
import socket
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from nfjail.config.kinds import Kind, alternatives, each, from_core
from nfjail.config.problem import BadValueError
from nfjail.config.toml import brief
from nfjail.core.jail import JournalMatch
from nfjail.core.journal_line import journal_terms
from nfjail.core.model import Subject, parse_address, parse_subject

_ALL_PORTS = (1, 65535)
_RANGE = re.compile(r"(\d{1,5})(?:[-:](\d{1,5}))?", re.ASCII)
#: what services are called where there is no /etc/services, as on a minimal Debian (package netbase)
_SERVICES = {
    "domain": 53, "ftp": 21, "ftp-data": 20, "ftps": 990, "ftps-data": 989, "http": 80, "https": 443, "imap": 143,
    "imap2": 143, "imap3": 220, "imaps": 993, "ldap": 389, "ldaps": 636, "mysql": 3306, "pop3": 110, "pop3s": 995,
    "postgresql": 5432, "sieve": 4190, "sip": 5060, "sip-tls": 5061, "smtp": 25, "smtps": 465, "ssh": 22,
    "submission": 587, "submissions": 465, "telnet": 23, "telnets": 992,
}  # fmt: skip


def _items(value: Any) -> Iterable[Any]:
    """A list, or what stands between commas; in a list, too."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str):
            yield from (part.strip() for part in item.split(",") if part.strip())
        else:
            yield item


def _port_range(item: Any) -> tuple[int, int]:
    if isinstance(item, str) and item == "all":
        return _ALL_PORTS
    text = str(item) if isinstance(item, (str, int)) and not isinstance(item, bool) else ""
    numbers = _RANGE.fullmatch(text)
    if numbers is None:
        return _service(item)
    first, last = int(numbers[1]), int(numbers[2] or numbers[1])
    if (first, last) == (0, 65535):  # fail2ban's way to write "all"
        return _ALL_PORTS
    if not 1 <= first <= last <= 65535:
        raise BadValueError((f"{brief(item)} is no port", 'write numbers from 1 to 65535, the lower one first: "8000-8080"'))
    return first, last


def _service(item: Any) -> tuple[int, int]:
    if not isinstance(item, str):
        raise BadValueError((f"{brief(item)} is no port", 'write a number, a range "8000-8080" or a name like "ssh"'))
    try:
        port = socket.getservbyname(item)
    except (OSError, ValueError):  # ValueError: a NUL or a lone surrogate in it
        if item not in _SERVICES:
            raise BadValueError((f"{brief(item)}: no service is known by this name", "write the number of its port")) from None
        port = _SERVICES[item]
    return port, port


def _ports(value: Any) -> tuple[str, ...]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(each(_items(value), _port_range)):
        if merged and first <= merged[-1][1]:  # nft refuses a set whose ranges overlap
            first, last = merged[-1][0], max(last, merged[-1][1])
            merged.pop()
        merged.append((first, last))
    if merged == [_ALL_PORTS]:
        return ()
    return tuple(str(first) if first == last else f"{first}-{last}" for first, last in merged)


PORTS = Kind(_ports, lambda ports: list(ports) or "all")

_PROTOCOLS = ("tcp", "udp", "sctp", "dccp")


def _protocol(item: Any) -> str:
    if item not in (*_PROTOCOLS, "all"):
        raise BadValueError((f"{brief(item)} is no protocol", "write " + alternatives((*_PROTOCOLS, "all"))))
    return str(item)


def _protocols(value: Any) -> tuple[str, ...]:
    protocols = tuple(dict.fromkeys(each(_items(value), _protocol)))
    return () if "all" in protocols else protocols


PROTOCOLS = Kind(_protocols, lambda protocols: list(protocols) or "all", (*_PROTOCOLS, "all"))


class Ignored(NamedTuple):
    """ignoreip, understood."""

    subjects: tuple[Subject, ...]
    names: tuple[str, ...]


_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*(?!\d+\.?\Z){_LABEL}\.?", re.ASCII)


def _ignored(item: Any) -> Subject | str:
    if not isinstance(item, str):
        raise BadValueError((f"{brief(item)} is no address", 'write addresses in quotes: ["192.0.2.1", "2001:db8::/64"]'))
    address, _, mask = item.partition("/")
    if parse_address(mask) is not None:
        return from_core(parse_subject, f"{address}/{_prefix_length(item, mask)}")
    if _HOST_NAME.fullmatch(item):
        return item.lower()
    return from_core(parse_subject, item, 'write an address, a network like "192.0.2.0/24" or a host name')


def _prefix_length(item: str, mask: str) -> int:
    """24 for 255.255.255.0."""
    subject = parse_address(mask)
    bits = "".join(f"{byte:08b}" for byte in subject.packed) if subject else ""
    ones, _, rest = bits.partition("0")
    if "1" in rest:
        raise BadValueError((f"{brief(item)}: the netmask has a hole", 'write the prefix length: "192.0.2.0/24"'))
    return len(ones)


def _ignoreip(value: Any) -> Ignored:
    items = re.split(r"[\s,]+", value) if isinstance(value, str) else value
    if not isinstance(items, list):
        raise BadValueError((f"{brief(value)} is no list", 'write ["192.0.2.1", "2001:db8::/64"]'))
    found = dict.fromkeys(each((item for item in items if item != ""), _ignored))
    return Ignored(
        tuple(item for item in found if isinstance(item, Subject)),
        tuple(item for item in found if isinstance(item, str)),
    )


IGNOREIP = Kind(_ignoreip, lambda ignored: [*map(str, ignored.subjects), *ignored.names])

# systemd.journal-fields(7): journald itself sets what begins with _. But everybody can call a program "sshd", so _COMM
# and _CMDLINE say nothing about who wrote, and _TRANSPORT only where it is closed to ordinary users.
_TELLS_WHO = {"_SYSTEMD_UNIT", "_SYSTEMD_SLICE", "_SYSTEMD_CGROUP", "_UID", "_GID", "_EXE", "_SELINUX_CONTEXT"}
_CLOSED_TRANSPORTS = ("kernel", "audit", "driver")
_FIELD = re.compile(r"_?[A-Z][A-Z0-9_]*")
_EXAMPLE = 'write for example ["_SYSTEMD_UNIT=ssh.service"]'


def _match_groups(item: Any) -> JournalMatch:
    """The AND groups of one text; " + " stands between two of them, as in fail2ban and journalctl."""
    if not isinstance(item, str):
        raise BadValueError((f"{brief(item)} is no text", _EXAMPLE))
    try:
        words = shlex.split(item)
    except ValueError:
        raise BadValueError((f"{brief(item)}: a quote is not closed", _EXAMPLE)) from None
    groups: list[dict[str, dict[str, None]]] = [{}]
    for word in words:
        field, equals, value = word.partition("=")
        if word == "+":
            groups.append({})
        elif not equals or not _FIELD.fullmatch(field) or "\0" in value:
            raise BadValueError((f"{brief(item)}: {brief(word)} is not FIELD=value", _EXAMPLE))
        else:
            groups[-1].setdefault(field, {})[_uid(value) if field == "_UID" else value] = None
    return tuple(itertools.chain.from_iterable(_alternatives(item, group) for group in groups))


def _uid(value: str) -> str:
    """The number of a user who is given by name; who is not there has none, and so has written nothing."""
    return value if value.isdecimal() else _users().get(value, value)


@lru_cache(1)
def _users() -> dict[str, str]:
    """This machine's own users. Services' are among them; to ask a directory server could take minutes."""
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
            lines = [line.split(":") for line in file]
    except OSError:
        return {}
    return {fields[0]: fields[2] for fields in lines if len(fields) > 2}


def _alternatives(item: str, group: dict[str, dict[str, None]]) -> JournalMatch:
    """A field given twice means either value (sd_journal_add_match(3)): so many groups are made."""
    if not group:
        raise BadValueError((f"{brief(item)} matches everything", _EXAMPLE))
    pairs = [[(field, value) for value in values] for field, values in group.items()]
    groups = tuple(itertools.product(*pairs))
    if not all(map(tells_who, groups)):
        raise BadValueError(
            (
                f"{brief(item)}: any local user could log so and have somebody else banned",
                "add who writes there: _SYSTEMD_UNIT=..., _UID=... or _EXE=...",
            )
        )
    return groups


def tells_who(group: Sequence[tuple[str, str]]) -> bool:
    """Whether what fits all of the group's FIELD=value is surely not written by just any local user."""
    return any(field in _TELLS_WHO or (field == "_TRANSPORT" and value in _CLOSED_TRANSPORTS) for field, value in group)


def fail2ban_match(lines: Iterable[str]) -> JournalMatch:
    """fail2ban's journalmatch. It may name anybody: see tells_who(). Without a line it is the whole journal: ((),)."""
    groups: dict[tuple[tuple[str, str], ...], None] = {}
    for term in journal_terms(lines):
        values: dict[str, dict[tuple[str, str], None]] = {}
        for field, value in term:
            values.setdefault(field, {})[field, value] = None
        groups |= dict.fromkeys(itertools.product(*values.values()))
    return tuple(groups) or ((),)


def _journalmatch(value: Any) -> JournalMatch:
    groups = each(value if isinstance(value, list) else [value], _match_groups)
    return tuple(dict.fromkeys(itertools.chain.from_iterable(groups)))


def _journalmatch_text(match: JournalMatch) -> list[str]:
    return [shlex.join(f"{field}={value}" for field, value in group) for group in match]


JOURNALMATCH = Kind(_journalmatch, _journalmatch_text)
