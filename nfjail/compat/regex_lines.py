"""How fail2ban-regex looks at lines: it tries every pattern, and counts."""

from __future__ import annotations

import re
import socket
import time
from collections import Counter, defaultdict
from optparse import Values
from typing import Any, NamedTuple

from nfjail.compat.regex_report import MOST
from nfjail.core.alternation import Probe, join
from nfjail.core.dates import DateDetector
from nfjail.core.expressions import compile_failregex, compile_ignoreregex, compile_prefix
from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec

_NO_FAILURE = ("nofail", "mlfgained")


class Failure(NamedTuple):
    """One address that failed, for --out."""

    host: str | None
    ip: str | None
    time: float
    fields: dict[str, Any]
    lines: tuple[str, ...]


class Examiner:
    """A filter and what it has found so far."""

    def __init__(self, spec: FilterSpec, options: Values) -> None:
        self._options, self._now = options, time.time()
        self._eye = Recogniser(spec)
        self._probes: list[Probe] = [join([piece], spec.maxlines > 1)[0] for piece in compile_failregex(spec)]
        prefix = compile_prefix(spec)
        self._prefix = join([prefix])[0] if prefix else None
        self._ignoring = compile_ignoreregex(spec)
        self._early = bool(self._ignoring) and len(self._ignoring) < len(self._probes) - 2
        self._several = spec.maxlines > 1
        self._addresses: dict[str, list[str]] = {}
        self.dates = None if spec.logtype == "journal" else DateDetector(spec.datepattern, spec.logtimezone)
        self.counts: Counter[str] = Counter()
        self.kept: dict[str, list[str]] = {"matched": [], "ignored": [], "missed": []}
        self.hits = [0] * len(spec.failregex)
        self.ignored_by = [0] * len(spec.ignoreregex)
        self.found: dict[int, list[tuple[str, float, bool]]] = defaultdict(list)
        self.prefixed = 0
        self.groups: list[str] = []

    def examine(self, line: str, when: float | None) -> None:
        """Counts a line."""
        line = line.rstrip("\r\n")
        if when is None and (line.startswith("#") or not line):
            return
        text = self._undated(line, when)
        before = self._prefix(text, 0) if self._prefix else None
        if before is not None:
            self.prefixed += 1
            if len(self.groups) < MOST:
                self.groups.append(str(before.groupdict()))
        sight = self._eye.feed(line, self._now, when)
        content = before["content"] + "\n" if before and "content" in before.re.groupindex and before["content"] else text
        kind = self._kind(sight, text, content, before)
        self.counts[kind] += 1
        if kind == "matched" and self._several:
            self._take_back(sight.lines[:-1])
        every = getattr(self._options, f"all_{kind}")
        if every or (kind != "matched" and not getattr(self._options, f"no_{kind}") and self.counts[kind] <= MOST + 1):
            self.kept[kind].append(line)

    def failures(self, line: str, when: float | None) -> list[Failure]:
        """What --out prints of a line."""
        line = line.rstrip("\r\n")
        if when is None and (line.startswith("#") or not line):
            return []
        sight = self._eye.feed(line, self._now, when)
        if sight.result != "failure":
            return []
        moment = self._now if sight.time is None else sight.time
        fields = dict(sight.fields)
        address = str(sight.subject) if sight.subject else sight.host
        hosts = self._hosts(sight)
        return [Failure(host, address if host == sight.host else host, moment, fields, sight.lines) for host in hosts]

    def _undated(self, line: str, when: float | None) -> str:
        if self.dates is None or when is not None:
            return f"{line}\n"
        dated = self.dates.find(line, self._now)
        return f"{line}\n" if dated is None else f"{dated.before}{dated.after}\n"

    def _kind(self, sight: Sight, text: str, content: str, before: re.Match[str] | None) -> str:
        if sight.pattern < 0 or sight.result == "ignored":
            ignoring = self._ignored(text, content, sight)
            if sight.pattern < 0 or ignoring:
                return "ignored" if ignoring else "missed"
        if not self._hosts(sight):
            return "missed"
        helper = sight.result == "helper" and self._only_helps(sight.pattern, content, before)
        if helper and not self._options.check_all:
            return "missed"
        others = self._count(sight, content)
        # Where several patterns fit, one that only helps is enough for it; but not if the session has tried several users.
        also = "users" not in sight.fields and any(self._only_helps(index, content, None) for index in others)
        return "ignored" if helper or also else "matched"

    def _only_helps(self, pattern: int, content: str, before: re.Match[str] | None) -> bool:
        """The pattern says that it is no failure at all. (A helper may also be a failure of which it is not known whose.)"""
        matches = (before, None if self._several else self._probes[pattern](content, 0))
        return any(match[name] for match in matches if match for name in _NO_FAILURE if name in match.re.groupindex)

    def _ignored(self, text: str, content: str, sight: Sight) -> bool:
        first = next((i for i, fits in enumerate(self._ignoring) if fits(text)), None) if self._early else None
        if first is not None:
            self.ignored_by[first] += 1
            return True
        if sight.pattern < 0:
            return False
        first = next((i for i, fits in enumerate(self._ignoring) if fits(content)), None)
        if first is None:
            return sight.result == "ignored"
        fitting = sum(1 for probe in self._probes if probe(content, 0)) if self._options.check_all else 1
        self.ignored_by[first] += fitting
        return True

    def _count(self, sight: Sight, content: str) -> list[int]:
        """Counts a hit of each pattern that fits; returns all but the first."""
        others: list[int] = []
        if self._options.check_all and not self._several:
            others = [i for i, probe in enumerate(self._probes) if i != sight.pattern and probe(content, 0)]
        moment = self._now if sight.time is None else sight.time
        count = 0
        for index in (sight.pattern, *others):
            for host in self._hosts(sight):
                self.hits[index] += 1
                self.found[index].append((str(host), moment, count > 1))
                count += 1
        return others

    def _hosts(self, sight: Sight) -> list[str | None]:
        """Whom fail2ban would ban; a name stands for all its addresses."""
        host = sight.host
        if not sight.lookup or host is None or self._options.raw:
            return [host]
        if host not in self._addresses:
            try:
                found = socket.getaddrinfo(host, None, 0, socket.SOCK_STREAM)
                self._addresses[host] = sorted({str(each[4][0]) for each in found})
            except OSError:
                self._addresses[host] = []
        return list(self._addresses[host])

    def _take_back(self, lines: tuple[str, ...]) -> None:
        """Lines that were missed, and belong to what matched now."""
        for line in lines:
            self.counts["missed"] -= 1
            self.counts["matched"] += 1
            if line in self.kept["missed"]:
                self.kept["missed"].remove(line)
            if self._options.all_matched:
                self.kept["matched"].append(line)
