"""The filters of conf.d that `nfjail test` can try."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping

from nfjail.cli.test_clock import UsageError
from nfjail.cli.test_filters import FAIL2BAN, FilterError, Trial, trial_of
from nfjail.config import ConfigError
from nfjail.config.advice import nearest
from nfjail.config.filters import NORMAL, ReadFilter, compile_filter, read_filters
from nfjail.config.foreign import ReadForeign, check_spec
from nfjail.config.problem import Problems
from nfjail.config.read import RUNTIME, find_local, read, vendor_folder
from nfjail.core.filter import Filter
from nfjail.core.route import find_dated
from nfjail.core.sight import Result, Sight
from nfjail.core.spec import Logtype
from nfjail.core.syslog import Stamps, parse_head
from nfjail.core.whom import Judge


def of_conf_d(name: str, parameters: dict[str, str], logtype: Logtype, args: argparse.Namespace) -> Trial:
    """A filter of conf.d, in one of its modes. Raises NfjailError."""
    problems = Problems()
    filters = read_filters(read([vendor_folder(), RUNTIME, find_local(args.config, problems)], problems), problems)
    if problems:
        raise ConfigError(problems)
    if name not in filters:
        near = nearest(name, filters)
        known = f"did you mean {near}?" if near else f"these are known: {', '.join(sorted(filters)) or 'none'}."
        raise FilterError(f"there is no filter {name!r} in conf.d", f"{known} One of fail2ban's is written {FAIL2BAN}{name}")
    found = filters[name]
    if isinstance(found, ReadForeign):
        _no_more(parameters, "it has no modes")
        spec = found.config.spec(logtype)
        check_spec(spec, (found.table,), problems)
        if problems:
            raise ConfigError(problems)
        return trial_of(spec, args)
    return _own(name, found, parameters, problems, args)


def _no_more(parameters: Mapping[str, str], advice: str) -> None:
    for name in parameters:
        raise FilterError(f"{name} is no parameter of this filter of conf.d", advice)


def _own(name: str, found: ReadFilter, parameters: dict[str, str], problems: Problems, args: argparse.Namespace) -> Trial:
    mode = parameters.pop("mode", NORMAL)
    _no_more(parameters, "only [mode=...] is one")
    if mode not in found.modes:
        raise FilterError(f"the filter {name} has no mode {mode!r}", f"write one of {', '.join(sorted(found.modes))}")
    for option in ("ignoreregex", "datepattern", "maxlines", "usedns", "logtype"):
        if getattr(args, option) is not None:
            what = f"--{option} is for patterns, and for filters in fail2ban's language"
            raise UsageError(what, f"the filter {name} of conf.d is in nfjail's own")
    own = compile_filter(found, name, found.modes[mode], problems)
    if problems:
        raise ConfigError(problems)
    terms = [list(group) for group in found.config.journalmatch]
    return Trial(f"{name}[mode={mode}]", own.failregex, _OwnEye(own), None, None, terms)


class _OwnEye:
    """Looks with a filter of conf.d: at messages, and at lines of a log, whose head or date tells their time."""

    def __init__(self, own: Filter) -> None:
        self._filter = own
        self._probe = own.message_probe()
        self._judge = Judge("no")
        self._stamps = Stamps(0.0)

    def feed(self, line: str, now: float, time: float | None = None) -> Sight:
        if self._stamps.now != now:
            self._stamps = Stamps(now)
        found, time = self._find(line, now, time)
        if found is None:
            return Sight("missed", None, time)
        match = self._filter.harvest(found)
        if match is None:
            return Sight("ignored", None, time, lines=(line,))
        pattern, host, fields = match
        if time is None and self._filter.dates:
            time = self._filter.dates.time(line, fields, now)
        fields.pop("date", None)
        whom = self._judge.judge({"ip4": host})
        result: Result = "missed" if whom is None else "failure"
        return Sight(result, whom and whom.host, time, pattern, dict(fields), (line,), whom and whom.subject)

    def _find(self, line: str, now: float, time: float | None) -> tuple[re.Match[str] | None, float | None]:
        own = self._filter
        if time is not None:
            return self._probe(line, 0), time
        if own.dates:
            found, time = find_dated(line, own, own.probe, self._stamps)
            if found is None and time is None:
                return self._probe(line, 0), own.dates.clock(line, now)
            return found, time
        colon = line.find(": ")
        head = parse_head(line[:colon], self._stamps) if colon >= 0 else None
        if head is None:  # a bare message
            return own.probe(line, 0), None
        if own.identifier and head.identifier not in own.identifier:
            return None, head.time
        return own.probe(line, colon + 2), head.time

    def seen(self, line: str, now: float) -> str | None:
        dates = self._filter.dates
        if dates and dates.begin(line) >= 0:
            return dates.message(line)
        colon = line.find(": ")
        return line[colon + 2 :] if colon >= 0 and parse_head(line[:colon], Stamps(now)) else line
