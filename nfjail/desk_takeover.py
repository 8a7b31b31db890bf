"""Bans that somebody else imposed, fail2ban for instance, go on here: since when, until when, and for the how many-th time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nfjail.core.jail import FOREVER, Jail
from nfjail.core.model import Ban, Decision, Subject
from nfjail.desk_values import Answer, Parameters, subject_in
from nfjail.engine import Engine
from nfjail.errors import NfjailError


def taken_over(parameters: Parameters, engine: Engine, now: float) -> tuple[list[Decision], Answer]:
    """What is to be decided, and the answer. Raises NfjailError when one of them makes no sense: then none is taken."""
    ignored: list[Answer] = []
    new: dict[tuple[str, Subject], Ban] = {}
    for given in parameters["bans"]:
        jail = engine.jails.get(given["jail"])
        if jail is None:
            raise NfjailError(f"there is no jail {given['jail']!r}", f"jails: {', '.join(engine.jails)}")
        subject = _subject(given["address"], jail)
        if subject is None:
            ignored.append({"jail": jail.name, "address": given["address"]})
            continue
        ban = _ban(given, jail, subject, now)
        other = new.get((jail.name, subject))
        if _end(ban) > max(now, jail.banned.get(subject, 0.0), _end(other) if other else 0.0):
            new[jail.name, subject] = ban
    decisions = [decision for ban in new.values() for decision in engine.take_over(ban)]
    return decisions, {"taken": len(new), "ignored": ignored}


def _subject(text: str, jail: Jail) -> Subject | None:
    """Whom a ban of that address is about; None: somebody who is ignored."""
    given = subject_in(text)
    if given.prefixlen == 0:
        raise NfjailError(f"{text} is everybody", "leave it out")
    if given.is_single:
        return jail.subject_of(given.address)
    return None if jail.ignore.covers(given) or jail.ignore.touches(given) else given


def _ban(given: Mapping[str, Any], jail: Jail, subject: Subject, now: float) -> Ban:
    nth = min(max(1, given["nth"]), 1_000_000)
    return Ban(jail.name, subject, min(given["since"], now), given["until"], nth, "import", given["reason"])


def _end(ban: Ban) -> float:
    return FOREVER if ban.until is None else ban.until
