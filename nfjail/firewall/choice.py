"""Which firewall a jail's bans go to, by its banaction; both kinds can work side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from nfjail.core.model import Ban, Decision, Subject
from nfjail.errors import NfjailError
from nfjail.firewall import Firewall, FirewallError, Gate, nft
from nfjail.firewall.monitor import Monitor

D = TypeVar("D", Ban, Decision)

_KINDS = {"nftables": "nftables", "iptables": "iptables", "iptables-ipset": "iptables"}


class Settings(NamedTuple):
    """What the firewalls have to know of the configuration."""

    table: str = "nfjail"
    hook: str = "prerouting"
    priority: str | int = "raw"
    iptables: str = "iptables"
    chain: str = "INPUT"


def automatic(settings: Settings) -> str:
    """The banaction that works here: nftables, or else iptables, with ipset where it is installed."""
    no_nft = nft.available()
    if no_nft is None:
        return "nftables"
    from nfjail.firewall import iptables  # here, because few need it: the daemon is to stay small

    no_iptables = iptables.available(settings.iptables)
    if no_iptables is None:
        return "iptables-ipset" if iptables.ipset_available() is None else "iptables"
    raise FirewallError(f"no firewall can be used: nftables: {no_nft}; iptables: {no_iptables}")


class Firewalls:
    """Firewalls by kind (nftables, iptables), and which jail uses which; itself a Firewall (see nfjail.firewall)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._automatic = ""
        self._by_kind: dict[str, Firewall] = {}
        self._with_ipset = False
        self._kinds: dict[str, str] = {}  # by jail
        self.monitor: Monitor | None = None  # tells what others change, where the kernel can say it

    def choose(self, banactions: Mapping[str, str]) -> set[str]:
        """Takes each jail's banaction as configured; returns those that are used. Raises FirewallError: nothing changed.

        iptables is one firewall with ipset or without: when one jail wants ipset, all of iptables' jails get it.
        """
        if "auto" in banactions.values() and not self._automatic:
            self._automatic = automatic(self._settings)
        chosen = {jail: self._automatic if action == "auto" else action for jail, action in banactions.items()}
        used = set(chosen.values())
        made = {kind: self._make(kind, used) for kind in {_KINDS[action] for action in used}}
        self._by_kind |= made
        self._with_ipset = "iptables-ipset" in used
        self._kinds = {jail: _KINDS[action] for jail, action in chosen.items()}
        return used

    def _make(self, kind: str, used: set[str]) -> Firewall:
        """The firewall of that kind; the one that is there if it fits."""
        settings, there, ipset = self._settings, self._by_kind.get(kind), "iptables-ipset" in used
        if kind == "iptables":
            from nfjail.firewall import iptables

            if there is not None and ipset == self._with_ipset:
                return there
            return iptables.IptablesFirewall(settings.table, settings.chain, settings.iptables, ipset)
        if there is None:
            made = nft.NftFirewall(settings.table, settings.hook, settings.priority)
            self.monitor = made.monitor()
            return made
        return there

    def configure(self, gates: Sequence[Gate], ignore: Sequence[Subject]) -> None:
        for kind, firewall in self._by_kind.items():
            firewall.configure([gate for gate in gates if self._kinds[gate.jail] == kind], ignore)

    def sync(self, bans: Iterable[Ban], now: float) -> None:
        # The emptiest last: a jail that has moved is shut at its new place before it is opened at the old one.
        used = list(self._kinds.values())
        parts = self._split(bans)
        self._each(lambda kind, firewall: firewall.sync(parts.get(kind, []), now), lambda kind: -used.count(kind))

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        for kind, part in self._split(decisions).items():
            own = list(part)
            if own:
                self._by_kind[kind].apply(own, now)

    def adopt(self, now: float) -> list[Ban]:
        return [ban for firewall in self._by_kind.values() for ban in firewall.adopt(now)]

    def flush(self) -> None:
        self._each(lambda _, firewall: firewall.flush(), lambda _: 0)

    def report(self) -> Mapping[str, int]:
        return {jail: packets for firewall in self._by_kind.values() for jail, packets in firewall.report().items()}

    def kind(self, jail: str) -> str:
        """The kind that the jail uses."""
        return self._kinds[jail]

    def kinds(self) -> str:
        """The kinds in use, for the next start."""
        return " ".join(sorted(set(self._kinds.values())))

    def clear_left(self, kinds: str) -> None:
        """Removes what an earlier life of that kinds() left in a firewall that is not in use any more."""
        for kind in set(kinds.split()) & set(_KINDS.values()) - set(self._kinds.values()):
            self._make(kind, set()).flush()

    def _split(self, decisions: Iterable[D]) -> dict[str, Iterable[D]]:
        """Decisions by kind; those of jails that are no more have nobody to go to."""
        own = (decision for decision in decisions if decision.jail in self._kinds)
        used = set(self._kinds.values())
        if len(used) == 1:  # as nearly always: 100,000 bans need not all be there at once
            return {used.pop(): own}
        parts: dict[str, list[D]] = {kind: [] for kind in used}
        for decision in own:
            parts[self._kinds[decision.jail]].append(decision)
        return dict(parts)

    def _each(self, work: Callable[[str, Firewall], None], order: Callable[[str], int]) -> None:
        """Does it with every firewall, also after one has failed; then raises what went wrong."""
        troubles = []
        for kind in sorted(self._by_kind, key=order):
            try:
                work(kind, self._by_kind[kind])
            except NfjailError as error:
                troubles.append(f"{kind}: {error}")
        if troubles:
            raise FirewallError("; ".join(troubles))
