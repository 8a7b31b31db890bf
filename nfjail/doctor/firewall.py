"""Which firewall carries the bans, what of it is in the kernel, and what of others' rules gets in its way."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nfjail.config import Config
from nfjail.core.model import Subject
from nfjail.doctor import FIREWALL, Finding, listed, note, ok, problem, ruleset, setting, warning
from nfjail.doctor.machine import Machine
from nfjail.errors import NfjailError
from nfjail.firewall.ipt_rules import Site, understand

_FLUSH = re.compile(r"^[ \t]*flush\s+ruleset", re.MULTILINE)
_FILES = ("/etc/nftables.conf", "/etc/sysconfig/nftables.conf")  # Debian's, Fedora's: what nftables.service loads


class Tried(NamedTuple):
    """Which banactions can be used here. Each raises NfjailError, or returns the reason why not."""

    automatic: Callable[[], str]
    nftables: Callable[[], str | None]
    iptables: Callable[[], str | None]


def banactions(config: Config, machine: Machine, tried: Tried) -> tuple[list[Finding], set[str]]:
    """Whether what the jails ask for works here; and what is used, as far as it can be told."""
    found: list[Finding] = []
    used: set[str] = set()
    for action in dict.fromkeys(jail.banaction for jail in config.enabled):
        if not machine.is_root:
            used |= set() if action == "auto" else {action}
            what = "only root can try the firewall, so neither it nor others' rules were looked at"
            found = [note(FIREWALL, "firewall-unseen", what, "sudo nfjail doctor")]
            continue
        try:
            chosen: str = action
            reason = None
            if action == "auto":
                chosen = tried.automatic()
            else:
                reason = tried.nftables() if action == "nftables" else tried.iptables()
        except NfjailError as error:
            found.append(problem(FIREWALL, "banaction", f"banaction {action}: {error}", *_missing(machine)))
            continue
        if reason:
            found.append(problem(FIREWALL, "banaction", f"banaction {action} cannot be used: {reason}", *_missing(machine)))
            continue
        used.add(chosen)
        found.append(_works(action, chosen))
    return found, used


def _works(action: str, chosen: str) -> Finding:
    if action == "auto" and chosen != "nftables":
        what = f"bans go to {chosen}, as nftables cannot be used here: slower, and published ports of containers stay open"
        return note(FIREWALL, "banaction", what, "apt install python3-nftables (dnf install python3-nftables)")
    return ok(FIREWALL, "banaction", f"bans go to {chosen}" + (" (banaction auto)" if action == "auto" else ""))


def _missing(machine: Machine) -> Sequence[str]:
    """Why a kernel that should have nf_tables may not have it."""
    release = (machine.read("/proc/sys/kernel/osrelease") or "").strip()
    if release and not machine.in_container and not machine.exists(f"/lib/modules/{release}") and machine.names("/lib/modules"):
        return (f"the modules of the running kernel ({release}) are gone, as after an update: reboot",)
    return ()


def rules(config: Config, machine: Machine, used: set[str], running: bool) -> Iterator[Finding]:
    """What nftables holds: nfjail's table, and what of others' comes before it."""
    if not machine.is_root:
        return
    answer = machine.run(["nft", "-j", "-t", "list", "ruleset"])
    found = ruleset.read(answer.out) if answer and answer.status == 0 else None
    if found is None:
        said = answer.err.strip().splitlines()[:1] if answer else []
        why = said[0] if said else "the program nft is not installed, or says nothing"
        advice = () if said else ("apt install nftables (dnf install nftables)",)
        yield note(FIREWALL, "rules-unseen", f"others' rules could not be looked at: {why}", *advice)
        return
    if "nftables" in used:
        yield from ruleset.own_table(found, config.table, config.hook, config.priority, running)
        yield from ruleset.foreign(found, config.table, config.hook, config.priority)
    legacy = (machine.read("/proc/net/ip_tables_names") or "").split()
    if legacy and any(name != config.table for _, name in found.tables):
        what = f"iptables-legacy (tables {', '.join(legacy)}) and nftables are in use side by side: both hold"
        yield note(FIREWALL, "legacy", f"{what}, and each shows only its own rules", "iptables-legacy -S; nft list ruleset")


def iptables(config: Config, machine: Machine, used: set[str], running: bool) -> Iterator[Finding]:
    """With banaction iptables: whether packets come by nfjail's rules first."""
    if not machine.is_root or not used & {"iptables", "iptables-ipset"}:
        return
    site = Site(config.table, config.iptables_chain, "iptables-ipset" in used)
    for command in (config.iptables, config.iptables.replace("iptables", "ip6tables", 1)):
        answer = machine.run([f"{command}-save", "-c", "-t", "filter"])
        if answer is None or answer.status != 0:
            yield note(FIREWALL, "iptables-unseen", f"{command} could not be asked for its rules")
            continue
        seen = understand(answer.out, site)
        if not seen.jumps:
            what = f"{command}: no rule of the chain {site.hook} leads to nfjail's: nobody is kept out"
            yield (problem if running else note)(FIREWALL, "jump-missing", what, *(["nfjail ctl reload"] if running else []))
        elif not seen.first or seen.jumps[0] != site.hook:
            first = next((line for line in answer.out.splitlines() if f" -A {site.hook} " in line), "").partition("-A ")[2]
            what = f"{command}: another rule stands before nfjail's in {site.hook} ({first}): what it accepts gets past bans"
            yield warning(FIREWALL, "jump-late", what, "nfjail ctl reload")
        else:
            yield ok(FIREWALL, "jump-first", f"{command}: nfjail's rule is the first of the chain {site.hook}")


def reloads(machine: Machine, running: bool) -> Iterator[Finding]:
    """nftables.service, where restarting it empties all tables."""
    for path in _FILES:
        if not _FLUSH.search(machine.read(path) or "") or not _enabled("nftables.service", machine):
            continue
        what = f"{path} says `flush ruleset`: whenever nftables.service is restarted or stopped, nfjail's table goes, too"
        then = "nfjail puts it back at once" if running else "while nfjail does not run, the bans are gone until it starts"
        yield note(FIREWALL, "flush-ruleset", f"{what}; {then}", f"in {path}: delete only the tables of your own instead")


def _enabled(unit: str, machine: Machine) -> bool:
    return bool(machine.glob(f"/etc/systemd/system/*.wants/{unit}"))


def xdp(machine: Machine) -> Iterator[Finding]:
    answer = machine.run(["ip", "-j", "link"])
    try:
        links = json.loads(answer.out) if answer and answer.status == 0 else []
    except ValueError:
        links = []
    names = [str(link.get("ifname")) for link in links if link.get("xdp") or link.get("xdpgeneric")]
    if names:
        what = f"an XDP program is at {listed(names)}: packets that it answers or redirects itself never come to nfjail's rules"
        yield note(FIREWALL, "xdp", what, "ip link; bpftool net")


def own_connection(config: Config, clients: Sequence[Subject], ignored: Sequence[Subject]) -> Iterator[Finding]:
    """clients: where the SSH connections come from in which the command runs. ignored: by `nfjail ctl ignore`."""
    for client in clients:
        jails = [
            jail.name
            for jail in config.enabled
            if not jail.ignore_names and not any(one.covers(client) for one in (*jail.ignoreip, *ignored))
        ]
        if jails:
            what = f"you are logged in from {client}, which is in no ignoreip of {listed(jails)}: wrong passwords ban you, too"
            for_good = setting("default", f'ignoreip = ["{client}"]')
            yield note(FIREWALL, "own-address", what, f"nfjail ctl ignore add {client}", "or for good,", *for_good)
