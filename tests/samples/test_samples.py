"""Every pattern of every shipped filter is proven by real messages, and misses what only looks like them.

NAME.toml here belongs to [filter.NAME] in conf.d; sshd.toml says at its top what stands in such a file.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nfjail.config.filters import NORMAL, ReadFilter, read_filters
from nfjail.config.problem import Problems
from nfjail.config.read import read
from nfjail.core.filter import Filter
from nfjail.core.model import parse_address

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

HERE = Path(__file__).resolve().parent
CONF_D = HERE.parent.parent / "conf.d"
LONG = 64 * 1024  # characters of a hostile message
SLOWEST = 0.005  # seconds that one pattern may take for it

Sample = dict[str, Any]


def read_shipped() -> dict[str, ReadFilter]:
    problems = Problems()
    filters = read_filters(read([str(CONF_D)], problems), problems)
    assert not problems, list(problems)
    return filters


def read_samples(name: str) -> list[Sample]:
    path = HERE / f"{name}.toml"
    return list(tomllib.loads(path.read_text("utf-8"))["sample"]) if path.exists() else []


FILTERS = read_shipped()
SAMPLES = {name: read_samples(name) for name in FILTERS}


def own_patterns(name: str, mode: str) -> list[str]:
    """The patterns that the mode adds to those it includes; those that belong to all modes are normal's."""
    config = FILTERS[name].config
    own = [text for each in config.modes if each.name == mode for text in each.failregex]
    return [*config.failregex, *own] if mode == NORMAL else own


def contained(name: str, mode: str) -> set[str]:
    """The mode and all that it includes."""
    include = {each.name: each.include for each in FILTERS[name].config.modes}
    return {mode}.union(*(contained(name, other) for other in include.get(mode, ())))


def samples() -> Iterator[Any]:
    for name, found in SAMPLES.items():
        for sample in found:
            yield pytest.param(name, sample, id=f"{name}: {sample['line'][:80]}")


def patterns() -> Iterator[Any]:
    for name, found in FILTERS.items():
        for mode in found.modes:
            for text in own_patterns(name, mode):
                yield pytest.param(name, mode, text, id=f"{name} {mode}: {text[:60]}")


def test_there_are_samples_for_every_filter_and_no_others():
    assert {path.stem for path in HERE.glob("*.toml")} == set(FILTERS)
    for name, found in SAMPLES.items():
        assert any(sample["hits"] for sample in found), name
        assert any(not sample["hits"] for sample in found), name


@pytest.mark.parametrize(("name", "sample"), samples())
def test_a_message_is_a_failure_in_its_modes_only(name: str, sample: Sample):
    assert set(sample) <= {"line", "hits", "host", "user", "real"}
    assert set(sample["hits"]) <= set(FILTERS[name].modes)
    assert ("host" in sample) == bool(sample["hits"])
    for mode, found in FILTERS[name].modes.items():
        texts = [source.text for source in found.failregex]
        match = Filter(name, texts, [source.text for source in found.ignoreregex]).find(sample["line"])
        if not contained(name, mode).intersection(sample["hits"]):
            assert match is None, f"{mode}: {texts[match.pattern]}"
            continue
        assert match is not None, mode
        assert match.host == sample["host"]
        assert parse_address(match.host) is not None
        assert match.fields.get("user") == sample.get("user")


@pytest.mark.parametrize(("name", "sample"), samples())
def test_no_message_is_recognised_by_two_patterns(name: str, sample: Sample):
    fitting = {mode for mode in FILTERS[name].modes for text in own_patterns(name, mode) if fits(text, sample["line"])}
    assert fitting == set(sample["hits"])
    for mode in fitting:
        assert len([text for text in own_patterns(name, mode) if fits(text, sample["line"])]) == 1


def fits(text: str, line: str) -> bool:
    return Filter("one", [text]).find(line) is not None


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_every_pattern_is_proven_by_a_message(name: str, mode: str, text: str):
    assert any(fits(text, sample["line"]) for sample in SAMPLES[name] if mode in sample["hits"])


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_every_pattern_is_anchored_at_both_ends(name: str, mode: str, text: str):
    assert text.startswith("^")
    assert text.endswith("$")


@pytest.mark.parametrize(("name", "mode", "text"), patterns())
def test_no_message_is_long_enough_to_stall_a_pattern(name: str, mode: str, text: str):
    probe = Filter("one", [text]).probe
    for sample in SAMPLES[name]:
        if mode in sample["hits"] and fits(text, sample["line"]):
            for message in hostile(sample["line"]):
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
    for name, found in FILTERS.items():
        fields = {field for group in found.config.journalmatch for field, _ in group}
        assert all(field.startswith("_") for field in fields), name
