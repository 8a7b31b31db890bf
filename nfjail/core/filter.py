"""A filter: patterns that recognise a failed login in a message, and the address it came from.

Patterns are Python regular expressions with tags: `<HOST>` for the address, `<F-USER>...</F-USER>` for what to keep.
All patterns that allow it become one alternation, which is two to four times as fast as trying one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

# Loose on purpose: what these let through is judged by inet_pton (core.model.parse_address), which is exact.
_IP4 = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
_IP6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(?:%\w+)?"
_ADDRESS = {"IP4": _IP4, "IP6": _IP6, "HOST": f"{_IP4}|{_IP6}", "ADDR": f"{_IP4}|{_IP6}"}
_BRACKETS = ("HOST", "ADDR")  # these may stand in square brackets in the log

_TAG = re.compile(r"<(/?)(F-[A-Z][A-Z0-9_]*|HOST|ADDR|IP4|IP6)>")
_OWN_GROUP = re.compile(r"\(\?P[<=]|\(\?\(|\\[1-9]")
_GLOBAL_FLAGS = re.compile(r"\(\?([aimsux]+)\)")


class PatternError(ValueError):
    """A pattern cannot be used. index: its place in failregex, or in ignoreregex when which says so."""

    def __init__(self, index: int, text: str, what: str, which: str = "failregex") -> None:
        super().__init__(f"{which}[{index}] {text!r}: {what}")
        self.index = index
        self.which = which
        self.what = what


class Match(NamedTuple):
    """What a filter found in a message."""

    pattern: int  # index into failregex
    host: str  # as written there; not yet judged
    fields: dict[str, str]  # the <F-NAME> captures, names in lower case


_new_match = partial(tuple.__new__, Match)  # Match(...) goes through a Python function: twice the time
Probe = Callable[[str, int], "re.Match[str] | None"]


class _Slots(NamedTuple):
    """Where a pattern's captures are among the groups of the compiled expression."""

    pattern: int
    groups: tuple[int, ...]  # the host's, then those of names
    names: tuple[str, ...]


class _Expanded(NamedTuple):
    """A pattern with its tags turned into numbered groups; names holds the group numbers counted from 1."""

    regex: str
    anchored: bool  # begins with ^ (taken off), and has no other alternative beside that
    joinable: bool  # does not refer to groups by number or name, so it can become part of an alternation
    names: tuple[tuple[str, int], ...]


class Filter:
    """Compiled patterns. Raises PatternError for the first pattern that cannot be used."""

    def __init__(
        self, name: str, failregex: Sequence[str], ignoreregex: Sequence[str] = (), identifier: Sequence[str] = ()
    ) -> None:
        self.name = name
        self.failregex = tuple(failregex)
        self.ignoreregex = tuple(ignoreregex)
        self.identifier = frozenset(identifier)
        self._ignore = [_compile_ignore(i, text) for i, text in enumerate(ignoreregex)]
        self._slots: dict[int, _Slots] = {}
        expanded = [expand(i, text) for i, text in enumerate(failregex)]
        joined = expanded and all(e.anchored and e.joinable for e in expanded)
        #: probe(message, start): what harvest() takes, or None. Apart from find() because most messages end here.
        self.probe: Probe = (_join if joined else _one_by_one)(expanded, self._slots)

    def find(self, message: str, start: int = 0) -> Match | None:
        """What the first fitting pattern finds in message[start:], or None."""
        found = self.probe(message, start)
        return None if found is None else self.harvest(found)

    def harvest(self, found: re.Match[str]) -> Match | None:
        """The captures of what probe found; None if an ignoreregex says that it does not count."""
        if self._ignore:
            message = found.string[found.pos :]
            if any(ignore.search(message) for ignore in self._ignore):
                return None
        # The last group of each alternative is an empty one that tells which alternative it was.
        pattern, groups, names = self._slots[found.lastindex or 0]
        if len(names) == 1:  # nearly always: the user
            host, text = found.group(*groups)
            return _new_match((pattern, host, {names[0]: text} if text else {}))
        if not names:
            return _new_match((pattern, found[groups[0]], {}))
        host, *texts = found.group(*groups)
        return _new_match((pattern, host, {name: text for name, text in zip(names, texts, strict=True) if text}))


