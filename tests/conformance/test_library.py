"""nfjail's own filters on fail2ban's sample logs: they find the same failures, of the same hosts, and no others.

A file tests/samples/NAME.toml may say in [fail2ban] whose samples its filter is for, which modes stand for fail2ban's, and
which lines are left out, each with the reason why.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packages import SUITES
from sample_logs import NOW, Sample, names, samples

from nfjail.config.filters import NORMAL, ReadFilter, compile_filter, read_filters
from nfjail.config.foreign import ReadForeign
from nfjail.config.problem import Problems
from nfjail.config.read import read
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.model import Subject, parse_address
from nfjail.core.policy import Policy
from nfjail.core.recognise import Recogniser
from nfjail.core.route import Page, sift_lines
from nfjail.core.syslog import Stamps
from nfjail.source.file_lines import split

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
LEAST = 0.97  # of all failures that have an address
_PREFIX = re.compile(r"^ ?\S+ [^\s:\[\]]+(?:\[\d+\])?: ")  # HOST PROGRAM[PID]: of a journal entry as fail2ban shows it

#: samples of what is no service's: fail2ban's own tests, and what reads fail2ban's log, which nfjail has no need to
NO_SERVICE = {"zzz-generic-example", "zzz-sshd-obsolete-multiline", "recidive"}


class Said(NamedTuple):
    """What a file of samples says about fail2ban's."""

    filter: str  # ours
    modes: dict[str, str]
    excepted: tuple[str, ...]  # parts of lines


@cache
def said() -> dict[str, list[Said]]:
    """By fail2ban's filter."""
    found: dict[str, list[Said]] = {}
    for path in sorted((ROOT / "tests/samples").glob("*.toml")):
        table = tomllib.loads(path.read_text("utf-8")).get("fail2ban", {})
        assert set(table) <= {"filter", "modes", "except"}, path
        excepted = table.get("except", [])
        assert all(set(one) == {"line", "reason"} and one["reason"] for one in excepted), path
        theirs = table.get("filter", path.stem)
        for name in [theirs] if isinstance(theirs, str) else theirs:
            found.setdefault(name, []).append(
                Said(path.stem, table.get("modes", {}), tuple(one["line"] for one in excepted))
            )
    return found


@cache
def shipped() -> dict[str, ReadFilter | ReadForeign]:
    problems = Problems()
    filters = read_filters(read([str(ROOT / "conf.d")], problems), problems)
    assert not problems, list(problems)
    return filters


class _Impartial(Jail):
    """A jail that spares nobody: samples have addresses of this machine and of documentation's networks."""

    def subject_of(self, host: str) -> Subject | None:
        return parse_address(host)


class Eye:
    """One of our filters at work on the lines of one log."""

    def __init__(self, ours: Said, mode: str) -> None:
        found = shipped()[ours.filter]
        self.excepted = ours.excepted
        self._recogniser: Recogniser | None = None
        if isinstance(found, ReadForeign):
            self._recogniser = Recogniser(found.config.spec(found.config.logtype or "file"))
            return
        mode = ours.modes.get(mode, mode or NORMAL)
        problems = Problems()
        made = compile_filter(found, ours.filter, found.modes.get(mode, found.modes[NORMAL]), problems)
        self._jail = _Impartial(Rules(ours.filter, made, Policy(600.0), ipv6_prefix=128), IgnoreList(()))

    def host(self, sample: Sample) -> str | None:
        """Who has failed; None: nobody."""
        if self._recogniser:
            sight = self._recogniser.feed(sample.line, NOW)
            return str(sight.subject) if sight.result == "failure" and sight.subject else None
        if sample.journal:
            ours = self._jail.rules.filter
            found = ours.message_probe()(_PREFIX.sub("", sample.line.rstrip()), 0)
            match = ours.message_harvest()(found) if found else None
            subject = parse_address(match.host) if match else None
            return str(subject) if subject else None
        lines = split(sample.line.encode("utf-8", "replace") + b"\n")  # as files are read: blanks at its end do not count
        page = Page(sample.file, lines, iter(lines), 0.0)
        sightings = sift_lines(page, self._jail, Stamps(NOW), NOW, lambda *_: None)
        return str(sightings[0][1].subject) if sightings else None


class Verdict(NamedTuple):
    sample: Sample
    host: str | None
    wanted: str | None  # None: nobody; "": somebody, but the annotation does not say who
    excepted: bool

    @property
    def right(self) -> bool:
        return bool(self.host) if self.wanted == "" else self.host == self.wanted


def verdicts(suite: str, name: str) -> Iterator[Verdict]:
    eyes: dict[str, list[Eye]] = {}
    for sample in samples(suite, name):
        options = repr(sorted(sample.options.items()))
        if options not in eyes:
            eyes[options] = [Eye(ours, str(sample.options.get("mode", ""))) for ours in said().get(name, [])]
        hosts = [(host, eye) for eye in eyes[options] if (host := eye.host(sample))]
        excepted = any(part in sample.line for ours in said().get(name, []) for part in ours.excepted)
        yield Verdict(sample, hosts[0][0] if hosts else None, _wanted(sample.wanted), excepted)


def _wanted(annotation: dict[str, Any]) -> str | None:
    if not annotation.get("match"):
        return None
    host = str(annotation.get("host") or "")
    subject = parse_address(host)
    return str(subject) if subject else host


CASES = [(suite, name) for suite in SUITES for name in names(suite) if name not in NO_SERVICE]


@pytest.mark.parametrize(("suite", "name"), CASES)
def test_failures_are_found_and_nothing_else_is(suite: str, name: str) -> None:
    wrong = [one for one in verdicts(suite, name) if not one.right and not one.excepted]
    told = [f"{one.sample.place}: wanted {one.wanted}, found {one.host}\n  {one.sample.line}" for one in wrong]
    assert not wrong, "\n" + "\n".join(told)


@pytest.mark.parametrize("suite", SUITES)
def test_nearly_all_failures_are_found(suite: str) -> None:
    """Under every set of options. Apart are host names, which are never resolved, and what the newer package takes back."""
    failures = [one for one in _all(suite) if one.wanted is not None]
    assert sum(one.right for one in failures) >= 0.94 * len(failures)
    innocent = {_message(one) for one in _all("trixie") if one.wanted is None}
    known = [one for one in failures if _is_address(one.wanted or "") and (suite == "trixie" or _message(one) not in innocent)]
    assert sum(one.right for one in known) >= LEAST * len(known)


def _all(suite: str) -> list[Verdict]:
    return [one for s, name in CASES if s == suite for one in verdicts(suite, name)]


def _message(one: Verdict) -> str:
    return re.sub(r"\[\d+\]: ", ": ", one.sample.line)


def _is_address(host: str) -> bool:
    return not host or re.fullmatch(r"[0-9.]+|[0-9A-Fa-f:]+", host) is not None


@pytest.mark.parametrize("suite", SUITES)
def test_every_exception_is_still_one(suite: str) -> None:
    excepted = {one.sample.line for s, name in CASES if s == suite for one in verdicts(s, name) if not one.right}
    known = {one.sample.line for s, name in CASES if s == suite for one in verdicts(s, name)}
    for ours in (each for found in said().values() for each in found):
        for part in ours.excepted:
            if any(part in line for line in known):
                assert any(part in line for line in excepted), f"{ours.filter}: {part}"
