"""The kinds of values that settings have: how each is understood, and how it is written again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeVar

from nfjail.config import advice
from nfjail.config.names import filter_trouble
from nfjail.config.problem import BadValueError
from nfjail.config.toml import brief
from nfjail.core.duration import format_duration, parse_duration
from nfjail.core.policy import compile_formula
from nfjail.core.zones import log_zone
from nfjail.fail2ban.call import parse_call

T = TypeVar("T")


class Kind(NamedTuple):
    """parse: what TOML gave -> the value, or BadValueError; write: the value -> what TOML would give."""

    parse: Callable[[Any], Any]
    write: Callable[[Any], Any] = lambda value: value
    words: tuple[str, ...] = ()  # all that it may be, if that is few


def each(items: Iterable[Any], parse: Callable[[Any], T]) -> tuple[T, ...]:
    """Parses all; raises one BadValueError with the troubles of all that are wrong."""
    values: list[T] = []
    troubles: list[tuple[str, str]] = []
    for item in items:
        try:
            values.append(parse(item))
        except BadValueError as wrong:
            troubles += wrong.troubles
    if troubles:
        raise BadValueError(*troubles)
    return tuple(values)


def from_core(parse: Callable[[Any], T], value: Any, otherwise: str = "") -> T:
    """parse(value) of one of core's functions, which say in one sentence what is wrong and often what to write.

    otherwise: what to write, if they do not.
    """
    try:
        return parse(value)
    except ValueError as error:
        what, there, rest = str(error).partition(": write ")
        raise BadValueError((what, f"write {rest}" if there else otherwise)) from None


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise BadValueError((f"{brief(value)} is neither true nor false", "write true or false, without quotes"))
    return value


BOOLEAN = Kind(_boolean)


def _enabled(value: Any) -> bool | Literal["auto"]:
    if not isinstance(value, bool) and value != "auto":
        hint = 'write true or false without quotes, or "auto": if its service is here'
        raise BadValueError((f"{brief(value)} is neither true, false nor \"auto\"", hint))
    return "auto" if value == "auto" else bool(value)


ENABLED = Kind(_enabled)


def whole(least: int, most: int) -> Kind:
    """A whole number from least to most."""

    def parse(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            hint = ", without quotes" if isinstance(value, str) else ""
            raise BadValueError((f"{brief(value)} cannot be used", f"write a whole number from {least} to {most}{hint}"))
        return value

    return Kind(parse)


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1e6:
        raise BadValueError((f"{brief(value)} is no factor", "write a number above 0, one million at most"))
    return float(value)


FACTOR = Kind(_factor)


_MULTIPLIERS_ADVICE = "write a list of numbers, [1, 2, 4, 8]"


def _multipliers(value: Any) -> tuple[float, ...]:
    if isinstance(value, str):  # fail2ban's way: "1 2 4 8"
        try:
            value = [float(item) for item in value.split()]
        except ValueError:
            raise BadValueError((f"{brief(value)} are no multipliers", _MULTIPLIERS_ADVICE)) from None
    if not isinstance(value, list):
        raise BadValueError((f"{brief(value)} are no multipliers", _MULTIPLIERS_ADVICE))
    return each(value, _factor)


MULTIPLIERS = Kind(_multipliers, list)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise BadValueError((f"{brief(value)} is no text", "write it in quotes"))
    return value


TEXT = Kind(_text)


def named(trouble: Callable[[str], tuple[str, str] | None]) -> Kind:
    """A name that trouble finds nothing wrong with."""

    def parse(value: Any) -> str:
        found = trouble(_text(value))
        if found is not None:
            what, hint = found
            raise BadValueError((f"{brief(value)}: {what}", hint))
        return str(value)

    return Kind(parse)


def _filter_name(value: Any) -> str:
    text = _text(value)
    if not text:
        return text
    if not text.startswith(FAIL2BAN):
        return str(named(filter_trouble).parse(text))
    try:
        name, _ = parse_call(text.removeprefix(FAIL2BAN))
    except ValueError as error:
        raise BadValueError((f"{brief(value)}: {error}", _CALL_ADVICE)) from None
    if not name.strip() or not text.isprintable():
        raise BadValueError((f"{brief(value)} names no filter", _CALL_ADVICE))
    return text


FAIL2BAN = "fail2ban:"  # before the name of a filter of fail2ban's
_CALL_ADVICE = 'write for example "fail2ban:sshd[mode=aggressive]"'
FILTER_NAME = Kind(_filter_name)


def word(words: Sequence[str], also: Mapping[str, str] | None = None, otherwise: str = "") -> Kind:
    """One of words, or one of other spellings of them. otherwise: advice for all that is none."""
    spellings = {**{name: name for name in words}, **(also or {})}

    def parse(value: Any) -> str:
        if not isinstance(value, str) or value not in spellings:
            near = advice.nearest(value, words) if isinstance(value, str) else ""
            hint = f'did you mean "{near}"?' if near else otherwise or "write " + alternatives(words)
            raise BadValueError((f"{brief(value)} cannot be used", hint))
        return spellings[value]

    return Kind(parse, words=tuple(words))


def alternatives(words: Sequence[str]) -> str:
    """`"a", "b" or "c"`."""
    quoted = [f'"{name}"' for name in words]
    return " or ".join(filter(None, (", ".join(quoted[:-1]), quoted[-1])))


def texts(example: str) -> Kind:
    """A list of texts, none of them empty."""

    def item(value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise BadValueError((f"{brief(value)} is not such a text", f"write a list of texts, {example}"))
        return value

    def parse(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list):
            raise BadValueError((f"{brief(value)} is no list", f"write a list of texts, {example}"))
        return each(value, item)

    return Kind(parse, list)


def _lines(value: Any) -> tuple[str, ...]:
    lines = value.split("\n") if isinstance(value, str) else value
    if not isinstance(lines, list) or not all(isinstance(line, str) and "\n" not in line for line in lines):
        raise BadValueError((f"{brief(value)} is no list of texts", 'write ["...", "..."], each text in one line'))
    return tuple(line.strip() for line in lines if line.strip())


LINES = Kind(_lines, list)


def _zone(value: Any) -> str:
    text = _text(value)
    try:
        log_zone(text)
    except ValueError:
        raise BadValueError((f"{brief(value)} is no time zone known here", 'write "Europe/Paris", "CET" or "+0100"')) from None
    return text


ZONE = Kind(_zone)

_DAY = 86_400
_LENGTH_ADVICE = 'write "10m", "1h 30m" or a number of seconds'


def duration(*, least: float = 0.0, forever: bool = False) -> Kind:
    """A length of time of more than least seconds; or for ever, where that has a meaning."""
    hint = 'write "10m", "1h 30m", a number of seconds, or "forever"' if forever else _LENGTH_ADVICE

    def parse(value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise BadValueError((f"{brief(value)} is no length of time", hint))
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            raise BadValueError((str(error).partition(": write ")[0], hint)) from None
        if seconds is None and not forever:
            raise BadValueError((f"{brief(value)} means for ever, which cannot be here", hint))
        if seconds is not None and seconds <= least:
            raise BadValueError((f"{brief(value)} is too short", hint))
        return seconds

    return Kind(parse, duration_text)


def duration_text(seconds: float | None) -> str | float:
    """As people write it where that is exact ("30d", "1h 30m"), else the number of seconds."""
    if seconds is None:
        return "forever"
    text = f"{seconds / _DAY:.0f}d" if seconds and seconds % _DAY == 0 else format_duration(seconds)
    return text if parse_duration(text) == seconds else seconds


def _formula(value: Any) -> str:
    text = _text(value).strip()
    if text:
        from_core(compile_formula, text, 'write arithmetic: "ban.Time * 2 ** ban.Count"')
    return text


FORMULA = Kind(_formula)


def folder(otherwise: str) -> Kind:
    """A folder's path, or "", which is None. otherwise: what "" is for."""

    def parse(value: Any) -> str | None:
        text = _text(value)
        if text and (not os.path.isabs(text) or "\0" in text):
            raise BadValueError((f"{brief(value)} is not absolute", f'write the whole path, or "" {otherwise}'))
        return text or None

    return Kind(parse, lambda value: value or "")


def _path(value: Any) -> str:
    if isinstance(value, str) and re.search(r"\s+tail$", value):
        raise BadValueError((f"{brief(value)}: no option can follow a path", "write the path alone"))
    if not isinstance(value, str) or not os.path.isabs(value) or "\0" in value:
        raise BadValueError((f"{brief(value)} is no absolute path", 'write the whole path: "/var/log/auth.log"'))
    return value


def _paths(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(each(value if isinstance(value, list) else [value], _path)))


PATHS = Kind(_paths, list)


def _priority(value: Any) -> str | int:
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31:
        return value
    return str(_PRIORITY_WORD.parse(value))


_PRIORITY_WORD = word(
    ("raw", "mangle", "filter", "security"), otherwise='write "raw", "mangle", "filter", "security" or a whole number'
)
PRIORITY = Kind(_priority, words=_PRIORITY_WORD.words)
