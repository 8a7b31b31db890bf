"""What happens between a failure and its ban: counting, deciding, storing, and telling the firewall; in this order.

Decisions are finished before anything is done about them. They are stored, with the positions of the logs up to
which they were decided, in one transaction, and only then carried out: whatever moment the machine dies in, the next
start finds the same bans. No clock here: now is always given.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from heapq import heappop, heappush
from typing import NamedTuple, Protocol

from nfjail.core.duration import format_duration
from nfjail.core.history import as_failures, counted
from nfjail.core.jail import FOREVER, Jail
from nfjail.core.model import EXPIRED, Ban, Decision, Failure, Origin, Subject, Unban
from nfjail.core.route import Sighting
from nfjail.errors import NfjailError
from nfjail.store import StoreDamaged

log = logging.getLogger("nfjail")


class Store(Protocol):
    """What should be: bans, their history, and how far the logs have been read."""

    def commit(self, decisions: Sequence[Decision], positions: Mapping[str, str], now: float) -> None: ...
    def count(self, jail: str | None, subject: Subject) -> int: ...
    def last_end(self, jail: str, subject: Subject) -> float | None: ...
    def recent(self, subject: Subject, since: float) -> list[Ban]: ...
    def live(self) -> Iterator[Ban]: ...
    def replace(self, bans: Iterable[Ban], positions: Mapping[str, str], now: float) -> None: ...


class Kernel(Protocol):
    """What is: see nfjail.firewall.Firewall."""

    def apply(self, decisions: Sequence[Decision], now: float) -> None: ...
    def sync(self, bans: Iterable[Ban], now: float) -> None: ...


class Counted(NamedTuple):
    """A failure that counted, and how many there are now."""

    jail: str
    failure: Failure
    failures: int
    maxretry: int


class Engine:
    """The jails, and what follows from what they see. Trouble with store or kernel is kept in trouble, by room."""

    def __init__(self, store: Store, kernel: Kernel, chance: Callable[[], float]) -> None:
        self.jails: dict[str, Jail] = {}
        self._historians: list[Jail] = []  # those that count the bans of others
        self.store = store
        self.kernel = kernel
        self.positions: dict[str, str] = {}
        self.trouble: dict[str, str] = {}  # "store" or "firewall": what is wrong
        self._chance = chance
        self._unsaved: list[Decision] = []
        self._fresh: dict[Subject, list[Ban]] = {}  # bans that the store does not know yet
        self._ends: list[tuple[float, str, Subject]] = []  # a heap

    def restore(self, bans: Iterable[Ban]) -> None:
        """Takes over the bans that the store says are in force, before the first sync()."""
        for ban in bans:
            if ban.jail in self.jails:
                self._hold(ban)

    def replace_jails(self, jails: Mapping[str, Jail]) -> set[str]:
        """New jails for the old ones; those of the same name keep bans and counters. Returns the others' names."""
        new = set(jails) - set(self.jails)
        for name in set(jails) - new:
            jails[name].inherit(self.jails[name])
        self.jails = dict(jails)
        self._historians = [jail for jail in jails.values() if jail.rules.history]
        return new

    def bans(self) -> Iterator[Ban]:
        """All bans in force, as far as the kernel must know them."""
        for jail in self.jails.values():
            for subject, until in jail.banned.items():
                yield Ban(jail.name, subject, 0.0, None if until == FOREVER else until)

    def digest(
        self, sightings: Iterable[Sighting], replayed: bool, tell: Callable[[Counted], None] | None = None
    ) -> list[Decision]:
        """Counts failures and decides about bans; tell hears of each that counts.

        replayed: they were decided about in an earlier life, and are only to be counted again.
        """
        decisions: list[Decision] = []
        for jail, failure in sightings:
            count = jail.see(failure)
            if replayed and count == 1:
                self._recall(jail, failure.subject)
            if not count or replayed:
                continue
            rules = jail.rules
            if tell is not None:
                tell(Counted(rules.name, failure, count, rules.maxretry))
            if count >= rules.maxretry:
                decisions += self._sentence(jail, failure.subject)
        return decisions

    def _recall(self, jail: Jail, subject: Subject) -> None:
        """What is read again may have been paid for long ago: by a ban of which, after days, only the store knows."""
        ended = self.store.last_end(jail.name, subject)
        if ended is not None:
            jail.end(subject, ended)

    def _sentence(self, jail: Jail, subject: Subject) -> list[Decision]:
        """The ban for the failures that jail's window holds of subject."""
        evidence = jail.window.take(subject)
        since = evidence[-1].time
        span = format_duration(since - evidence[0].time)
        failures = f"{len(evidence)} failure{'s' if len(evidence) > 1 else ''} in {span}"
        decisions = self._ban(jail, evidence, failures)
        return [*decisions, *self._repeated(subject, since)]

    def _ban(self, jail: Jail, evidence: tuple[Failure, ...], reason: str) -> list[Decision]:
        """The ban that is due with the last of these failures."""
        subject, since = evidence[-1].subject, evidence[-1].time
        policy = jail.rules.policy
        earlier = self._earlier(jail.name, subject)
        for_policy = self._earlier(None, subject) if policy.increment.overalljails else earlier
        length = policy.length(for_policy, self._chance())
        until = None if length is None else since + length
        kept = evidence[-jail.rules.maxmatches :] if jail.rules.maxmatches else ()
        return self._impose(Ban(jail.name, subject, since, until, earlier + 1, "filter", reason, kept))

    def _repeated(self, subject: Subject, now: float) -> list[Decision]:
        """The bans by those jails that count what other jails have done, now that one of these has banned subject."""
        decisions: list[Decision] = []
        for jail in self._historians:
            if jail.banned.get(subject, 0.0) > now or jail.judge(subject) is None:
                continue
            jail.found += 1
            bans = self._past(jail, subject, now)
            if len(bans) >= jail.rules.maxretry:
                decisions += self._ban(jail, *as_failures(bans))
        return decisions

    def _past(self, jail: Jail, subject: Subject, now: float) -> list[Ban]:
        """The bans of subject that count for that jail; what was before its own last ban ended has been paid for."""
        since = now - jail.rules.findtime
        bans = list(self._fresh.get(subject, ()))
        try:
            since = max(since, self.store.last_end(jail.name, subject) or 0.0)
            bans += self.store.recent(subject, since)
        except NfjailError as error:  # what is known must do
            self._store_fails(error)
        return counted(bans, since, [one.name for one in self._historians])

    def _earlier(self, jail: str | None, subject: Subject) -> int:
        fresh = self._fresh.get(subject, ())
        unsaved = sum(ban.jail in self.jails if jail is None else ban.jail == jail for ban in fresh)
        try:
            return self.store.count(jail, subject) + unsaved
        except NfjailError as error:  # a ban of the wrong length is better than none
            self._store_fails(error)
            return unsaved

    def _impose(self, ban: Ban) -> list[Decision]:
        """Keeps the ban in mind; an earlier one of the same subject that is over by then is ended first."""
        before: list[Decision] = []
        jail = self.jails[ban.jail]
        old = jail.banned.get(ban.subject)
        if old is not None and old <= ban.since:
            before.append(Unban(ban.jail, ban.subject, old, EXPIRED))
        elif old is not None:
            jail.total -= 1  # it only takes the place of the other
        self._hold(ban)
        self._fresh.setdefault(ban.subject, []).append(ban)
        return [*before, ban]

    def _hold(self, ban: Ban) -> None:
        until = FOREVER if ban.until is None else ban.until
        jail = self.jails[ban.jail]
        jail.banned[ban.subject] = until
        jail.total += 1
        if until != FOREVER:
            heappush(self._ends, (until, ban.jail, ban.subject))

    def ban(
        self, jail: str, subject: Subject, seconds: float | None, reason: str, now: float, origin: Origin = "ctl"
    ) -> list[Decision]:
        """The decision to ban by hand, for so many seconds (None: for ever)."""
        until = None if seconds is None else now + seconds
        nth = self._earlier(jail, subject) + 1
        return self._impose(Ban(jail, subject, now, until, nth, origin, reason))

    def take_over(self, ban: Ban) -> list[Decision]:
        """The decision to go on with a ban that somebody else imposed."""
        return self._impose(ban)

    def unban(self, jail: str, subject: Subject, now: float, why: str) -> list[Decision]:
        """The decision to end a ban before its time; none if there is no such ban."""
        if subject not in self.jails[jail].banned:
            return []
        self.jails[jail].end(subject, now)
        return [Unban(jail, subject, now, why)]

    def free_ignored(self, now: float) -> list[Decision]:
        """The ends of bans of those who are to be ignored by now."""
        return [
            decision
            for jail in self.jails.values()
            for subject in [banned for banned in jail.banned if jail.ignore.covers(banned)]
            for decision in self.unban(jail.name, subject, now, "ignored now")
        ]

    def expire(self, now: float) -> list[Decision]:
        """The ends of all bans that are over by now."""
        ended: list[Decision] = []
        while self._ends and self._ends[0][0] <= now:
            until, name, subject = heappop(self._ends)
            jail = self.jails.get(name)
            if jail and jail.banned.get(subject) == until:  # else it was changed since
                jail.end(subject, until)
                ended.append(Unban(name, subject, until, EXPIRED))
        return ended

    def next_end(self) -> float | None:
        """When expire() will have something to do; None: never. (It may find that the ban was changed since.)"""
        return self._ends[0][0] if self._ends else None

    def carry_out(self, decisions: Sequence[Decision], now: float) -> None:
        """Stores the decisions and has the kernel follow. Never raises for trouble with either: it is kept and said.

        The kernel follows even when the store cannot: better a ban that a crash may forget than no ban.
        """
        self.save(now, decisions)
        try:
            self.kernel.apply(decisions, now)
        except NfjailError as error:
            log.warning("the firewall refused a change (%s): setting up everything anew", error)
            self.sync(now)

    def save(self, now: float, decisions: Sequence[Decision] = ()) -> None:
        """Stores decisions, those that could not be stored before, and how far the logs have been read."""
        self._unsaved.extend(decisions)
        try:
            self._commit(now)
        except NfjailError as error:
            self._store_fails(error)
            return
        if self.trouble.pop("store", None):
            log.warning("the store works again: caught up with %d decisions", len(self._unsaved))
        self._unsaved.clear()
        self._fresh.clear()

    def _store_fails(self, error: NfjailError) -> None:
        if "store" not in self.trouble:
            log.error("%s; bans still reach the kernel, and are stored as soon as possible", error)
        self.trouble["store"] = str(error)

    def _commit(self, now: float) -> None:
        try:
            self.store.commit(self._unsaved, self.positions, now)
        except StoreDamaged as error:
            log.error("%s", error)
            self.mend_store(now)

    def mend_store(self, now: float) -> None:
        """A new store in place of a damaged one, with the bans in force. Raises StoreError: then it is to be tried again."""
        known: dict[tuple[str, Subject], Ban] = {}
        with suppress(NfjailError):  # what can still be read knows more than the sets do
            known = {(ban.jail, ban.subject): ban for ban in self.store.live()}
        for decision in self._unsaved:
            if isinstance(decision, Ban):
                known[decision.jail, decision.subject] = decision
        kept = [known.get((ban.jail, ban.subject)) or ban._replace(since=now) for ban in self.bans()]
        self.store.replace(kept, self.positions, now)
        log.warning("a new store has been begun with the %d bans in force; their history is in the old file", len(kept))

    def sync(self, now: float) -> None:
        """Makes the kernel hold exactly what should be. Trouble is kept in trouble, and said."""
        try:
            self.kernel.sync(self.bans(), now)
        except NfjailError as error:
            if self.trouble.get("firewall") != str(error):
                log.error("the firewall cannot be set up, so nothing is kept out: %s", error)
            self.trouble["firewall"] = str(error)
            return
        if self.trouble.pop("firewall", None):
            log.warning("the firewall works again: all bans are in force")

    def retry(self, now: float) -> None:
        """Tries once more what is in trouble."""
        if "store" in self.trouble:
            self.save(now)
        if "firewall" in self.trouble:
            self.sync(now)
