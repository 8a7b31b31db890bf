"""Repeat offenders: what the bans by all jails amount to for one that counts them instead of lines (recidive)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from nfjail.core.duration import format_duration
from nfjail.core.model import Ban, Failure

HISTORY = "history"  # where the evidence comes from, in place of a place in a log


def counted(bans: Iterable[Ban], since: float, apart: Collection[str]) -> list[Ban]:
    """Those that count, in their order: imposed by a filter since then, and not by the jails named in apart.

    What somebody banned by hand, or took over from elsewhere, is no offence that was seen here.
    """
    found = [ban for ban in bans if ban.origin == "filter" and ban.since >= since and ban.jail not in apart]
    return sorted(found, key=lambda ban: ban.since)


def as_failures(bans: Sequence[Ban]) -> tuple[tuple[Failure, ...], str]:
    """The bans as the evidence of another one, and its reason: `5 bans in 3h`."""
    evidence = [Failure(one.since, one.subject, f"{one.jail}: banned ({one.reason})", HISTORY, -1, {}) for one in bans]
    span = format_duration(bans[-1].since - bans[0].since)
    return tuple(evidence), f"{len(bans)} ban{'s' if len(bans) > 1 else ''} in {span}"
