"""`nfjail doctor`: what of this machine nfjail protects, what it cannot see, and what gets in its way. It changes nothing."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from itertools import chain

from nfjail.assembly import settings_of
from nfjail.cli.check_service import UNIT, Service, as_user, service, troubles
from nfjail.cli.ctl_client import Client, NotRunningError
from nfjail.cli.ctl_lockout import own_addresses
from nfjail.cli.doctor_output import needs_attention, say, say_as_json
from nfjail.config import Config, load
from nfjail.core.model import Subject, parse_subject
from nfjail.doctor import Finding, clock, files, firewall, journal, kernel, others, services
from nfjail.doctor.itself import Daemon, itself
from nfjail.doctor.machine import Machine
from nfjail.errors import NfjailError
from nfjail.firewall import choice, nft
from nfjail.presence import present

HELP = "look for what nfjail cannot see or do on this machine"
EXAMPLES = """\
  nfjail doctor                       all there is to tell; it changes nothing
  nfjail doctor && echo well          exit code 1 when something needs attention
  nfjail doctor --json | jq '.findings[] | select(.mark == "warning").what'"""

_STATE = "where bans are kept (default: /var/lib/nfjail)"
_RUNTIME = "where the daemon's control socket is (default: /run/nfjail)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="read DIR/conf.d/*.toml (default: /etc/nfjail)")
    parser.add_argument("--state", metavar="DIR", default="/var/lib/nfjail", help=_STATE)
    parser.add_argument("--runtime", metavar="DIR", default="/run/nfjail", help=_RUNTIME)
    parser.add_argument("--json", action="store_true", help="answer in JSON, one object")


def main(args: argparse.Namespace) -> int:
    """Exit code 0; 1 when there are warnings or problems. Raises ConfigError (78)."""
    config = load(args.config, runtime=os.path.join(args.runtime, "conf.d"))
    machine = Machine(time.time())
    found = list(examine(config, machine, args))
    (say_as_json if args.json else say)(found, machine)
    return 1 if needs_attention(found) else 0


def examine(config: Config, machine: Machine, args: argparse.Namespace) -> Iterator[Finding]:
    """All findings, section by section."""
    unit = service() if args.config is None else None  # another folder is not what the service reads
    daemon = ask(args.runtime)
    tried = firewall.Tried(lambda: choice.automatic(settings_of(config)), nft.available, lambda: _iptables(config))
    carried, used = firewall.banactions(config, machine, tried)
    log = journal.journal_of(config, machine)
    yield from services.services(config, lambda jail: present(jail, machine.root))
    yield from journal.journal(config, machine, lambda jail: present(jail, machine.root))
    yield from files.files(config, machine)
    yield from carried
    yield from firewall.rules(config, machine, used, daemon.running)
    yield from firewall.iptables(config, machine, used, daemon.running)
    yield from others.others(config, machine, used)
    yield from chain(firewall.reloads(machine, daemon.running), firewall.xdp(machine))
    clients = list(own_addresses(os.environ, os.getppid()))
    yield from firewall.own_connection(config, clients, [_subject(address) for address in daemon.ignored])
    yield from kernel.kernel(config, machine, used)
    logged, banned = journal.newest(log, machine), clock.newest_ban(args.state, machine)
    yield from clock.clock(machine, clock.synchronised, logged, banned)
    yield from chain(kernel.limits(config, machine, daemon.pid), kernel.room(args.state, machine))
    yield from itself(config, machine, daemon, [*troubles(config, unit), *_deaf(unit, log)] if unit else [])


def ask(runtime: str) -> Daemon:
    """What a running daemon says of itself."""
    try:
        with Client(runtime) as client:
            status = client.call("Status")
            settings = client.call("Settings")["jails"]
            ignored = [one["address"] for one in client.call("IgnoreList")["ignored"] if one["origin"] == "ctl"]
        return Daemon(status=status, settings=settings, ignored=ignored)
    except NotRunningError as error:
        return Daemon(refused=error.what, stopped=True)
    except NfjailError as error:
        return Daemon(refused=str(error))


def _iptables(config: Config) -> str | None:
    from nfjail.firewall import iptables  # here, because few need it

    return iptables.available(config.iptables)


def _subject(address: str) -> Subject:
    return parse_subject(address)


def _deaf(unit: Service, log: journal.Journal) -> list[str]:
    """What the service cannot read of the journal, as its user would find out."""
    if not (log.readers and log.folder) or os.geteuid() not in (0, unit.user.pw_uid):
        return []
    names = [name for name in os.listdir(log.folder) if name.startswith("system") and name.endswith(".journal")]
    paths = [os.path.join(log.folder, name) for name in names]
    if not paths or as_user(unit, lambda: [path for path in paths if os.access(path, os.R_OK)]):
        return []
    return [f"{UNIT} (user {unit.user.pw_name}) may not read the journal: gpasswd -a {unit.user.pw_name} systemd-journal"]
