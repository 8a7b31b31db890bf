"""Bans in the kernel's ipsets: one hash set with timeouts per jail and family, which one rule of iptables refers to.

hash:net, because a ban may be of a network or an IPv6 /64. All changes go through `ipset -exist restore`: with -exist
an address that is there takes its new timeout, and a missing one may be deleted (ipset(8)).
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterable, Mapping, Sequence

from nfjail.core.model import Subject, parse_subject
from nfjail.errors import NfjailError
from nfjail.firewall import FirewallError
from nfjail.firewall.program import run

log = logging.getLogger("nfjail")

LONGEST = 2_147_483  # seconds: UINT_MAX / 1000 / 2, the longest timeout (ipset(8)); 24.8 days
_MOST = 16_777_216  # maxelem only bounds a set, it reserves nothing; must stay the same, or an existing set is refused
_FAMILY = {4: "inet", 6: "inet6"}
_PATIENCE = 20  # tries of 50 ms: nf_tables lets go of a set only some time after the rule that used it has gone


def ipset_available() -> str | None:
    """None when ipset works here; else why not."""
    try:
        run(["ipset", "list", "-n"])
    except NfjailError as problem:
        return str(problem)
    return None


def seconds_left(until: float | None, now: float) -> int:
    """The timeout for a ban that ends at until: whole seconds, 0 (no end) where the kernel cannot count as far."""
    if until is None or until - now > LONGEST:
        return 0  # the daemon's own clock ends it
    return max(1, math.ceil(until - now))


def replacement(name: str, spare: str, family: int, timeouts: Mapping[Subject, int]) -> list[str]:
    """The lines for restore that make the set hold exactly these; they make it if it is missing.

    The new content is swapped in: at each moment either the old or the new is there.
    """
    room = 1024
    while room < len(timeouts):
        room *= 2
    kind = f"hash:net family {_FAMILY[family]} timeout 0 maxelem {_MOST}"
    lines = [f"create {name} {kind}", f"create {spare} {kind} hashsize {room}", f"flush {spare}"]
    lines += [addition(spare, subject, timeout) for subject, timeout in timeouts.items()]
    return [*lines, f"swap {spare} {name}", f"destroy {spare}"]


def addition(name: str, subject: Subject, timeout: int) -> str:
    """The line for restore that adds subject, or gives it a new timeout."""
    return f"add {name} {subject} timeout {timeout}"


def restore(lines: Sequence[str]) -> None:
    """Carries the lines out one after the other; what stood before a refused one is done."""
    run(["ipset", "-exist", "restore"], "\n".join((*lines, "")))


def content(name: str) -> dict[Subject, int]:
    """What the set holds, with the seconds that are left (0: no end). Empty when there is no such set."""
    try:
        text = run(["ipset", "save", name])
    except FirewallError as problem:
        if "does not exist" in problem.what:
            return {}
        raise
    found = (line.split() for line in text.splitlines() if line.startswith("add "))
    return {parse_subject(words[2]): int(words[words.index("timeout") + 1]) for words in found if "timeout" in words}


def remove(names: Iterable[str]) -> None:
    """Removes the sets. One that somebody else's rules still use is emptied, and named in the log."""
    left = sorted(set(run(["ipset", "list", "-n"]).split()).intersection(names))
    for _ in range(_PATIENCE):
        left = [name for name in left if not _destroyed(name)]
        if not left:
            return
        time.sleep(0.05)
    restore([f"flush {name}" for name in left])
    log.warning("left empty, because rules that are not nfjail's use them: %s", ", ".join(left))


def _destroyed(name: str) -> bool:
    try:
        run(["ipset", "destroy", name])
    except FirewallError as problem:
        if "in use" not in problem.what:
            raise
        return False
    return True
