"""Whom nobody may ban: ignoreip, the machine's own addresses, and what was given with `ctl ignore add`."""

from __future__ import annotations

from collections.abc import Iterable

from nfjail.core.model import Subject, masked, parse_subject

#: never a sensible subject of a ban, whatever a log says: unspecified, loopback, multicast, broadcast
NEVER = tuple(
    parse_subject(text) for text in ("0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/128", "::1/128", "ff00::/8")
)


class IgnoreList:
    """Addresses and networks, asked with one lookup for each prefix length in use."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self.subjects = tuple(dict.fromkeys((*NEVER, *subjects)))
        nets: dict[int, dict[int, set[bytes]]] = {4: {}, 6: {}}
        for family, packed, prefixlen in self.subjects:
            nets[family].setdefault(prefixlen, set()).add(_key(packed, prefixlen))
        self._nets = {family: sorted(by_length.items()) for family, by_length in nets.items()}
        self._inside: dict[tuple[int, int], frozenset[bytes]] = {}

    def covers(self, subject: Subject) -> bool:
        """Whether all of subject is ignored."""
        family, packed, prefixlen = subject
        for length, keys in self._nets[family]:
            if length > prefixlen:
                return False
            if _key(packed, length) in keys:
                return True
        return False

    def touches(self, subject: Subject) -> bool:
        """Whether some ignored address lies in subject: then banning it would hit a bystander."""
        key = subject.family, subject.prefixlen
        if key not in self._inside:
            self._inside[key] = frozenset(
                masked(packed, subject.prefixlen)
                for family, packed, length in self.subjects
                if family == subject.family and length > subject.prefixlen
            )
        return subject.packed in self._inside[key] or self.covers(subject)


def _key(packed: bytes, prefixlen: int) -> bytes:
    """What is equal for all addresses of a network of that length. Whole bytes, as most lengths are, cost little."""
    return masked(packed, prefixlen) if prefixlen % 8 else packed[: prefixlen >> 3]
