"""The same filter and lines given to fail2ban and to nfjail, and both answers in one form."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any, NamedTuple

from packages import environment
from sample_logs import NOW, ZONE

from nfjail.core.filter import PatternError
from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec

BESIDE = Path(__file__).with_name("beside_filter.py")

Line = tuple[str, "float | None"]


class Question(NamedTuple):
    """Lines for a filter. A line has a time if it comes from the journal."""

    spec: FilterSpec
    lines: Sequence[Line]
    names: Mapping[str, Sequence[str]] | None = None  # what the DNS knows, *: of any other name; None: no name is looked up


class Told(NamedTuple):
    """One failure."""

    pattern: int
    whom: str
    time: float | None
    captures: Mapping[str, Any]
    lines: Sequence[str]


def theirs(suite: str, questions: Iterable[Question]) -> Iterator[Any]:
    """For each question a list with what each line told, or why fail2ban refuses the filter. A text for a line: it stumbled."""
    asked = [{"spec": q.spec, "lines": q.lines, "now": NOW, "names": q.names} for q in questions]
    done = subprocess.run(
        [sys.executable, str(BESIDE)], env=environment(suite, TZ=ZONE), input=json.dumps(asked), capture_output=True,
        text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for answers in json.loads(done.stdout):
        yield answers if isinstance(answers, str) else [one if isinstance(one, str) else _told(one) for one in answers]


def _told(found: list[Any]) -> list[Told]:
    told = []
    for pattern, whom, time, captures, lines in found:
        kept = {k: tuple(v) if isinstance(v, list) else v for k, v in captures.items() if not k.startswith("skiplines")}
        if len(kept["users"]) < 2:  # one is told by "user"
            del kept["users"]
        told.append(Told(pattern, whom, time, kept, tuple(lines)))
    return sorted(told, key=lambda one: one.whom)


def ours(question: Question) -> Any:
    """As theirs(), for one question."""
    try:
        eye = Recogniser(question.spec)
    except PatternError as error:
        return repr(error)
    return [list(_seen(eye.feed(line, NOW, time), question.names)) for line, time in question.lines]


def _seen(sight: Sight, names: Mapping[str, Sequence[str]] | None) -> Iterator[Told]:
    if sight.result == "failure" and sight.host is not None:
        captures = {k: tuple(sorted(v)) if k == "users" else v for k, v in sight.fields.items()}
        whom = [sight.host] if names is None or not sight.lookup else sorted(names.get(sight.host, names.get("*", ())))
        for one in whom:
            yield Told(sight.pattern, one, sight.time, captures, sight.lines)


def is_address(text: str) -> bool:
    """Whether it is one address or network, and not only looks like one."""
    try:
        return bool(ip_network(text) if "/" in text else ip_address(text))
    except ValueError:
        return False
