"""What iptables' firewall says when something is missing, refused or not allowed."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from iptables_bed import NOW, SSHD, ban, firewall_with, inside, new_namespace, run

import nfjail
from nfjail.firewall import FirewallError, Gate
from nfjail.firewall.iptables import IptablesFirewall, available, ipset_available


@pytest.fixture(autouse=True)
def own_network() -> Iterator[None]:
    with new_namespace() as namespace, inside(namespace):
        yield


@pytest.fixture(params=["iptables-nft", "iptables-legacy"])
def back_end(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_without_ip6tables_ipv4_goes_on_and_it_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for program in ("iptables", "iptables-save", "iptables-restore"):
        os.symlink(shutil.which(program) or "", tmp_path / program)
    firewall = IptablesFirewall(command=str(tmp_path / "iptables"))
    firewall.configure([SSHD], [])
    for _ in range(2):
        firewall.sync([ban("192.0.2.7"), ban("2001:db8::7")], NOW)
        firewall.apply([ban("192.0.2.8"), ban("2001:db8::8")], NOW)
    assert [str(found.subject) for found in firewall.adopt(NOW)] == ["192.0.2.8", "192.0.2.7"]
    assert caplog.text.count("IPv6 addresses cannot be banned") == 1
    assert "install the package iptables" in caplog.text


def test_a_missing_program_is_named_with_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "install the package iptables" in (available(str(tmp_path / "iptables")) or "")
    with pytest.raises(FirewallError, match="iptables-save is not installed: install the package iptables"):
        IptablesFirewall(command=str(tmp_path / "iptables")).sync([], NOW)
    monkeypatch.setattr("nfjail.firewall.program._SBIN", "")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ipset_available() == "ipset is not installed: install the package ipset"


def test_what_works_here_is_available(back_end: str) -> None:
    assert available(back_end) is None
    assert available() is None
    assert ipset_available() is None


def test_a_program_without_privileges_says_what_it_needs() -> None:
    lines = "from nfjail.firewall.iptables import *; print(available('iptables-nft')); print(ipset_available())"
    tree = os.path.dirname(os.path.dirname(nfjail.__file__))
    said = run("setpriv", "--bounding-set=-all", "env", f"PYTHONPATH={tree}", sys.executable, "-c", lines).splitlines()
    assert len(said) == 2
    assert all("nfjail needs root, or CAP_NET_ADMIN" in line for line in said)


def test_rules_of_nft_itself_in_the_table_are_an_error_with_advice() -> None:
    firewall = firewall_with(ban("192.0.2.7"), command="iptables-nft")
    run("nft", "add rule ip filter INPUT meta mark 5 ct state new log limit rate 5/second accept")
    with pytest.raises(FirewallError, match='set banaction = "nftables"'):
        firewall.sync([], NOW)
    assert "rules of nft itself" in (available("iptables-nft") or "")


def test_an_error_quotes_the_line_that_was_refused() -> None:
    firewall = IptablesFirewall()
    firewall.configure([Gate("sshd", ("70000",))], [])
    with pytest.raises(FirewallError, match=r"70000.*\[-A nfjail -p tcp -m multiport --dports 70000 -j nfjail-sshd\]"):
        firewall.sync([], NOW)
    run("ipset", "create", "nfjail-web-4", "hash:ip")
    firewall = IptablesFirewall(use_ipset=True)
    firewall.configure([Gate("web")], [])
    with pytest.raises(FirewallError, match=r"\[create nfjail-web-4 hash:net .*ipset destroy NAME"):
        firewall.sync([], NOW)


@pytest.mark.parametrize("name", ["sshd -j ACCEPT", "sshd\nCOMMIT", '"', "", "x" * 121, "a;b"])
def test_names_that_could_be_more_than_a_name_are_refused(name: str) -> None:
    with pytest.raises(FirewallError, match="use letters, digits and"):
        IptablesFirewall().configure([Gate(name)], [])
    with pytest.raises(FirewallError, match="use letters, digits and"):
        IptablesFirewall(table=name)
