"""What the values of settings mean."""

from __future__ import annotations

import itertools
import socket
from pathlib import Path

import pytest
from config_bed import VENDOR, Bed

from nfjail.config import JailConfig


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    return bed


def demo(bed: Bed, options: str) -> JailConfig:
    return bed.load(f"[jail.demo]\n{options}\n").jails[0]


def test_the_defaults_are_those_of_fail2ban(bed: Bed) -> None:
    jail = demo(bed, "enabled = false")
    assert (jail.enabled, jail.maxretry, jail.findtime, jail.bantime, jail.maxmatches) == (False, 5, 600.0, 600.0, 5)
    assert (jail.backend, jail.banaction, jail.blocktype, jail.ignoreself) == ("auto", "auto", "reject", True)
    assert (jail.port, jail.protocol, jail.ipv6_prefix, jail.ignoreip) == ((), ("tcp",), 64, ())
    assert (jail.increment.enabled, jail.increment.factor, jail.increment.formula) == (False, 1.0, "")


@pytest.mark.parametrize(
    ("written", "ports"),
    [
        ("22", ("22",)),
        ('"22"', ("22",)),
        ('["ssh"]', ("22",)),
        ('"http,https"', ("80", "443")),
        ('"8000-8080"', ("8000-8080",)),
        ('["8000:8080", 22]', ("22", "8000-8080")),  # ascending
        ('["80", "http", 80]', ("80",)),
        ('["20-30", "25-40", "22"]', ("20-40",)),  # nft refuses ranges that overlap
        ('["80", "81"]', ("80", "81")),
        ('["1-100", "100-65535"]', ()),
        ('"all"', ()),
        ('"0:65535"', ()),
        ("[]", ()),
        ('["all", "ssh"]', ()),
    ],
)
def test_port(bed: Bed, written: str, ports: tuple[str, ...]) -> None:
    assert demo(bed, f"port = {written}").port == ports


