"""Which firewall a jail's bans go to, by its banaction; several can work side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, TypeVar

from nfjail.core.model import Ban, Decision, Subject
from nfjail.errors import NfjailError
from nfjail.firewall import Firewall, FirewallError, Gate, iptables, nft

D = TypeVar("D", Ban, Decision)


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
    no_iptables = iptables.available(settings.iptables)
    if no_iptables is None:
        return "iptables-ipset" if iptables.ipset_available() is None else "iptables"
    raise FirewallError(f"no firewall can be used: nftables: {no_nft}; iptables: {no_iptables}")


def _make(banaction: str, settings: Settings) -> Firewall:
    makers: dict[str, Callable[[], Firewall]] = {
        "nftables": lambda: nft.NftFirewall(settings.table, settings.hook, settings.priority),
        "iptables": lambda: iptables.IptablesFirewall(settings.table, settings.chain, settings.iptables),
        "iptables-ipset": lambda: iptables.IptablesFirewall(settings.table, settings.chain, settings.iptables, True),
    }
    return makers[banaction]()


class Firewalls:
    """Firewalls by banaction, and which jail uses which; itself a Firewall (see nfjail.firewall)."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._automatic = ""
        self._by_action: dict[str, Firewall] = {}
        self._actions: dict[str, str] = {}

    def choose(self, banactions: Mapping[str, str]) -> Mapping[str, str]:
        """Takes each jail's banaction as configured; returns those that are used. Raises FirewallError."""
        if "auto" in banactions.values() and not self._automatic:
            self._automatic = automatic(self._settings)
        chosen = {jail: self._automatic if action == "auto" else action for jail, action in banactions.items()}
        for action in set(chosen.values()) - set(self._by_action):
            self._by_action[action] = _make(action, self._settings)
        self._actions = chosen
        return chosen

    def configure(self, gates: Sequence[Gate], ignore: Sequence[Subject]) -> None:
        for action, firewall in self._by_action.items():
            firewall.configure([gate for gate in gates if self._actions[gate.jail] == action], ignore)

    def sync(self, bans: Iterable[Ban], now: float) -> None:
        parts = self._split(bans)
        self._each(lambda action, firewall: firewall.sync(parts.get(action, []), now))

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        for action, part in self._split(decisions).items():
            own = list(part)
            if own:
                self._by_action[action].apply(own, now)

    def adopt(self, now: float) -> list[Ban]:
        return [ban for firewall in self._by_action.values() for ban in firewall.adopt(now)]

    def flush(self) -> None:
        self._each(lambda _, firewall: firewall.flush())

    def report(self) -> Mapping[str, int]:
        return {jail: packets for firewall in self._by_action.values() for jail, packets in firewall.report().items()}

    def _split(self, decisions: Iterable[D]) -> dict[str, Iterable[D]]:
        """Decisions by banaction; those of jails that are no more have nobody to go to."""
        own = (decision for decision in decisions if decision.jail in self._actions)
        used = set(self._actions.values())
        if len(used) == 1:  # as nearly always: 100,000 bans need not all be there at once
            return {used.pop(): own}
        parts: dict[str, list[D]] = {action: [] for action in used}
        for decision in own:
            parts[self._actions[decision.jail]].append(decision)
        return dict(parts)

    def _each(self, work: Callable[[str, Firewall], None]) -> None:
        """Does it with every firewall, also after one has failed; then raises what went wrong."""
        troubles = []
        for action, firewall in self._by_action.items():
            try:
                work(action, firewall)
            except NfjailError as error:
                troubles.append(f"{action}: {error}")
        if troubles:
            raise FirewallError("; ".join(troubles))
