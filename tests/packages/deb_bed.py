"""What the tests of Debian's packages share: the packages themselves, built once for each state of the tree.

They are built from the source tarball, not from the checkout: what is missing there is missed here.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# As a user's shell has it, and nothing of the Python that runs the tests.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}


def build(kind: str, output: Path, tree: Path = ROOT, **settings: str) -> list[Path]:
    """Runs packaging/build KIND; settings: its environment. Returns what it says that it made."""
    command = [str(tree / "packaging" / "build"), kind, "-o", str(output)]
    done = subprocess.run(command, env={**ENVIRONMENT, **settings}, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-4000:]
    return [Path(line) for line in done.stdout.splitlines()]


def cache() -> Path:
    """The folder of what test runs keep for each other, as the bed's scripts have it."""
    return Path(os.environ.get("NFJAIL_BED") or Path(tempfile.gettempdir()) / "nfjail-bed")


@functools.cache
def suites() -> tuple[str, ...]:
    """The Debians that packages built here are for: with systemd 253 or newer, a unit is made that 252 does not understand."""
    return ("trixie",) if has_notify_reload() else ("bookworm", "trixie")


def has_notify_reload() -> bool:
    """Whether the systemd here is 253 or newer."""
    question = ["dpkg-query", "-W", "-f", "${Version}", "systemd"]
    version = subprocess.run(question, stdout=subprocess.PIPE, text=True, check=True).stdout
    return subprocess.run(["dpkg", "--compare-versions", version, "ge", "253"]).returncode == 0


@functools.cache
def built() -> Path:
    """The folder with all that `packaging/build deb` makes of the tree as it is now."""
    return kept("packages", _build_deb)


def _build_deb(tarball: Path, work: Path, made: Path) -> None:
    build("deb", made, unpacked(tarball, work))


def kept(kind: str, make: Callable[[Path, Path, Path], None]) -> Path:
    """The folder with what make(tarball, work, made) puts into made of the tree as it is now; work: a folder for it alone.

    It is made once for each state of the tree; those of the last few states are kept.
    """
    folders = cache() / kind
    folders.mkdir(parents=True, exist_ok=True)
    with alone(folders), tempfile.TemporaryDirectory(prefix="new-", dir=folders) as temporary:
        new = Path(temporary)
        [tarball] = build("source", new)
        folder = folders / hashlib.sha256(tarball.read_bytes()).hexdigest()[:16]
        if not folder.is_dir():
            make(tarball, new / "work", new / "made")
            _forget_older(folders)
            (new / "made").rename(folder)
    return folder


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Whoever else comes here meanwhile waits, and then finds what was built: tests run in several processes."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _forget_older(folders: Path) -> None:
    there = [path for path in folders.iterdir() if path.is_dir() and not path.name.startswith("new-")]
    for path in sorted(there, key=lambda path: path.stat().st_mtime)[:-4]:
        shutil.rmtree(path, ignore_errors=True)


def built_deb(package: str = "nfjail") -> Path:
    """The .deb of one of the packages."""
    [deb] = built().glob(f"{package}_*_all.deb")
    return deb


def unpacked(tarball: Path, into: Path) -> Path:
    """The folder that is in a source tarball."""
    into.mkdir(parents=True, exist_ok=True)
    subprocess.run(["tar", "-xzf", str(tarball), "-C", str(into)], check=True)
    with tarfile.open(tarball) as archive:
        return into / archive.getnames()[0].partition("/")[0]
