"""Whether a jail's service is on this machine: for `enabled = "auto"`, and for `nfjail doctor`."""

from __future__ import annotations

import glob
import os
from typing import Protocol

from nfjail.core.jail import JournalMatch

#: where systemd finds units (systemd.unit(5)), the first place that has one counting; generators' units among them
UNIT_FOLDERS = (
    "etc/systemd/system",
    "run/systemd/system",
    "run/systemd/generator",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
    "run/systemd/generator.late",
)

#: logs that many services share: that they are there says nothing of any one of them
SHARED_LOGS = frozenset(
    f"/var/log/{name}"
    for name in ("auth.log", "secure", "syslog", "messages", "daemon.log", "mail.log", "mail.warn", "maillog", "user.log")
)


class Watched(Protocol):
    """What a jail looks at."""

    @property
    def journalmatch(self) -> JournalMatch: ...
    @property
    def logpath(self) -> tuple[str, ...]: ...


def present(jail: Watched, root: str = "/") -> str | None:
    """What shows that the jail's service is here: "dovecot.service" or "/var/log/vsftpd.log"; None: nothing does.

    A service is here when systemd knows its unit, which is not masked, or when a log of its own is there.
    """
    for group in jail.journalmatch:
        contained = any(field == "CONTAINER_NAME" for field, _ in group)  # the engine's unit says nothing of these
        for field, value in group:
            if field == "_SYSTEMD_UNIT" and not contained and _unit_is_there(value, root):
                return value
    for path in _own_logs(jail):
        found = glob.glob(os.path.join(root, path.lstrip("/")))
        if found:
            return os.path.join("/", os.path.relpath(min(found), root))
    return None


def can_tell(jail: Watched) -> bool:
    """Whether there is anything by which present() could know the service."""
    return bool(_own_logs(jail)) or any(field == "_SYSTEMD_UNIT" for group in jail.journalmatch for field, _ in group)


def _own_logs(jail: Watched) -> list[str]:
    return [path for path in jail.logpath if path not in SHARED_LOGS]


def _unit_is_there(unit: str, root: str) -> bool:
    name, at, rest = unit.partition("@")
    names = [unit, f"{name}@.{rest.rpartition('.')[2]}"] if at else [unit]
    for name in names:
        for folder in UNIT_FOLDERS:
            path = os.path.join(root, folder, name)
            if os.path.lexists(path):
                return not _is_masked(path)
    return False


def _is_masked(path: str) -> bool:
    """A masked unit is a link to /dev/null, or an empty file."""
    if os.path.islink(path):
        return os.readlink(path) == "/dev/null"
    return os.path.getsize(path) == 0
