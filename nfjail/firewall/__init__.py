"""The kernel's side: what a jail's gate looks like, and what every firewall can do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

from nfjail.core.model import Ban, Decision, Subject
from nfjail.errors import NfjailError

Blocktype = Literal["reject", "tcp-reset", "drop"]


class FirewallError(NfjailError):
    """The kernel (or the program that speaks to it) refused; `what` holds its words."""


class Gate(NamedTuple):
    """What a firewall has to know of a jail: which packets of a banned address are stopped, and how."""

    jail: str
    ports: tuple[str, ...] = ()  # numbers and ranges, "22" or "8000-8080"; empty: all ports
    protocols: tuple[str, ...] = ("tcp",)  # "tcp", "udp", "sctp", "dccp"; empty: all protocols
    blocktype: Blocktype = "reject"


class Firewall(Protocol):
    """A copy of the store in the kernel. All methods raise FirewallError when the kernel refuses; then nothing changed."""

    def configure(self, gates: Sequence[Gate], ignore: Sequence[Subject]) -> None:
        """Which jails there are, and who is never stopped. Takes effect with the next sync."""

    def sync(self, bans: Iterable[Ban], now: float) -> None:
        """Makes the kernel hold exactly these bans and the configured gates, without a moment in which less is banned."""

    def apply(self, decisions: Sequence[Decision], now: float) -> None:
        """Carries out new decisions, all or none. Idempotent: a ban that is there takes its new end, a missing one may go."""

    def adopt(self, now: float) -> list[Ban]:
        """The bans that are in the kernel, of whatever jails (origin "kernel"): what is left when the store was lost."""

    def flush(self) -> None:
        """Removes everything of nfjail's from the kernel."""

    def report(self) -> Mapping[str, int]:
        """Packets stopped so far, by jail, as far as the kernel counts them."""
