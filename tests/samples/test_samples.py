"""Every pattern of every shipped filter is proven by real messages, and misses what only looks like them.

NAME.toml here belongs to [filter.NAME] in conf.d; sshd.toml says at its top what stands in such a file. Filters with a
datepattern have whole lines of their log files for samples, and of each form of their dates one that says its time. Those
in fail2ban's language have whole sessions, as `lines`. What [fail2ban] says there is for tests/conformance/test_library.py.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nfjail.config import load
from nfjail.config.filters import NORMAL, ReadFilter, compile_filter, read_filters
from nfjail.config.foreign import ReadForeign
from nfjail.config.problem import Problems
from nfjail.config.read import read
from nfjail.core.filter import Filter
from nfjail.core.line_dates import LineDates
from nfjail.core.model import parse_address
from nfjail.core.recognise import Recogniser
from nfjail.core.spec import FilterSpec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
CONF_D = HERE.parent.parent / "conf.d"
LONG = 64 * 1024  # characters of a hostile message
SLOWEST = 0.005  # seconds that one pattern may take for it
NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z

Sample = dict[str, Any]


def read_shipped() -> dict[str, ReadFilter | ReadForeign]:
    problems = Problems()
    filters = read_filters(read([str(CONF_D)], problems), problems)
    assert not problems, list(problems)
    return filters


def read_samples(name: str) -> list[Sample]:
    path = HERE / f"{name}.toml"
    return list(tomllib.loads(path.read_text("utf-8"))["sample"]) if path.exists() else []


SHIPPED = read_shipped()
FILTERS = {name: found for name, found in SHIPPED.items() if isinstance(found, ReadFilter)}
FOREIGN = {name: found for name, found in SHIPPED.items() if isinstance(found, ReadForeign)}
SAMPLES = {name: read_samples(name) for name in SHIPPED}


def own_patterns(name: str, mode: str) -> list[str]:
    """The patterns that the mode adds to those it includes; those that belong to all modes are normal's."""
    config = FILTERS[name].config
    own = [text for each in config.modes if each.name == mode for text in each.failregex]
    return [*config.failregex, *own] if mode == NORMAL else own


def contained(name: str, mode: str) -> set[str]:
    """The mode and all that it includes."""
    include = {each.name: each.include for each in FILTERS[name].config.modes}
    return {mode}.union(*(contained(name, other) for other in include.get(mode, ())))


def compiled(name: str, mode: str) -> Filter:
    found = FILTERS[name]
    problems = Problems()
    made = compile_filter(found, name, found.modes[mode], problems)
    assert not problems, list(problems)
    return made


def message_of(name: str, line: str) -> str:
    """What patterns see of a sample."""
    dates = DATES.get(name)
    return dates.message(line) if dates else line


DATES = {name: LineDates(found.config.datepattern) for name, found in FILTERS.items() if found.config.datepattern}


def samples() -> Iterator[Any]:
    for name in FILTERS:
        for sample in SAMPLES[name]:
            yield pytest.param(name, sample, id=f"{name}: {sample['line'][:80]}")


def patterns() -> Iterator[Any]:
    for name, found in FILTERS.items():
        for mode in found.modes:
            for text in own_patterns(name, mode):
                yield pytest.param(name, mode, text, id=f"{name} {mode}: {text[:60]}")


def test_there_are_samples_for_every_filter_and_no_others():
    assert {path.stem for path in HERE.glob("*.toml")} == set(SHIPPED)
    for name, found in SAMPLES.items():
        assert any(sample["hits"] for sample in found), name
        assert any(not sample["hits"] for sample in found), name


