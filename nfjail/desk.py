"""What the control socket's methods do: each takes the parameters that interface.py describes, and answers so."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from nfjail import __version__
from nfjail.connection import Caller
from nfjail.core.jail import FOREVER, MANUAL, Jail
from nfjail.core.model import Ban, Decision, Subject, parse_subject
from nfjail.engine import Engine
from nfjail.errors import NfjailError
from nfjail.exempt import Exempt
from nfjail.firewall.choice import Firewalls
from nfjail.store import Record, Store

log = logging.getLogger("nfjail")

Parameters = dict[str, Any]
Answer = dict[str, Any]
_RECORDS = 20  # bans that `why` tells at most


class House(Protocol):
    """What the desk needs of the daemon."""

    engine: Engine
    store: Store
    firewalls: Firewalls
    exempt: Exempt
    started: float

    def decide(self, decisions: Sequence[Decision], now: float) -> None: ...
    def reload(self, now: float) -> list[str]: ...
    def ignore_anew(self, now: float) -> None: ...
    @property
    def sources(self) -> Mapping[str, list[str]]: ...


class Answers:
    """The desk (see nfjail.control.Desk). Whatever cannot be done raises NfjailError, and then nothing has changed."""

    def __init__(self, house: House) -> None:
        self._house = house

    def ping(self, _parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        return {"version": __version__, "pid": os.getpid()}

    def status(self, parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        house = self._house
        jails = self._jails(parameters.get("jail"))
        try:
            refused: Mapping[str, int] = house.firewalls.report()
        except NfjailError:
            refused = {}
        return {
            "version": __version__,
            "pid": os.getpid(),
            "since": house.started,
            "trouble": list(house.engine.trouble.values()),
            "jails": [
                {
                    "name": jail.name,
                    "sources": list(house.sources.get(jail.name, ())),
                    "failures": jail.found,
                    "banned": len(jail.banned),
                    "total": jail.total,
                    "refused": refused.get(jail.name),
                }
                for jail in jails
            ],
        }

    def list_bans(self, parameters: Parameters, _caller: Caller, _now: float) -> Iterator[Answer]:
        # The names only: 100,000 bans with all that is known of them would be 50 MB.
        wanted = [(jail.name, list(jail.banned)) for jail in self._jails(parameters.get("jail"))]
        return self._listed(wanted)

    def _listed(self, wanted: Sequence[tuple[str, Sequence[Subject]]]) -> Iterator[Answer]:
        for name, subjects in wanted:
            for subject in subjects:
                ban = self._house.store.find(name, subject)
                if ban is not None:  # else it has ended meanwhile
                    yield {"ban": _ban(ban)}

    def why(self, parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        subject = _subject(parameters["address"])
        return {"records": [_record(record) for record in self._house.store.why(subject, _RECORDS)]}

    def ban(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jail = self._jail(parameters.get("jail") or MANUAL)
        subjects = [_subject(text) for text in parameters["addresses"]]
        for subject in subjects:
            _refuse_senseless(subject, jail)
        seconds = _seconds(parameters, jail.rules.policy.bantime)
        text = parameters.get("reason")
        reason = f"uid {caller.uid}: {text}" if text else f"uid {caller.uid}"
        banned, decisions = [], []
        for subject in dict.fromkeys(subjects):
            before = jail.banned.get(subject)
            made = self._house.engine.ban(jail.name, subject, seconds, reason, now)
            decisions += made
            already = before is not None and before > now
            was = before if already and before != FOREVER else None
            banned.append({"ban": _ban(made[-1]), "already": already, "before": was})
        log.info("uid %d (pid %d) bans %d addresses", caller.uid, caller.pid, len(subjects))
        self._house.decide(decisions, now)
        self._must_hold()
        return {"banned": banned}

    def unban(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jails = self._jails(parameters.get("jail"))
        texts = parameters.get("addresses")
        if texts is None and not parameters.get("jail") and not parameters.get("all"):
            raise NfjailError("nothing to unban", "give addresses, a jail, or all")
        wanted = None if texts is None else [_subject(text) for text in texts]
        decisions: list[Decision] = []
        missing: list[str] = []
        why = f"by hand, uid {caller.uid}"
        for one in wanted or []:
            found = [(jail, banned) for jail in jails for banned in _bans_of(jail, one)]
            for jail, banned in found:
                decisions += self._house.engine.unban(jail.name, banned, now, why)
            if not found:
                missing.append(str(one))
        if wanted is None:
            for jail in jails:
                for banned in list(jail.banned):
                    decisions += self._house.engine.unban(jail.name, banned, now, why)
        if decisions:
            self._house.decide(decisions, now)
        bans = [{"jail": one.jail, "address": str(one.subject)} for one in decisions] if wanted is not None else []
        return {"count": len(decisions), "bans": bans, "missing": missing}

    def ignore_add(self, parameters: Parameters, _caller: Caller, now: float) -> Answer:
        subjects = [_subject(text) for text in parameters["addresses"]]
        seconds = parameters.get("seconds")
        until = None if seconds is None else now + seconds
        reason = parameters.get("reason") or ""
        for subject in subjects:
            if subject.prefixlen == 0:
                raise NfjailError(f"{subject} is everybody", "nfjail would then do nothing: stop it instead")
            self._house.store.ignore_add(subject, until, reason, now)
        self._exempt_changed(now)
        return {"ignored": [_ignored(subject, until, "ctl", reason) for subject in subjects]}

    def ignore_delete(self, parameters: Parameters, _caller: Caller, now: float) -> Answer:
        deleted: list[str] = []
        missing: list[str] = []
        for subject in [_subject(text) for text in parameters["addresses"]]:
            (deleted if self._house.store.ignore_delete(subject) else missing).append(str(subject))
        self._exempt_changed(now)
        return {"deleted": deleted, "missing": missing}

    def _exempt_changed(self, now: float) -> None:
        """Before the answer: who asked may rely on it."""
        self._house.exempt.touch()
        self._house.ignore_anew(now)

    def ignore_list(self, _parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        added = self._house.store.ignored()
        mine = {subject for subject, _, _ in added}
        fixed = {subject: jail.name for jail in self._house.engine.jails.values() for subject in jail.ignore.subjects}
        return {
            "ignored": [_ignored(subject, until, "ctl", reason) for subject, until, reason in added]
            + [_ignored(subject, None, "config", "") for subject in fixed if subject not in mine]
        }

    def reload(self, _parameters: Parameters, caller: Caller, now: float) -> Answer:
        log.info("uid %d (pid %d) reloads", caller.uid, caller.pid)
        return {"jails": self._house.reload(now)}

    def flush(self, _parameters: Parameters, caller: Caller, now: float) -> Answer:
        engine = self._house.engine
        why = f"flushed by uid {caller.uid}"
        decisions = [
            decision
            for jail in engine.jails.values()
            for subject in list(jail.banned)
            for decision in engine.unban(jail.name, subject, now, why)
        ]
        engine.save(now, decisions)
        self._house.firewalls.flush()
        log.warning("uid %d (pid %d) flushed %d bans", caller.uid, caller.pid, len(decisions))
        return {"count": len(decisions)}

    def _jail(self, name: str) -> Jail:
        jails = self._house.engine.jails
        if name not in jails:
            raise NfjailError(f"there is no jail {name!r}", f"there are: {', '.join(sorted(jails))}")
        return jails[name]

    def _jails(self, name: str | None) -> list[Jail]:
        return [self._jail(name)] if name else list(self._house.engine.jails.values())

    def _must_hold(self) -> None:
        """Somebody who bans by hand must hear that it is not in force."""
        trouble = self._house.engine.trouble.get("firewall")
        if trouble:
            raise NfjailError(f"noted, but not yet in force: {trouble}", "it is tried again every few seconds")


def _subject(text: str) -> Subject:
    try:
        return parse_subject(text)
    except ValueError as error:
        raise NfjailError(str(error), "write 192.0.2.7, 2001:db8::1, or a network such as 192.0.2.0/24") from None


def _refuse_senseless(subject: Subject, jail: Jail) -> None:
    if subject.prefixlen == 0:
        raise NfjailError(f"{subject} is everybody", "ban smaller networks")
    if jail.ignore.covers(subject):
        raise NfjailError(
            f"{subject} is ignored in jail {jail.name}: it is in ignoreip, or one of this machine's own addresses",
            "see: nfjail ctl ignore list",
        )


def _seconds(parameters: Parameters, default: float | None) -> float | None:
    """How long to ban; None: for ever."""
    if parameters.get("forever"):
        return None
    seconds = parameters.get("seconds")
    if seconds is None:
        return default
    if seconds <= 0:
        raise NfjailError("a ban must last longer than nothing", "give its length in seconds, or ban for ever")
    return float(seconds)


def _bans_of(jail: Jail, one: Subject) -> list[Subject]:
    """The bans that unbanning `one` ends: its own, those inside of it, and the one of its IPv6 network."""
    if one.is_single:
        network = one.widened(jail.rules.ipv6_prefix) if one.family == 6 else one
        return [subject for subject in dict.fromkeys((one, network)) if subject in jail.banned]
    return [subject for subject in jail.banned if one.covers(subject)]


def _ban(ban: Decision) -> Answer:
    assert isinstance(ban, Ban)
    return {
        "jail": ban.jail,
        "address": str(ban.subject),
        "since": ban.since,
        "until": ban.until,
        "nth": ban.nth,
        "origin": ban.origin,
        "reason": ban.reason,
    }


def _record(record: Record) -> Answer:
    evidence = [
        {"time": one.time, "message": one.message, "position": one.position, "pattern": one.pattern}
        for one in record.ban.evidence
    ]
    return {
        "ban": _ban(record.ban),
        "ended": record.ended_at,
        "why": record.ended_why or None,
        "evidence": evidence,
    }


def _ignored(subject: Subject, until: float | None, origin: str, reason: str) -> Answer:
    return {"address": str(subject), "until": until, "origin": origin, "reason": reason}
