"""The syntax in which jails name filters, actions and backends with parameters: NAME[a=1, b="x, y"][c='z']."""

from __future__ import annotations

import re

_CALL = re.compile(r"(?P<name>[^\[]+)(?:\[(?P<parameters>.*)\])?\s*", re.DOTALL)
_NAME = r"[\w\-.]+(?:\?[\w\-.]+=[\w\-.]+)?"  # with the condition in blocktype?family=inet6="..."
_VALUE = r"(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'|(?P<bare>[^,\]]*))"
_PARAMETER = re.compile(rf"\s*(?P<name>{_NAME})={_VALUE}(?P<end>,|\]\s*\[|$)?", re.DOTALL)
_NOTHING = re.compile(r",?\s*\Z")
# A parameter is matched in a lookahead, so that it is not tried again with a shorter value: that could take for ever.
_ONE = rf"(?=({_NAME}=(?:\"[^\"]*\"|'[^']*'|[^,\]]*)\s*(?:,|\]\s*\[(?=\s*(?:{_NAME}=|\])))?\s*))\1"
_SPLIT = re.compile(rf"[^\[\s]+(?:\s*\[\s*(?:{_ONE})*\])?\s*(?=\s|\Z)|\S+", re.DOTALL)


def parse_call(text: str) -> tuple[str, dict[str, str]]:
    """Name and parameters. Raises ValueError that says where it cannot be understood."""
    match = _CALL.fullmatch(text)
    if match is None:
        raise ValueError(f"{_short(text)!r} is not of the form NAME[PARAMETER=VALUE, ...]")
    parameters: dict[str, str] = {}
    inner, at = match["parameters"] or "", 0
    while not _NOTHING.match(inner, at):
        parameter = _PARAMETER.match(inner, at)
        if parameter is None:
            raise ValueError(f"{_short(inner[at:])!r} is not of the form PARAMETER=VALUE")
        if parameter["end"] is None:
            rest = inner[parameter.end() :]
            raise ValueError(f"{_short(rest)!r} after the parameter {parameter['name']}: a comma or ] belongs there")
        value = next(v for v in parameter.group("double", "single", "bare") if v is not None)
        parameters[parameter["name"]] = value.strip()
        at = parameter.end()
    return match["name"], parameters


def split_calls(text: str) -> list[str]:
    """The calls in a list of them, one a line or between blanks."""
    return [call[0].strip() for call in _SPLIT.finditer(text)]


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"