def expand(index: int, text: str) -> _Expanded:
    """Turns the tags of one pattern into groups and checks that it is usable at all."""
    text = _flags_made_local(text)
    anchored = text.startswith("^") and not _has_bare_alternative(text)
    names: list[str] = []
    regex = _TAG.sub(lambda tag: _group(tag[1] == "/", tag[2], names), text.removeprefix("^") if anchored else text)
    try:
        compiled = re.compile(regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(index, text, str(error)) from None
    if "host" not in names:
        raise PatternError(index, text, "it has no <HOST>: nobody could be banned for it")
    if len(set(names)) < len(names):
        raise PatternError(index, text, "a tag stands in it twice")
    if compiled.match("") or (not anchored and compiled.search("")):
        raise PatternError(index, text, "it matches the empty message")
    groups = tuple((name, compiled.groupindex[f"_{name}"]) for name in names)
    return _Expanded(regex, anchored, not _OWN_GROUP.search(text), groups)


def _group(closing: bool, tag: str, names: list[str]) -> str:
    """The regular expression for one tag; notes the name of what it captures."""
    if closing:
        return ")"
    if tag.startswith("F-"):
        name = tag[2:].lower()
        names.append(name)
        return f"(?P<_{name}>"
    names.append("host")
    group = f"(?P<_host>{_ADDRESS[tag]})"
    return rf"\[?{group}\]?" if tag in _BRACKETS else group


def _join(expanded: Sequence[_Expanded], slots: dict[int, _Slots]) -> Probe:
    """One alternation of all patterns; fills slots, keyed by the group that marks the end of each alternative."""
    parts, groups = [], 0
    for index, e in enumerate(expanded):
        own = re.compile(e.regex).groups
        parts.append(re.sub(r"\(\?P<_\w+>", "(", e.regex) + "()")
        _note(slots, groups + own + 1, index, tuple((name, group + groups) for name, group in e.names))
        groups += own + 1
    return re.compile("(?:" + "|".join(f"(?:{part})" for part in parts) + ")").match


def _note(slots: dict[int, _Slots], marker: int, index: int, names: tuple[tuple[str, int], ...]) -> None:
    fields = [(name, group) for name, group in names if name != "host"]
    groups = (dict(names)["host"], *(group for _, group in fields))
    slots[marker] = _Slots(index, groups, tuple(name for name, _ in fields))


def _one_by_one(expanded: Sequence[_Expanded], slots: dict[int, _Slots]) -> Probe:
    """Tries patterns that cannot be joined in turn; fills slots like _join."""
    most = max((re.compile(e.regex).groups for e in expanded), default=0)
    patterns: list[tuple[bool, re.Pattern[str]]] = []
    for index, e in enumerate(expanded):
        # Each gets another number of empty groups at its end, so that lastindex tells them apart.
        marker = most + 1 + index
        compiled = re.compile(f"(?:{e.regex})" + "()" * (marker - re.compile(e.regex).groups))
        patterns.append((e.anchored, compiled))
        _note(slots, marker, index, e.names)

    def probe(message: str, start: int) -> re.Match[str] | None:
        text = message[start:] if start else message
        for anchored, pattern in patterns:
            found = pattern.match(text) if anchored else pattern.search(text)
            if found is not None:
                return found
        return None

    return probe


def _compile_ignore(index: int, text: str) -> re.Pattern[str]:
    try:
        return re.compile(_TAG.sub(lambda tag: _group(tag[1] == "/", tag[2], []), text))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(index, text, str(error), "ignoreregex") from None


def _flags_made_local(text: str) -> str:
    """`(?i)abc` as `(?i:abc)`: Python 3.11 refuses global flags inside of a larger expression."""
    flags = "".join(dict.fromkeys("".join(_GLOBAL_FLAGS.findall(text))))
    if not flags:
        return text
    bare = _GLOBAL_FLAGS.sub("", text)
    return f"^(?{flags}:{bare[1:]})" if bare.startswith("^") else f"(?{flags}:{bare})"


def _has_bare_alternative(text: str) -> bool:
    """Whether a `|` stands outside of all brackets."""
    depth, in_class, position = 0, False, 0
    while position < len(text):
        char = text[position]
        if char == "\\":
            position += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
            position += text[position + 1 : position + 2] in ("]", "^")  # [] and [^ begin with a literal
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return True
        position += 1
    return False
