"""A jail: its filter's failures are counted here, and enough of them in findtime make a ban."""

from __future__ import annotations

from typing import NamedTuple

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.model import Failure, Subject, parse_address
from nfjail.core.policy import Policy
from nfjail.core.window import Window

FOREVER = float("inf")
MANUAL = "manual"  # the jail of bans by hand: all ports, no filter

_REMEMBERED = 8192  # addresses as text whose subject is kept: attackers come back

#: OR of ANDs of (field, value): who may have written a journal entry
JournalMatch = tuple[tuple[tuple[str, str], ...], ...]


class Rules(NamedTuple):
    """What a jail does, as configured."""

    name: str
    filter: Filter
    policy: Policy
    maxretry: int = 5
    findtime: float = 600.0  # seconds
    journalmatch: JournalMatch = ()
    ipv6_prefix: int = 64  # IPv6 is counted and banned by networks of this length
    maxmatches: int = 10  # failures kept as evidence


class Jail:
    """The state of one jail. Its times are those of the log: when it is asked does not matter, only what it is told."""

    def __init__(self, rules: Rules, ignore: IgnoreList) -> None:
        self.rules = rules
        self._ignore = ignore
        self._subjects: dict[str, Subject | None] = {}
        self.window = Window(rules.maxretry, rules.findtime)
        self.banned: dict[Subject, float] = {}  # until when; FOREVER
        self._ended: dict[Subject, float] = {}  # when their last ban ended, if a while ago at most
        self._sweep_at = 1024
        self.found = 0  # failures counted so far
        self.total = 0  # bans so far

    @property
    def name(self) -> str:
        return self.rules.name

    @property
    def ignore(self) -> IgnoreList:
        return self._ignore

    @ignore.setter
    def ignore(self, ignore: IgnoreList) -> None:
        self._ignore = ignore
        self._subjects.clear()

    def subject_of(self, host: str) -> Subject | None:
        """Whom a failure from that address counts against; None: nobody (no address, or one that is ignored).

        An IPv6 address counts with its network; but one that shares it with an ignored or own address counts alone,
        and so does a link-local one: that network is every neighbour's.
        """
        subjects = self._subjects
        if host in subjects:
            return subjects[host]
        if len(subjects) >= _REMEMBERED:
            subjects.clear()
        subject = subjects[host] = self._judge(host)
        return subject

    def _judge(self, host: str) -> Subject | None:
        single = parse_address(host)
        if single is None or self._ignore.covers(single):
            return None
        if single.family == 4 or self.rules.ipv6_prefix == 128:
            return single
        network = single.widened(self.rules.ipv6_prefix)
        return single if single.is_link_local or self._ignore.touches(network) else network

    def see(self, failure: Failure) -> int:
        """Counts a failure; returns how many there are now (maxretry: a ban is due), or 0 if it does not count.

        What happened before the end of a ban has been paid for by it, even when it is read later, or once more.
        """
        time, subject, *_ = failure
        if (subject in self.banned and time < self.banned[subject]) or time < self._ended.get(subject, 0.0):
            return 0
        self.found += 1
        return self.window.add(failure)

    def end(self, subject: Subject, when: float) -> None:
        """The ban of subject ended then; earlier failures no longer count."""
        self.banned.pop(subject, None)
        self.window.forget(subject, when)  # those after it may have been read already
        self._ended[subject] = max(when, self._ended.get(subject, when))
        if len(self._ended) > self._sweep_at:
            recent = when - 2 * self.rules.findtime
            self._ended = {who: then for who, then in self._ended.items() if then >= recent}
            self._sweep_at = max(1024, 2 * len(self._ended))

    def inherit(self, old: Jail) -> None:
        """Takes over the state of the jail that it replaces on reload."""
        self.banned, self._ended = old.banned, old._ended
        self.found, self.total = old.found, old.total
        for failure in old.window.failures():
            if not self.ignore.covers(failure.subject):
                self.window.add(failure)
