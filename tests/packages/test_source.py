"""The source tarball, and what pip makes of it: a sdist, and a wheel with all that an installed nfjail needs."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from tests.packages.deb_bed import ENVIRONMENT, ROOT, build, unpacked

PYTHON = "/usr/bin/python3"
MODULES = {str(path.relative_to(ROOT)) for path in (ROOT / "nfjail").rglob("*.py")}
SERVICES = {path.name for path in (ROOT / "conf.d").glob("*.toml")}


@pytest.fixture(scope="module")
def tarball(tmp_path_factory: pytest.TempPathFactory) -> Path:
    [made] = build("source", tmp_path_factory.mktemp("source"))
    return made


@pytest.fixture(scope="module")
def made_by_pip(tarball: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and with the wheel that is built from the sdist."""
    output = tmp_path_factory.mktemp("dist")
    tree = unpacked(tarball, tmp_path_factory.mktemp("tree"))
    run(PYTHON, "-m", "build", "--no-isolation", "--outdir", str(output), str(tree))
    return output


def run(*command: str) -> str:
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-4000:]
    return done.stdout.decode()


def members(tarball: Path) -> Iterator[str]:
    """The files in it, without the folder nfjail-VERSION that they are all in."""
    top = tarball.name.removesuffix(".tar.gz")
    with tarfile.open(tarball) as archive:
        for member in archive:
            assert (member.name + "/").startswith(f"{top}/")
            if not member.isdir():
                yield member.name[len(top) + 1 :]


def test_the_tarball_has_the_project_and_nothing_else(tarball):
    files = set(members(tarball))
    assert files >= MODULES
    assert files >= {f"conf.d/{name}" for name in SERVICES}
    assert files >= {"pyproject.toml", "README.md", "LICENSE", ".ci/run", "packaging/build", "tests/conftest.py"}
    for_readers = {path.name for path in ROOT.glob("[A-Z]*")}
    top = {name.partition("/")[0] for name in files}
    assert top == {"pyproject.toml", "nfjail", "conf.d", "tests", "packaging", ".ci"} | for_readers
    litter = {"__pycache__", ".hypothesis", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    assert not [name for name in files if litter & set(name.split("/")) or name.endswith(".pyc")]


def test_the_tarball_is_the_same_whoever_makes_it_and_where(tarball, tmp_path):
    """Another folder, another umask, another time of the files: the same bytes."""
    tree = unpacked(tarball, tmp_path)
    for folder, _, names in os.walk(tree):
        for name in names:
            path = Path(folder, name)
            path.chmod(0o700 if os.access(path, os.X_OK) and path.stat().st_mode & 0o100 else 0o600)
            os.utime(path, (1_000_000_000, 1_000_000_000))
    [again] = build("source", tmp_path / "again", tree, TZ="Asia/Tokyo", LC_ALL="C")
    assert again.read_bytes() == tarball.read_bytes()


def test_the_wheel_has_all_modules_and_conf_d(made_by_pip):
    [wheel] = made_by_pip.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        files = set(archive.namelist())
        scripts = archive.read(next(name for name in files if name.endswith("/entry_points.txt"))).decode()
    assert {name for name in files if name.endswith(".py")} == MODULES
    data = wheel.name.partition("-py3")[0] + ".data/data/"
    assert {name for name in files if name.startswith(data)} == {f"{data}share/nfjail/conf.d/{name}" for name in SERVICES}
    assert "nfjail = nfjail.cli:main" in scripts


def test_the_sdist_has_what_the_wheel_is_made_of(made_by_pip):
    [sdist] = made_by_pip.glob("*.tar.gz")
    assert set(members(sdist)) >= MODULES | {f"conf.d/{name}" for name in SERVICES} | {"pyproject.toml", "README.md", "LICENSE"}


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return Parser().parsestr(archive.read(wheel.name.partition("-py3")[0] + ".dist-info/METADATA").decode())


def test_nothing_is_needed_from_pypi_but_the_journals_reader(made_by_pip):
    """python3-nftables is none of it: only distributions have that."""
    [wheel] = made_by_pip.glob("*.whl")
    wanted = metadata(wheel).get_all("Requires-Dist", [])
    always = [each.replace(" ", "").replace("'", '"') for each in wanted if "extra" not in each]
    assert always == ["systemd-python", 'tomli;python_version<"3.11"']
    assert metadata(wheel).get_all("Provides-Extra") == ["test"]


def test_an_installed_nfjail_finds_its_conf_d(made_by_pip, tmp_path):
    """In a virtual environment, whose share/ is not the system's."""
    [wheel] = made_by_pip.glob("*.whl")
    run(PYTHON, "-m", "venv", "--without-pip", "--system-site-packages", str(tmp_path / "venv"))
    run(str(tmp_path / "venv/bin/python"), "-m", "installer", str(wheel))
    (tmp_path / "etc").mkdir()
    shown = run(str(tmp_path / "venv/bin/nfjail"), "check", "--show", "--config", str(tmp_path / "etc"))
    assert "[jail.sshd]" in shown
    says = "import nfjail.config.read as read; print(read.vendor_folder())"
    assert run(str(tmp_path / "venv/bin/python"), "-I", "-c", says).strip() == str(tmp_path / "venv/share/nfjail/conf.d")
