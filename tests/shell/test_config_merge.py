"""Which file wins, key by key."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from config_bed import VENDOR, Bed

from nfjail.config import JailConfig, load
from nfjail.config.read import vendor_folder


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    return bed


def demo(bed: Bed, local: str) -> JailConfig:
    (jail,) = bed.load(local).jails
    return jail


def test_etc_wins_over_run_wins_over_vendor(bed: Bed) -> None:
    (bed.vendor / "z.toml").write_text("[jail.demo]\nmaxretry = 1\nfindtime = 1\nbantime = 1\n")
    (bed.runtime / "y.toml").write_text("[jail.demo]\nmaxretry = 2\nfindtime = 2\n")
    jail = demo(bed, "[jail.demo]\nmaxretry = 3\n")
    assert (jail.maxretry, jail.findtime, jail.bantime) == (3, 2.0, 1.0)


def test_in_a_folder_the_last_name_wins(bed: Bed) -> None:
    (bed.local / "10-a.toml").write_text("[jail.demo]\nmaxretry = 10\nfindtime = 10\n")
    (bed.local / "9-b.toml").write_text("[jail.demo]\nmaxretry = 9\n")
    jail = demo(bed, "")
    assert (jail.maxretry, jail.findtime) == (9, 10.0)


def test_only_toml_files_are_read(bed: Bed) -> None:
    for name in ("x.toml~", "x.conf", ".x.toml", "x.toml.dpkg-old"):
        (bed.local / name).write_text("this is no TOML")
    assert bed.load().enabled


def test_a_list_replaces_a_list(bed: Bed) -> None:
    (bed.vendor / "z.toml").write_text('[default]\nignoreip = ["192.0.2.1"]\n')
    assert [str(s) for s in demo(bed, '[default]\nignoreip = ["192.0.2.2"]\n').ignoreip] == ["192.0.2.2"]


def test_a_jail_wins_over_default_wherever_they_stand(bed: Bed) -> None:
    (bed.vendor / "z.toml").write_text("[jail.demo]\nmaxretry = 7\n")
    jail = demo(bed, "[default]\nmaxretry = 2\nfindtime = 30\n")
    assert (jail.maxretry, jail.findtime) == (7, 30.0)


def test_increment_is_merged_key_by_key_also_in_its_short_form(bed: Bed) -> None:
    (bed.vendor / "z.toml").write_text('[default.increment]\nfactor = 3\nmaxtime = "1d"\n')
    increment = demo(bed, "[jail.demo]\nincrement = true\n").increment
    assert (increment.enabled, increment.factor, increment.maxtime) == (True, 3.0, 86400.0)


def test_a_dropin_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "x.toml").write_text(
        """
[jail.sshd]
enabled = true
backend = "file"
logpath = ["/var/log/auth.log"]
port = ["ssh"]
maxretry = 3
findtime = "10m"
bantime = "10m"
"""
    )
    config = load(str(tmp_path), runtime=str(tmp_path / "none"))
    sshd = next(jail for jail in config.jails if jail.name == "sshd")
    assert (sshd.enabled, sshd.backend, sshd.logpath) == (True, "file", ("/var/log/auth.log",))
    assert (sshd.port, sshd.protocol) == (("22",), ("tcp",))
    assert (sshd.maxretry, sshd.maxmatches, sshd.findtime, sshd.bantime) == (3, 3, 600.0, 600.0)
    found = sshd.filter.find("Failed password for root from 192.0.2.7 port 51234 ssh2")
    assert found is not None
    assert found.host == "192.0.2.7"


def test_what_is_shipped_is_good_and_so_are_its_examples(tmp_path: Path) -> None:
    shipped = Path(vendor_folder()) / "00-nfjail.toml"
    _, _, examples = shipped.read_text().partition("# Examples, ")
    lines = [line.removeprefix("#     ") for line in examples.splitlines() if line.startswith("#     ")]
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "local.toml").write_text("\n".join(lines))
    config = load(str(tmp_path), runtime=str(tmp_path / "none"), check_all=True)
    jails = {jail.name: jail for jail in config.enabled}
    assert jails["sshd"].port == ("22", "2222")
    found = jails["shop"].filter.find("login failed: user bob, address 192.0.2.7")
    assert found is not None
    assert (found.host, found.fields) == ("192.0.2.7", {"user": "bob"})


def test_what_is_shipped_has_no_defaults_but_those_of_the_program(tmp_path: Path) -> None:
    """00-nfjail.toml explains the defaults; without it they are the same."""
    shipped = (Path(vendor_folder()) / "00-nfjail.toml").read_text()
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    bare = bed.load()
    (bed.vendor / "00-nfjail.toml").write_text(shipped)
    assert bed.load() == bare


def test_what_holds_until_the_next_boot_is_roots_to_say(tmp_path: Path) -> None:
    """/run/nfjail is the service's: its user must not tell root's nfjail what to do."""
    bed = Bed(tmp_path)
    (bed.runtime / "x.toml").write_text("jail.sshd.maxretry = 99")
    os.chown(bed.runtime, 12345, -1)
    [problem] = bed.problems()
    assert "run: it belongs to user 12345, not to root" in problem


def test_a_jail_that_is_given_another_filter_does_not_keep_what_was_said_for_the_one_it_had(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    jail = '[jail.demo]\nfilter = "first"\nmode = "strict"\nport = ["ssh"]\njournalmatch = ["_UID=0"]\nlogpath = ["/x"]\n'
    filters = "".join(f"[filter.{name}]\nfailregex = ['^{name} <HOST>$']\n" for name in ("first", "second"))
    (bed.vendor / "demo.toml").write_text(f"{jail}{filters}[filter.first.mode.strict]\n")
    (demo,) = bed.load('[jail.demo]\nenabled = true\nfilter = "second"\n').enabled
    assert (demo.mode, demo.port, demo.journalmatch, demo.logpath) == ("normal", ("22",), (), ("/x",))
    (demo,) = bed.load('[jail.demo]\nenabled = true\nfilter = "first"\n').enabled
    assert (demo.mode, demo.journalmatch) == ("strict", ((("_UID", "0"),),))
