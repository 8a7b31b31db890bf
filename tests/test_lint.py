"""ruff, mypy --strict and shellcheck have nothing to say. Settings: pyproject.toml, and comments in the scripts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SCRIPT_FOLDERS = (".ci", "packaging", "tests")


def is_content(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, "\n" + done.stdout.decode(errors="replace")


def shell_scripts() -> Iterator[str]:
    for path in sorted(path for folder in SCRIPT_FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()):
        with path.open("rb") as file:
            first = file.readline(100)
        if path.suffix == ".sh" or (first.startswith(b"#!") and first.rstrip().endswith((b"/sh", b"bash", b"bash -e"))):
            yield str(path.relative_to(ROOT))


def test_ruff():
    is_content(sys.executable, "-m", "ruff", "check", "--output-format=concise", ".")


def test_mypy():
    is_content(sys.executable, "-m", "mypy")


def test_shellcheck():
    scripts = list(shell_scripts())
    assert {"packaging/run", "packaging/test", ".ci/run", "tests/bed/sshd.sh"} <= set(scripts)
    is_content("shellcheck", "--external-sources", "--source-path=SCRIPTDIR", *scripts)