@pytest.mark.parametrize(("name", "sample"), samples())
def test_a_message_is_a_failure_in_its_modes_only(name: str, sample: Sample):
    assert set(sample) <= {"line", "hits", "host", "user", "real", "time"}
    assert set(sample["hits"]) <= set(FILTERS[name].modes)
    assert ("host" in sample) == bool(sample["hits"])
    line = message_of(name, sample["line"])
    always = bool(FILTERS[name].config.failregex) and NORMAL in sample["hits"]
    for mode in FILTERS[name].modes:
        filter = compiled(name, mode)
        match = filter.find(line)
        base = always and any(fits(text, line) for text in FILTERS[name].config.failregex)
        if not base and not contained(name, mode).intersection(sample["hits"]):
            assert match is None, f"{mode}: {filter.failregex[match.pattern]}"
            continue
        assert match is not None, mode
        assert match.host == sample["host"]
        assert parse_address(match.host) is not None
        assert match.fields.get("user") == sample.get("user")


@pytest.mark.parametrize(("name", "sample"), samples())
def test_no_message_is_recognised_by_two_patterns(name: str, sample: Sample):
    line = message_of(name, sample["line"])
    fitting = {mode for mode in FILTERS[name].modes for text in own_patterns(name, mode) if fits(text, line)}
    assert fitting == set(sample["hits"])
    for mode in fitting:
        assert len([text for text in own_patterns(name, mode) if fits(text, line)]) == 1


def fits(text: str, line: str) -> bool:
    return Filter("one", [text]).find(line) is not None


@pytest.mark.parametrize(("name", "sample"), [(name, one) for name in DATES for one in SAMPLES[name] if "time" in one])
def test_the_date_of_a_line_is_read(name: str, sample: Sample):
    dates, line = DATES[name], sample["line"]
    match = compiled(name, sample["hits"][0]).find(dates.message(line)) if sample["hits"] else None
    if dates.inside:
        assert match is not None, "only what hits can tell where its date is"
    time = dates.time(line, match.fields if match else {}, NOW)
    assert time is not None
    said = datetime.fromisoformat(sample["time"])
    assert said.tzinfo is not None
    assert datetime.fromtimestamp(time, said.tzinfo).isoformat(timespec="seconds") == said.isoformat(timespec="seconds")


@pytest.mark.parametrize("name", DATES)
def test_each_form_of_dates_is_proven_by_a_line(name: str):
    for text in FILTERS[name].config.datepattern:
        dates = LineDates([text])
        proven = [one for one in SAMPLES[name] if "time" in one and (DATES[name].inside or dates.begin(one["line"]) >= 0)]
        assert proven, text


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_every_pattern_is_proven_by_a_message(name: str, mode: str, text: str):
    assert any(fits(text, message_of(name, sample["line"])) for sample in SAMPLES[name] if mode in sample["hits"])


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_every_pattern_is_anchored_at_both_ends(name: str, mode: str, text: str):
    assert text.startswith("^")
    assert text.endswith("$")


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_no_message_is_long_enough_to_stall_a_pattern(name: str, mode: str, text: str):
    probe = Filter("one", [text]).probe
    for sample in SAMPLES[name]:
        line = message_of(name, sample["line"])
        if mode in sample["hits"] and fits(text, line):
            for message in hostile(line):
                assert quickest(probe, message) < SLOWEST, message[:200]


