"""Debian's packages: the same bytes from the same tree, all in its place, what they ask for, and nothing for lintian to say."""

from __future__ import annotations

import os
import re
import subprocess
from functools import cache
from typing import NamedTuple

import pytest

import nfjail
from tests.packages.deb_bed import ENVIRONMENT, ROOT, build, built, built_deb, has_notify_reload, unpacked

NFJAIL, COMPAT = "nfjail", "nfjail-fail2ban-compat"


class File(NamedTuple):
    mode: str  # as ls shows it
    owner: str


def run(*command: str) -> str:
    """What it prints."""
    done = subprocess.run(command, env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout


@cache
def files(package: str) -> dict[str, File]:
    """What is in a package but folders, by path."""
    found = {}
    for line in run("dpkg-deb", "--contents", str(built_deb(package))).splitlines():
        mode, owner, _size, _date, _time, path = line.split(None, 5)
        if not mode.startswith("d"):
            found[path.removeprefix(".")] = File(mode, owner)
    return found


def field(package: str, name: str) -> list[str]:
    """The field's words between commas, without versions."""
    text = run("dpkg-deb", "--field", str(built_deb(package)), name)
    return [re.sub(r" \(.*?\)", "", part).strip() for part in text.split(",") if part.strip()]


def text_of(package: str, path: str) -> str:
    tar = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(built_deb(package))], stdout=subprocess.PIPE, check=True).stdout
    return subprocess.run(["tar", "-xO", f".{path}"], input=tar, stdout=subprocess.PIPE, check=True).stdout.decode()


def test_all_versions_are_one(tmp_path):
    assert field(NFJAIL, "Version") == field(COMPAT, "Version") == [f"{nfjail.__version__}-1"]


def test_the_same_tree_gives_the_same_bytes(tmp_path):
    """Built once more, elsewhere and in another time zone and language. The rest that is made tells when and where that was."""
    [tarball] = built().glob("*.orig.tar.gz")
    again = build("deb", tmp_path / "again", unpacked(tarball, tmp_path / "tree"), TZ="Asia/Tokyo", LANG="C")
    alike = [path for path in again if path.suffix not in (".changes", ".buildinfo")]
    assert len(alike) == 5  # two packages, and the source package's three files
    assert [path.name for path in alike if path.read_bytes() != (built() / path.name).read_bytes()] == []


def test_every_module_is_there_and_no_other_file_of_the_tree():
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "nfjail").rglob("*.py")}
    site = "/usr/lib/python3/dist-packages/"
    shipped = {path.removeprefix(site) for path in files(NFJAIL) if path.startswith(site) and ".dist-info/" not in path}
    assert shipped == modules


def test_what_is_no_module_is_in_its_place():
    there = {path for path in files(NFJAIL) if not path.startswith("/usr/lib/python3/")}
    assert there >= {
        "/usr/bin/nfjail",
        "/usr/lib/systemd/system/nfjail.service",
        "/usr/lib/sysusers.d/nfjail.conf",
        "/usr/share/bash-completion/completions/nfjail",
        "/usr/share/zsh/vendor-completions/_nfjail",
        "/usr/share/fish/vendor_completions.d/nfjail.fish",
        "/usr/share/doc/nfjail/examples/local.toml",
        "/usr/share/doc/nfjail/copyright",
    }
    assert {path.rpartition("/")[2] for path in there if path.startswith("/usr/share/nfjail/conf.d/")} == {
        path.name for path in (ROOT / "conf.d").glob("*.toml")
    }
    pages = {"man1/nfjail.1", "man1/nfjail-ctl.1", "man5/nfjail.toml.5", "man7/nfjail-filters.7", "man7/nfjail-migration.7"}
    assert {path for path in there if "/man/" in path} == {f"/usr/share/man/{page}.gz" for page in pages}
    places = ("/usr/bin/nfjail", "/usr/lib/systemd/system/nfjail.service", "/usr/lib/sysusers.d/", "/usr/share/", "/etc/")
    assert [path for path in there if not path.startswith(places)] == []


