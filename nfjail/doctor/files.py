"""What of log files can be seen: whether they are there, can be read, are still written, and have dates that are understood."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from nfjail.assembly import source_of
from nfjail.config import Config, JailConfig
from nfjail.config.toml import joined
from nfjail.core.dates import DateDetector
from nfjail.core.duration import format_duration
from nfjail.core.filter import Filter
from nfjail.doctor import LOGS, Finding, listed, note, ok, plural, problem, setting, warning
from nfjail.doctor.machine import Machine
from nfjail.source import Clock
from nfjail.source.file_window import syslog_clock
from nfjail.source.rotation import is_packed, original_of

_TAIL = 65_536  # bytes at the end of a file that are looked at
_QUIET = 7 * 86_400.0  # seconds after which a log is asked whether it is one still
_MANY = 20  # files of one jail that are looked at
_SHOWN = 60  # characters of a line
_FEW = 0.1  # of the lines: so many must be understood
_STEP, _NEAR = 1800, 60.0  # zones differ by so many seconds; how far the last line's time may be from the file's
_FARTHEST = 26 * 3600


class Tail(NamedTuple):
    """A file's last lines, and how many of them have a date that the jail's filter understands."""

    lines: int
    understood: int
    last: float | None  # the time in the last line; None: it was not understood
    sample: str  # the last line that was not understood
    changed: float  # when the file was


def files(config: Config, machine: Machine) -> Iterator[Finding]:
    """All that concerns log files of jails that are on."""
    for jail in config.enabled:
        if source_of(jail, config.journal_path) != "file":
            continue
        paths = logs_of(jail, machine)
        if not paths:
            yield _missing(jail, machine)
        for path in paths[:_MANY]:
            yield from _look(jail, path, machine)


def logs_of(jail: JailConfig, machine: Machine) -> list[str]:
    """The logs that its globs find, without rotated and packed ones, which the reader sees to."""
    found = list(dict.fromkeys(path for one in jail.logpath for path in machine.glob(one)))
    return [path for path in found if not is_packed(path) and original_of(path) not in found]


def _missing(jail: JailConfig, machine: Machine) -> Finding:
    what = f"jail {jail.name} reads log files, and none of them is there: {listed(list(jail.logpath)) or '(no logpath)'}"
    advice = ["if they lie elsewhere,", *_setting(jail, 'logpath = ["/var/log/..."]')]
    if jail.journalmatch and machine.exists("/run/systemd/journal/socket"):
        advice = ["a journal is here, so perhaps", *_setting(jail, 'backend = "journal"')]
    return warning(LOGS, "log-missing", what, *advice)


def _setting(jail: JailConfig, line: str) -> tuple[str, ...]:
    return setting(joined("jail", jail.name), line)


def _look(jail: JailConfig, path: str, machine: Machine) -> Iterator[Finding]:
    where = f"jail {jail.name}: {path}"
    try:
        tail = tail_of(machine.path(path), clock_of(jail, machine.now))
    except PermissionError:
        who = "nobody but its owner may read it" if machine.is_root else "you may not read it, so it was not looked at"
        yield note(LOGS, "log-unseen", f"{where}: {who}", "sudo nfjail doctor")
        return
    except OSError as error:
        yield problem(LOGS, "log-unreadable", f"{where} cannot be read: {error.strerror}")
        return
    if machine.now - tail.changed > _QUIET:
        what = f"{where} was last written {format_duration(machine.now - tail.changed)} ago: does anybody still write it?"
        here = ("if the service logs to the journal by now,", *_setting(jail, 'backend = "journal"'))
        advice = here if jail.journalmatch else ()
        yield note(LOGS, "log-quiet", what, *advice)
    yield from _format(jail, where, tail)
    if tail.last is not None:
        yield from _zone(jail, where, tail.last - tail.changed)


def _format(jail: JailConfig, where: str, tail: Tail) -> Iterator[Finding]:
    if not tail.lines:
        yield ok(LOGS, "log-format", f"{where} is empty")
        return
    share = f"{tail.understood} of its last {plural(tail.lines, 'line')}"
    if tail.understood >= tail.lines * _FEW:
        yield ok(LOGS, "log-format", f"{where}: the dates of {share} are understood")
        return
    what = f"{where}: the format is unknown, {'no' if not tail.understood else 'hardly a'} date is understood ({share})"
    shown = f"such as: {tail.sample[:_SHOWN]}{'...' if len(tail.sample) > _SHOWN else ''}"
    yield (warning if tail.understood else problem)(LOGS, "log-format", what, shown, *_date_advice(jail))


def _date_advice(jail: JailConfig) -> tuple[str, ...]:
    if not isinstance(jail.filter, Filter):
        return ("say what its dates look like, see nfjail-filters(7):", *_setting(jail, "datepattern = ['...']"))
    if jail.filter.dates:
        return (f"have the service log with dates as the filter {jail.filter_name} expects them (datepattern)",)
    return ("it expects syslog's lines: 2026-11-22T14:15:01+00:00 HOST PROGRAM[PID]: or Nov 22 14:15:01 HOST PROGRAM[PID]:",)


def _zone(jail: JailConfig, where: str, ahead: float) -> Iterator[Finding]:
    """ahead: seconds by which the last line's time is later than when the file was written."""
    steps = round(ahead / _STEP)
    if not steps or abs(ahead - steps * _STEP) > _NEAR or abs(ahead) > _FARTHEST:
        return
    by = f"{format_duration(abs(steps * _STEP))} {'ahead of' if steps > 0 else 'behind'}"
    what = (
        f"{where}: its times are {by} this machine's: another time zone. New failures count all the same, as of now; after a "
        "restart the old ones may not"
    )
    advice = ["have the service write its zone, or the zone of this machine (timedatectl shows it)"]
    if not isinstance(jail.filter, Filter):
        advice += ["or say which it is:", *_setting(jail, 'logtimezone = "UTC"')]
    yield warning(LOGS, "log-zone", what, *advice)


def clock_of(jail: JailConfig, now: float) -> Clock:
    """What tells when a line of its logs was written, as the reader does it."""
    if not isinstance(jail.filter, Filter):
        dates = DateDetector(jail.filter.datepattern, jail.filter.logtimezone)
        return lambda line: found.time if (found := dates.find(line, now)) else None
    syslog, own = syslog_clock(now), jail.filter.dates
    if own is None:
        return syslog
    return lambda line: time if (time := own.clock(line, now)) is not None else syslog(line)


def tail_of(path: str, clock: Callable[[str], float | None]) -> Tail:
    """Looks at the end of a file. Raises OSError."""
    with open(path, "rb") as file:
        status = os.fstat(file.fileno())
        start = max(0, status.st_size - _TAIL)
        file.seek(start)
        lines: Sequence[bytes] = file.read(_TAIL).split(b"\n")
    lines = [line for line in lines[1 if start else 0 :] if line.strip()]
    texts = [line.decode("utf-8", "replace").rstrip() for line in lines]
    times = [clock(text) for text in texts]
    sample = next((text for text, time in zip(reversed(texts), reversed(times), strict=True) if time is None), "")
    understood = sum(time is not None for time in times)
    return Tail(len(texts), understood, times[-1] if times else None, sample, status.st_mtime)
