"""What of the configuration cannot work under nfjail.service, which may do less than whoever checks it.

What the service may do is asked of systemd, drop-ins included. What its user may read, a child process tries that has
become that user: so modes, groups, ACLs and the folders on the way all count.
"""

from __future__ import annotations

import glob
import grp
import json
import os
import pwd
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import NamedTuple

from nfjail.assembly import settings_of, source_of
from nfjail.config import Config, ConfigError, load
from nfjail.errors import NfjailError
from nfjail.firewall.choice import automatic
from nfjail.firewall.program import run

UNIT = "nfjail.service"
_EXAMPLES = "/usr/share/doc/nfjail/examples"
_HOMES = ("/home", "/root", "/run/user")  # what ProtectHome= hides (systemd.exec(5))
_TEMPORARY = ("/tmp", "/var/tmp")  # what PrivateTmp= gives the service its own of
_FOLDERS = {"StateDirectory": "/var/lib", "RuntimeDirectory": "/run", "LogsDirectory": "/var/log"}
_ASKED = (
    "LoadState", "User", "SupplementaryGroups", "AmbientCapabilities", "CapabilityBoundingSet",
    "ProtectHome", "PrivateTmp", "ProtectSystem", "ReadWritePaths", *_FOLDERS,
)  # fmt: skip


class Service(NamedTuple):
    """What matters of the unit, as systemd has it."""

    user: pwd.struct_passwd
    groups: tuple[int, ...]
    capabilities: frozenset[str]  # cap_net_admin ...
    hidden: tuple[str, ...]  # folders that it does not see as others do
    writable: tuple[str, ...] | None  # folders that it can write to at most; None: all


def service() -> Service | None:
    """The unit of this machine; None when there is none, or no systemd to ask."""
    try:
        command = ["systemctl", "show", UNIT, f"--property={','.join(_ASKED)}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10)
        shown = dict(line.partition("=")[::2] for line in done.stdout.splitlines())
        if done.returncode != 0 or shown.get("LoadState") != "loaded":
            return None
        return _understood(shown, pwd.getpwnam(shown["User"] or "root"))
    except (OSError, subprocess.TimeoutExpired, KeyError):  # KeyError: its user is not there yet
        return None


def _understood(shown: dict[str, str], user: pwd.struct_passwd) -> Service:
    groups = set(os.getgrouplist(user.pw_name, user.pw_gid))
    for name in shown["SupplementaryGroups"].split():
        with suppress(KeyError):
            groups.add(grp.getgrnam(name).gr_gid)
    capabilities = shown["AmbientCapabilities" if user.pw_uid else "CapabilityBoundingSet"]
    hidden = (_HOMES if shown["ProtectHome"] in ("yes", "tmpfs") else ()) + (_TEMPORARY if shown["PrivateTmp"] != "no" else ())
    own = [f"{parent}/{name}" for key, parent in _FOLDERS.items() for name in shown[key].split()]
    free = [path.lstrip("-+") for path in shown["ReadWritePaths"].split()]
    strict = shown["ProtectSystem"] == "strict"
    return Service(user, tuple(groups), frozenset(capabilities.split()), hidden, (*own, *free) if strict else None)


def troubles(config: Config, unit: Service) -> list[str]:
    """What cannot work, a sentence each. For who is neither root nor the unit's user it tells what can be told."""
    found = [*_firewall(config, unit), *_unseen(config, unit), *_unwritable(config, unit)]
    if os.geteuid() in (0, unit.user.pw_uid):
        found += as_user(unit, lambda: [*_unreadable_configuration(unit), *_unreadable(config, unit)])
    return found


def _firewall(config: Config, unit: Service) -> Iterator[str]:
    needs: dict[str, list[str]] = {}
    for jail in config.enabled:
        action: str = jail.banaction
        try:
            if action == "auto":
                if os.geteuid() != 0:
                    continue  # it cannot be tried
                action = automatic(settings_of(config))
            if action == "iptables" and "legacy" not in run([config.iptables, "-V"]):
                action = "iptables-nft"
        except NfjailError as error:
            yield f"jail {jail.name}: {error}"
            continue
        needs.setdefault(action, []).append(jail.name)
    for action, jails in needs.items():
        capability = "cap_net_raw" if action in ("iptables", "iptables-ipset") else "cap_net_admin"
        if capability not in unit.capabilities:
            yield (
                f"{_named(jails)}: banaction {action} needs {capability.upper()}, which {UNIT} has not: "
                f"see {_EXAMPLES}/iptables.conf"
            )


def _named(jails: list[str]) -> str:
    return f"jail{'s' * (len(jails) > 1)} {', '.join(jails)}"


def _logs(config: Config) -> Iterator[tuple[str, str]]:
    """(the setting, path) of all that jails read as files, as far as it is there."""
    for jail in config.enabled:
        if source_of(jail, config.journal_path) == "file":
            yield from ((f"jail {jail.name}", path) for one in jail.logpath for path in sorted(glob.glob(one)))
        elif config.journal_path:
            yield "journal.path", config.journal_path


def _unseen(config: Config, unit: Service) -> Iterator[str]:
    for setting, path in dict.fromkeys(_logs(config)):
        folder = _within(path, unit.hidden)
        if folder:
            yield f"{setting}: {UNIT} does not see {path}, as {folder} is hidden from it: see {_EXAMPLES}/logs.conf"


def _unreadable(config: Config, unit: Service) -> Iterator[str]:
    if "cap_dac_read_search" in unit.capabilities:
        return
    for setting, path in dict.fromkeys(_logs(config)):
        if not _within(path, unit.hidden) and not os.access(path, os.R_OK):
            who = f"{UNIT} (user {unit.user.pw_name})"
            yield f"{setting}: {who} may not read {path}: let a group of its read it, or see {_EXAMPLES}/logs.conf"


def _unreadable_configuration(unit: Service) -> Iterator[str]:
    try:
        load(None)
    except ConfigError as error:
        for line in str(error).splitlines():
            yield f"{UNIT} (user {unit.user.pw_name}) will refuse the configuration: {line}"


def _unwritable(config: Config, unit: Service) -> Iterator[str]:
    path = config.fail2ban_log
    if path and (_within(path, unit.hidden) or (unit.writable is not None and not _within(path, unit.writable))):
        yield f"fail2ban_log: {UNIT} cannot write {path}: see {_EXAMPLES}/fail2ban-log.conf"


def _within(path: str, folders: Iterable[str]) -> str:
    """The folder that the path lies in, or ""."""
    real = os.path.realpath(path)
    return next((folder for folder in folders if os.path.commonpath([real, folder]) == folder), "")


def as_user(unit: Service, work: Callable[[], list[str]]) -> list[str]:
    """What work() returns when it is done by the unit's user."""
    if os.geteuid() != 0:
        return work()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups(unit.groups)
            os.setresgid(*(unit.user.pw_gid,) * 3)
            os.setresuid(*(unit.user.pw_uid,) * 3)
            with open(writing, "w") as answer:
                json.dump(work(), answer)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    if not text:
        return [f"what {UNIT} (user {unit.user.pw_name}) may read could not be tried"]
    found: list[str] = json.loads(text)
    return found