def test_fail2bans_commands_are_in_a_package_of_their_own():
    there = files(COMPAT)
    commands = {"/usr/bin/fail2ban-client", "/usr/bin/fail2ban-regex", "/usr/libexec/nfjail/nfjail-fail2ban-socket"}
    assert {path for path in there if there[path].mode == "-rwxr-xr-x"} == commands
    assert {path.rpartition("/")[2] for path in there if path.endswith(".service")} == {"nfjail-fail2ban-socket.service"}
    assert not [path for path in files(NFJAIL) if "bin/fail2ban-" in path]


@pytest.mark.parametrize("package", [NFJAIL, COMPAT])
def test_everything_belongs_to_root_and_only_root_writes(package):
    modes = {"-rw-r--r--", "-rwxr-xr-x", "lrwxrwxrwx"}  # the last is a link's, which means nothing
    assert {(file.mode in modes, file.owner) for file in files(package).values()} == {(True, "root/root")}


def test_upgrades_ask_nothing_about_etc():
    """There is a folder for one's own files, and in it nothing of the package's but a link to the example."""
    link = "/etc/nfjail/conf.d/README -> /usr/share/doc/nfjail/examples/local.toml"
    assert [path for path in files(NFJAIL) if path.startswith("/etc/")] == [link]
    assert "conffiles" not in run("dpkg-deb", "--info", str(built_deb()))


def test_what_the_packages_ask_for():
    depends = {word.replace("-supported-min", "") for word in field(NFJAIL, "Depends")}  # Debian 13 says it like that
    assert depends == {
        "nftables",
        "python3-nftables",
        "python3-systemd",
        "python3-tomli | python3",  # of 3.11 or newer
        "python3:any",
        "systemd | systemd-standalone-sysusers | systemd-sysusers",
    }
    assert field(NFJAIL, "Recommends") == ["default-mta | mail-transport-agent", "python3-pyroute2", "whois"]
    assert field(NFJAIL, "Conflicts") == []  # it may run beside fail2ban
    assert set(field(COMPAT, "Depends")) == {"nfjail", "python3:any"}
    assert field(COMPAT, "Conflicts") == ["fail2ban"]


def test_the_unit_fits_the_systemd_that_it_was_built_with():
    unit = text_of(NFJAIL, "/usr/lib/systemd/system/nfjail.service")
    new = has_notify_reload()
    assert re.findall(r"^Type=(.*)$", unit, re.MULTILINE) == ["notify-reload" if new else "notify"]
    assert field(NFJAIL, "Breaks") == (["systemd"] if new else [])
    assert "@" not in re.sub(r"@[a-z-]+\b", "", re.sub(r"^#.*$", "", unit, flags=re.MULTILINE))  # but for systemd's own @sets


def test_lintian_has_nothing_to_say():
    [changes] = built().glob("*.changes")
    command = ["lintian", "--pedantic", "--display-info", "--fail-on=error,warning", "--tag-display-limit=0", str(changes)]
    environment = {**ENVIRONMENT, "HOME": os.environ.get("HOME", "/")}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stdout
    assert not re.search("^[EWO]: ", done.stdout, re.MULTILINE), done.stdout


def test_each_override_says_why():
    for path in (ROOT / "packaging/debian").glob("*.lintian-overrides"):
        lines = path.read_text().splitlines()
        assert all(lines[number - 1].startswith("# ") for number, line in enumerate(lines) if not line.startswith("#"))


def test_the_example_has_no_mistake(tmp_path):
    """As it is, all is switched off; switched on, `nfjail check` is content with it."""
    example = text_of(NFJAIL, "/usr/share/doc/nfjail/examples/local.toml")
    switched_on = re.sub(r"^#(?! )", "", example, flags=re.MULTILINE)
    assert switched_on != example
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/local.toml").write_text(switched_on)
    command = ["/usr/bin/python3", "-m", "nfjail", "check", "--config", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.search(r"3 of \d+ jails enabled \(recidive, sshd, shop\)", done.stdout)


def test_it_says_what_it_does_when_it_is_called_wrongly(tmp_path):
    command = str(ROOT / "packaging/build")
    for arguments in ([], ["windows"], ["deb", "-o"], ["deb", "somewhere"]):
        done = subprocess.run([command, *arguments], cwd=tmp_path, env=ENVIRONMENT, capture_output=True, text=True)
        assert (done.returncode, done.stdout.startswith("usage: packaging/build deb|rpm|source [-o DIR]")) == (2, True)
    assert list(tmp_path.iterdir()) == []
