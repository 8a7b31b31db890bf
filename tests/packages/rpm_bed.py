"""What the tests of the RPM packages share: the packages themselves, built once for each state of the tree, and rpm's answers.

Debian's rpm builds them, with stand-ins for Fedora's macros (tests/bed/rpm-macros), which are rpm's user's own: ~/.rpmmacros.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.packages.deb_bed import ENVIRONMENT, ROOT, build, kept, unpacked

SPEC = ROOT / "packaging" / "rpm" / "nfjail.spec"
# Of what the spec needs for building, Debian's rpm knows nothing.
OPTIONS = "--nodeps --without tests"


def build_rpms(output: Path, home: Path, tree: Path, **settings: str) -> list[Path]:
    """Runs packaging/build rpm, with the stand-ins in the new folder home."""
    return build("rpm", output, tree, **{"HOME": with_macros(home), "RPMBUILD_OPTIONS": OPTIONS, **settings})


def with_macros(home: Path) -> str:
    home.mkdir(exist_ok=True)
    (home / ".rpmmacros").symlink_to(ROOT / "tests" / "bed" / "rpm-macros")
    return str(home)


@functools.cache
def built() -> Path:
    """The folder with all that `packaging/build rpm` makes of the tree as it is now, and with the tree's tarball.

    In its folder "old" are the same packages with a lower release.
    """
    return kept("rpms", _build_both)


def _build_both(tarball: Path, work: Path, made: Path) -> None:
    tree, older = unpacked(tarball, work / "new"), unpacked(tarball, work / "old")
    lower_release(older / "packaging" / "rpm" / "nfjail.spec")
    with ThreadPoolExecutor() as pool:
        lower = pool.submit(build_rpms, made / "old", work / "home2", older)
        build_rpms(made, work / "home", tree)
    lower.result()
    shutil.copy(tarball, made)


def lower_release(spec: Path) -> None:
    text = spec.read_text()
    assert text.count("\nRelease:        1%{?dist}\n") == 1
    spec.write_text(text.replace("\nRelease:        1%{?dist}\n", "\nRelease:        0.9%{?dist}\n"))


def rpm_of(package: str) -> Path:
    """The package's file."""
    [rpm] = built().glob(f"{package}-[0-9]*.noarch.rpm")
    return rpm


def told(package: str, *questions: str) -> list[str]:
    """The lines that `rpm --query` answers of a built package, without what every package needs of rpm itself."""
    said = run("rpm", "--nosignature", "--query", "--package", *questions, rpm_of(package))
    return [line for line in said.splitlines() if not line.startswith("rpmlib(")]


def run(*command: str | Path, status: int = 0, **settings: str) -> str:
    """What a command of rpm's prints. It has a home of its own: rpm makes a database there even to answer about a file."""
    with tempfile.TemporaryDirectory() as home:
        environment = {**ENVIRONMENT, "HOME": home, **settings}
        done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == status, (command, done.returncode, done.stdout[-4000:], done.stderr[-4000:])
    return done.stdout