def test_names_of_services_are_known_without_etc_services(bed: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_such_file(name: str) -> int:
        raise OSError("service/proto not found")  # what getservbyname says where netbase is not installed

    monkeypatch.setattr(socket, "getservbyname", no_such_file)
    assert demo(bed, 'port = "ssh,submission"').port == ("22", "587")


@pytest.mark.parametrize(
    ("written", "protocols"),
    [('"udp"', ("udp",)), ('"tcp,udp"', ("tcp", "udp")), ('["udp", "udp"]', ("udp",)), ('"all"', ()), ("[]", ())],
)
def test_protocol(bed: Bed, written: str, protocols: tuple[str, ...]) -> None:
    assert demo(bed, f"protocol = {written}").protocol == protocols


@pytest.mark.parametrize(
    ("written", "subjects", "names"),
    [
        ('"127.0.0.1/8 ::1"', None, None),  # the host bits are set: a mistake, and not guessed at
        ('"127.0.0.0/8 ::1"', ["127.0.0.0/8", "::1"], []),
        ('"192.0.2.1, home.example.org,192.0.2.1"', ["192.0.2.1"], ["home.example.org"]),
        ('["192.0.2.0/255.255.255.0"]', ["192.0.2.0/24"], []),
        ('["0.0.0.0/0.0.0.0"]', ["0.0.0.0/0"], []),
        ('["::ffff:192.0.2.9", "2001:DB8::/48"]', ["192.0.2.9", "2001:db8::/48"], []),
        ('["LocalHost", "a_b.example", "example.org."]', [], ["localhost", "a_b.example", "example.org."]),
        ("[]", [], []),
        ('""', [], []),
    ],
)
def test_ignoreip(bed: Bed, written: str, subjects: list[str] | None, names: list[str] | None) -> None:
    if subjects is None:
        said = bed.problems(f"[jail.demo]\nignoreip = {written}\n")
        assert said == ["x.toml: jail.demo.ignoreip: '127.0.0.1/8' has bits set behind the prefix; write 127.0.0.0/8"]
        return
    jail = demo(bed, f"ignoreip = {written}")
    assert ([str(subject) for subject in jail.ignoreip], list(jail.ignore_names)) == (subjects, names)


@pytest.mark.parametrize("text", ["1.2.3", "1.2.3.4.5", "-a", "a-", "a..b", ".", "a/24", "a b", "file:/x", "a" * 64])
def test_no_host_names(bed: Bed, text: str) -> None:
    assert len(bed.problems(f'[jail.demo]\nignoreip = ["{text}"]\n')) == 1


@pytest.mark.parametrize(
    ("written", "groups"),
    [
        ('"_SYSTEMD_UNIT=a.service"', ["_SYSTEMD_UNIT=a.service"]),
        ('"_SYSTEMD_UNIT=a.service _UID=0"', ["_SYSTEMD_UNIT=a.service _UID=0"]),
        ('["_UID=0", "_UID=1"]', ["_UID=0", "_UID=1"]),
        ('"_UID=0 + _UID=1"', ["_UID=0", "_UID=1"]),  # fail2ban's and journalctl's OR
        ('"_UID=0 _UID=1 _COMM=a"', ["_UID=0 _COMM=a", "_UID=1 _COMM=a"]),  # the journal's own rule
        ('["_UID=0", "_UID=0"]', ["_UID=0"]),
        ('''"_EXE='/opt/my app' _UID=0"''', ["_EXE=/opt/my app|_UID=0"]),
        ('"_TRANSPORT=kernel"', ["_TRANSPORT=kernel"]),
    ],
)
def test_journalmatch(bed: Bed, written: str, groups: list[str]) -> None:
    match = demo(bed, f"journalmatch = {written}").journalmatch
    separators = ["|" if "|" in group else " " for group in groups]
    assert [s.join(f"{f}={v}" for f, v in group) for group, s in zip(match, separators, strict=True)] == groups


@pytest.mark.parametrize(
    ("fail2ban", "banaction", "port"),
    [
        ("nftables-multiport", "nftables", ("22",)),
        ("nftables-allports", "nftables", ()),
        ("iptables-multiport", "iptables", ("22",)),
        ("iptables-allports", "iptables", ()),
        ("iptables-ipset-proto6", "iptables-ipset", ("22",)),
        ("iptables-ipset-proto6-allports", "iptables-ipset", ()),
    ],
)
def test_banactions_of_fail2ban_mean_the_same(bed: Bed, fail2ban: str, banaction: str, port: tuple[str, ...]) -> None:
    jail = demo(bed, f'port = "ssh"\nbanaction = "{fail2ban}"')
    assert (jail.banaction, jail.port) == (banaction, port)


@pytest.mark.parametrize(
    ("fail2ban", "backend"), [("systemd", "journal"), ("polling", "file"), ("pyinotify", "file"), ("auto", "auto")]
)
def test_backends_of_fail2ban_mean_the_same(bed: Bed, fail2ban: str, backend: str) -> None:
    assert demo(bed, f'logpath = "/x"\nbackend = "{fail2ban}"').backend == backend


def test_one_logpath_needs_no_list(bed: Bed) -> None:
    assert demo(bed, 'logpath = "/var/log/*.log"').logpath == ("/var/log/*.log",)


def test_multipliers_as_fail2ban_writes_them(bed: Bed) -> None:
    assert demo(bed, 'increment.multipliers = "1 5 30"').increment.multipliers == (1.0, 5.0, 30.0)


@pytest.mark.parametrize(("written", "seconds"), [('"forever"', None), ("-1", None), ('"1h 30m"', 5400.0), ("60", 60.0)])
def test_bantime(bed: Bed, written: str, seconds: float | None) -> None:
    assert demo(bed, f"bantime = {written}").bantime == seconds


FILTER = """
[filter.m]
journalmatch = ["_UID=0"]
failregex = ['^base <HOST>$']
ignoreregex = ['monitor']
[filter.m.mode.normal]
failregex = ['^normal <HOST>$', '^both <HOST>$']
[filter.m.mode.ddos]
include = ["normal"]
failregex = ['^ddos <HOST>$', '^both <HOST>$']
ignoreregex = ['probe']
[filter.m.mode.aggressive]
include = ["normal", "ddos"]
[filter.m.mode.alone]
failregex = ['^alone <HOST>$']
[jail.demo]
filter = "m"
failregex = ['^own <HOST>$', '^base <HOST>$']
"""
_OWN = ["^own <HOST>$"]
_NORMAL = ["^base <HOST>$", "^normal <HOST>$", "^both <HOST>$"]


@pytest.mark.parametrize(
    ("mode", "failregex", "ignoreregex"),
    [
        ("normal", [*_NORMAL, *_OWN], ["monitor"]),
        ("ddos", [*_NORMAL, "^ddos <HOST>$", *_OWN], ["monitor", "probe"]),
        ("aggressive", [*_NORMAL, "^ddos <HOST>$", *_OWN], ["monitor", "probe"]),
        ("alone", ["^base <HOST>$", "^alone <HOST>$", *_OWN], ["monitor"]),
    ],
)
def test_modes_of_a_filter(bed: Bed, mode: str, failregex: list[str], ignoreregex: list[str]) -> None:
    """The filter's own patterns, then those of included modes, the mode's, the jail's; each once."""
    compiled = bed.load(f'{FILTER}mode = "{mode}"\n').jails[0].filter
    assert (list(compiled.failregex), list(compiled.ignoreregex)) == (failregex, ignoreregex)


def test_a_jail_can_do_without_a_filter(bed: Bed) -> None:
    jails = bed.load("[jail.own]\nenabled = true\nlogpath = '/x'\nfailregex = ['^x <HOST>$']\n", check_all=True).jails
    assert jails[1].filter.find("x 192.0.2.1") is not None


def test_only_jails_that_are_enabled_have_their_patterns_compiled(bed: Bed) -> None:
    assert demo(bed, "enabled = false").filter.find("failure from 192.0.2.1") is None
    assert demo(bed, "enabled = true").filter.find("failure from 192.0.2.1") is not None
    assert bed.load("[jail.demo]\nenabled = false\n", check_all=True).jails[0].filter.failregex


def test_the_identifier_goes_to_the_filter(bed: Bed) -> None:
    assert demo(bed, "").filter.identifier == {"demo"}


def test_global_settings(bed: Bed) -> None:
    config = bed.load(
        """
table = "own"
[journal]
path = "/srv/journal"
[store]
dbpurgeage = "2d"
[firewall]
hook = "input"
priority = -5
iptables = "iptables-legacy"
chain = "DOCKER-USER"
"""
    )
    assert (config.table, config.journal_path, config.dbpurgeage) == ("own", "/srv/journal", 172800.0)
    firewall = (config.hook, config.priority, config.iptables, config.iptables_chain)
    assert firewall == ("input", -5, "iptables-legacy", "DOCKER-USER")


def test_the_values_cannot_be_changed(bed: Bed) -> None:
    config = bed.load()
    for value, field in itertools.product((config, config.jails[0], config.filters[0]), ("name", "table")):
        with pytest.raises((AttributeError, TypeError)):
            setattr(value, field, "x")


@pytest.mark.parametrize(("log", "works"), [("here.log", True), ("not-here.log", False)])
def test_auto_goes_by_whether_the_service_is_here(bed: Bed, tmp_path: Path, log: str, works: bool) -> None:
    (tmp_path / "here.log").touch()
    config = bed.load(f'[jail.demo]\nenabled = "auto"\nlogpath = ["{tmp_path}/{log}"]\n')
    assert [jail.name for jail in config.enabled] == ["demo"] * works
    assert config.jails[0].enabled == "auto"


def test_auto_for_all_is_no_for_those_who_say_so(bed: Bed, tmp_path: Path) -> None:
    (tmp_path / "here.log").touch()
    path = f'logpath = ["{tmp_path}/here.log"]\nfilter = "demo"\n'
    jails = f'[jail.demo]\nenabled = false\n{path}[jail.other]\n{path}[jail.blind]\nfilter = ""\n'
    config = bed.load(f'[default]\nenabled = "auto"\n{jails}')
    assert [jail.name for jail in config.enabled] == ["other"]


def test_auto_must_have_something_to_go_by(bed: Bed) -> None:
    (bed.vendor / "blind.toml").write_text("[filter.blind]\njournalmatch = ['_TRANSPORT=kernel']\nfailregex = ['^x <HOST>$']\n")
    said = bed.problems('[jail.blind]\nenabled = "auto"\n')
    assert any("neither journalmatch names a unit, nor logpath a log of its own" in line for line in said), said


def test_a_jail_that_counts_bans_has_no_filter(bed: Bed) -> None:
    (jail,) = (jail for jail in bed.load('[jail.again]\nenabled = true\nbackend = "history"\n').jails if jail.name == "again")
    assert (jail.backend, jail.filter_name, jail.works, jail.journalmatch, jail.logpath) == ("history", "", True, (), ())
    said = bed.problems('[jail.again]\nbackend = "history"\nfilter = "demo"\nlogpath = ["/x"]\nfailregex = ["^x <HOST>$"]\n')
    assert len([line for line in said if "counts the bans of other jails, and reads no log" in line]) == 3, said


def test_a_user_may_be_given_by_name(bed: Bed) -> None:
    match = '["_SYSTEMD_UNIT=x.service _UID=daemon", "_UID=0", "_UID=nobody-of-that-name"]'
    groups = demo(bed, f"journalmatch = {match}").journalmatch
    assert groups == ((("_SYSTEMD_UNIT", "x.service"), ("_UID", "1")), (("_UID", "0"),), (("_UID", "nobody-of-that-name"),))