def hostile(line: str) -> Iterator[str]:
    """The message up to one of its words, and its rest again and again, so that there are many ways to almost fit."""
    for start in (0, *(i for i, char in enumerate(line) if char == " ")):
        rest = line[start:]
        yield line[:start] + rest * (LONG // len(rest)) + "x"


def quickest(probe: Any, message: str) -> float:
    """Seconds; the best of several, since the machine has other things to do, too."""
    best = SLOWEST
    for _ in range(5):
        start = time.perf_counter()
        probe(message, 0)
        best = min(best, time.perf_counter() - start)
        if best < SLOWEST:
            break
    return best


def test_only_what_journald_itself_says_of_the_writer_makes_a_failure():
    for name, found in SHIPPED.items():
        groups = found.config.journalmatch if isinstance(found, ReadFilter) else ()
        for group in groups:
            trusted = {field for field, _ in group if field.startswith("_")} - {"_COMM", "_EXE", "_CMDLINE"}
            assert trusted, f"{name}: {group}: any user can name a program so"
            assert all(field.startswith("_") or field == "CONTAINER_NAME" for field, _ in group), f"{name}: {group}"


def sessions() -> Iterator[Any]:
    for name in FOREIGN:
        for sample in SAMPLES[name]:
            yield pytest.param(name, sample, id=f"{name}: {sample['lines'][0][:80]}")


@pytest.mark.parametrize(("name", "sample"), sessions())
def test_a_session_is_a_failure_or_not(name: str, sample: Sample):
    assert set(sample) <= {"lines", "hits", "host", "user", "real"}
    config = FOREIGN[name].config
    recogniser = Recogniser(config.spec(config.logtype or "file"))
    sights = [recogniser.feed(line, NOW) for line in sample["lines"]]
    failures = [sight for sight in sights if sight.result == "failure"]
    assert len(failures) == len(sample["hits"])
    for sight in failures:
        assert sight.host == sample["host"]
        assert sight.fields.get("user") == sample.get("user")


@pytest.mark.parametrize("name", FOREIGN)
def test_each_pattern_of_a_session_is_needed_by_one(name: str):
    config = FOREIGN[name].config
    for index in range(len(config.failregex)):
        left = config.failregex[:index] + config.failregex[index + 1 :]
        spec = config.spec(config.logtype or "file")._replace(failregex=left)
        assert any(found(config.spec(config.logtype or "file"), one) != found(spec, one) for one in SAMPLES[name]), index


def found(spec: FilterSpec, sample: Sample) -> list[str]:
    recogniser = Recogniser(spec)
    return [recogniser.feed(line, NOW).result for line in sample["lines"]]


@pytest.mark.parametrize(("name", "sample"), sessions())
def test_no_line_of_a_session_is_long_enough_to_stall(name: str, sample: Sample):
    config = FOREIGN[name].config
    for line in sample["lines"]:
        for message in hostile(line):
            feed = Recogniser(config.spec(config.logtype or "file")).feed
            assert quickest(partial(_fed, feed), message) < SLOWEST, message[:200]


def _fed(feed: Any, message: str, _: int) -> object:
    return feed(message, NOW)


def test_every_jail_that_auto_may_switch_on_is_complete_and_the_others_say_so(tmp_path: Path):
    """Whatever is found on a machine, `enabled = "auto"` must not make the configuration a bad one."""
    shipped = load(None, vendor=str(CONF_D), runtime=str(tmp_path))
    written = read([str(CONF_D)], Problems()).value["jail"].value
    asked = {jail.name for jail in shipped.jails if "enabled" in written[jail.name].value}
    assert {jail.name for jail in shipped.enabled} == {"sshd"}
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/all.toml").write_text(
        "".join(f'[jail."{jail.name}"]\nenabled = true\n' for jail in shipped.jails if jail.name not in asked)
    )
    assert len(load(str(tmp_path), vendor=str(CONF_D), runtime=str(tmp_path / "none")).enabled) > 80
    for name in sorted(asked - {"sshd"}):
        config = FILTERS[written[name].value["filter"].value if "filter" in written[name].value else name].config
        usual = config.failregex or any(one.name == NORMAL and one.failregex for one in config.modes)
        mode = NORMAL if usual else "forgeable"
        text = f'[jail."{name}"]\nenabled = true\nmode = "{mode}"\n'
        (tmp_path / "conf.d/all.toml").write_text(text)
        assert name in {jail.name for jail in load(str(tmp_path), vendor=str(CONF_D), runtime=str(tmp_path / "none")).enabled}


def test_the_library_needs_no_etc_services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Where netbase is not installed, names of ports are only what nfjail itself knows."""

    def unknown(*_: object) -> int:
        raise OSError("service/proto not found")

    monkeypatch.setattr(socket, "getservbyname", unknown)
    assert load(None, vendor=str(CONF_D), runtime=str(tmp_path)).jails
