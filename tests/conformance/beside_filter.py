"""Run with fail2ban's package on PYTHONPATH: what its own filter makes of lines. JSON in, JSON out, on the standard streams.

In: a list of {"spec": FilterSpec as a list, "lines": [[line, time or null]], "now": seconds, "names": {name: addresses}};
a time: as from the journal; names: what the DNS knows ("*": any other name), null: no name is looked up.
Out: for each of these, for each line, what the live filter would count: [[failregex, id, time, captures, lines], ...],
or a text where it fails. For a filter that fail2ban refuses, a text in place of the lines' answers.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
from typing import Any

from fail2ban.server.filter import Filter
from fail2ban.server.ipdns import DNSUtils, IPAddr
from fail2ban.server.mytime import MyTime

PATIENCE = 2.0  # seconds for a line

logging.disable(logging.CRITICAL)


def too_long(_signal: int, _frame: Any) -> None:
    raise TimeoutError


def made(spec: list[Any], names: dict[str, list[str]] | None) -> Filter:
    _, failregex, ignoreregex, prefregex, datepattern, maxlines, _, usedns, _, zone = spec
    filter_ = Filter(None, useDns=usedns)
    filter_.returnRawHost = names is None  # names stay names
    filter_.checkFindTime = False
    if names is not None:
        DNSUtils.dnsToIp = staticmethod(lambda name: [IPAddr(address) for address in names.get(name, names.get("*", ()))])
    filter_.prefRegex = prefregex
    filter_.setMaxLines(maxlines)
    if zone:
        filter_.setLogTimeZone(zone)
    if datepattern:
        filter_.setDatePattern(datepattern)
    for regex in failregex:
        filter_.addFailRegex(regex)
    for regex in ignoreregex:
        filter_.addIgnoreRegex(regex)
    return filter_


def told(found: list[Any]) -> list[Any]:
    pattern, fid, time, captures = found
    kept = {k: v for k, v in captures.items() if v is not None and k not in ("matches", "nofail-matches", "ip")}
    lines = ["".join(line) for line in captures.get("matches", ())]
    return [pattern, None if fid is None else str(fid), time, {**kept, "users": sorted(kept.get("users", ()))}, lines]


def answers(question: dict[str, Any]) -> list[Any] | str:
    MyTime.setTime(question["now"])
    try:
        filter_ = made(question["spec"], question["names"])
    except Exception as error:
        return repr(error)
    answer: list[Any] = []
    for line, time in question["lines"]:
        signal.setitimer(signal.ITIMER_REAL, PATIENCE)
        try:
            found = filter_.processLine(line) if time is None else filter_.processLine(("", "", line), time)
            answer.append([told(one) for one in found if not one[3].get("nofail")])
        except Exception as error:  # it stumbles over some dates, and some patterns take for ever
            answer.append(repr(error))
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return answer


signal.signal(signal.SIGALRM, too_long)
json.dump([answers(question) for question in json.load(sys.stdin)], sys.stdout)
