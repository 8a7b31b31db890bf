"""Run by fail2ban's own Python path: what its date detector makes of lines. Jobs come as JSON on stdin, answers go to stdout.

A job is {"patterns": [...] or null, "zone": text or null, "lines": [...]}; its answer has for each line null (no date) or
[time or null, before, text, after]; "samples" as the only job asks for fail2ban's own sample logs: a list of
{"filter", "patterns", "lines", "answers"}. The first argument is the clock, in seconds since the epoch.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time

from fail2ban.server.mytime import MyTime

MyTime.setTime(float(sys.argv[1]))
MyTime.setAlternateNow(float(sys.argv[1]))

import fail2ban.tests  # noqa: E402
from fail2ban.client.filterreader import FilterReader  # noqa: E402
from fail2ban.server.datedetector import DateDetector  # noqa: E402

CONFIG = sys.argv[2]
TESTS = os.path.dirname(fail2ban.tests.__file__)


def answers(patterns, zone, lines):
    detector = DateDetector()
    detector.default_tz = zone
    for pattern in patterns or []:
        detector.appendTemplate(pattern)
    return [answer(detector, line) for line in lines]


def answer(detector, line):
    """As Filter.processLine cuts a line."""
    match, template = detector.matchTime(line)
    if match is None:
        return None
    start, end = match.span(1)
    text = line[start:end]
    try:
        date = detector.getTime(text, (match, template)) if text else None
    except Exception as error:  # it has no answer then, and does not process the line
        return [type(error).__name__, line[:start], text, line[end:]]
    return [date[0] if date else None, line[:start], text, line[end:]]


def datepattern(name, options):
    reader = FilterReader(name, "jail", dict(options), basedir=CONFIG)
    reader.read()
    reader.getOptions({})
    for option in reader.convert():
        if option[0] == "set" and option[2] == "datepattern":
            return [line for line in map(str.strip, re.split("\n+", option[3])) if line]
    return None


def samples(name):
    """The file's lines under each set of options that it names, as fail2ban's own sample test goes through it."""
    runs = {}
    common, sets, files = {}, [{}], [name]
    for file in files:
        with open(os.path.join(TESTS, "files", "logs", file), encoding="utf-8", errors="replace") as log:
            lines = [line.rstrip("\r\n") for line in log]
        for line in lines:
            directive = re.match("^#+ ?(failJSON|(?:file|filter)Options|addFILE):(.+)$", line)
            what, value = (directive[1], json.loads(directive[2])) if directive else (None, None)
            if what == "fileOptions":
                common = value
            elif what == "addFILE":
                files.append(value)
            elif what == "filterOptions":
                sets = [{**common, **options} for options in (value if isinstance(value, list) else [value])]
            for options in sets:
                if options.get("logtype") != "journal":
                    known = {key: value for key, value in options.items() if not key.startswith("test.")}
                    runs.setdefault(json.dumps(known), []).append(line)
    for options, lines in runs.items():
        patterns = datepattern(name, json.loads(options))
        for some in (lines, [line for line in lines if line.strip() and not line.startswith("#")]):
            yield {"filter": name, "patterns": patterns, "lines": some, "answers": answers(patterns, None, some)}


def main():
    logging.disable(logging.CRITICAL)
    time.tzset()
    jobs = json.load(sys.stdin)
    if jobs == "samples":
        result = []
        for file in sorted(os.listdir(os.path.join(CONFIG, "filter.d"))):
            name, extension = os.path.splitext(file)
            if extension == ".conf" and os.path.exists(os.path.join(TESTS, "files", "logs", name)):
                result += samples(name)
    else:
        result = []
        for job in jobs:
            try:
                result.append(answers(job["patterns"], job.get("zone"), job["lines"]))
            except Exception as error:
                result.append(f"{type(error).__name__}: {error}")
    json.dump(result, sys.stdout)


main()
