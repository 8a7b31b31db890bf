"""A jail: its filter's failures are counted here, and enough of them in findtime make a ban."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.model import Failure, Subject, parse_address
from nfjail.core.policy import Policy
from nfjail.core.spec import FilterSpec
from nfjail.core.window import Window

if TYPE_CHECKING:  # half a megabyte, which only filters in fail2ban's language need
    from nfjail.core.recognise import Recogniser
    from nfjail.core.suspects import Suspect

FOREVER = float("inf")
MANUAL = "manual"  # the jail of bans by hand: all ports, no filter

_LOGS = 256  # in which a jail follows sessions; as many files as that are hardly written to at the same time
_NOTHING = "^(?!)<HOST>"  # a failregex that fits no line
_ORDINARY = 1000  # characters of a line, and more than nearly all have
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
    spec: FilterSpec | None = None  # in place of the filter: one in fail2ban's language
    history: bool = False  # it has no filter: it counts the bans of other jails


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
        self.longest = FOREVER  # characters of a line; what is longer is not looked at
        self.suspended: list[str] = []  # what of the filter, and why, for people
        self._new_recogniser = _recogniser(rules.spec) if rules.spec else None
        self._recognisers: dict[str, Recogniser] = {}

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

    def recogniser(self, log: str) -> Recogniser:
        """The spec at work on that log (a file's path, or any other name), which knows what it has been fed of it."""
        found = self._recognisers.get(log)
        if found is None:
            assert self._new_recogniser is not None
            if len(self._recognisers) >= _LOGS:
                del self._recognisers[next(iter(self._recognisers))]
            found = self._recognisers[log] = self._new_recogniser.another()
        return found

    def suspend(self, suspect: Suspect | None, length: int) -> None:
        """Does without what takes too long for a line of that length. None: that is no pattern by itself, but all of them.

        A failregex is no longer looked for. But if only a very long line makes it slow, nobody shall be rid of it by writing
        one; and without another part of the filter, the wrong ones could be banned. Then long lines are not looked at.
        """
        what = f"{suspect.which}[{suspect.place}] {suspect.text!r}" if suspect else "its filter"
        slow = f"{self.name}: {what} takes too long for a line of {length} characters"
        if suspect and suspect.which == "failregex" and length <= _ORDINARY:
            self._do_without(suspect.place)
            self.suspended.append(f"{slow}: it is suspended until the next reload")
            return
        self.longest = length // 2
        self.suspended.append(f"{slow}: the jail is blind for lines of more than {self.longest} until the next reload")

    def _do_without(self, failregex: int) -> None:
        filter, spec = self.rules.filter, self.rules.spec
        if spec is None or self._new_recogniser is None:
            failregex_left = _without(filter.failregex, failregex)
            left = Filter(filter.name, failregex_left, filter.ignoreregex, [*filter.identifier], filter.datepattern)
            self.rules = self.rules._replace(filter=left)
            return
        self.rules = self.rules._replace(spec=spec._replace(failregex=_without(spec.failregex, failregex)))
        self._new_recogniser = self._new_recogniser.without(failregex)
        self._recognisers = {log: one.without(failregex) for log, one in self._recognisers.items()}

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
        subject = subjects[host] = self._parsed(host)
        return subject

    def _parsed(self, host: str) -> Subject | None:
        single = parse_address(host)
        return None if single is None else self.judge(single)

    def judge(self, subject: Subject) -> Subject | None:
        """The same for an address or a network, as such. A network of which a part is ignored is nobody."""
        if self._ignore.covers(subject) or (not subject.is_single and self._ignore.touches(subject)):
            return None
        if subject.family == 4 or self.rules.ipv6_prefix == 128:
            return subject
        network = subject.widened(self.rules.ipv6_prefix)
        return subject if subject.is_link_local or self._ignore.touches(network) else network

    def see(self, failure: Failure) -> int:
        """Counts a failure; returns how many there are now (maxretry: a ban is due), or 0 if it does not count.

        What happened before the end of a ban has been paid for by it, even when it is read later, or once more.
        """
        time, subject = failure[0], failure[1]
        if time < self.banned.get(subject, 0.0) or time < self._ended.get(subject, 0.0):
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
        if self.rules.spec == old.rules.spec and not old.suspended:
            self._recognisers = old._recognisers


def _recogniser(spec: FilterSpec) -> Recogniser:
    from nfjail.core.recognise import Recogniser  # see above

    return Recogniser(spec)


def _without(failregex: Sequence[str], index: int) -> tuple[str, ...]:
    """All but one of them. The others keep their numbers."""
    return (*failregex[:index], _NOTHING, *failregex[index + 1 :])
