"""`nfjail check`, and that its --show can be read again: configuration -> text -> configuration changes nothing."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from config_bed import VENDOR, Bed
from hypothesis import given, settings
from hypothesis import strategies as st

from nfjail.config import Config, Fail2banFilter, FilterConfig, Increment, JailConfig, Mode, load, show
from nfjail.core.duration import LONGEST
from nfjail.core.filter import Filter
from nfjail.core.model import Subject, masked
from nfjail.core.spec import FilterSpec

_names = st.from_regex(r"[A-Z][A-Za-z0-9_.-]{0,25}", fullmatch=True).filter(lambda name: name != "DEFAULT")
_seconds = st.one_of(
    st.floats(0, LONGEST, exclude_min=True), st.integers(1, LONGEST).map(float), st.sampled_from((60.0, 86400.0, 5400.0))
)
_literals = st.text(min_size=1, max_size=10)  # by itself without surrogates, which UTF-8 does not have
_patterns = st.lists(
    _literals.map(lambda text: "^x" + "".join(c if c.isalnum() else "\\" + c for c in text) + r"\s<HOST>'*$"),
    max_size=3,
    unique=True,
).map(tuple)
_values = st.text(max_size=8).filter(lambda text: "\0" not in text)
_paths = st.lists(_values.map(lambda text: f"/{text}.log"), max_size=3, unique=True).map(tuple)
_pairs = st.tuples(st.from_regex(r"_?[A-Z][A-Z0-9_]{0,8}", fullmatch=True), _values)
_group = st.lists(_pairs, max_size=3, unique_by=lambda pair: pair[0]).map(
    lambda pairs: (("_UID", "0"), *(pair for pair in pairs if pair[0] != "_UID"))
)
_journalmatch = st.lists(_group, min_size=1, max_size=3, unique=True).map(tuple)


def _subject(family: int, packed: bytes, prefixlen: int) -> Subject:
    return Subject(family, masked(packed, prefixlen), prefixlen)


_subjects = st.one_of(
    st.builds(_subject, st.just(4), st.binary(min_size=4, max_size=4), st.integers(0, 32)),
    # 2000::/4, for ::ffff:0:0/96 would be IPv4
    st.builds(_subject, st.just(6), st.binary(min_size=15, max_size=15).map(lambda b: b"\x20" + b), st.integers(4, 128)),
)
_host_names = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,8}[a-z0-9])?)?", fullmatch=True)


@st.composite
def _ports(draw: st.DrawFn) -> tuple[str, ...]:
    """Ascending, and no two of them touching."""
    bounds = sorted(draw(st.lists(st.integers(1, 65535), max_size=8, unique=True)))
    pairs = list(zip(bounds[::2], bounds[1::2], strict=False))
    singles = [str(bounds[-1])] if len(bounds) % 2 else []
    return (*(f"{first}-{last}" for first, last in pairs if (first, last) != (1, 65535)), *singles)


_increments = st.builds(
    Increment,
    enabled=st.booleans(),
    factor=st.floats(1e-9, 1e6),
    multipliers=st.lists(st.floats(1e-9, 1e6), max_size=3).map(tuple),
    formula=st.sampled_from(("", "ban.Time * 2", "ban.Time * math.exp(ban.Count * banFactor)")),
    maxtime=st.none() | _seconds,
    rndtime=st.just(0.0) | _seconds,
    overalljails=st.booleans(),
)


@st.composite
def _filters(draw: st.DrawFn, name: str) -> FilterConfig:
    modes: list[Mode] = []
    for mode in draw(st.lists(_names, max_size=2, unique=True)):
        include = draw(st.sampled_from(((), ("normal",), *((m.name,) for m in modes))))
        modes.append(Mode(mode, draw(_patterns), draw(_patterns), include))
    return FilterConfig(
        name=name,
        identifier=tuple(draw(st.lists(_literals.filter(str.strip), max_size=2))),
        journalmatch=draw(st.just(()) | _journalmatch),
        datepattern=draw(st.sampled_from(((), ("^%Y-%m-%d %H:%M:%S",), (r"^\[{EPOCH}\]", "^%b %d %H:%M:%S %Y")))),
        failregex=("^always <HOST>$", *draw(_patterns)),
        ignoreregex=draw(_patterns),
        modes=tuple(modes),
    )


_lines = _literals.map(lambda text: "".join(text.split())).filter(lambda text: text and "\0" not in text)


@st.composite
def _foreign_filters(draw: st.DrawFn, name: str) -> Fail2banFilter:
    return Fail2banFilter(
        name=name,
        failregex=("^always <HOST>$", *draw(_patterns)),
        ignoreregex=draw(_patterns),
        prefregex=draw(st.sampled_from(("", r"^it's\s<F-CONTENT>.*</F-CONTENT>$"))),
        datepattern=draw(st.sampled_from(((), ("{^LN-BEG}",), ("EPOCH", r"^\[%Y-%m-%d\]")))),
        maxlines=draw(st.integers(1, 10_000)),
        journalmatch=tuple(draw(st.lists(_lines.map(lambda text: f"_COMM={shlex.quote(text)} + _UID=0"), max_size=2))),
        usedns=draw(st.sampled_from(("no", "warn", "yes", "raw"))),
        logtype=draw(st.sampled_from((None, "file", "journal"))),
        logtimezone=draw(st.sampled_from(("", "UTC+0200", "Europe/Paris"))),
    )


@st.composite
def _jails(draw: st.DrawFn, filters: tuple[FilterConfig | Fail2banFilter, ...]) -> tuple[JailConfig, ...]:
    jails = []
    for name in draw(st.lists(_names, max_size=3, unique=True)):
        used = draw(st.sampled_from(filters))
        foreign = isinstance(used, Fail2banFilter)
        own = {
            "usedns": draw(st.sampled_from((None, "no", "raw"))),
            "logtimezone": draw(st.sampled_from((None, "", "CET"))),
            "datepattern": draw(st.sampled_from((None, (), ("EPOCH", "TAI64N")))),
            "maxlines": draw(st.none() | st.integers(1, 10_000)),
        }
        jails.append(
            JailConfig(
                name=name,
                enabled=draw(st.sampled_from((True, False, "auto"))),
                filter_name=used.name,
                mode="normal" if foreign else draw(st.sampled_from(("normal", *(mode.name for mode in used.modes)))),
                failregex=draw(_patterns),
                ignoreregex=draw(_patterns),
                backend=draw(st.sampled_from(("journal", "file") if foreign else ("auto", "journal", "file"))),
                logpath=("/var/log/always", *draw(_paths)),
                journalmatch=draw(_journalmatch),
                port=draw(_ports()),
                protocol=draw(st.sampled_from(((), ("tcp",), ("udp", "tcp"), ("sctp", "dccp")))),
                maxretry=draw(st.integers(1, 10_000)),
                findtime=draw(_seconds),
                bantime=draw(st.none() | _seconds),
                increment=draw(_increments),
                ignoreip=tuple(draw(st.lists(_subjects, max_size=3, unique=True))),
                ignore_names=tuple(draw(st.lists(_host_names, max_size=2, unique=True))),
                ignoreself=draw(st.booleans()),
                ipv6_prefix=draw(st.integers(1, 128)),
                banaction=draw(st.sampled_from(("auto", "nftables", "iptables", "iptables-ipset"))),
                blocktype=draw(st.sampled_from(("reject", "tcp-reset", "drop"))),
                maxmatches=draw(st.integers(0, 10_000)),
                filter=FilterSpec(used.name, ()) if foreign else Filter(used.name, ()),
                **(own if foreign else {}),
            )
        )
    return tuple(jails)


@st.composite
def _configs(draw: st.DrawFn) -> Config:
    names = draw(st.lists(_names, min_size=1, max_size=3, unique=True))
    filters = tuple(draw(_filters(name) | _foreign_filters(name)) for name in names)
    return Config(
        table=draw(st.from_regex(r"[A-Z][A-Za-z0-9_-]{0,15}", fullmatch=True)),
        hook=draw(st.sampled_from(("prerouting", "input"))),
        priority=draw(st.sampled_from(("raw", "filter")) | st.integers(-(2**31) + 1, 2**31 - 1)),
        iptables=draw(st.sampled_from(("iptables", "iptables-nft", "iptables-legacy"))),
        iptables_chain=draw(st.from_regex(r"[A-Z][A-Za-z0-9_.-]{0,27}", fullmatch=True)),
        journal_path=draw(st.none() | _values.map(lambda text: f"/{text}")),
        dbpurgeage=draw(_seconds),
        fail2ban_log=draw(st.none() | _values.map(lambda text: f"/{text}")),
        filters=filters,
        jails=draw(_jails(filters)),
    )


@settings(max_examples=150, deadline=None)
@given(_configs())
def test_config_to_text_to_config_is_the_identity(config: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "shown.toml").write_text(show(config), encoding="utf-8", newline="")
        assert load(None, vendor=folder, runtime=f"{folder}/none", check_all=True) == config


def test_what_is_shipped_is_the_same_when_shown_and_read_again(tmp_path: Path) -> None:
    shipped = load(None, runtime=str(tmp_path))
    (tmp_path / "shown.toml").write_text(show(shipped))
    again = load(None, vendor=str(tmp_path), runtime=str(tmp_path / "none"))
    assert again == shipped
    assert [jail.filter.failregex for jail in again.jails] == [jail.filter.failregex for jail in shipped.jails]


def test_a_jail_without_filter_can_be_shown_and_read_again(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    config = bed.load("[jail.own]\nenabled = true\nlogpath = '/x'\nfailregex = ['^x <HOST>$']\n[jail.off]\n", check_all=True)
    assert bed.load(show(config), check_all=True) == config


def test_every_setting_is_shown(tmp_path: Path) -> None:
    """Nothing that a Config holds is left out."""
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    config = bed.load()
    changed = dataclasses.replace(config.jails[0], maxretry=77, ignore_names=("h.example",))
    text = show(dataclasses.replace(config, jails=(changed,), dbpurgeage=7.0))
    for line in ("maxretry = 77", 'ignoreip = ["h.example"]', 'dbpurgeage = "7s"', "ignoreself = true", 'port = "all"'):
        assert f"\n{line}\n" in text


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    return tmp_path


def check(folder: Path, *options: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of nfjail check."""
    command = [sys.executable, "-m", "nfjail", "check", "--config", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_check_says_which_jails_are_enabled(folder: Path) -> None:
    (folder / "conf.d" / "x.toml").write_text("[jail.spare]\n")
    code, out, err = check(folder)
    assert (code, err) == (0, "")
    assert re.fullmatch(r"configuration is good: 1 of \d+ jails enabled \(sshd\)\n", out)


def test_check_prints_all_problems_and_exits_with_78(folder: Path) -> None:
    (folder / "conf.d" / "x.toml").write_text('[jail.sshd]\nmaxretry = 0\n\n["\u001b[2J\u202e"]\n'.replace("\u001b", "\\u001b"))
    code, out, err = check(folder)
    assert (code, out) == (78, "")
    first, second = err.splitlines()
    assert first.startswith(f"{folder}/conf.d/x.toml: ")
    assert second.endswith("jail.sshd.maxretry: 0 cannot be used; write a whole number from 1 to 10000")
    assert "\u001b" not in err
    assert "\u202e" not in err


def test_check_show_can_be_used_as_configuration(folder: Path) -> None:
    code, out, err = check(folder, "--show")
    assert (code, err) == (0, "")
    (folder / "conf.d" / "x.toml").write_text(out)
    assert check(folder, "--show") == (0, out, "")
