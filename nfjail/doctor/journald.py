"""How journald is set: its configuration files, as journald.conf(5) says that they are read."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from nfjail.doctor.machine import Machine

_FOLDERS = ("/etc/systemd", "/run/systemd", "/usr/local/lib/systemd", "/usr/lib/systemd", "/lib/systemd")  # the first one wins
_UNITS = {"us": 1e-6, "ms": 1e-3, "": 1.0, "s": 1.0, "sec": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)\s*")
INTERVAL, BURST = 30.0, 10_000  # journald's defaults, since systemd 240


class Journald(NamedTuple):
    """The settings that decide what can be read."""

    storage: str  # "auto", "persistent", "volatile", "none"
    interval: float  # seconds; 0: no limit
    burst: int

    @property
    def limited(self) -> bool:
        return self.interval > 0 and self.burst > 0


def journald(machine: Machine) -> Journald:
    """As its files say. What cannot be understood is passed over, as journald does."""
    found: dict[str, str] = {}
    for path in _files(machine):
        section = ""
        for line in (machine.read(path) or "").splitlines():
            text = line.strip()
            if text.startswith("["):
                section = text
            elif section == "[Journal]" and "=" in text and text[0] not in "#;":
                key, _, value = text.partition("=")
                found[key.strip()] = value.strip()
    interval = _seconds(found.get("RateLimitIntervalSec") or found.get("RateLimitInterval") or "")
    burst = found.get("RateLimitBurst", "")
    return Journald(
        found.get("Storage") or "auto",
        INTERVAL if interval is None else interval,
        int(burst) if burst.isdigit() else BURST,
    )


def _files(machine: Machine) -> list[str]:
    """The main file, then the drop-ins by name; of the same name that of the first folder."""
    main = next((path for folder in _FOLDERS if machine.exists(path := f"{folder}/journald.conf")), None)
    drop_ins: dict[str, str] = {}
    for folder in _FOLDERS:
        for path in machine.glob(f"{folder}/journald.conf.d/*.conf"):
            drop_ins.setdefault(os.path.basename(path), path)
    return [*([main] if main else []), *(drop_ins[name] for name in sorted(drop_ins))]


def _seconds(text: str) -> float | None:
    """A length of time as systemd.time(7) has it; None: it is none."""
    if not text or not re.fullmatch(f"(?:{_SPAN.pattern})+", text):
        return None
    parts = _SPAN.findall(text)
    return sum(float(number) * _UNITS[unit] for number, unit in parts) if all(unit in _UNITS for _, unit in parts) else None
