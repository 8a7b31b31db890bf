"""The nftables firewall: bans as elements with timeouts in sets of nfjail's own table, so that the kernel ends them.

It speaks to the kernel through libnftables in this process (Debian's python3-nftables), never by starting `nft`.
Every change of more than one thing is one transaction: all of it or nothing.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nfjail.core.model import EXPIRED, Ban, Decision, Subject, Unban
from nfjail.firewall import FirewallError, Gate, netlink, nft_text
from nfjail.firewall.monitor import Monitor

log = logging.getLogger("nfjail")

_MANY = 5000  # bans in one transaction
_TRIES = 3
_ASLEEP = 5.0  # seconds after its end until a ban is taken out by hand
_SEND_BUFFER = 64 * 1024 * 1024  # 1,000,000 bans need 40 MB
_FOUND = "found in the kernel"
_MISSING = "install the package python3-nftables (Debian, Ubuntu, Fedora), or write banaction = \"iptables\""
_ADVICE = {
    "Operation not permitted": "run nfjail as root, or give it the capability CAP_NET_ADMIN",
    "Message too long": "too many bans at once for an unprivileged container: raise the host's sysctl "
    "net.core.wmem_max to 4194304 (100,000 bans)",
}


def available() -> str | None:
    """None: nf_tables can be used here; else the reason why not. Changes nothing."""
    try:
        _library()
    except FirewallError as error:
        return str(error)
    return netlink.probe()


class NftFirewall:
    """Implements nfjail.firewall.Firewall with nf_tables.

    table: the name of the table (family inet) that it owns. hook: prerouting, input or forward. priority: a number
    or nft's words for one. By default packets are stopped before DNAT and conntrack: a ban on a published port of a
    container holds, and open connections are cut.
    """

    def __init__(self, table: str = "nfjail", hook: str = "prerouting", priority: str | int = "raw") -> None:
        try:
            self._names = nft_text.checked_names(table, hook, priority)
        except ValueError as error:
            raise FirewallError(str(error)) from None
        library = _library()
        reason = netlink.probe()
        if reason is not None:  # asked first, because libnftables ends the whole process if it gets no socket
            raise FirewallError("nftables cannot be used", reason)
        before = netlink.own_sockets()
        self._nft: Any = library()
        for inode, descriptor in netlink.own_sockets().items():
            if inode not in before:
                _allow_much_at_once(descriptor)
        self._dry_run(f"add table inet {table}")  # binds libnftables' socket, whose address the monitor has to know
        self._plan = nft_text.Plan({}, {}, ())  # as configured
        self._live = self._plan  # as it is in the kernel
        self._widths: dict[str, set[nft_text.Width]] = {}  # the sets that are in the kernel, by jail
        self._monitor: Monitor | None = None

    def configure(self, gates: Sequence[Gate], ignore: Sequence[Subject]) -> None:
        keys = {gate.jail: self._key(gate.jail) for gate in gates}
        self._plan = nft_text.Plan({gate.jail: gate for gate in gates}, keys, tuple(ignore))

    def sync(self, bans: Iterable[Ban], now: float) -> None:
        plan = self._plan
        groups = nft_text.grouped(self._sound(bans), plan.gates, now)
        widths = {jail: set(sets) for jail, sets in groups.items()}
        many = sum(len(elements) for sets in groups.values() for elements in sets.values()) > _MANY
        text = nft_text.table(self._names, plan, groups, netlink.counters(self._names.table))
        del groups
        self._run_many(text) if many else self._run(text)
        self._live, self._widths = plan, widths

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        decisions = [decision for decision in decisions if not _ended_by_itself(decision, now)]
        for decision in decisions:
            if isinstance(decision, Ban) and nft_text.refused(decision.subject):
                raise FirewallError(f"a ban of {decision.subject} would cut everybody off", "ban smaller networks")
            if isinstance(decision, Ban) and decision.jail not in self._widths:
                raise FirewallError(f"the jail {decision.jail} is not in the kernel yet", "sync first")
        batch = nft_text.batch(self._names, self._live, self._widths, decisions, now)
        if not batch.text:
            return
        self._run_many(batch.text) if len(decisions) > _MANY else self._run(batch.text)
        for jail, widths in batch.new.items():
            self._widths[jail] |= widths

    def adopt(self, now: float) -> list[Ban]:
        bans: list[Ban] = []
        table = self._names.table
        for name, length in netlink.timeout_sets(table).items():
            parsed = nft_text.parse_set_name(name)
            if parsed and length * 8 == nft_text.BITS[parsed[1][0]]:  # else it is somebody's own
                jail, width = nft_text.jail_of(parsed[0]), parsed[1]
                bans += [_ban(jail, width, element, now) for element in netlink.elements(table, name)]
        return bans

    def flush(self) -> None:
        self._run(nft_text.removal(self._names.table))
        self._widths = {}

    def report(self) -> Mapping[str, int]:
        stopped = netlink.counters(self._names.table)
        return {jail: stopped[key][0] for jail, key in self._live.keys.items() if key in stopped}

    def monitor(self) -> Monitor:
        """The monitor of the table. It is paused in transactions with many bans: the kernel would make an announcement of
        8 KiB for each of them (100,000 bans: 800 MB and two more seconds), and then not deliver it.
        """
        if self._monitor is None or self._monitor.fileno() < 0:  # none yet, or closed
            self._monitor = Monitor(self._names.table)
        return self._monitor

    def _run_many(self, text: str) -> None:
        """Runs it; once more if somebody else may have changed something while the monitor was paused."""
        monitor = self._monitor if self._monitor and self._monitor.fileno() >= 0 else None
        for _ in range(_TRIES):
            with monitor.paused() if monitor else contextlib.nullcontext():
                before = netlink.generation()
                self._run(text)
            if not monitor or netlink.generation() == before + 1:
                break
        else:
            log.warning("others keep changing the firewall; a change of the table %s may be missed", self._names.table)
        # libnftables keeps what it last handled until the next command, and the C library keeps what was freed
        self._run(f"add table inet {self._names.table}")
        ctypes.CDLL(None).malloc_trim(0)

    def _run(self, text: str) -> None:
        status, _, error = self._nft.cmd(text)
        if status != 0:
            words = _words(error)
            advice = next((advice for sign, advice in _ADVICE.items() if sign in words), "")
            raise FirewallError(f"nftables refused: {words}", advice)

    def _key(self, jail: str) -> str:
        try:
            key = nft_text.key_of(jail)
            if key == jail and "syntax error" in self._dry_run(f"add chain inet {self._names.table} {key}"):
                key = nft_text.key_of(jail, reserved=True)  # which words are reserved differs between nft's versions
        except ValueError as error:
            raise FirewallError(str(error)) from None
        return key

    def _dry_run(self, text: str) -> str:
        """What nft would say against it."""
        self._nft.set_dry_run(True)
        try:
            _, _, error = self._nft.cmd(text)
        finally:
            self._nft.set_dry_run(False)
        return str(error)

    def _sound(self, bans: Iterable[Ban]) -> Iterable[Ban]:
        """Without what nobody may ban: the rest must be enforced all the same."""
        for ban in bans:
            if nft_text.refused(ban.subject):
                log.error("%s: the ban of %s is not carried out: it would cut everybody off", ban.jail, ban.subject)
            else:
                yield ban


def _ended_by_itself(decision: Decision, now: float) -> bool:
    """Whether the kernel has seen to it. Long after, its clock may have stood still with the machine asleep."""
    return isinstance(decision, Unban) and decision.why == EXPIRED and now - decision.at < _ASLEEP


def _library() -> Any:
    try:
        from nftables import Nftables

        ctypes.CDLL("libnftables.so.1")
    except (ImportError, OSError) as error:
        raise FirewallError(f"libnftables cannot be loaded ({error})", _MISSING) from None
    return Nftables


def _allow_much_at_once(descriptor: int) -> None:
    """Lets libnftables' socket take as large a transaction as the host allows.

    In an unprivileged container libnftables tries in vain to force that, and then fails at about 7,000 bans.
    """
    with socket.socket(fileno=os.dup(descriptor)) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER)


def _words(error: str) -> str:
    """What the kernel or nft said, without the commands it repeats, which may be megabytes."""
    lines = [line for line in error[:100_000].splitlines() if "Error:" in line] or error[:1000].splitlines()
    said = dict.fromkeys(line.removeprefix("netlink: ").removeprefix("Error: ").strip()[:200] for line in lines)
    return "; ".join(list(said)[:3]) or "no reason given"


def _ban(jail: str, width: nft_text.Width, element: netlink.Element, now: float) -> Ban:
    since = until = None
    if element.timeout is not None and element.left is not None:
        since, until = now + element.left - element.timeout, now + element.left
    return Ban(jail, Subject(width[0], element.packed, width[1]), since or now, until, origin="kernel", reason=_FOUND)
