"""Dates found beside fail2ban: the same lines to its detector and to nfjail's, and every difference has a reason.

fail2ban's own answers come from the packages of Debian 12 and 13 (packages.py) by way of beside_dates.py. As in its own
sample test the clock stands still at 2005-08-14 12:00 in central Europe. Times are compared in whole
seconds.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from string import ascii_uppercase

import packages
import pytest

from nfjail.core.dates import DateDetector, DatePatternError
from nfjail.core.zones import OFFSETS
from tests.zone import in_zone

NOW = 1124013600.0
ZONE = "CET-01CEST-02,M3.5.0,M10.5.0"
SUITES = tuple(packages.SUITES)


@pytest.fixture(autouse=True, scope="module")
def _in_central_europe() -> Iterator[None]:
    with in_zone(ZONE):
        yield


def fail2ban(suite: str, jobs: object, now: float = NOW) -> list:
    """Its answers; beside_dates.py tells what jobs and answers look like."""
    script = Path(__file__).with_name("beside_dates.py")
    config = packages.unpacked(suite) / "etc/fail2ban"
    done = subprocess.run(
        [sys.executable, str(script), str(now), str(config)],
        input=json.dumps(jobs), capture_output=True, text=True, env=packages.environment(suite, TZ=ZONE),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@cache
def sample_runs(suite: str) -> list:
    return fail2ban(suite, "samples")


def job(lines: Sequence[str], *patterns: str, zone: str | None = None) -> dict:
    return {"patterns": patterns or None, "zone": zone, "lines": lines}


def ours(job: dict, now: float = NOW) -> list:
    detector = DateDetector("\n".join(job["patterns"] or ()), job.get("zone") or "")
    return [dated and list(dated) for dated in (detector.find(line, now) for line in job["lines"])]


def is_same(theirs: list | None, ours: list | None) -> bool:
    if theirs is None or ours is None:
        return theirs is ours
    if theirs[1:] != ours[1:] or isinstance(theirs[0], str):
        return False
    if theirs[0] is None or ours[0] is None:
        return theirs[0] is ours[0]
    return int(theirs[0]) == int(ours[0]) or twice_an_hour(theirs[0], ours[0])


def twice_an_hour(theirs: float, ours: float) -> bool:
    """In the hour that comes twice in autumn, which one is meant is up to mktime(3), and that to what it was asked before."""
    return time.localtime(theirs)[:6] == time.localtime(ours)[:6]


# Reasons for which nfjail's answer is another one. Each is shown once more, by an example of its own, further below.


def unknown_zone(theirs: list, ours: list) -> bool:
    """A word before the date that may be a zone and is none: fail2ban has no time then, or fails."""
    word = re.match(r"([A-Z]{3,5}) ", ours[2], re.IGNORECASE)
    return theirs[1:] == ours[1:] and (theirs[0] is None or isinstance(theirs[0], str)) and word is not None


def guessed(theirs: list, ours: list) -> bool:
    """A date with a zone and without a year, or 29 February without one: fail2ban guesses wrongly, or nothing."""
    if theirs[1:] != ours[1:] or ours[0] is None or re.search(r" \d{4}$", ours[2]):
        return False
    word = ours[2].partition(" ")[0].upper()
    leap_day = re.search(r"\b(?:feb\w*[ :/-]?|0?2[ :/-]?)29", ours[2], re.IGNORECASE)
    if theirs[0] is None:
        return leap_day is not None
    return (word[:1] in ("+", "-") or word in OFFSETS) and NOW - 366 * 86400 < ours[0] <= NOW + 86400


def this_instant(theirs: list, ours: list) -> bool:
    return theirs[1:] == ours[1:] and NOW < (ours[0] or 0) <= NOW + 2 and int(ours[0]) - theirs[0] == 86400


REASONS = (unknown_zone, this_instant, guessed)


def differences(suite: str, jobs: list[dict]) -> tuple[Counter, list]:
    """How often which reason holds ("same": for no difference, "dated": with a date), and what has none."""
    count: Counter = Counter()
    unexplained = []
    for each, answers in zip(jobs, fail2ban(suite, jobs), strict=True):
        if isinstance(answers, str):  # it refuses the pattern, or fails: see the defects below
            count["refused"] += 1
            continue
        for line, theirs, mine in zip(each["lines"], answers, ours(each), strict=True):
            reason = next((r.__name__ for r in REASONS if theirs and mine and r(theirs, mine)), "")
            if is_same(theirs, mine):
                count["same"] += 1
                count["dated"] += mine is not None
            elif reason:
                count[reason] += 1
            else:
                unexplained.append((each["patterns"], line, theirs, mine))
    return count, unexplained


@pytest.mark.parametrize("suite", SUITES)
def test_every_line_of_the_sample_logs_with_the_filters_own_datepattern(suite):
    lines = dated = 0
    for run in sample_runs(suite):
        for line, theirs, mine in zip(run["lines"], run["answers"], ours(run), strict=True):
            assert is_same(theirs, mine), (run["filter"], run["patterns"], line, theirs, mine)
            lines += 1
            dated += mine is not None and mine[0] is not None
    assert lines > 4000
    assert dated > 2300


@pytest.mark.parametrize("suite", SUITES)
def test_every_line_of_the_sample_logs_with_every_filters_datepattern(suite):
    """One stream for each pattern, so that the detector sees all formats one after the other."""
    runs = sample_runs(suite)
    patterns = {tuple(run["patterns"] or ()) for run in runs}
    patterns |= {(r"\[({DATE})\]",), ("LEPOCH",), ("^TAI64N",), ("%H:%M:%S",), ("{UNB}%H:%M:%S",), ("**%d/%b/%Y**",)}
    lines = [line for line in dict.fromkeys(line for run in runs for line in run["lines"]) if line[:2] not in ("# ", "")]
    count, unexplained = differences(suite, [job(lines, *each) for each in sorted(patterns)])
    assert not unexplained
    assert count["dated"] > 10_000
    assert set(count) == {"same", "dated", "unknown_zone"}


EDGES = (
    (2004, 2, 29, 12, 0, 0), (2005, 3, 27, 1, 59, 59), (2005, 3, 27, 2, 30, 0), (2005, 3, 27, 3, 0, 0),
    (2005, 10, 30, 1, 59, 59), (2005, 10, 30, 2, 30, 0), (2005, 10, 30, 3, 0, 1), (2004, 12, 31, 23, 59, 59),
    (2005, 1, 1, 0, 0, 0), (2005, 8, 14, 11, 59, 59), (2005, 8, 14, 12, 0, 0), (2005, 8, 15, 11, 59, 59),
    (2005, 8, 15, 12, 0, 1), (2000, 1, 1, 0, 0, 0), (2029, 12, 31, 23, 59, 59), (2030, 1, 1, 0, 0, 0),
    (1999, 12, 31, 23, 59, 59), (2016, 2, 29, 23, 59, 59),
)  # fmt: skip
BEFORE = ("", "", "", "[", "(", "##", "###", "bogus-prefix ", "word", "x=", "192.0.2.1 - - [", "host app: ", "  ", "Z", "12 ")
BEHIND = (" host sshd[1]: foo", "", "]", "x", "5", " 2005 foo", "Z", " +0100 foo", ":", " UTC foo", ", x")


def moments(chance: random.Random, number: int) -> Iterator[datetime]:
    yield from (datetime(*edge) for edge in EDGES)
    for _ in range(number):
        yield datetime(2004, 1, 1) + timedelta(seconds=chance.randrange(22 * 365 * 86400))


def as_logged(when: datetime, chance: random.Random) -> Iterator[str]:
    """The moment in each of the default forms, with all that may differ from one program to the next."""
    pick = chance.choice
    fraction = str(chance.randrange(10**6))
    fraction = pick(["", f".{fraction}", f",{fraction}", ".123456789"])
    zone = pick(["", "", "Z", " Z", " UTC", " GMT", " +0100", "+01:00", "-0530", " -05", " CET", " +0100 2005"])
    day = pick([f"{when.day:02}", str(when.day), f"{when.day:2}"])
    clock = pick([f"{when:%H:%M:%S}", f"{when.hour}:{when.minute}:{when.second}", f"{when.hour:2}:{when:%M:%S}"])
    month = pick([f"{when:%b}", f"{when:%b}".upper(), f"{when:%b}".lower(), f"{when:%B}"])
    weekday = pick(["", f"{when:%a} ", f"{when:%a} ".upper()])
    a, b, gap, year = pick("-/."), pick("-/"), pick(["T", " ", "  "]), pick(["", f" {when.year}"])
    seconds = int(time.mktime(when.timetuple()))
    epoch = pick(["{0}", "{0}.123", "[{0}]", "audit({0}.123:5)", "[{0}", "audit({0})", "{0}.12", "{0}123", "{0}123456", "x{0}"])
    yield f"{when.year}{a}{when:%m}{a}{day}{gap}{clock}{fraction}{zone}"
    yield f"{weekday}{month} {day} {clock}{fraction}{year}"
    yield f"{weekday}{month} {day} {when.year} {clock}{fraction}"
    yield f"{day}{b}{when:%m}{b}{pick([f'{when:%Y}', f'{when:%y}'])} {clock}"
    yield f"{day}{b}{month}{b}{when.year}{pick([':', ' ', ''])}{clock}{fraction}{zone}"
    yield f"{when:%m}/{day}/{when.year}:{clock}"
    yield f"{when:%m}-{day}-{when.year} {clock}{fraction}"
    yield epoch.format(seconds)
    yield clock
    yield f"<{when:%m/%d/%y}@{clock}>"
    yield f"{when:%y%m%d}{pick([' ', '  '])}{clock}"
    yield f"{month} {day}, {when.year} {when.hour % 12 or 12}:{when:%M:%S} {pick(['AM', 'PM', 'am', ''])}"
    yield f"{month}-{day}-{when:%y} {clock}"
    yield f"{when:%Y%m%d}{gap}{when:%H%M%S}{fraction}{zone}"
    yield f"{pick(['CEST', 'PDT', 'Z', 'GMT', 'cet', 'error', 'XYZ'])} {weekday}{month} {day} {clock}{fraction}{year}"
    yield f"{pick(['+01:00', '-0530', 'Z', 'UTC', '+02'])} {weekday}{month} {day} {clock}{fraction}{year}"
    yield f"@4{seconds:015x}{chance.randrange(10**9):08x}"
    yield f"@{seconds:024X}"


def generated(seed: int, number: int) -> list[str]:
    chance = random.Random(seed)
    return [
        chance.choice(BEFORE) + text + chance.choice(BEHIND)
        for when in moments(chance, number)
        for text in as_logged(when, chance)
    ]


@pytest.mark.parametrize("suite", SUITES)
def test_every_default_form_at_every_place(suite):
    """Each line alone: what was seen before it does not count."""
    patterns: list[tuple[str, ...]] = [(), ("{^LN-BEG}",), ("{DATE}",), (r"^(?:\S+ )*?({DATE})",)]
    lines = generated(seed=2005, number=22)
    count, unexplained = differences(suite, [job([line], *each) for each in patterns for line in lines])
    assert not unexplained
    assert count["dated"] > 1000
    assert count["same"] > 0.95 * 4 * len(lines)


def logs(seed: int, number: int) -> Iterator[list[str]]:
    """Logs in which each line has the date in the same form, but not always at the same place.

    After the 12th of a month, so that no day can be taken for a month: before, it is a matter of luck with fail2ban.
    """
    chance = random.Random(seed)
    for _ in range(number):
        form, way, step = chance.randrange(18), chance.random(), chance.choice([0, 1, 7, 400])
        before = chance.choice([*BEFORE, "192.0.2.{} - - [", "user{}: ", "{} ", "host{} app: "])
        behind = chance.choice(BEHIND)
        start = datetime(2005, chance.randrange(1, 13), chance.randrange(13, 28), chance.randrange(24), chance.randrange(60))
        whens = (start + timedelta(seconds=i * step) for i in range(20))
        texts = [list(as_logged(when, random.Random(way)))[form] for when in whens]
        yield [before.format(chance.randrange(1, 2000)) + text + behind for text in texts]


@pytest.mark.parametrize("suite", SUITES)
def test_logs_in_one_form(suite):
    patterns: list[tuple[str, ...]] = [(), ("{^LN-BEG}",), (r"^(?:\S+ )*?({DATE})",)]
    count, unexplained = differences(suite, [job(lines, *each) for lines in logs(7, 100) for each in patterns])
    assert not unexplained
    assert count["dated"] > 1500
    assert count["same"] > 0.9 * 6000


FIELDS = {
    "Y": "%Y", "m": "%m", "d": "%d", "H": "%H", "M": "%M", "S": "%S", "b": "%b", "B": "%B", "a": "%a", "A": "%A", "y": "%y",
    "p": "%p", "I": "%I", "k": "%H", "l": "%I", "U": "%U", "W": "%W", "w": "%w", "z": "+0130", "Z": "UTC", "f": "123",
    "c": "%a %b %d %H:%M:%S %Y", "x": "%m/%d/%y", "X": "%H:%M:%S", "j": "%j", "%": "%%",
    "ExY": "%Y", "Exy": "%y", "Exm": "%m", "Exd": "%d", "ExH": "%H", "Exk": "%H", "Exl": "%I", "ExM": "%M", "ExS": "%S",
    "Exz": "CET-01", "ExZ": "CEST",
}  # fmt: skip
TOGETHER = (
    "Y m d H M S", "ExY Exm Exd ExH ExM ExS", "b d H M S", "a b d k M S Y", "d B Y I M S p", "y j H M", "Y U a H M",
    "Y W A H M", "y W w X", "H M S f", "c", "x X", "Y m d H M S z", "Y m d H M S Z", "Y m d H M S Exz", "Y m d H M ExZ",
    "m d H M S", "Exy Exm Exd Exl M p", "Y m d", "d m y %", "m d l M p",
)  # fmt: skip
ENDS = (
    ("", ""), ("", ""), ("^", ""), ("{^LN-BEG}", ""), ("{UNB}", ""), ("**", "**"), ("{^LN-BEG}**", ""), ("{^LN-BEG}^", "$"),
    (r"\[", r"\]"), (r"^\[(", r")\]"), ("(?iu)**", "$"), ("^(?:x )?", r"\b"), ("(?:^|x )", ""), ("(^", ")"), (r"^\S+ (", ")"),
    ("t=", r"\s"), (r"\**", r"\**"), ("(?:", ")$"), ("((", "))**"), ("(?<=t=)", "(?: x)?"), ("", "$"), ("(", ")|foo"),
)  # fmt: skip


@pytest.mark.parametrize("suite", SUITES)
def test_every_field_between_every_kind_of_ends(suite):
    chance = random.Random(42)
    jobs = []
    for names in (each.split() for each in TOGETHER):
        for begin, end in ENDS:
            between = chance.choice(["-", "/", ":", " ", ""])
            pattern = begin + between.join(f"%{name}" for name in names) + end
            for when in random.Random(len(jobs)).sample(list(moments(chance, 6)), 2):
                text = between.join(when.strftime(FIELDS[name]) for name in names)
                text = chance.choice([text, text, text.upper(), text.replace("0", " ", 1)])
                before = chance.choice(["", "[", "x ", "t=", "##", "host x "])
                jobs.append(job([before + text + chance.choice(["", " ", "]", " x", "x", "5"])], pattern))
    count, unexplained = differences(suite, jobs)
    assert not unexplained
    assert count["dated"] > 200
    assert count["same"] > 0.7 * len(jobs)


ZONES = (
    "UTC", "UTC+0300", "UTC-0430", "GMT+12", "CET", "+0100", "CEST-01", "CET+01", "CET+0130", "CET+01:30", "EST", "Z", "A",
    "AKDT", "NST", "-1200", "+19", "M+1100",
)  # fmt: skip


@pytest.mark.parametrize("suite", SUITES)
def test_every_kind_of_logtimezone(suite):
    dates = ["2017-01-23 15:00:00", "2017-07-23 15:00:00", "2005-03-27 02:30:00"]
    zones = ("", " GMT", " -1045", " +09:45", "Z", " CEST", " CET+0130", " EST", " M")
    lines = [date + zone for date in dates for zone in zones]
    jobs = [job(lines, "^%ExY-%Exm-%Exd %H:%M:%S(?: ?%Exz)?", zone=zone) for zone in (None, *ZONES)]
    count, unexplained = differences(suite, jobs)
    assert not unexplained
    assert count == {"same": len(lines) * len(jobs), "dated": len(lines) * len(jobs)}


@pytest.mark.parametrize("suite", SUITES)
def test_every_abbreviation_of_a_zone(suite):
    known = {name for name in OFFSETS if len(name) != 2} - {"CHST"}  # it has that as ChST, and never finds it
    others = random.Random(3).sample(list(map("".join, product(ascii_uppercase, repeat=3))), 2000)
    names = known | set(ascii_uppercase) | set(others)
    each = job([f"2017-01-23 15:00:00 {name}" for name in sorted(names)], "%Y-%m-%d %H:%M:%S %Exz")
    count, unexplained = differences(suite, [each])
    assert count["same"] == len(known)
    for _, line, theirs, mine in unexplained:  # an abbreviation that it does not know it fails at
        assert theirs[0] == "KeyError", line
        assert mine[0] == 1485180000.0, line


# What fail2ban does wrong, or not at all, and nfjail does. Its answer stands here too: when it changes, so may this.

DEFECTS = {
    "{DEFAULT} behind another pattern adds nothing": (
        job(["2005-08-14 10:00:00 x"], "^%Y/%m/%d", "{DEFAULT}"), None, [1124006400, "", "2005-08-14 10:00:00", " x"]),
    "an empty line without a date is one, too": (
        job([""], "{NONE}"), "IndexError", [None, "", "", ""]),
    "a word that is no zone leaves it without a time": (
        job(["Warn Aug 14 10:00:00 x"]), [None, "", "Warn Aug 14 10:00:00", " x"],
        [1124006400, "", "Warn Aug 14 10:00:00", " x"]),
    "a word in capitals that is no zone makes it fail": (
        job(["ERROR Aug 14 10:00:00 x"]), ["KeyError", "", "ERROR Aug 14 10:00:00", " x"],
        [1124006400, "", "ERROR Aug 14 10:00:00", " x"]),
    "a zone in small letters, found where case does not count, leaves it without a time": (
        job(["14/Aug/2005:10:00:00 gmt x"]), [None, "", "14/Aug/2005:10:00:00 gmt", " x"],
        [1124013600, "", "14/Aug/2005:10:00:00 gmt", " x"]),
    "the year is guessed by comparing a date in UTC with the local clock": (
        job(["GMT Aug 15 11:30:00 x"]), [1124105400, "", "GMT Aug 15 11:30:00", " x"],
        [1092569400, "", "GMT Aug 15 11:30:00", " x"]),
    "and so is the day": (
        job(["11:30:00 x"], zone="UTC"), [1124019000, "", "11:30:00", " x"], [1123932600, "", "11:30:00", " x"]),
    "29 February without a year is in no year but a leap year": (
        job(["Feb 29 10:00:00 x"]), [None, "", "Feb 29 10:00:00", " x"], [1078045200, "", "Feb 29 10:00:00", " x"]),
    "the day of the year, without a year, is taken from the wrong year": (
        job(["303 10:00 x"], "%j %H:%M"), [1099123200, "", "303 10:00", " x"], [1099036800, "", "303 10:00", " x"]),
    "AM or PM that need not be there": (
        job(["14 August 2005 10:00 x"], "%d %B %Y %I:%M(?: %p)?"), ["AttributeError", "", "14 August 2005 10:00", " x"],
        [1124006400, "", "14 August 2005 10:00", " x"]),
    "a month without a day": (
        job(["2005-08 x"], "%Y-%m"), ["TypeError", "", "2005-08", " x"], [1122847200, "", "2005-08", " x"]),
    "the weeks of ISO 8601 are read as today": (
        job(["2005-W32-7 10:00 x"], "%G-W%V-%u %H:%M"), [1124006400, "", "2005-W32-7 10:00", " x"],
        [1124006400, "", "2005-W32-7 10:00", " x"]),
    "an escaped $ at the end": (
        job(["10:00$"], r"%H:%M\$"), "error", [1124006400, "", "10:00$", ""]),
    "flags of one's own, with names": (
        job(["14 AUG 10:00"], "(?i)%d %b %H:%M"), "error", [1124006400, "", "14 AUG 10:00", ""]),
    "a blank for a missing digit at the beginning": (
        job(["x 9:00"], "%k:%M"), "error", [1124002800, "x", " 9:00", ""]),
    "a parenthesis in a set is no group": (
        job(["(14/08/2005 x"], r"[(]%d/%m/%Y"), [1123970400, "(", "14", "/08/2005 x"], [1123970400, "", "(14/08/2005", " x"]),
    "{^LN-BEG} before {EPOCH} inside an expression": (
        job(["[at 1124006400 x"], "{^LN-BEG}at {EPOCH}"), None, [1124006400, "[", "at 1124006400", " x"]),
    "the date of this line ends where that of the last one did": (
        job(["app: Aug 14 10:00:00 x", "app: Aug 14 10:00:00 2004 x"]), [1124006400, "app: ", "Aug 14 10:00:00", " 2004 x"],
        [1092470400, "app: ", "Aug 14 10:00:00 2004", " x"]),
    "a second date wins for standing nearer than the date in the last line": (
        job(["a much longer text 2005-08-14 10:00:00 x", "app: 2005-08-14 10:00:00 14/Aug/2005:09:00:00 x"],
            "%d/%b/%Y:%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%y %j"),
        [1124002800, "app: 2005-08-14 10:00:00 ", "14/Aug/2005:09:00:00", " x"],
        [1124006400, "app: ", "2005-08-14 10:00:00", " 14/Aug/2005:09:00:00 x"]),
    "what the last of several patterns finds wins over what is nearer": (
        job(["at 10:00 of 14.08.2005 x"], "%H:%M", "%d.%m.%Y"), [1123970400, "at 10:00 of ", "14.08.2005", " x"],
        [1124006400, "at ", "10:00", " of 14.08.2005 x"]),
    "a time of day of this very second is yesterday's, if the clock was read before it began": (
        job(["12:00:01 x"]), [1123927201, "", "12:00:01", " x"], [1124013601, "", "12:00:01", " x"]),
    "a place is no zone": (
        job(["2005-08-14 10:00:00 x"], zone="America/New_York"), "ValueError",
        [1124028000, "", "2005-08-14 10:00:00", " x"]),
}  # fmt: skip


@cache
def defects(suite: str) -> dict:
    return dict(zip(DEFECTS, fail2ban(suite, [each[0] for each in DEFECTS.values()]), strict=True))


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("reason", DEFECTS)
def test_where_nfjail_does_better(suite, reason):
    each, theirs, mine = DEFECTS[reason]
    answers = defects(suite)[reason]
    kind = answers.partition(":")[0].replace("PatternError", "error") if isinstance(answers, str) else ""  # since Python 3.13
    assert (kind or answers[-1]) == theirs
    assert ours(each)[-1] == mine


@pytest.mark.parametrize("suite", SUITES)
def test_the_turn_of_the_year(suite):
    """On New Year's Eve a line of the new year, from a clock that is ahead, is for fail2ban one of a year ago."""
    eve = time.mktime((2005, 12, 31, 23, 50, 0, 0, 0, -1))
    each = job(["Jan  1 00:10:00 x"])
    ((theirs,),) = fail2ban(suite, [each], now=eve)
    assert theirs[0] == eve + 1200 - 365 * 86400
    assert ours(each, now=eve)[0][0] == eve + 1200


def test_what_is_cut_out_around_an_epoch_changed_between_the_packages():
    """nfjail follows the newer: a group of one's own is what is cut out."""
    each = job(["type=x msg=audit(1124006400.123:5) y"], r"^type=\S+ msg=audit\(({EPOCH})")
    ((older,),), ((newer,),) = (fail2ban(suite, [each]) for suite in SUITES)
    assert older[1:] == ["", "type=x msg=audit(1124006400.123", ":5) y"]
    assert newer == [1124006400.123, "type=x msg=audit(", "1124006400.123", ":5) y"] == ours(each)[0]


@pytest.mark.parametrize("pattern", ["%q", "%E", "50% %H:%M", "%H:%M:%H", "(%H:%M", "%H:%M)", "%Y**x**[", "({DATE}) ({DATE})"])
def test_what_fail2ban_refuses_is_refused(pattern):
    (answer,) = fail2ban("trixie", [job(["2005-08-14 10:00:00 x"], pattern)])
    assert isinstance(answer, str)
    with pytest.raises(DatePatternError):
        DateDetector(pattern)
