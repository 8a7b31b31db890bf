"""A name server of a few names, and a network of its own in which everybody asks it."""

from __future__ import annotations

import functools
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
_TYPES = {1: socket.AF_INET, 28: socket.AF_INET6}
_FILES = {
    "resolv.conf": "nameserver 127.0.0.1\noptions timeout:9 attempts:1\n",
    "nsswitch.conf": "hosts: files dns\n",
}
_FOUND, _MISSING = 0x8180, 0x8183


class NameServer:
    """Answers on 127.0.0.1 as zone says: name -> addresses; None: it says nothing, for that name. asked: all names so far."""

    def __init__(self, zone: dict[str, list[str] | None]) -> None:
        self.zone = zone
        self.asked: list[str] = []
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.bind(("127.0.0.1", 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, asker = self._sock.recvfrom(4096)
            name, end = _name(query)
            (kind,) = struct.unpack_from("!H", query, end)
            self.asked.append(name)
            addresses = self.zone.get(name, [])
            if addresses is None:
                continue
            family = _TYPES.get(kind)
            fitting = [a for a in addresses if family == (socket.AF_INET6 if ":" in a else socket.AF_INET)]
            head = query[:2] + struct.pack("!5H", _FOUND if name in self.zone else _MISSING, 1, len(fitting), 0, 0)
            records = [
                struct.pack("!HHHIH", 0xC00C, kind, 1, 60, len(packed)) + packed
                for packed in (socket.inet_pton(family, a) for a in fitting)
            ]
            self._sock.sendto(head + query[12 : end + 4] + b"".join(records), asker)


def _name(query: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := query[at]:
        labels.append(query[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1


def ask_here(folder: Path) -> list[str]:
    """Commands after which all processes of this mount namespace ask 127.0.0.1. folder: for the files that say so."""
    commands = ["ip link set lo up"]
    for name, text in _FILES.items():
        (folder / name).write_text(text)
        commands.append(f"mount -n --bind {folder}/{name} $(readlink -f /etc/{name})")
    return commands


def in_own_network(test: Callable[..., None]) -> Callable[..., None]:
    """Runs the test in a pytest of its own, where 127.0.0.1 is nobody else's, and the name server."""
    if "NFJAIL_TEST_INSIDE" in os.environ:
        return test

    @functools.wraps(test)
    def outside(**_fixtures: Any) -> None:
        node = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
        inner = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "--tb=short", node]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NFJAIL_TEST_INSIDE": "1"}
        with tempfile.TemporaryDirectory() as folder:
            script = "; ".join([*ask_here(Path(folder)), 'exec "$@"'])
            command = ["unshare", "--net", "--mount", "sh", "-ec", script, "sh", *inner]
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            pytest.fail(done.stdout + done.stderr, pytrace=False)

    return outside
