"""What of the journal can be seen: whether it is kept, who may read it, what journald dropped, which jails hear nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from nfjail.assembly import source_of
from nfjail.config import Config, JailConfig
from nfjail.config.toml import joined
from nfjail.core.duration import format_duration
from nfjail.doctor import LOGS, Finding, listed, note, ok, plural, problem, setting, warning
from nfjail.doctor.journald import BURST, INTERVAL, Journald, journald
from nfjail.doctor.machine import Machine
from nfjail.doctor.services import Present

DAY = 86_400.0
_DROPPED = "a596d6fe7bfa4994828e72309e95d61e"  # SD_MESSAGE_JOURNAL_DROPPED, sd-messages.h
_SUPPRESSED = re.compile(r"Suppressed (\d+) messages from (\S+)")  # journald-server.c, server_dispatch_message()
_FROM_FILES = 'or in these jails: backend = "file", and logpath where they log to files'
_PERSISTENT, _VOLATILE = "/var/log/journal", "/run/log/journal"


class Journal(NamedTuple):
    """Where it is, and which jails read it."""

    folder: str  # of its files; "": there are none
    readable: bool  # by whoever looks
    readers: tuple[JailConfig, ...]
    path: str | None  # as configured; None: this machine's own

    def ask(self, machine: Machine, *arguments: str) -> list[dict[str, Any]] | None:
        """The entries that journalctl prints; None when it cannot be asked."""
        where = ["-D", self.path] if self.path else []
        answer = machine.run(["journalctl", "-q", "--no-pager", "-o", "json", *where, *arguments])
        if answer is None or (answer.status != 0 and not answer.out and answer.err):
            return None
        return [entry for line in answer.out.splitlines() if (entry := _entry(line))]


def _entry(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def journal_of(config: Config, machine: Machine) -> Journal:
    readers = tuple(jail for jail in config.enabled if source_of(jail, config.journal_path) == "journal")
    own = (machine.read("/etc/machine-id") or "*").strip()  # others' may lie beside it
    folders = [config.journal_path] if config.journal_path else [f"{top}/{own}" for top in (_PERSISTENT, _VOLATILE)]
    for folder in folders:
        files = [path for path in machine.glob(f"{folder}/*.journal") if "/user-" not in path]
        if files:
            return Journal(files[0].rpartition("/")[0], any(map(machine.readable, files)), readers, config.journal_path)
    return Journal("", False, readers, config.journal_path)


def journal(config: Config, machine: Machine, present: Present) -> Iterator[Finding]:
    """All that concerns the journal."""
    found = journal_of(config, machine)
    if not found.readers:
        yield ok(LOGS, "journal-unused", "no jail that is on reads the journal")
        return
    settings = journald(machine)
    yield from _storage(found, settings, machine)
    if not found.folder:
        return
    if not found.readable:
        yield _unreadable(machine)
        return
    if not found.path:
        yield from _rate_limit(settings)
        yield from _suppressed(found, machine)
    yield from _silent(found, machine, present)


def _storage(found: Journal, settings: Journald, machine: Machine) -> Iterator[Finding]:
    names = listed([jail.name for jail in found.readers])
    keep = ("mkdir -p /var/log/journal", "systemd-tmpfiles --create --prefix /var/log/journal", "journalctl --flush")
    if found.path:
        if not found.folder:
            yield problem(LOGS, "journal-missing", f"there is no journal in {found.path} (journal.path): deaf are {names}")
        return
    if not machine.exists("/run/systemd/journal/socket"):
        what = f"no journald runs here, and these jails read the journal: {names}"
        yield problem(LOGS, "journal-missing", what, "systemctl start systemd-journald", _FROM_FILES)
    elif settings.storage == "none":
        what = f"journald keeps nothing (Storage=none in journald.conf): nothing is heard by {names}"
        advice = "remove Storage=none, then: systemctl restart systemd-journald"
        yield problem(LOGS, "journal-none", what, advice, _FROM_FILES)
    elif not found.folder and machine.is_root:
        yield problem(LOGS, "journal-missing", f"journald runs, but there is no journal in {_PERSISTENT} or {_VOLATILE}", *keep)
    elif not found.folder:
        yield _unreadable(machine)
    elif found.folder.startswith(_VOLATILE):
        what = (
            "the journal is in memory only (/run/log/journal), and gone with the next boot: what nfjail has not read by then "
            "is never read, and failures before it do not count. Bans and their evidence are kept, in nfjail's store"
        )
        if settings.storage == "volatile":
            yield note(LOGS, "journal-volatile", f"{what}. journald.conf says so (Storage=volatile)")
        else:
            yield warning(LOGS, "journal-volatile", what, *keep)
    else:
        yield ok(LOGS, "journal-kept", f"the journal is kept, in {found.folder}; read by {names}")


def _unreadable(machine: Machine) -> Finding:
    what = f"you (uid {machine.uid}) may not read the system's journal, so it was not looked at: to you it seems empty"
    advice = "or: sudo usermod -aG systemd-journal YOU, and log in again"
    return note(LOGS, "journal-unseen", what, "sudo nfjail doctor", advice)


def _rate_limit(settings: Journald) -> Iterator[Finding]:
    if not settings.limited:
        yield ok(LOGS, "rate-limit", "journald takes all that services write: no rate limit is set")
        return
    what = f"journald drops what a service writes beyond {settings.burst} messages in {format_duration(settings.interval)}"
    if settings.burst / settings.interval < BURST / INTERVAL:
        what += f", which is less than its default ({BURST} in {INTERVAL:.0f}s): in an attack nfjail may see only the beginning"
        yield note(LOGS, "rate-limit", what, "in /etc/systemd/journald.conf: RateLimitBurst=10000, RateLimitIntervalSec=30s")
    else:  # journald-rate-limit.c, burst_modulate()
        yield ok(LOGS, "rate-limit", f"{what} (two to six times that where there is room on the disk)")


def _suppressed(found: Journal, machine: Machine) -> Iterator[Finding]:
    """The blind spots of the last day, as journald itself has noted them (it does when the service goes on later)."""
    since = f"--since=@{int(machine.now - DAY)}"
    entries = found.ask(machine, since, f"MESSAGE_ID={_DROPPED}", "_TRANSPORT=driver")
    if entries is None:
        what = "journalctl cannot be asked what journald has dropped: whether messages are missing is unknown"
        yield note(LOGS, "suppressed-unseen", what)
        return
    dropped: dict[str, list[int]] = {}
    for entry in entries:
        said = _SUPPRESSED.match(str(entry.get("MESSAGE")))
        if said:
            dropped.setdefault(said[2], []).append(int(said[1]))
    if not dropped:
        yield ok(LOGS, "suppressed", "journald has noted no dropped messages in the last day")
    for unit, counts in dropped.items():
        yield from _blind(unit, counts, found.readers)


def _blind(unit: str, counts: Sequence[int], readers: Iterable[JailConfig]) -> Iterator[Finding]:
    sure = [jail.name for jail in readers if any(("_SYSTEMD_UNIT", unit) in group for group in jail.journalmatch)]
    perhaps = [jail.name for jail in readers if any(_any_unit(group) for group in jail.journalmatch)]
    what = f"journald dropped {sum(counts)} messages of {unit} in the last day ({plural(len(counts), 'time')}, rate limit)"
    advice = (f"systemctl edit {unit}", "[Service]", "LogRateLimitIntervalSec=0", f"systemctl restart {unit}")
    if sure:
        yield warning(LOGS, "suppressed", f"{what}: failures among them were never seen by {listed(sure)}", *advice)
    elif perhaps:
        yield note(LOGS, "suppressed", f"{what}; perhaps failures for {listed(perhaps)} among them", *advice)


def _any_unit(group: Iterable[tuple[str, str]]) -> bool:
    """Whether it asks for the writer by other means, so that its unit may be any."""
    return not any(field in ("_SYSTEMD_UNIT", "CONTAINER_NAME") for field, _ in group)


def _silent(found: Journal, machine: Machine, present: Present) -> Iterator[Finding]:
    """Jails of whose services the journal has no entry at all."""
    for jail in found.readers:
        if not jail.journalmatch or () in jail.journalmatch:  # all that is written
            continue
        words = [word for group in jail.journalmatch for word in ("+", *(f"{field}={value}" for field, value in group))][1:]
        entries = found.ask(machine, "-n", "1", *words)
        if entries is None or entries:
            continue
        what = f"jail {jail.name}: the journal holds no entry at all of what it reads ({' '.join(words)})"
        advice = ["see whether the service runs, and whether it logs to the journal"]
        if jail.logpath:
            advice.append(f"if it writes a log file ({listed(list(jail.logpath), 3)}),")
            advice += setting(joined("jail", jail.name), 'backend = "file"')
        yield (warning if present(jail) else note)(LOGS, "jail-silent", what, *advice)


def newest(found: Journal, machine: Machine) -> float | None:
    """When the last entry was received, in seconds since the epoch; None: it cannot be told."""
    entries = found.ask(machine, "-n", "1") if found.readable else None
    try:
        return int(entries[-1]["__REALTIME_TIMESTAMP"]) / 1e6 if entries else None
    except (KeyError, ValueError):
        return None


