"""What the control socket's methods do: each takes the parameters that interface.py describes, and answers so."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from nfjail import __version__
from nfjail.config import Config, JailConfig
from nfjail.connection import Caller
from nfjail.core.jail import FOREVER, MANUAL, Jail
from nfjail.core.model import Decision, Subject
from nfjail.desk_settings import attempted, changed, failing, settings_info
from nfjail.desk_takeover import taken_over
from nfjail.desk_values import (
    Answer,
    Parameters,
    ban_info,
    bans_of,
    ignored_info,
    record_info,
    refuse_senseless,
    seconds_in,
    subject_in,
)
from nfjail.engine import Engine
from nfjail.errors import NfjailError
from nfjail.exempt import Exempt
from nfjail.fail2ban_log import Fail2banLog
from nfjail.firewall.choice import Firewalls
from nfjail.store import Store

log = logging.getLogger("nfjail")

_PIECE = 1000  # addresses in one reply
_RECORDS = 20  # bans that `why` tells at most


class House(Protocol):
    """What the desk needs of the daemon."""

    engine: Engine
    store: Store
    firewalls: Firewalls
    exempt: Exempt
    fail2ban_log: Fail2banLog
    started: float

    def decide(self, decisions: Sequence[Decision], now: float, again: Collection[Decision] = ()) -> None: ...
    def reload(self, now: float) -> list[str]: ...
    def ignore_anew(self, now: float) -> None: ...
    def change(self, jail: JailConfig, now: float) -> None: ...
    @property
    def config(self) -> Config: ...
    @property
    def sources(self) -> Mapping[str, list[str]]: ...


def _suspended(jails: Iterable[Jail]) -> Iterator[str]:
    for jail in jails:
        yield from jail.suspended


class Answers:
    """The desk (see nfjail.control.Desk). Whatever cannot be done raises NfjailError, and then nothing has changed."""

    def __init__(self, house: House) -> None:
        self._house = house

    def ping(self, _parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        return {"version": __version__, "pid": os.getpid()}

    def status(self, parameters: Parameters, _caller: Caller, now: float) -> Answer:
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
            "trouble": [*house.engine.trouble.values(), *_suspended(house.engine.jails.values())],
            "jails": [
                {
                    "name": jail.name,
                    "sources": list(house.sources.get(jail.name, ())),
                    "failures": jail.found,
                    "failing": failing(jail, now),
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
                    yield {"ban": ban_info(ban)}

    def addresses(self, parameters: Parameters, _caller: Caller, _now: float) -> Iterator[Answer]:
        banned = self._jail(parameters["jail"]).banned
        wanted = sorted(banned, key=banned.__getitem__) if parameters.get("by_end") else list(banned)
        return ({"addresses": list(map(str, wanted[at : at + _PIECE]))} for at in range(0, len(wanted), _PIECE))

    def why(self, parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        subject = subject_in(parameters["address"])
        return {"records": [record_info(record) for record in self._house.store.why(subject, _RECORDS)]}

    def ban(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jail = self._jail(parameters.get("jail") or MANUAL)
        subjects = [subject_in(text) for text in parameters["addresses"]]
        for subject in subjects:
            refuse_senseless(subject, jail)
        seconds = seconds_in(parameters, jail.rules.policy.bantime)
        text = parameters.get("reason")
        reason = f"uid {caller.uid}: {text}" if text else f"uid {caller.uid}"
        banned: list[Answer] = []
        decisions: list[Decision] = []
        again: list[Decision] = []
        for subject in dict.fromkeys(subjects):
            before = jail.banned.get(subject)
            made = self._house.engine.ban(jail.name, subject, seconds, reason, now)
            decisions += made
            already = before is not None and before > now
            again += made if already else ()
            was = before if already and before != FOREVER else None
            banned.append({"ban": ban_info(made[-1]), "already": already, "before": was})
        log.info("uid %d (pid %d) bans %d addresses", caller.uid, caller.pid, len(subjects))
        self._house.decide(decisions, now, again)
        self._must_hold()
        return {"banned": banned}

    def take_over(self, parameters: Parameters, _caller: Caller, now: float) -> Answer:
        decisions, answer = taken_over(parameters, self._house.engine, now)
        if decisions:
            self._house.decide(decisions, now)
        self._must_hold()
        return answer

    def unban(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jails = self._jails(parameters.get("jail"))
        texts = parameters.get("addresses")
        if texts is None and not parameters.get("jail") and not parameters.get("all"):
            raise NfjailError("nothing to unban", "give addresses, a jail, or all")
        wanted = None if texts is None else [subject_in(text) for text in texts]
        decisions: list[Decision] = []
        missing: list[str] = []
        why = f"by hand, uid {caller.uid}"
        for one in wanted or []:
            found = [(jail, banned) for jail in jails for banned in bans_of(jail, one)]
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
        subjects = [subject_in(text) for text in parameters["addresses"]]
        seconds = parameters.get("seconds")
        until = None if seconds is None else now + seconds
        reason = parameters.get("reason") or ""
        for subject in subjects:
            if subject.prefixlen == 0:
                raise NfjailError(f"{subject} is everybody", "nfjail would then do nothing: stop it instead")
            self._house.store.ignore_add(subject, until, reason, now)
        self._exempt_changed(now)
        return {"ignored": [ignored_info(subject, until, "ctl", reason) for subject in subjects]}

    def ignore_delete(self, parameters: Parameters, _caller: Caller, now: float) -> Answer:
        deleted: list[str] = []
        missing: list[str] = []
        for subject in [subject_in(text) for text in parameters["addresses"]]:
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
            "ignored": [ignored_info(subject, until, "ctl", reason) for subject, until, reason in added]
            + [ignored_info(subject, None, "config", "") for subject in fixed if subject not in mine]
        }

    def settings(self, parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        config = self._house.config
        name = parameters.get("jail")
        jails = [self._configured(name)] if name else config.enabled
        return {
            "jails": [self._settings_of(jail) for jail in jails],
            "store": self._house.store.path,
            "dbpurgeage": config.dbpurgeage,
            "fail2ban_log": config.fail2ban_log or "",
        }

    def set(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jail = changed(self._configured(parameters["jail"]), parameters)
        log.warning("uid %d (pid %d) changes jail %s until the next reload", caller.uid, caller.pid, jail.name)
        self._house.change(jail, now)
        return {"settings": self._settings_of(jail)}

    def _settings_of(self, jail: JailConfig) -> Answer:
        return settings_info(jail, self._house.config.journal_path, self._house.firewalls.kind(jail.name))

    def attempt(self, parameters: Parameters, caller: Caller, now: float) -> Answer:
        jail = self._jail(parameters["jail"])
        decisions, count = attempted(self._house.engine, jail, parameters["address"], parameters["messages"], now)
        if decisions:
            self._house.decide(decisions, now)
        log.info("uid %d (pid %d) reports failures in jail %s", caller.uid, caller.pid, jail.name)
        return {"failures": count}

    def flush_logs(self, _parameters: Parameters, _caller: Caller, now: float) -> Answer:
        self._house.fail2ban_log.reopened(now)
        return {"path": self._house.fail2ban_log.path}

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

    def _configured(self, name: str) -> JailConfig:
        """Also manual and the like have no settings: they are nobody's to change."""
        jail = self._jail(name)
        for one in self._house.config.enabled:
            if one.name == jail.name:
                return one
        raise NfjailError(f"the jail {name!r} has no settings", "it is only for bans by hand: nfjail ctl ban")

    def _jails(self, name: str | None) -> list[Jail]:
        return [self._jail(name)] if name else list(self._house.engine.jails.values())

    def _must_hold(self) -> None:
        """Somebody who bans by hand must hear that it is not in force."""
        trouble = self._house.engine.trouble.get("firewall")
        if trouble:
            raise NfjailError(f"noted, but not yet in force: {trouble}", "it is tried again every few seconds")
