"""What goes over the desk, as interface.py describes it: made of the daemon's values, and turned into them."""

from __future__ import annotations

from typing import Any

from nfjail.core.jail import Jail
from nfjail.core.model import Ban, Decision, Subject, parse_subject
from nfjail.errors import NfjailError
from nfjail.store import Record

Parameters = dict[str, Any]
Answer = dict[str, Any]


def subject_in(text: str) -> Subject:
    try:
        return parse_subject(text)
    except ValueError as error:
        raise NfjailError(str(error), "write 192.0.2.7, 2001:db8::1, or a network such as 192.0.2.0/24") from None


def refuse_senseless(subject: Subject, jail: Jail) -> None:
    if subject.prefixlen == 0:
        raise NfjailError(f"{subject} is everybody", "ban smaller networks")
    if jail.ignore.covers(subject):
        raise NfjailError(
            f"{subject} is ignored in jail {jail.name}: it is in ignoreip, or one of this machine's own addresses",
            "see: nfjail ctl ignore list",
        )


def seconds_in(parameters: Parameters, default: float | None) -> float | None:
    """How long to ban; None: for ever."""
    if parameters.get("forever"):
        return None
    seconds = parameters.get("seconds")
    if seconds is None:
        return default
    if seconds <= 0:
        raise NfjailError("a ban must last longer than nothing", "give its length in seconds, or ban for ever")
    return float(seconds)


def bans_of(jail: Jail, one: Subject) -> list[Subject]:
    """The bans that unbanning `one` ends: its own, those inside of it, and the one of its IPv6 network."""
    if one.is_single:
        network = one.widened(jail.rules.ipv6_prefix) if one.family == 6 else one
        return [subject for subject in dict.fromkeys((one, network)) if subject in jail.banned]
    return [subject for subject in jail.banned if one.covers(subject)]


def ban_info(ban: Decision) -> Answer:
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


def record_info(record: Record) -> Answer:
    evidence = [
        {"time": one.time, "message": one.message, "position": one.position, "pattern": one.pattern}
        for one in record.ban.evidence
    ]
    return {
        "ban": ban_info(record.ban),
        "ended": record.ended_at,
        "why": record.ended_why or None,
        "evidence": evidence,
    }


def ignored_info(subject: Subject, until: float | None, origin: str, reason: str) -> Answer:
    return {"address": str(subject), "until": until, "origin": origin, "reason": reason}
