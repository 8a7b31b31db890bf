"""Other programs here that write firewall rules or ban: what each of them means for nfjail's bans."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nfjail.config import Config
from nfjail.doctor import FIREWALL, Finding, note, ok, setting, warning
from nfjail.doctor.machine import Machine

_BANNERS = {  # by the name of a process of theirs
    "fail2ban-server": "fail2ban",
    "crowdsec": "crowdsec",
    "sshguard": "sshguard",
    "denyhosts": "denyhosts",
}
_CONTAINERS = {"dockerd": "docker", "conmon": "podman"}
_TO_NFTABLES = setting("default", 'banaction = "nftables"')


def others(config: Config, machine: Machine, used: set[str]) -> Iterator[Finding]:
    """used: the banactions that carry bans."""
    running = machine.processes()
    iptables = bool(used & {"iptables", "iptables-ipset"})
    checks: dict[str, Callable[[Config, bool], Finding]] = {}
    if "firewalld" in running:
        checks["firewalld"] = _firewalld
    if "ENABLED=yes" in (machine.read("/etc/ufw/ufw.conf") or "").splitlines():
        checks["ufw"] = _ufw
    for check in checks.values():
        yield check(config, iptables)
    for process, name in _CONTAINERS.items():
        if process in running:
            yield _containers(name, config, iptables)
    for process, name in _BANNERS.items():
        if process in running:
            what = f"{name} runs here, too (process {running[process]}): no harm, but each lifts only its own bans"
            yield note(FIREWALL, name, f"{what}: whom {name} has banned stays so after `nfjail ctl unban`")


def _firewalld(_config: Config, iptables: bool) -> Finding:
    if iptables:
        what = "firewalld runs: with FirewallBackend=iptables its reload removes nfjail's rules until the next ban"
        return warning(FIREWALL, "firewalld", what, *_TO_NFTABLES)
    what = "firewalld runs: what it allows does not let the banned in, and its reload leaves nfjail's table alone"
    return ok(FIREWALL, "firewalld", what)


def _ufw(_config: Config, iptables: bool) -> Finding:
    if iptables:
        what = "ufw is on, with rules in the same chain as nfjail's: after `ufw reload`, see here which of them come first"
        return note(FIREWALL, "ufw", what, *_TO_NFTABLES)
    what = "ufw is on: what it allows does not let the banned in, and its reload leaves nfjail's table alone"
    return ok(FIREWALL, "ufw", what)


def _containers(name: str, config: Config, iptables: bool) -> Finding:
    if iptables:
        what = f"{name} runs, and bans are rules in {config.iptables_chain}: "
        if config.iptables_chain in ("DOCKER-USER", "FORWARD"):
            what += "published ports are protected, this machine's own services are not"
        else:
            what += "packets for published ports of containers do not come by there"
        return warning(FIREWALL, name, what, *_TO_NFTABLES)
    if config.hook == "input":
        what = f"{name} runs, and nfjail's chain is at the hook input: published ports of containers do not come by there"
        return warning(FIREWALL, name, what, *setting("firewall", 'hook = "prerouting"'))
    what = f"{name} runs: bans hold for published ports of containers as well (hook prerouting, before DNAT)"
    return ok(FIREWALL, name, what)
