"""dnf finds all that the RPM packages need under the names that Fedora's packages have, and refuses what cannot stand together.

Fedora's packages are stand-ins: their names, and what they provide. What those of a real Fedora are called is in FEDORA.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.packages.rpm_bed import built, run, told

# Package: what it provides besides its name, and what it needs. PYTHON stands for the version, as 3.11.
FEDORA = {
    "bash": (["/bin/sh"], []),
    "setup": (["group(adm)"], []),
    "systemd": (["group(systemd-journal)"], ["setup"]),
    "python3": (["/usr/bin/python3", "python(abi) = PYTHON"], []),
    "python3-systemd": (["python3dist(systemd-python)", "pythonPYTHONdist(systemd-python)"], []),
    "python3-nftables": ([], ["nftables"]),
    "nftables": ([], []),
    "python3-pyroute2": ([], []),
    "whois": ([], []),
    "fail2ban": ([], ["fail2ban-server"]),
    "fail2ban-server": ([], []),
}
NEEDED = {"bash", "setup", "systemd", "python3", "python3-systemd", "python3-nftables", "nftables"}


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that dnf reads: nfjail's and the stand-ins."""
    folder = tmp_path_factory.mktemp("repository")
    (folder / "stand-ins.spec").write_text(spec())
    options = ["--target", "noarch", "--define", f"_topdir {folder}", "--define", f"_tmppath {folder}"]
    run("rpmbuild", "-bb", *options, folder / "stand-ins.spec")
    for rpm in built().glob("*.noarch.rpm"):
        (folder / rpm.name).symlink_to(rpm)
    run("createrepo_c", "--quiet", folder)
    return folder


def spec() -> str:
    [python] = re.findall(r"python\(abi\) = (3\.\d+)", "\n".join(told("nfjail", "--requires")))
    lines = ["Name: stand-ins", "Version: 1", "Release: 1", "Summary: -", "License: -", "%description"]
    for name, (provided, needed) in FEDORA.items():
        lines += [f"%package -n {name}", "Summary: -", *(f"Provides: {what}" for what in provided)]
        lines += [*(f"Requires: {what}" for what in needed), f"%description -n {name}", f"%files -n {name}"]
    return "\n".join(lines).replace("PYTHON", python) + "\n"


def dnf(repository: Path, root: Path, *arguments: str, status: int = 0) -> str:
    settings = ("tsflags=noscripts", "reposdir=/dev/null", "gpgcheck=0")
    options = ["--quiet", "--assumeyes", "--releasever=1", f"--installroot={root}", f"--repofrompath=bed,file://{repository}"]
    return run("dnf", *options, *(f"--setopt={setting}" for setting in settings), *arguments, status=status, HOME=str(root))


def installed(root: Path) -> set[str]:
    return set(run("rpm", "--root", root, "--query", "--all", "--queryformat", "%{NAME}\n", HOME=str(root)).split())


def test_what_is_needed_comes_with_it(repository, tmp_path):
    dnf(repository, tmp_path, "--setopt=install_weak_deps=False", "install", "nfjail")
    assert installed(tmp_path) == {"nfjail"} | NEEDED


def test_what_is_recommended_comes_with_it_too(repository, tmp_path):
    dnf(repository, tmp_path, "install", "nfjail")
    assert installed(tmp_path) == {"nfjail", "python3-pyroute2", "whois"} | NEEDED


def test_fail2bans_commands_come_from_fail2ban_or_from_nfjail(repository, tmp_path):
    dnf(repository, tmp_path, "--setopt=install_weak_deps=False", "install", "nfjail", "fail2ban")
    assert {"nfjail", "fail2ban", "fail2ban-server"} <= installed(tmp_path)
    dnf(repository, tmp_path, "install", "nfjail-fail2ban-compat", status=1)
    assert "nfjail-fail2ban-compat" not in installed(tmp_path)
    dnf(repository, tmp_path, "--allowerasing", "install", "nfjail-fail2ban-compat")
    assert installed(tmp_path) >= {"nfjail", "nfjail-fail2ban-compat"}
    assert not {"fail2ban", "fail2ban-server"} & installed(tmp_path)
