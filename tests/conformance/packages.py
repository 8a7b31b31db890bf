"""Debian's fail2ban packages, unpacked but never installed: what the conformance tests run beside nfjail.

    folder = unpacked("trixie")          # folder/etc/fail2ban, folder/usr/lib/python3/dist-packages/fail2ban

They lie in $TMPDIR/nfjail-f2b/SUITE (/tmp by default), fetched with a private apt once and used again. Only apt speaks
to the network: with the Debian mirror that this machine's own apt files name, and Debian's keys.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SUITES = {"bookworm": "1.0.2", "trixie": "1.1.0"}
CACHE = Path(os.environ.get("TMPDIR") or "/tmp") / "nfjail-f2b"
PYTHON = Path("usr/lib/python3/dist-packages")
LOGS = PYTHON / "fail2ban/tests/files/logs"
_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = re.compile(r"^(?:deb\s.*?|URIs:.*?)(\w+:\S*/debian/?)(?=\s|$)", re.MULTILINE)


@cache
def unpacked(suite: str) -> Path:
    """The folder into which the suite's package ("bookworm": 1.0.2, "trixie": 1.1.0) was unpacked."""
    folder = CACHE / suite
    if not _whole(folder):
        with alone():
            if not _whole(folder):
                _fetch(suite, folder)
    return folder


def sample_logs(suite: str) -> Path:
    """fail2ban's own sample logs, one file a filter, annotated with what each line has to yield."""
    return unpacked(suite) / LOGS


def config_of(suite: str, name: str) -> Path:
    """The folder in which the filter of that name is read: fail2ban brings two more for its own tests."""
    etc = unpacked(suite) / "etc/fail2ban"
    if not name.startswith("zzz-"):
        return etc
    for place in ("usr", PYTHON):  # those include filters of a folder that is in one of these when fail2ban is built
        with contextlib.suppress(FileExistsError):
            (unpacked(suite) / place / "config").symlink_to(etc)
    return unpacked(suite) / PYTHON / "fail2ban/tests/config"


def environment(suite: str, **more: str) -> dict[str, str]:
    """What a process needs around it to import the suite's fail2ban. Nothing is written there: compiled files lie elsewhere."""
    path = str(unpacked(suite) / PYTHON)
    if sys.version_info >= (3, 12):  # asyncore is no longer Python's own; the newer package brings its copy
        path += f":{unpacked('trixie') / PYTHON}/fail2ban/compat"
    around = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    compiled = str(CACHE / "compiled")
    return {**around, "PYTHONPATH": path, "PYTHONPYCACHEPREFIX": compiled, "PYTHONWARNINGS": "ignore", **more}


def _whole(folder: Path) -> bool:
    return (folder / "etc/fail2ban/jail.conf").is_file() and (folder / LOGS).is_dir()


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """Several test processes may want the packages at once: one of them fetches."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fetch(suite: str, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE, prefix=f"{suite}.") as name:
        work = Path(name)
        (work / "lists/partial").mkdir(parents=True)
        (work / "sources.list").write_text(f"deb [signed-by={_KEYS}] {_mirror()} {suite} main\n")
        (work / "status").touch()
        options = {
            "Dir::Etc::sourcelist": work / "sources.list", "Dir::Etc::sourceparts": "/dev/null",
            "Dir::Etc::preferences": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::State": work, "Dir::State::lists": work / "lists", "Dir::State::status": work / "status",
            "Dir::Cache": work, "Acquire::Languages": "none", "APT::Sandbox::User": "root",
        }  # fmt: skip
        apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in options.items())]
        _run([*apt, "update"], work)
        _run([*apt, "download", "fail2ban"], work)
        (package,) = work.glob("fail2ban_*.deb")
        _run(["dpkg", "-x", str(package), str(work / "tree")], work)
        assert package.name.startswith(f"fail2ban_{SUITES[suite]}-"), f"{package.name}: the tests know {SUITES[suite]}"
        if folder.exists():  # half of it, from somebody who was interrupted
            folder.rename(work / "old")
        (work / "tree").rename(folder)


def _mirror() -> str:
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    texts = [path.read_text(errors="replace") for path in files if path.is_file()]
    return next((found[1] for text in texts if (found := _MIRROR.search(text))), "http://deb.debian.org/debian")


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
