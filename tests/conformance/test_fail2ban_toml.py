"""`nfjail import` writes TOML that means to nfjail what the jails mean to fail2ban: value by value, and line by line."""

from __future__ import annotations

import argparse
import glob
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from config_random import Writer
from fail2ban_bed import dump, private_copy, theirs
from packages import SUITES, config_of
from sample_logs import names, samples
from test_samples_f2b import FILTERS, Eyes, _in_central_europe, asked, spec_of, told

from nfjail.cli import importing, main
from nfjail.config import Config, ConfigError, JailConfig, load
from nfjail.config.network import IGNOREIP, PORTS, PROTOCOLS
from nfjail.core.spec import FilterSpec
from nfjail.fail2ban.jails import read_jails
from nfjail.fail2ban.seconds import parse_seconds

suites = pytest.mark.parametrize("suite", SUITES)
__all__ = ["_in_central_europe"]  # the samples' zone, for all tests of this module

# This one lets in whom it finds (blocktype = RETURN), which is no ban.
NOT_CARRIED_OVER = {"pass2allow-ftp"}


def imported(base: Path, folder: Path) -> Config:
    """What nfjail makes of the TOML that `nfjail import` makes of the configuration below base."""
    parser = argparse.ArgumentParser()
    importing.add_arguments(parser)
    assert importing.main(parser.parse_args([str(base), "-o", str(folder)])) == 0
    return load(str(folder), runtime=str(folder / "none"), check_all=True)


def backend_for_all(base: Path, backend: str) -> None:
    names = [jail.name for jail in read_jails(str(base)).jails]
    (base / "jail.d/zz.local").write_text("".join(f"[{name}]\nbackend = {backend}\n" for name in names))


@suites
@pytest.mark.parametrize("backend", ["polling", "systemd"])
def test_every_shipped_filter_comes_back_from_the_toml(suite, backend, tmp_path):
    base = private_copy(suite, tmp_path)
    backend_for_all(base, backend)
    jails = {jail.name: jail for jail in imported(base, tmp_path / "out").jails if jail.filter_name.startswith("fail2ban-")}
    read = [jail for jail in read_jails(str(base)).jails if jail.name not in NOT_CARRIED_OVER]
    assert len(jails) == len(read) >= 90
    for jail in read:
        found, logtype = jails[jail.name], "journal" if backend == "systemd" else "file"
        if jail.name == "recidive":  # it reads a log that fail2ban, and now nfjail, writes itself: a file always
            logtype = "file"
            assert found.logpath
        assert found.backend == logtype
        assert isinstance(found.filter, FilterSpec)
        if jail.name != "recidive":
            assert found.filter == needed(jail.filter.spec)._replace(name=f"fail2ban-{jail.name}"), jail.name


def needed(spec: FilterSpec) -> FilterSpec:
    """Without what has no meaning for what it reads."""
    return spec._replace(datepattern="") if spec.logtype == "journal" else spec._replace(journalmatch=())


