"""The RPM packages: what is in them, what they need, and that building them again gives the same bytes.

They are built with stand-ins for Fedora's macros, so what those themselves do is not shown here.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from pathlib import Path

import pytest

import nfjail
from tests.packages.deb_bed import ENVIRONMENT, ROOT, unpacked
from tests.packages.rpm_bed import SPEC, build_rpms, built, run, told, with_macros

VERSION = nfjail.__version__
BOTH = ("nfjail", "nfjail-fail2ban-compat")
MODULES = re.compile(r"/usr/lib/python3\.\d+/site-packages/(.*)")

# Without the modules, and where FOLDERS says that there is one file for each in a folder of the tree.
FILES = {
    "nfjail": """
        /etc/nfjail/
        /etc/nfjail/conf.d/
        /usr/bin/nfjail
        /usr/lib/systemd/system-preset/80-nfjail.preset
        /usr/lib/systemd/system/nfjail.service
        /usr/lib/sysusers.d/nfjail.conf
        /usr/share/bash-completion/completions/nfjail
        /usr/share/doc/nfjail/
        /usr/share/doc/nfjail/CHANGELOG.md
        /usr/share/doc/nfjail/README.md
        /usr/share/doc/nfjail/examples/
        /usr/share/fish/vendor_completions.d/nfjail.fish
        /usr/share/nfjail/
        /usr/share/nfjail/conf.d/
        /usr/share/zsh/site-functions/_nfjail
    """,
    "nfjail-fail2ban-compat": """
        /usr/bin/fail2ban-client
        /usr/bin/fail2ban-regex
        /usr/lib/systemd/system-preset/80-nfjail-fail2ban-compat.preset
        /usr/lib/systemd/system/nfjail-fail2ban-socket.service
        /usr/libexec/nfjail/
        /usr/libexec/nfjail/nfjail-fail2ban-socket
    """,
}

FOLDERS = [
    ("/usr/share/nfjail/conf.d/", ROOT / "conf.d", "*.toml"),
    ("/usr/share/doc/nfjail/examples/", ROOT / "packaging" / "examples", "*.toml"),
    ("/usr/share/doc/nfjail/examples/", ROOT / "packaging" / "systemd" / "examples", "*.conf"),
]


def files(package: str) -> dict[str, str]:
    """Path, with / behind a folder's: mode, owner and group."""
    listed = told(package, "--queryformat", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILEGROUPNAME} %{FILENAMES}\n]")
    found = {}
    for line in listed:
        mode, user, group, path = line.split(" ", 3)
        found[path + "/" * mode.startswith("d")] = f"{mode} {user} {group}"
    return found


def test_the_packages_and_their_source_are_built():
    names = {path.name for path in built().glob("*.rpm")}
    assert names == {f"{package}-{VERSION}-1.noarch.rpm" for package in BOTH} | {f"nfjail-{VERSION}-1.src.rpm"}


def test_built_elsewhere_by_somebody_else_they_are_the_same(tmp_path):
    settings = {"TZ": "Asia/Tokyo", "LANG": "tr_TR.UTF-8", "SOURCE_DATE_EPOCH": "1", "USER": "somebody"}
    tree = unpacked(built() / f"nfjail-{VERSION}.tar.gz", tmp_path)
    for path in tree.rglob("*"):
        os.utime(path, (0, 0))
    again = build_rpms(tmp_path / "out", tmp_path / "home", tree, **settings)
    assert len(again) == 3
    for rpm in again:
        assert rpm.read_bytes() == (built() / rpm.name).read_bytes(), rpm.name


def test_rpmlint_has_nothing_to_say():
    said = run("rpmlint", "--config", SPEC.with_name("rpmlint.toml"), *built().glob("*.rpm"))
    assert "3 packages and 0 specfiles checked; 0 errors, 0 warnings" in said


def test_version_and_date_are_the_projects_own():
    text = SPEC.read_text()
    assert f"\nVersion:        {VERSION}\n" in text
    [(date, release)] = re.findall(r"(?s)\n%changelog\n\* (\w+ \w+ \d+ \d+) [^\n]+ - (\S+)\n", text)
    assert release == f"{VERSION}-1"
    [built_at] = told("nfjail", "--queryformat", "%{BUILDTIME}")
    assert time.strftime("%a %b %d %Y", time.gmtime(int(built_at))) == date


