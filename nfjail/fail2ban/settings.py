"""The options of a jail as typed values: fail2ban's texts are judged here, and nowhere else."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeVar

from nfjail.core.policy import Increment, compile_formula
from nfjail.core.zones import log_zone
from nfjail.fail2ban.call import parse_call
from nfjail.fail2ban.ini import Section
from nfjail.fail2ban.problem import Problem
from nfjail.fail2ban.seconds import arithmetic, parse_seconds

T = TypeVar("T")

BACKENDS = ("auto", "pyinotify", "gamin", "polling", "systemd")

_YES = ("1", "on", "true", "yes")
_NO = ("0", "off", "false", "no", "")


class Backend(NamedTuple):
    """What is read: "systemd" is the journal, all others are files."""

    name: str = "auto"
    parameters: Mapping[str, str] = {}  # journalpath, journalfiles, journalflags, namespace ...


class Logpath(NamedTuple):
    """Files to read."""

    pattern: str  # with * and ? for any
    tail: bool = False  # at first only what comes from now on, not what is in them already


class Cache(NamedTuple):
    """ignorecache: what ignorecommand answered is kept for a while."""

    key: str
    most: int  # answers that are kept
    seconds: float


class Settings(NamedTuple):
    """A jail's own options. The defaults are those of fail2ban's program, not of its jail.conf."""

    backend: Backend = Backend()
    logpath: tuple[Logpath, ...] = ()
    logencoding: str = "auto"
    logtimezone: str = ""
    maxretry: int = 3
    findtime: float = 600.0  # seconds
    bantime: float | None = 600.0  # seconds; None: for ever
    increment: Increment = Increment()
    maxmatches: int = 5
    ignoreip: tuple[str, ...] = ()  # addresses, networks, names, file:/path
    ignoreself: bool = True
    ignorecommand: str = ""
    ignorecache: Cache | None = None
    skip_if_nologs: bool = False
    systemd_if_nologs: bool = True


def is_true(text: str) -> bool:
    """fail2ban's idea of yes; all else is no."""
    return text.lower() in _YES


class Reading:
    """Turns options into values; collects what is wrong with them and what is odd about them."""

    def __init__(self, options: Section) -> None:
        self.options = options
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []

    def take(self, name: str, parse: Callable[[str], T], default: T) -> T:
        """The parsed option; default where there is none, or where it is wrong."""
        text = self.options.get(name)
        if text is None:
            return default
        try:
            return parse(text.value)
        except ValueError as error:
            self.problems.append(text.problem(f"{name} = {_short(text.value)}: {error}", "correct it"))
            return default

    def flag(self, name: str, default: bool) -> bool:
        text = self.options.get(name)
        if text is None:
            return default
        if text.value.lower() not in (*_YES, *_NO):
            self.notes.append(text.problem(f"{name} = {_short(text.value)}: this means no", "write true or false"))
        return is_true(text.value)


def read_settings(reading: Reading) -> Settings:
    """All settings of a jail's options."""
    take, flag, default = reading.take, reading.flag, Settings()
    return Settings(
        backend=take("backend", parse_backend, default.backend),
        logpath=take("logpath", _logpath, default.logpath),
        logencoding=take("logencoding", _encoding, default.logencoding),
        logtimezone=take("logtimezone", _zone, default.logtimezone),
        maxretry=take("maxretry", _count, default.maxretry),
        findtime=take("findtime", _findtime, default.findtime),
        bantime=take("bantime", _bantime, default.bantime),
        increment=_increment(reading),
        maxmatches=take("maxmatches", _count_or_none, default.maxmatches),
        ignoreip=take("ignoreip", _words, default.ignoreip),
        ignoreself=flag("ignoreself", default.ignoreself),
        ignorecommand=take("ignorecommand", str, default.ignorecommand),
        ignorecache=take("ignorecache", _cache, default.ignorecache),
        skip_if_nologs=flag("skip_if_nologs", default.skip_if_nologs),
        systemd_if_nologs=flag("systemd_if_nologs", default.systemd_if_nologs),
    )


def _increment(reading: Reading) -> Increment:
    take, default = reading.take, Increment()
    return Increment(
        enabled=reading.flag("bantime.increment", default.enabled),
        factor=take("bantime.factor", lambda text: arithmetic(text or "1"), default.factor),
        multipliers=take("bantime.multipliers", _multipliers, default.multipliers),
        formula=take("bantime.formula", _formula, default.formula),
        maxtime=take("bantime.maxtime", _maxtime, default.maxtime),
        rndtime=take("bantime.rndtime", lambda text: parse_seconds(text or "0"), default.rndtime),
        overalljails=reading.flag("bantime.overalljails", default.overalljails),
    )


def parse_backend(text: str) -> Backend:
    """auto, pyinotify, polling, systemd[journalpath=...]. Raises ValueError."""
    name, parameters = parse_call(text or "auto")
    if name.strip().lower() not in BACKENDS:
        raise ValueError(f"there is no such backend, only {', '.join(BACKENDS)}")
    return Backend(name.strip().lower(), parameters)


def _logpath(text: str) -> tuple[Logpath, ...]:
    paths = []
    for line in text.split("\n"):
        pattern, blank, where = line.rpartition(" ")
        if blank and where.lower() not in ("head", "tail"):
            raise ValueError(f"{where!r} after a blank: only head or tail may stand there; write one path on a line")
        if line:
            paths.append(Logpath(pattern if blank else line, where.lower() == "tail" if blank else False))
    return tuple(paths)


def _encoding(text: str) -> str:
    if text and text.lower() != "auto":
        try:
            codecs.lookup(text)
        except LookupError:
            raise ValueError("no such encoding is known") from None
    return text or "auto"


def _zone(text: str) -> str:
    log_zone(text)
    return text


def _count(text: str) -> int:
    number = _count_or_none(text)
    if number < 1:
        raise ValueError("write 1 or more")
    return number


def _count_or_none(text: str) -> int:
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < 0:
        raise ValueError("this is no number")
    return number


def _findtime(text: str) -> float:
    seconds = parse_seconds(text)
    if seconds <= 0:
        raise ValueError("it has to be more than nothing")
    return seconds


def _bantime(text: str) -> float | None:
    seconds = parse_seconds(text)
    return None if seconds < 0 else seconds


def _maxtime(text: str) -> float | None:
    return parse_seconds(text) if text else None


def _multipliers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(int(word)) for word in text.split())
    except ValueError:
        raise ValueError("write whole numbers with blanks between") from None


def _formula(text: str) -> str:
    if text:
        compile_formula(text)
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[\s,]+", text) if word)


def _cache(text: str) -> Cache | None:
    if not text:
        return None
    _, parameters = parse_call(f"cache[{text}]")
    if "key" not in parameters:
        raise ValueError('write for example key="<ip>", max-count=100, max-time=5m')
    count = int(parameters.get("max-count", "100"))
    return Cache(parameters["key"], count, parse_seconds(parameters.get("max-time", "300")))


def _short(text: str) -> str:
    first = text.strip().split("\n")[0]
    return first if len(first) <= 60 else f"{first[:59]}…"
