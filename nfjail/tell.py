"""What is said of failures and bans: one sentence for the log, and one event for those who watch."""

from __future__ import annotations

from typing import Any

from nfjail.core.duration import format_duration
from nfjail.core.model import Ban, Decision
from nfjail.engine import Counted

_ORDINALS = {1: "st", 2: "nd", 3: "rd"}


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, 11th, 21st ..."""
    tens, ones = divmod(number, 10)
    return f"{number}{'th' if tens % 10 == 1 else _ORDINALS.get(ones, 'th')}"


def ban_sentence(decision: Decision) -> str:
    """`sshd: banned 192.0.2.7 for 20m (3 failures in 41s; 2nd ban)`"""
    if not isinstance(decision, Ban):
        return f"{decision.jail}: unbanned {decision.subject} ({decision.why})"
    length = None if decision.until is None else decision.until - decision.since
    reasons = [decision.reason] if decision.reason else []
    if decision.origin == "ctl":
        reasons.insert(0, "by hand")
    if decision.nth > 1:
        reasons.append(f"{ordinal(decision.nth)} ban")
    why = f" ({'; '.join(reasons)})" if reasons else ""
    lasting = "for ever" if length is None else f"for {format_duration(length)}"
    return f"{decision.jail}: banned {decision.subject} {lasting}{why}"


def failure_sentence(counted: Counted) -> str:
    """`sshd: failure of 192.0.2.7 as root (2 of 3)`"""
    user = counted.failure.fields.get("user")
    named = f" as {user}" if user else ""
    return f"{counted.jail}: failure of {counted.failure.subject}{named} ({counted.failures} of {counted.maxretry})"


def ban_event(decision: Decision) -> dict[str, Any]:
    """A ban or its end as io.nfjail.Event (interface.py)."""
    event: dict[str, Any] = {"jail": decision.jail, "address": str(decision.subject)}
    if isinstance(decision, Ban):
        until, nth, origin = decision.until, decision.nth, decision.origin
        event |= {"event": "ban", "time": decision.since, "until": until, "nth": nth, "origin": origin}
        return event | {"text": decision.reason}
    return event | {"event": "unban", "time": decision.at, "text": decision.why}


def failure_event(counted: Counted) -> dict[str, Any]:
    """A failure as io.nfjail.Event (interface.py)."""
    failure = counted.failure
    return {
        "event": "failure",
        "time": failure.time,
        "jail": counted.jail,
        "address": str(failure.subject),
        "text": failure.message,
    }
