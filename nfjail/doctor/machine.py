"""The machine as probes see it: its files below a root folder, its programs' answers, its processes. Nothing is changed."""

from __future__ import annotations

import glob
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_SBIN = "/usr/sbin:/sbin"  # where nft and iptables are, and what the PATH of an ordinary user lacks
_TIMEOUT = 20.0  # seconds; nft with a large ruleset, journalctl with a large journal
_LONGEST = 1 << 20  # bytes of a file that are looked at


class Answer(NamedTuple):
    """What a program said."""

    status: int
    out: str
    err: str


Run = Callable[[Sequence[str]], "Answer | None"]


def run_program(argv: Sequence[str]) -> Answer | None:
    """The program's answer, in English; None when it is not installed or does not end."""
    folders = (folder for folder in (os.environ.get("PATH"), _SBIN) if folder)
    path = shutil.which(argv[0], path=os.pathsep.join(folders))
    if path is None:
        return None
    environment = {**os.environ, "LC_ALL": "C", "SYSTEMD_PAGER": ""}
    try:
        done = subprocess.run(
            [path, *argv[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return Answer(done.returncode, done.stdout, done.stderr)


@dataclass(frozen=True)
class Machine:
    """now: seconds since the epoch. root: its files are below that. uid: who looks. run: how programs are asked."""

    now: float
    root: str = "/"
    uid: int = field(default_factory=os.geteuid)
    run: Run = run_program

    def path(self, path: str) -> str:
        """Where the file is that it has under this (absolute) path."""
        return path if self.root == "/" else self.root.rstrip("/") + path

    def exists(self, path: str) -> bool:
        return os.path.exists(self.path(path))

    def read(self, path: str) -> str | None:
        """The file's beginning; None when it is not there or may not be read."""
        try:
            with open(self.path(path), "rb") as file:
                return file.read(_LONGEST).decode("utf-8", "replace")
        except OSError:
            return None

    def number(self, path: str) -> int | None:
        """The number that a file of /proc or /sys holds."""
        try:
            return int((self.read(path) or "").split()[0])
        except (IndexError, ValueError):
            return None

    def names(self, folder: str) -> list[str]:
        """What is in a folder; nothing when it is not there or may not be read."""
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def glob(self, pattern: str) -> list[str]:
        """The paths that fit, as this machine has them."""
        skip = 0 if self.root == "/" else len(self.root.rstrip("/"))
        found = glob.glob(pattern if not skip else glob.escape(self.root.rstrip("/")) + pattern)
        return sorted(path[skip:] for path in found)

    def readable(self, path: str) -> bool:
        return os.access(self.path(path), os.R_OK)

    def processes(self) -> dict[str, int]:
        """Names of running programs (15 characters at most, proc_pid_comm(5)), and a process of each."""
        found: dict[str, int] = {}
        for name in self.names("/proc"):
            if name.isdigit() and (comm := self.read(f"/proc/{name}/comm")):
                found.setdefault(comm.rstrip("\n"), int(name))
        return found

    @property
    def in_container(self) -> bool:
        """Whether kernel and clock are somebody else's business."""
        signs = ("/run/systemd/container", "/.dockerenv", "/run/.containerenv")  # systemd's, docker's, podman's
        return any(self.exists(sign) for sign in signs)

    @property
    def is_root(self) -> bool:
        return self.uid == 0
