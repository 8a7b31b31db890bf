"""What systemd wants to hear from a service: sd_notify(3), and the watchdog."""

from __future__ import annotations

import contextlib
import os
import socket


def notify(*lines: str) -> None:
    """Sends `READY=1` and the like to systemd; nothing happens when it was not systemd that started us."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # an abstract socket
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        sock.connect(address)
        sock.sendall("\n".join(lines).encode())


def watchdog_interval() -> float | None:
    """Seconds between two signs of life, half of what systemd allows (as sd_watchdog_enabled(3) advises); None: off."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not microseconds.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(microseconds) / 2e6
