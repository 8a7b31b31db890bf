"""Varlink (https://varlink.org): requests and replies as JSON objects with a NUL behind each. No sockets in here.

Types are written as Varlink writes them ("[]string", "?float", the name of a struct), so that the table of an interface
is at once its description and what parameters are checked against.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

MAX_REQUEST = 1 << 20  # bytes; far more than any request of a person, little enough to keep from each client

Fields = Mapping[str, str]  # name of a field -> its type


class VarlinkError(Exception):
    """What a caller gets instead of an answer: the error's full name and its parameters."""

    def __init__(self, name: str, **parameters: Any) -> None:
        super().__init__(name)
        self.name = name
        self.parameters = parameters


class Struct(NamedTuple):
    doc: str
    fields: Fields


class Method(NamedTuple):
    doc: str
    parameters: Fields
    reply: Fields
    handler: str  # the name of the Python method that answers it
    changing: bool = False  # changes something: not for everybody
    stream: bool = False  # answers with many replies, so it must be called with "more"


class Interface(NamedTuple):
    name: str
    doc: str
    types: Mapping[str, Struct]
    methods: Mapping[str, Method]
    errors: Mapping[str, Struct]


class Request(NamedTuple):
    method: str
    parameters: dict[str, Any]
    more: bool
    oneway: bool


class TooLongError(Exception):
    """A message is longer than allowed."""


class Inbox:
    """Puts the pieces that a socket gives together to messages."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._part = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are complete with data, without their NUL. TooLongError: one outgrows the limit."""
        first, *rest = data.split(b"\0")
        self._part += first
        if len(self._part) > self._limit:
            raise TooLongError
        if not rest:
            return []
        messages = [bytes(self._part), *rest[:-1]]
        self._part = bytearray(rest[-1])
        return messages


# Only ASCII goes out: a path or a log line that is no valid Unicode must not break the reply it stands in.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


def frame(message: Mapping[str, Any]) -> bytes:
    """A message as it goes over the wire. Raises TypeError or ValueError for what JSON cannot say."""
    return _encode(message).encode() + b"\0"


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def parse_request(raw: bytes) -> Request:
    """One request without its NUL. Raises ValueError, which says what is wrong with it."""
    try:
        message = json.loads(raw.decode(), parse_constant=_no_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(message, dict):
        raise ValueError("a request is a JSON object")
    parameters = message.get("parameters")
    if not isinstance(message.get("method"), str) or not isinstance(parameters, (dict, type(None))):
        raise ValueError('"method" must be a string, "parameters" an object')
    if message.get("upgrade"):
        raise ValueError("upgrading the connection is not possible")
    return Request(message["method"], parameters or {}, bool(message.get("more")), bool(message.get("oneway")))


def _is_text(value: object) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()  # JSON can escape half a surrogate pair, which no file or database takes
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and -1e15 < value < 1e15  # 1e999 is infinite


_PLAIN: dict[str, Callable[[object], bool]] = {
    "bool": lambda value: isinstance(value, bool),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": _is_number,
    "string": _is_text,
}


def _fits(kind: str, value: object, types: Mapping[str, Struct]) -> bool:
    if kind.startswith("?"):
        return value is None or _fits(kind[1:], value, types)
    if kind.startswith("[]"):
        return isinstance(value, list) and all(_fits(kind[2:], item, types) for item in value)
    if kind in types:
        return isinstance(value, dict) and misfit(types[kind].fields, value, types) is None
    return _PLAIN[kind](value)


def misfit(fields: Fields, values: Mapping[str, Any], types: Mapping[str, Struct]) -> str | None:
    """The name of a value that is unknown, missing or of the wrong type; None when all is well."""
    for name in values:
        if name not in fields:
            return name
    return next((name for name, kind in fields.items() if not _fits(kind, values.get(name), types)), None)


def describe(interface: Interface) -> str:
    """The interface in Varlink's own definition language, for GetInterfaceDescription."""
    parts = [f"{_comment(interface.doc)}interface {interface.name}"]
    for name, struct in interface.types.items():
        parts.append(f"{_comment(struct.doc)}type {name} {_listing(struct.fields)}")
    for name, method in interface.methods.items():
        doc = method.doc + ("\nCall it with 'more'." if method.stream else "")
        signature = f"{name}{_listing(method.parameters)} -> {_listing(method.reply)}"
        parts.append(f"{_comment(doc)}method {signature}")
    for name, struct in interface.errors.items():
        parts.append(f"{_comment(struct.doc)}error {name} {_listing(struct.fields)}")
    return "\n\n".join(parts) + "\n"


def _comment(doc: str) -> str:
    return "".join(f"# {line}\n" for line in doc.split("\n"))


def _listing(fields: Fields) -> str:
    items = [f"{name}: {kind}" for name, kind in fields.items()]
    if len(items) <= 3:
        return f"({', '.join(items)})"
    return "(\n  " + ",\n  ".join(items) + "\n)"