def test_without_fedoras_macros_nothing_is_built(tmp_path):
    command = [str(ROOT / "packaging" / "build"), "rpm", "-o", str(tmp_path / "out")]
    done = subprocess.run(command, env={**ENVIRONMENT, "HOME": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs Fedora's rpm macros" in done.stderr
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("package", BOTH)
def test_these_files_are_in_it(package):
    found = {path for path in files(package) if not MODULES.match(path) and not path.startswith("/usr/share/man/")}
    expected = set(FILES[package].split())
    if package == "nfjail":
        expected |= {to + path.name for to, folder, pattern in FOLDERS for path in folder.glob(pattern)}
    assert found == expected


def test_all_modules_are_in_it():
    found = {match[1] for path in files("nfjail") if (match := MODULES.match(path)) and path.endswith(".py")}
    assert found == {str(path.relative_to(ROOT)) for path in (ROOT / "nfjail").rglob("*.py")}


def test_all_manual_pages_are_in_the_package_of_what_they_describe():
    names = {path.name.removesuffix(".md") for path in (ROOT / "packaging" / "man").glob("*.[1-8].md")}
    compat = {name for name in names if "fail2ban" in name}
    for package, pages in zip(BOTH, (names - compat, compat), strict=True):
        found = {path for path in files(package) if path.startswith("/usr/share/man/")}
        assert found == {f"/usr/share/man/man{page[-1]}/{page}.gz" for page in pages}


def test_each_command_has_a_manual_page():
    commands = {Path(path).name for package in BOTH for path in files(package) if path.startswith("/usr/bin/")}
    pages = {Path(path).name for package in BOTH for path in files(package) if path.startswith("/usr/share/man/man1/")}
    assert commands == {"nfjail", "fail2ban-client", "fail2ban-regex"}
    assert {f"{command}.1.gz" for command in commands} <= pages


@pytest.mark.parametrize("package", BOTH)
def test_all_is_roots_and_only_commands_are_executable(package):
    for path, mode in files(package).items():
        is_command = path.startswith(("/usr/bin/", "/usr/libexec/nfjail/"))
        expected = "drwxr-xr-x" if path.endswith("/") else "-rwxr-xr-x" if is_command else "-rw-r--r--"
        assert mode == expected + " root root", path


def test_nothing_in_etc_is_a_file_that_an_upgrade_would_meet():
    assert told("nfjail", "--configfiles") == []


def test_what_it_needs():
    needs = set(told("nfjail", "--requires")) - {"user(nfjail)", "group(adm)", "group(systemd-journal)"}  # rpm's own since 4.19
    [python] = re.findall(r"\bpython\(abi\) = (3\.\d+)", "\n".join(needs))
    library = {"nftables", "python3-nftables", f"python{python}dist(systemd-python)"}
    assert needs == {*library, f"python(abi) = {python}", "/usr/bin/python3", "/bin/sh", "systemd"}
    assert set(told("nfjail", "--recommends")) == {"python3-pyroute2", "whois"}
    assert set(told("nfjail", "--suggests")) == {"ipset", "iptables", "nfjail-fail2ban-compat", "server(smtp)"}
    assert told("nfjail", "--conflicts") == told("nfjail", "--obsoletes") == []


def test_what_fail2bans_commands_need():
    needs = {f"nfjail = {VERSION}-1", "/usr/bin/python3", "/bin/sh", "systemd"}
    assert set(told("nfjail-fail2ban-compat", "--requires")) == needs
    assert set(told("nfjail-fail2ban-compat", "--conflicts")) == {"fail2ban", "fail2ban-server"}


@pytest.mark.parametrize(("distribution", "unit_type", "makes_users"), [
    ("fedora 44", "notify-reload", False),  # its rpm makes the users that sysusers.d names
    ("fedora 41", "notify-reload", True),
    ("rhel 10", "notify-reload", True),
    ("debian 12", "notify", True),  # as these tests build it
])  # fmt: skip
def test_each_distribution_gets_what_its_systemd_and_rpm_can_do(distribution, unit_type, makes_users, tmp_path):
    defines = ["--define", distribution, "--define", f"_sourcedir {ROOT}/packaging/systemd"]
    spec = run("rpmspec", "--parse", *defines, SPEC, HOME=with_macros(tmp_path))
    assert f"/Type={unit_type}/' packaging/systemd/nfjail.service.in > nfjail.service\n" in spec
    assert ("\n%pre\nsystemd-sysusers " in spec) == makes_users


def test_it_says_what_debians_package_says():
    debian = ROOT / "packaging" / "debian"
    [beside_fail2ban] = re.findall(r"(?s)<<'EOF'\n(.*?)EOF\n", (debian / "nfjail.postinst").read_text())
    [removed] = re.findall(r"echo (\"nfjail: .* nft delete table inet [$]table\")\n", (debian / "nfjail.postrm").read_text())
    scripts = "\n".join(told("nfjail", "--scripts"))
    assert beside_fail2ban in scripts
    assert removed in scripts
