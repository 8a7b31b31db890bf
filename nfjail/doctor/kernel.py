"""Limits of the kernel that matter: its version, what it may watch and open, and room for the state."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from nfjail.assembly import source_of
from nfjail.config import Config
from nfjail.doctor import KERNEL, Finding, listed, note, ok, plural, problem, setting, warning
from nfjail.doctor.files import logs_of
from nfjail.doctor.machine import Machine

_REJECT = (5, 9)  # nft(8): reject at prerouting
_MEMORY = 4 * 1024 * 1024  # bytes that libnftables sends at once for 100,000 bans
_LITTLE, _NONE = 200 << 20, 20 << 20  # bytes of room for the store: 100,000 bans take 30 MB
_WHOLE = "0 0 4294967295"  # user_namespaces(7): not in one
_SPARE = 64  # files that nfjail has open besides logs and journal
_FULL = 0.9
_OPEN_FILES = re.compile(r"^Max open files\s+(\d+|unlimited)", re.MULTILINE)  # proc_pid_limits(5)


def kernel(config: Config, machine: Machine, used: set[str]) -> Iterator[Finding]:
    release = (machine.read("/proc/sys/kernel/osrelease") or "").strip()
    said = re.match(r"(\d+)\.(\d+)", release)
    version = (int(said[1]), int(said[2])) if said else None
    rejecting = [jail.name for jail in config.enabled if jail.blocktype != "drop"]
    if version and version < _REJECT and "nftables" in used and config.hook == "prerouting" and rejecting:
        what = f"the kernel ({release}) cannot reject at the hook prerouting, which takes 5.9: {listed(rejecting)} cannot ban"
        yield problem(KERNEL, "kernel", what, *setting("default", 'blocktype = "drop"'))
    elif release:
        yield ok(KERNEL, "kernel", f"the kernel ({release}) has what nfjail needs")
    yield from _connections(machine)
    if (machine.read("/proc/self/uid_map") or _WHOLE).split() != _WHOLE.split():
        most = machine.number("/proc/sys/net/core/wmem_max")
        if most is not None and most < _MEMORY:
            what = "in an unprivileged container the kernel takes only some thousand bans at once (net.core.wmem_max is "
            yield note(KERNEL, "wmem", f"{what}{most})", f"on the host: sysctl -w net.core.wmem_max={_MEMORY} (100,000 bans)")


def _connections(machine: Machine) -> Iterator[Finding]:
    """Not nfjail's affair, as its chain comes before: but who is not banned suffers, and nfjail is blamed."""
    count = machine.number("/proc/sys/net/netfilter/nf_conntrack_count")
    most = machine.number("/proc/sys/net/netfilter/nf_conntrack_max")
    if count is not None and most and count > _FULL * most:
        what = f"the kernel's table of connections is nearly full ({count} of {most}): then everybody's new connections fail"
        yield warning(KERNEL, "conntrack", what, f"sysctl -w net.netfilter.nf_conntrack_max={2 * most}")


def limits(config: Config, machine: Machine, daemon: int | None) -> Iterator[Finding]:
    """What may be watched and opened. daemon: the process id of a running nfjail."""
    readers = [jail for jail in config.enabled if source_of(jail, config.journal_path) == "file"]
    logs = list(dict.fromkeys(path for jail in readers for path in logs_of(jail, machine)))
    yield from _watches(machine, len(logs), len({os.path.dirname(path) for path in logs}))
    journals = len(machine.glob("/var/log/journal/*/*.journal")) + len(machine.glob("/run/log/journal/*/*.journal"))
    most = _open_files(machine, daemon)
    needed = len(logs) + journals + _SPARE
    if most is not None and needed > most:
        what = f"nfjail may open {most} files, and {len(logs)} logs and {journals} files of the journal are there to be read"
        yield warning(KERNEL, "open-files", what, "systemctl edit nfjail", "[Service]", f"LimitNOFILE={max(4096, 2 * needed)}")


def _watches(machine: Machine, logs: int, folders: int) -> Iterator[Finding]:
    if not logs:
        return
    watches = machine.number("/proc/sys/fs/inotify/max_user_watches")
    instances = machine.number("/proc/sys/fs/inotify/max_user_instances")
    if watches is not None and watches < logs + folders:
        what = f"inotify may watch {watches} files and folders, and jails read {plural(logs, 'log')}"
        what += f" in {plural(folders, 'folder')}: the rest is looked at four times a second"
        yield warning(KERNEL, "inotify", what, "sysctl -w fs.inotify.max_user_watches=8192")
    elif instances is not None and instances < 1:
        what = "inotify is switched off (max_user_instances is 0): log files are looked at four times a second instead"
        yield warning(KERNEL, "inotify", what, "sysctl -w fs.inotify.max_user_instances=128")
    elif watches is not None:
        yield ok(KERNEL, "inotify", f"inotify can watch all {plural(logs, 'log')} of the jails")


def _open_files(machine: Machine, daemon: int | None) -> int | None:
    """The limit of that process, or the usual one; None: there is none."""
    found = _OPEN_FILES.search(machine.read(f"/proc/{daemon or 'self'}/limits") or "")
    return int(found[1]) if found and found[1] != "unlimited" else None


def room(state: str, machine: Machine) -> Iterator[Finding]:
    """Whether there is room where bans are stored."""
    folder = state
    while not machine.exists(folder) and folder != "/":
        folder = os.path.dirname(folder)
    try:
        found = os.statvfs(machine.path(folder))
    except OSError as error:
        yield note(KERNEL, "room", f"{folder} cannot be asked for its room: {error.strerror}")
        return
    yield room_finding(state, found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None, found.f_flag)


def room_finding(state: str, free: int, files: int | None, flags: int) -> Finding:
    """free: bytes. files: how many more there may be; None: nobody counts. flags: as statvfs(3) has them."""
    if flags & os.ST_RDONLY:
        what = f"{state} is on a file system that is read-only: bans cannot be stored"
        return problem(KERNEL, "room", what, f"findmnt -T {state}; dmesg")
    if free < _LITTLE or files == 0:
        what = f"there is room for {free >> 20} MB{' and no more file' if files == 0 else ''} where bans are stored ({state})"
        return (problem if free < _NONE or files == 0 else warning)(KERNEL, "room", what, f"df -h {state}; df -i {state}")
    return ok(KERNEL, "room", f"there is room for the store: {free >> 20} MB where {state} is")
