"""fail2ban's own samples: every annotated line of both Debian packages means to nfjail what the annotation says.

The clock stands at the samples' own moment, in their zone; see sample_logs.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import cache
from typing import Any

import pytest
from filter_bed import Question, ours, theirs
from packages import SUITES, config_of
from sample_logs import NOW, ZONE, Sample, names, samples

from nfjail.core.dates import DateDetector
from nfjail.core.model import parse_address
from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec
from nfjail.fail2ban.filters import load_filter
from tests.zone import in_zone

FILTERS = [(suite, name) for suite in SUITES for name in names(suite)]


@pytest.fixture(autouse=True, scope="module")
def _in_central_europe() -> Iterator[None]:
    with in_zone(ZONE):
        yield


@cache
def spec_of(suite: str, name: str, parameters: tuple[tuple[str, str], ...]) -> FilterSpec:
    given = dict(parameters)
    journal = given.get("logtype") == "journal"
    return load_filter(name, str(config_of(suite, name)), given, "journal" if journal else "file").spec


class Eyes:
    """A recogniser for every set of options: what a line says may depend on those before it under the same options."""

    def __init__(self, suite: str, name: str, change: Callable[[FilterSpec], FilterSpec] = lambda spec: spec) -> None:
        self.suite, self.name, self.change = suite, name, change
        self.made: dict[FilterSpec, Recogniser] = {}
        self.hits: set[str] = set()

    def see(self, sample: Sample) -> Sight:
        spec = self.change(spec_of(self.suite, self.name, tuple(sorted(sample.parameters.items()))))
        eye = self.made.setdefault(spec, self.made.get(spec) or Recogniser(spec))
        sight = eye.feed(sample.line, NOW, NOW if sample.journal else None)
        if sight.pattern >= 0:
            self.hits.add(spec.failregex[sight.pattern])
        return sight


def told(sight: Sight, wanted: dict[str, Any]) -> dict[str, Any]:
    """What a sight says, in the words of an annotation, as far as that asks. Of what is no failure nothing else counts."""
    if sight.result != "failure":
        return {"match": False}
    says = {"match": True, "host": sight.host, "attempts": len(sight.lines), "time": sight.time}
    answer = {}
    for key in wanted:
        if key in ("desc", "constraint"):
            continue
        value = says[key] if key in says else sight.fields.get(key)
        answer[key] = list(value) if isinstance(value, tuple) else value
    return answer


def asked(wanted: dict[str, Any]) -> dict[str, Any]:
    """An annotation in a form that can be compared with told()."""
    if not wanted.get("match"):
        return {"match": False}
    answer = {key: value for key, value in wanted.items() if key not in ("desc", "constraint")}
    if "host" in wanted:
        address = parse_address(wanted["host"])
        answer["host"] = wanted["host"] if address is None else str(address)  # 2001:DB8::1 is 2001:db8::1
    if wanted.get("time"):
        answer["time"] = _moment(wanted["time"])
    return answer


def _moment(text: str) -> float:
    """Seconds since the epoch. Some annotations leave out a zero: 2005-03-7."""
    whole, _, fraction = text.partition(".")
    return datetime.strptime(whole, "%Y-%m-%dT%H:%M:%S").timestamp() + float(f"0.{fraction}0")


@pytest.mark.parametrize(("suite", "name"), FILTERS)
def test_every_line_means_what_its_annotation_says(suite: str, name: str) -> None:
    eyes = Eyes(suite, name)
    count = 0
    for sample in samples(suite, name):
        wanted = asked(sample.wanted)
        assert told(eyes.see(sample), wanted) == wanted, f"{sample.place}: {sample.line}"
        count += 1
    assert count


@pytest.mark.parametrize(("suite", "name"), FILTERS)
def test_every_pattern_has_a_line(suite: str, name: str) -> None:
    eyes = Eyes(suite, name)
    for sample in samples(suite, name):
        eyes.see(sample)
    assert [text for spec in eyes.made for text in spec.failregex if text not in eyes.hits] == []


@pytest.mark.parametrize("suite", SUITES)
def test_the_same_lines_as_journal_entries(suite: str) -> None:
    """As fail2ban sees them: where a line is not what a journal entry looks like, that need not be a failure."""
    questions, wanted = [], []
    for name in names(suite):
        groups: dict[FilterSpec, tuple[DateDetector, list[Sample]]] = {}
        for sample in samples(suite, name):
            parameters = {key: value for key, value in sample.parameters.items() if key != "logtype"}
            file = spec_of(suite, name, tuple(sorted(parameters.items())))
            journal = spec_of(suite, name, tuple(sorted({**parameters, "logtype": "journal"}.items())))
            if journal.journalmatch or journal != file._replace(logtype="journal"):
                groups.setdefault(journal, (DateDetector(file.datepattern), []))[1].append(sample)
        for spec, (dates, group) in groups.items():
            lines = [(sample.line if sample.journal else without_date(sample.line, dates), NOW) for sample in group]
            questions.append(Question(spec, lines))
            wanted += [sample.wanted for sample in group]
    own = [told for question in questions for told in ours(question)]
    beside = [told for answers in theirs(suite, questions) for told in answers]
    assert own == beside
    right = [bool(told) == annotation.get("match", False) for told, annotation in zip(own, wanted, strict=True)]
    assert right.count(True) > 0.95 * len(right) > 1000


def without_date(line: str, dates: DateDetector) -> str:
    found = dates.find(line, NOW)
    return line if found is None else (found.before + found.after).strip()