@suites
def test_every_shipped_jail_has_the_values_that_fail2ban_client_dumps(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    (base / "jail.d/zz.local").write_text("[DEFAULT]\nsystemd_if_nologs = false\n")  # these versions do not know it yet
    wanted = theirs(dump(suite, base))
    jails = {jail.name: jail for jail in imported(base, tmp_path / "out").jails}
    assert wanted.keys() - jails.keys() == NOT_CARRIED_OVER
    for name, values in wanted.items():
        if name not in NOT_CARRIED_OVER:
            compare(jails[name], values)


def compare(jail: JailConfig, values: dict) -> None:
    """Each of fail2ban's values that has a counterpart."""
    assert jail.enabled == (not values.get("ignorecommand"))  # without that it would ban whom that spares
    assert jail.maxretry == values["maxretry"], jail.name
    assert (jail.findtime, jail.bantime) == (parse_seconds(values["findtime"]), parse_seconds(values["bantime"])), jail.name
    assert jail.maxmatches == values.get("maxmatches", 5), jail.name
    assert jail.ignored == IGNOREIP.parse(values.get("ignoreip", [])), jail.name
    spec = jail.filter
    assert isinstance(spec, FilterSpec)
    assert list(spec.failregex) == values["failregex"], jail.name
    assert list(spec.ignoreregex) == values.get("ignoreregex", []), jail.name
    assert (spec.prefregex, spec.maxlines) == (values.get("prefregex", ""), values.get("maxlines", 1)), jail.name
    assert spec.usedns == values.get("usedns", "warn"), jail.name
    if values["backend"] == "systemd":
        assert [" ".join(match) for match in values.get("journalmatch", [])] == list(spec.journalmatch), jail.name
        assert (jail.backend, spec.logtype) == ("journal", "journal"), jail.name
    else:
        assert spec.datepattern.split("\n") == values.get("datepattern", "").strip().split("\n"), jail.name
        read = [path for pattern in jail.logpath for path in glob.glob(pattern)]
        assert sorted(read) == sorted(path for path, _ in values["logpath"]), jail.name
        assert (jail.backend, spec.logtype) == ("file", "file"), jail.name
    closed = [values["actions"][action] for action in values["actions"] if "blocktype" in values["actions"][action]]
    assert closed, jail.name
    allports = any("allports" in str(action.get("type")) + str(action.get("actname")) for action in closed)
    ports = () if allports else PORTS.parse(",".join(action["port"] for action in closed))
    assert jail.port == ports, jail.name
    assert set(jail.protocol) == {name for action in closed for name in PROTOCOLS.parse(action["protocol"])}, jail.name


@suites
@pytest.mark.parametrize("backend", ["auto", "systemd"])
def test_the_folder_itself_means_the_same_as_the_toml_made_of_it(suite, backend, tmp_path):
    base = private_copy(suite, tmp_path)
    backend_for_all(base, backend)
    own = "[DEFAULT]\nbantime.increment = true\nmaxretry = 7\n[nsd]\nbantime.increment=false\n"
    (base / "jail.d/zzz.local").write_text(own)
    toml = imported(base, tmp_path / "out")
    (tmp_path / "etc/conf.d").mkdir(parents=True)
    (tmp_path / "etc/conf.d/x.toml").write_text(f'fail2ban = "{base}"\n')
    direct = load(str(tmp_path / "etc"), runtime=str(tmp_path / "none"), check_all=True)
    assert {jail.name: jail for jail in direct.jails} == {jail.name: jail for jail in toml.jails}
    assert {jail.name: jail.filter for jail in direct.enabled} == {jail.name: jail.filter for jail in toml.enabled}
    assert {jail.name for jail in direct.enabled if not jail.increment.enabled} == {"nsd"}
    assert direct.fail2ban_log == toml.fail2ban_log == str(tmp_path / "logs/fail2ban.log")


def test_configurations_by_chance_mean_the_same_in_each_way(tmp_path):
    """What import refuses, the folder itself is refused for; all else is equal in both."""
    writer, outcomes = Writer(seed=3), Counter()
    for number in range(100):
        base, etc, out = (tmp_path / str(number) / name for name in ("fail2ban", "etc", "out"))
        writer.write(base)
        backend = "systemd" if number % 3 == 0 else "polling"
        common = "[DEFAULT]\nbanaction = act1\naction = act1\nfailregex = ^x <HOST>\n"
        (base / "jail.d/zz.local").write_text(f"{common}[it]\nenabled = true\nbackend = {backend}\n")
        (etc / "conf.d").mkdir(parents=True)
        (etc / "conf.d/x.toml").write_text(f'fail2ban = "{base}"\n')
        if main(["import", str(base), "-o", str(out)]) == 78:
            with pytest.raises(ConfigError):
                load(str(etc), runtime=str(tmp_path / "none"))
            outcomes["refused"] += 1
            continue
        direct, toml = (load(str(folder), runtime=str(tmp_path / "none")) for folder in (etc, out))
        assert direct.jails == toml.jails, base
        for one, other in zip(direct.jails, toml.jails, strict=True):
            if isinstance(one.filter, FilterSpec):
                assert one.filter == other.filter, base
                outcomes["with filter"] += 1
    assert min(outcomes.values()) > 10


@pytest.fixture(scope="module")
def through_toml(tmp_path_factory) -> Callable[[str], dict[FilterSpec, FilterSpec]]:
    """For each filter of the samples with each of their options: what it is after nfjail import."""

    @cache
    def of(suite: str) -> dict[FilterSpec, FilterSpec]:
        table = {}
        wanted = {(name, tuple(sorted(sample.parameters.items()))) for name in names(suite) for sample in samples(suite, name)}
        for config in {config_of(suite, name) for name, _ in wanted}:
            base, out = tmp_path_factory.mktemp(suite), tmp_path_factory.mktemp("toml")
            (base / "filter.d").symlink_to(config / "filter.d")
            (base / "action.d").mkdir()
            (base / "action.d/route.conf").write_text("[Definition]\nactionban = ip\nactionunban = ip\n")
            here = sorted(one for one in wanted if config_of(suite, one[0]) == config)
            (base / "jail.conf").write_text("".join(_jail(f"it{i}", *one) for i, one in enumerate(here)))
            jails = {jail.name: jail for jail in imported(base, out).jails}
            table |= {spec_of(suite, *one): jails[f"it{i}"].filter for i, one in enumerate(here)}
        return table

    return of


def _jail(jail: str, name: str, parameters: tuple[tuple[str, str], ...]) -> str:
    given = ", ".join(f'{key}="{value}"' for key, value in parameters)
    backend = "systemd" if dict(parameters).get("logtype") == "journal" else "polling"
    where = "" if backend == "systemd" else "logpath = /var/log/it\n"
    return f"[{jail}]\nenabled = true\nfilter = {name}[{given}]\nbackend = {backend}\n{where}action = route\n"


@pytest.mark.parametrize(("suite", "name"), FILTERS)
def test_every_line_means_the_same_through_the_toml(suite, name, through_toml):
    table = through_toml(suite)
    eyes, count = Eyes(suite, name, table.__getitem__), 0
    for sample in samples(suite, name):
        wanted = asked(sample.wanted)
        assert told(eyes.see(sample), wanted) == wanted, f"{sample.place}: {sample.line}"
        count += 1
    assert count
    assert all(found == needed(spec)._replace(name=found.name) for spec, found in table.items())
