"""Runs `nfjail test` as a process, on bytes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NOW = ("--now", "2026-11-22T12:00:00", "--timezone", "UTC")
HOST = "^ h app: no <F-USER>.*</F-USER> from <HOST>$"


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "nfjail", "test", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), **more}


def run(*arguments: str, stdin: bytes = b"", **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(*arguments), input=stdin, capture_output=True, env=environment(**more), timeout=60)


def told(*arguments: str, stdin: bytes = b"") -> list[dict[str, Any]]:
    """The objects of --json."""
    done = run("--json", *arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


def report(*arguments: str, stdin: bytes = b"", code: int = 0) -> str:
    done = run(*arguments, stdin=stdin)
    assert (done.returncode, done.stderr) == (code, b"")
    return done.stdout.decode()


def refusal(*arguments: str, code: int = 78) -> str:
    """What is said instead of a report; the verb must end with that code."""
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    return done.stderr.decode()
