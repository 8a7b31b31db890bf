"""Reads and writes what goes over fail2ban's socket, which speaks Python's pickle.

Unpickling runs whatever program the sender likes, so it is not done here: a request is taken apart by a reader of its own
that knows numbers, texts, lists, tuples and tables, and refuses all else (https://docs.python.org/3/library/pickletools.html).
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable
from typing import Any

from nfjail.compat.error import CommandError

END = b"<F2B_END_COMMAND>"
CLOSE = b"<F2B_CLOSE_COMMAND>"
_MARK = object()


class UnreadableError(ValueError):
    """No request that fail2ban's client would send."""


def read(data: bytes) -> Any:
    """The value. Raises UnreadableError."""
    try:
        return _Reader(data).value()
    except (IndexError, KeyError, TypeError, ValueError, struct.error, OverflowError) as error:
        raise UnreadableError(f"not understood: {error}") from None


def answered(value: Any) -> bytes:
    """The reply to a command that was carried out."""
    return pickle.dumps((0, value), pickle.HIGHEST_PROTOCOL) + END


def failed(error: CommandError) -> bytes:
    """The reply to one that was not: an exception of the class by which fail2ban's client knows what to say."""
    text = str(error).encode()
    # PROTO 3, the number 1, the class, its one argument, called, and both as a pair
    head = b"\x80\x03K\x01c" + error.kind.replace(":", "\n").encode() + b"\n"
    return head + b"X" + struct.pack("<I", len(text)) + text + b"\x85R\x86." + END


class _Reader:
    """A stack machine without the instructions that name, make or call anything."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def value(self) -> Any:
        while True:
            code = self._take(1)
            if code == b".":
                return self._stack.pop()
            if code in _SIMPLE:
                self._stack.append(_SIMPLE[code])
            elif code in _NUMBERS:
                self._stack.append(self._unpacked(_NUMBERS[code]))
            elif code in _TEXTS:
                self._stack.append(self._take(self._unpacked(_TEXTS[code])).decode())
            else:
                _OTHERS[code](self)

    def _take(self, count: int) -> bytes:
        piece = self._data[self._at : self._at + count]
        if len(piece) < count:
            raise ValueError("it ends too early")
        self._at += count
        return piece

    def _unpacked(self, form: struct.Struct) -> Any:
        return form.unpack(self._take(form.size))[0]

    def _line(self) -> str:
        end = self._data.index(b"\n", self._at)
        return self._take(end + 1 - self._at)[:-1].decode()

    def _since_mark(self) -> list[Any]:
        place = len(self._stack) - 1 - self._stack[::-1].index(_MARK)
        items = self._stack[place + 1 :]
        del self._stack[place:]
        return items

    def skip(self, form: struct.Struct) -> None:
        self._unpacked(form)

    def put(self, form: struct.Struct) -> None:
        self._memo[self._unpacked(form)] = self._stack[-1]

    def get(self, form: struct.Struct) -> None:
        self._stack.append(self._memo[self._unpacked(form)])

    def memoize(self) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def put_line(self) -> None:
        self._memo[int(self._line())] = self._stack[-1]

    def mark(self) -> None:
        self._stack.append(_MARK)

    def new(self, kind: type) -> None:
        self._stack.append(kind())

    def collect(self, kind: type) -> None:
        self._stack.append(kind(self._since_mark()))

    def tie(self, count: int) -> None:
        items = self._stack[-count:]
        del self._stack[-count:]
        self._stack.append(tuple(items))

    def append(self) -> None:
        item = self._stack.pop()
        self._list().append(item)

    def extend(self) -> None:
        items = self._since_mark()
        self._list().extend(items)

    def _list(self) -> list[Any]:
        if not isinstance(self._stack[-1], list):
            raise TypeError("no list to add to")
        return self._stack[-1]

    def set_items(self, items: list[Any]) -> None:
        if not isinstance(self._stack[-1], dict) or len(items) % 2:
            raise TypeError("no table to add to")
        self._stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def set_many(self) -> None:
        self.set_items(self._since_mark())

    def set_one(self) -> None:
        items = self._stack[-2:]
        del self._stack[-2:]
        self.set_items(items)

    def long(self) -> None:
        self._stack.append(int.from_bytes(self._take(self._take(1)[0]), "little", signed=True))

    def text_line(self) -> None:
        self._stack.append(self._line())

    def quoted_line(self) -> None:
        text = self._line()
        if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"" or "\\" in text:
            raise ValueError("a text with escapes")
        self._stack.append(text[1:-1])

    def number_line(self) -> None:
        self._stack.append(int(self._line()[:20].removesuffix("L")))

    def float_line(self) -> None:
        self._stack.append(float(self._line()))


_BYTE, _SHORT, _INT, _UINT, _LONG, _FLOAT = (struct.Struct(form) for form in ("<B", "<H", "<i", "<I", "<Q", ">d"))
_SIMPLE: dict[bytes, Any] = {b"N": None, b"\x88": True, b"\x89": False, b")": ()}
_NUMBERS = {b"K": _BYTE, b"M": _SHORT, b"J": _INT, b"G": _FLOAT}
_TEXTS = {b"\x8c": _BYTE, b"X": _UINT, b"\x8d": _LONG, b"U": _BYTE, b"T": _UINT, b"C": _BYTE, b"B": _UINT}
_OTHERS: dict[bytes, Callable[[_Reader], None]] = {
    b"\x80": lambda reader: reader.skip(_BYTE),
    b"\x95": lambda reader: reader.skip(_LONG),
    b"q": lambda reader: reader.put(_BYTE),
    b"r": lambda reader: reader.put(_UINT),
    b"p": _Reader.put_line,
    b"\x94": _Reader.memoize,
    b"h": lambda reader: reader.get(_BYTE),
    b"j": lambda reader: reader.get(_UINT),
    b"(": _Reader.mark,
    b"]": lambda reader: reader.new(list),
    b"}": lambda reader: reader.new(dict),
    b"l": lambda reader: reader.collect(list),
    b"t": lambda reader: reader.collect(tuple),
    b"\x85": lambda reader: reader.tie(1),
    b"\x86": lambda reader: reader.tie(2),
    b"\x87": lambda reader: reader.tie(3),
    b"a": _Reader.append,
    b"e": _Reader.extend,
    b"s": _Reader.set_one,
    b"u": _Reader.set_many,
    b"\x8a": _Reader.long,
    b"V": _Reader.text_line,
    b"S": _Reader.quoted_line,
    **dict.fromkeys((b"I", b"L"), _Reader.number_line),
    b"F": _Reader.float_line,
}
