"""Filters and lines given to fail2ban's own matcher and to nfjail's: both see the same failures.

Where they differ there is a reason, and REASONS has it: fail2ban does something there that nobody can want.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

import pytest
from filter_bed import Line, Question, Told, is_address, ours, theirs
from filter_cases import DATE, DATES, MULTILINE, NAMES, SESSIONS, SINGLE, USEDNS, talk
from filter_lines import changed
from filter_random import random_filters
from packages import SUITES, config_of
from sample_logs import NOW, ZONE, names, samples

from nfjail.core.spec import FilterSpec
from nfjail.core.tags import expand
from nfjail.fail2ban.filters import load_filter
from tests.zone import in_zone

SEEDS = (1, 2)
EVERY_NAME = {"*": ["198.51.100.9", "2001:db8:9::9"]}

Found = list[Told]
Doubt = tuple[Question, int, Found, Found]  # the line's number, fail2ban's and nfjail's answers


@pytest.fixture(autouse=True, scope="module")
def _in_central_europe() -> Iterator[None]:
    with in_zone(ZONE):
        yield


def _garbage(told: Told) -> bool:
    address = told.captures.get("ip4", told.captures.get("ip6"))
    return address is not None and told.captures.get("fid", address) == address and not is_address(address)


def _only_garbage(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return bool(a) and all(map(_garbage, a)) and not b


def _network_of_nobody(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return [f"{told.whom}/0" for told in a] == [told.whom for told in b]


def _foreign_digits(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return not b and any(char.isdigit() and not char.isascii() for char in line)


def _address_as_name(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    name = str(b[0].captures.get("dns", "")) if b else ""
    return bool(set(name) & set(":[")) and [is_address(told.whom) for told in b] == [True]


def _half_a_network(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return [told.whom for told in a] == [told.whom.partition("/")[0] for told in b] and not is_address(a[0].whom)


def _zone(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return [told.whom.partition("%")[0] for told in a] == [told.whom for told in b]


def _ignored(spec: FilterSpec, line: str, a: Found, b: Found) -> bool:
    return not b and bool(spec.prefregex) and any(re.search(expand(regex), line) for regex in spec.ignoreregex)


# Why, and whether that explains the difference between fail2ban's answer (a) and nfjail's (b).
REASONS: tuple[tuple[str, Callable[[FilterSpec, str, Found, Found], bool]], ...] = (
    ("999.1.1.1 and 12:34 are no addresses, so nobody can be banned", _only_garbage),
    ("what is like a network without being one is shown as it is", _half_a_network),
    ("192.0.2.1/0 is everybody: fail2ban makes 0.0.0.0 of it", _network_of_nobody),
    ("the digits of an address or prefix length are 0 to 9", _foreign_digits),
    ("an address that <F-DNS> captured, in brackets or not, need not be looked up as a name", _address_as_name),
    ("the zone of fe80::1%eth0 is no part of the address", _zone),
    ("ignoreregex sees the whole line and the content; in fail2ban it depends on how many failregexes there are", _ignored),
)


def in_full(told: Told) -> Told:
    """fail2ban adds to a line without a date that of an earlier line; what is captured as empty mark says nothing."""
    marks = ("nofail", "mlfgained")
    return told._replace(captures={k: v for k, v in told.captures.items() if v != "" or k not in marks})


def same(a: Found, b: Found) -> bool:
    if len(a) != len(b):
        return False
    for x, y in zip(map(in_full, a), map(in_full, b), strict=True):
        if x._replace(lines=()) != y._replace(lines=()) or len(x.lines) != len(y.lines):
            return False
        if not all(line.endswith(own) for line, own in zip(x.lines, y.lines, strict=True)):
            return False
    return True


def compare(suite: str, questions: Sequence[Question]) -> int:
    """How many failures there were. Fails at the first difference that has no reason."""
    doubtful: list[Doubt] = []
    count = 0
    for question, answers in zip(questions, theirs(suite, questions), strict=True):
        own = ours(question)
        if isinstance(answers, str) or isinstance(own, str):
            assert isinstance(answers, str), f"{question.spec}: {own}"
            assert isinstance(own, str) or "global flags not at the start" in answers, f"{question.spec}: {answers}"
            continue
        for i, (a, b) in enumerate(zip(answers, own, strict=True)):
            if isinstance(a, str):  # it stumbled
                continue
            count += bool(a)
            if not same(a, b) and not explained(question, i, a, b):
                doubtful.append((question, i, a, b))
    if suite == "bookworm":
        doubtful = _not_corrected(doubtful)
    _see_alone(suite, doubtful)
    return count


def explained(question: Question, i: int, a: Found, b: Found) -> bool:
    return any(explains(question.spec, question.lines[i][0], a, b) for _, explains in REASONS)


def _not_corrected(doubtful: Sequence[Doubt]) -> list[Doubt]:
    """fail2ban 1.0.2 does not know the address ::, and of other IPv6 addresses only a part; 1.1.0 does."""
    newer = theirs("trixie", [question for question, _, _, _ in doubtful])
    pairs = [(doubt, answers[doubt[1]]) for doubt, answers in zip(doubtful, newer, strict=True)]
    return [doubt for doubt, a in pairs if not same(a, doubt[3]) and not explained(doubt[0], doubt[1], a, doubt[3])]


def _see_alone(suite: str, doubtful: Sequence[Doubt]) -> None:
    """fail2ban's date detector may find a date where the line before had one, though there is another one nearer.

    So a line of which nothing is remembered but its date is asked again, alone.
    """
    questions = [question._replace(lines=[question.lines[i]]) for question, i, _, _ in doubtful]
    for (spec, (line,), _), (_, _, a, b), answers in zip(questions, doubtful, theirs(suite, questions), strict=True):
        own = ours(Question(spec, [line], EVERY_NAME))
        if spec.maxlines > 1 or has_sessions(spec) or not same(answers[0], own[0]):
            pytest.fail(f"{spec} {line[0]!r}\n  fail2ban {a}\n  nfjail   {b}")


def _naming(failregex: Iterable[str]) -> tuple[str, ...]:
    """Those that name somebody whenever they fit: where one does not, fail2ban logs an error and forgets the lines.

    In the same way it may ignore a line because of another one that it keeps.
    """
    return tuple(regex for regex in failregex if not re.search(r"a\|b(?!\|)|\|ü|\|-", regex))


def has_sessions(spec: FilterSpec) -> bool:
    return any("F-MLFID" in regex for regex in (spec.prefregex, *spec.failregex))


def dated(lines: Iterable[str]) -> list[Line]:
    return [(DATE.format(i % 60) + line, None) for i, line in enumerate(lines)]


def from_journal(lines: Iterable[str]) -> list[Line]:
    return [(line, NOW) for line in lines]


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("seed", SEEDS)
def test_sample_lines_with_something_changed(suite: str, seed: int) -> None:
    chance = Random(seed)
    questions = []
    for name in names(suite):
        groups: dict[tuple[bool, tuple[tuple[str, str], ...]], list[str]] = {}
        for sample in samples(suite, name):
            groups.setdefault((sample.journal, tuple(sorted(sample.parameters.items()))), []).append(sample.line)
        for (journal, parameters), lines in groups.items():
            logtype = "journal" if journal else "file"
            spec = load_filter(name, str(config_of(suite, name)), dict(parameters), logtype).spec
            mixed = [changed(line, chance) if chance.random() < 0.9 else line for line in lines for _ in range(4)]
            if spec.maxlines > 1:
                mixed = [re.sub(r"[\r\x0b\x0c\x85\u2028]", " ", line) for line in mixed]  # fail2ban breaks skipped lines there
            # The samples' sessions take hours, and nfjail keeps none for more than five minutes of the log's time.
            given = NOW if journal or has_sessions(spec) else None
            questions.append(Question(spec, [(line, given) for line in mixed], EVERY_NAME))
    assert compare(suite, questions) > 1000


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_tag_and_kind_of_expression(suite: str, seed: int) -> None:
    chance = Random(seed)
    questions = []
    for spec, lines in SINGLE:
        more = [changed(line, chance) for line in lines for _ in range(2)]
        questions.append(Question(spec, dated([*lines, *more]), EVERY_NAME))
        questions.append(Question(spec._replace(logtype="journal"), from_journal([*lines, *more]), EVERY_NAME))
    assert compare(suite, questions) > 4000


@pytest.mark.parametrize("suite", SUITES)
def test_names_of_hosts(suite: str) -> None:
    assert compare(suite, [Question(spec, from_journal(lines), NAMES) for spec, lines in USEDNS]) > 100


@pytest.mark.parametrize("suite", SUITES)
def test_sessions_of_several_connections_at_a_time(suite: str) -> None:
    chance = Random(1)
    questions = [Question(spec, dated(talk(chance, 60)), EVERY_NAME) for spec, _ in SESSIONS for _ in range(40)]
    assert compare(suite, questions) > 1000


@pytest.mark.parametrize("suite", SUITES)
def test_several_lines_at_once(suite: str) -> None:
    chance = Random(1)
    questions = [Question(spec, dated(talk(chance, 40)), EVERY_NAME) for spec, _ in MULTILINE for _ in range(40)]
    assert compare(suite, questions) > 1000


@pytest.mark.parametrize("suite", SUITES)
def test_dates(suite: str) -> None:
    """All lines of a log, as it comes; and some by themselves, where no line before tells what dates look like."""
    chance = Random(suite)
    questions = [Question(spec, [(line, None)]) for spec, lines in DATES for line in chance.sample(lines, 30)]
    for spec, lines in DATES:
        questions.append(Question(spec, [(line, None) for line in chance.sample(lines, len(lines))]))
    assert compare(suite, questions) > 4000


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("seed", SEEDS)
def test_filters_made_up_at_random(suite: str, seed: int) -> None:
    chance = Random(seed)
    questions = []
    for spec, lines in random_filters(chance, 300):
        questions.append(Question(spec, from_journal(lines) if chance.random() < 0.7 else dated(lines), EVERY_NAME))
        several = spec._replace(maxlines=chance.choice([2, 3, 5]), ignoreregex=(), failregex=_naming(spec.failregex))
        if several.failregex:
            questions.append(Question(several, from_journal(line.replace("\r", " ") for line in lines), EVERY_NAME))
    assert compare(suite, questions) > 1000
