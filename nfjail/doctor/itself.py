"""nfjail's own state: whether it runs, in which version, with which configuration, and whether it will after the next boot."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from nfjail import __version__
from nfjail.config import Config
from nfjail.desk_settings import settings_info
from nfjail.doctor import ITSELF, Finding, listed, note, ok, plural, problem, warning
from nfjail.doctor.machine import Machine

UNIT = "nfjail.service"
_ASKED = ("LoadState", "UnitFileState", "ActiveState", "NeedDaemonReload", "NRestarts", "StateChangeTimestamp")


class Daemon(NamedTuple):
    """What the daemon has answered over its socket."""

    refused: str = ""  # why it could not be asked
    stopped: bool = False  # there is none
    status: Mapping[str, Any] | None = None  # interface.py's Status
    settings: Sequence[Mapping[str, Any]] = ()  # JailSettings of its jails
    ignored: Sequence[str] = ()  # addresses that `nfjail ctl ignore` names

    @property
    def pid(self) -> int | None:
        return self.status["pid"] if self.status else None

    @property
    def running(self) -> bool:
        """As far as can be told: who may not ask it has found its socket."""
        return not self.stopped


def itself(config: Config, machine: Machine, daemon: Daemon, troubles: Iterable[str]) -> Iterator[Finding]:
    """troubles: what of the configuration nfjail.service cannot do, a sentence each."""
    unit = _unit(machine)
    read = unit.get("StateChangeTimestamp", "") if unit.get("ActiveState") == "active" else ""
    if daemon.stopped:
        what = "nfjail does not run: bans that are in the kernel hold until they end, and there will be no new ones"
        advice = "journalctl -u nfjail" if unit.get("ActiveState") == "failed" else "systemctl start nfjail"
        yield problem(ITSELF, "stopped", what, advice if unit else "nfjail run")
    elif daemon.refused:
        yield note(ITSELF, "unasked", f"the daemon could not be asked: {daemon.refused}", "sudo nfjail doctor")
    if daemon.status:
        yield from _running(config, daemon, daemon.status, read)
    yield from _service(unit, daemon.stopped)
    yield from (problem(ITSELF, "service-cannot", trouble) for trouble in troubles)
    if config.notes:
        what = f"{plural(len(config.notes), 'note')} on the configuration: of what is asked for, nfjail does not do all"
        yield note(ITSELF, "notes", what, "nfjail check")


def _running(config: Config, daemon: Daemon, status: Mapping[str, Any], read: str) -> Iterator[Finding]:
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status["since"]))
    last = f"; last started or reloaded {read}" if read else ""
    yield ok(ITSELF, "running", f"nfjail {status['version']} runs (process {status['pid']}) since {since}{last}")
    if status["version"] != __version__:
        what = f"what runs is nfjail {status['version']}, what is installed is {__version__}"
        yield warning(ITSELF, "version", what, "systemctl restart nfjail (the bans stay)")
    yield from (problem(ITSELF, "trouble", trouble, "journalctl -u nfjail") for trouble in status["trouble"])
    differing = list(_differing(config, daemon.settings))
    if differing:
        what = f"what runs is not what the configuration says (unless `nfjail ctl set` has changed it): {listed(differing)}"
        yield warning(ITSELF, "not-reloaded", what, "systemctl reload nfjail")


def _differing(config: Config, settings: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What differs between the files and the daemon: jails, or settings of a jail."""
    wanted = {jail.name: settings_info(jail, config.journal_path, "") for jail in config.enabled}
    running = {str(one["jail"]): one for one in settings}
    if not running:
        return
    yield from (f"{name} does not run" for name in wanted if name not in running)
    yield from (f"{name} runs, and is not enabled" for name in running if name not in wanted)
    for name in wanted.keys() & running.keys():
        ours, theirs = wanted[name], running[name]
        for key in sorted(ours.keys() - {"banaction"}):  # "auto" has become something there
            if key in theirs and ours[key] != theirs[key]:
                yield f"{key} of {name}"


def _unit(machine: Machine) -> dict[str, str]:
    """Of nfjail.service; empty when there is none, or no systemd to ask."""
    answer = machine.run(["systemctl", "show", UNIT, f"--property={','.join(_ASKED)}"])
    if answer is None or answer.status != 0:
        return {}
    shown = dict(line.partition("=")[::2] for line in answer.out.splitlines())
    return shown if shown.get("LoadState") == "loaded" else {}


def _service(unit: Mapping[str, str], stopped: bool) -> Iterator[Finding]:
    if not unit:
        yield note(ITSELF, "no-service", f"there is no {UNIT} here, or no systemd: nothing starts nfjail by itself")
        return
    if unit.get("UnitFileState") not in ("enabled", "enabled-runtime", "static", "alias", "generated"):
        what = f"{UNIT} is {unit.get('UnitFileState') or 'not enabled'}: after the next boot nobody is banned"
        yield warning(ITSELF, "not-enabled", what, "systemctl enable nfjail")
    elif not stopped:
        yield ok(ITSELF, "enabled", f"{UNIT} is enabled: it starts at boot")
    restarts = unit.get("NRestarts", "0")
    if restarts.isdigit() and int(restarts):
        what = f"{UNIT} has died and been started again {plural(int(restarts), 'time')}"
        yield warning(ITSELF, "restarts", what, "journalctl -u nfjail")
    if unit.get("NeedDaemonReload") == "yes":
        yield note(ITSELF, "daemon-reload", f"{UNIT} has changed on disk", "systemctl daemon-reload; systemctl restart nfjail")
