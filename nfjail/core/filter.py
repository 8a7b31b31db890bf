"""A filter: patterns that recognise a failed login in a message, and the address it came from.

Patterns are Python regular expressions with tags: `<HOST>` for the address, `<F-USER>...</F-USER>` for what to keep, and
`<F-DATE>...</F-DATE>` where a datepattern does not say by itself where the date is.
All patterns that allow it become one alternation, which is two to four times as fast as trying one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from nfjail.core.alternation import Piece, Probe, Slot, join, join_by_first, prepare
from nfjail.core.patience import searching
from nfjail.core.sieve import parse

if TYPE_CHECKING:  # half a megabyte, which only filters with a datepattern need
    from nfjail.core.line_dates import LineDates

# Loose on purpose: what these let through is judged by inet_pton (core.model.parse_address), which is exact.
_IP4 = r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}"
_IP6 = r"[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]+(?:%\w+)?"
_ADDRESS = {"IP4": _IP4, "IP6": _IP6, "HOST": f"{_IP4}|{_IP6}", "ADDR": f"{_IP4}|{_IP6}"}
_BRACKETS = ("HOST", "ADDR")  # these may stand in square brackets in the log

_TAG = re.compile(r"<(/?)(F-[A-Z][A-Z0-9_]*|HOST|ADDR|IP4|IP6)>")


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


class _Slots(NamedTuple):
    """Where a pattern's captures are among the groups of the compiled expression."""

    pattern: int
    groups: tuple[int, ...]  # the host's, then those of names
    names: tuple[str, ...]


Slots = Mapping[int, _Slots]


class Begun(NamedTuple):
    """What finds messages that begin in one way."""

    probe: Probe
    slots: Slots  # empty: no pattern begins so


class Filter:
    """Compiled patterns. Raises PatternError or DatePatternError for the first pattern that cannot be used."""

    def __init__(
        self,
        name: str,
        failregex: Sequence[str],
        ignoreregex: Sequence[str] = (),
        identifier: Sequence[str] = (),
        datepattern: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.failregex = tuple(failregex)
        self.ignoreregex = tuple(ignoreregex)
        self.identifier = frozenset(identifier)
        self.datepattern = tuple(datepattern)
        #: how lines of its logs are dated; None: as syslog does it
        self.dates = _line_dates(self.datepattern) if datepattern else None
        self._ignore = [searching(compile_ignore(i, text)) for i, text in enumerate(ignoreregex)]
        #: probe(message, start): what harvest() takes, or None. Apart from find() because most messages end here.
        self.probe, slots = join([expand(i, text) for i, text in enumerate(failregex)])
        self._slots = _all_slots(slots)
        self._by_first: tuple[dict[str, Begun], Begun] | None = None

    def pieces(self) -> list[Piece]:
        """The patterns as Python's regular expressions."""
        return [expand(i, text) for i, text in enumerate(self.failregex)]

    def message_probe(self) -> Probe:
        """probe, for messages of the journal: these may have the head of the service's own log as well."""
        dates, probe = self.dates, self.probe
        if dates is None or dates.inside:
            return probe
        begin = dates.begin
        return lambda message, start: probe(message, max(start, begin(message)))

    def message_harvest(self) -> Callable[[re.Match[str]], Match | None]:
        """harvest, for messages of the journal: it knows their dates itself."""
        if self.dates is None or not self.dates.inside:
            return self.harvest

        def harvest(found: re.Match[str]) -> Match | None:
            match = self.harvest(found)
            if match:
                match.fields.pop("date", None)
            return match

        return harvest

    def find(self, message: str, start: int = 0) -> Match | None:
        """What the first fitting pattern finds in message[start:], or None."""
        found = self.probe(message, start)
        return None if found is None else self.harvest(found)

    def by_first(self) -> tuple[Mapping[str, Begun], Begun]:
        """The probe for messages that begin with a character; that for all others. Most messages so meet few patterns.

        Made when first asked for: the patterns take their room a second time.
        """
        if self._by_first is None:
            some, others = join_by_first(self.pieces())
            begun = {first: Begun(probe, _all_slots(slots)) for first, (probe, slots) in some.items()}
            self._by_first = begun, Begun(others[0], _all_slots(others[1]))
            parse.cache_clear()
        return self._by_first

    def harvest(self, found: re.Match[str], slots: Slots | None = None) -> Match | None:
        """The captures of what probe found, or that of slots; None if an ignoreregex says that it does not count."""
        if self._ignore:
            message = found.string[found.pos :]
            if any(ignore(message) for ignore in self._ignore):
                return None
        # The last group of each alternative is an empty one that tells which alternative it was.
        pattern, groups, names = (slots or self._slots)[found.lastindex or 0]
        if len(names) == 1:  # nearly always: the user
            host, text = found.group(*groups)
            return _new_match((pattern, host, {names[0]: text} if text else {}))
        if not names:
            return _new_match((pattern, found[groups[0]], {}))
        host, *texts = found.group(*groups)
        return _new_match((pattern, host, {name: text for name, text in zip(names, texts, strict=True) if text}))


def _line_dates(datepattern: Sequence[str]) -> LineDates:
    from nfjail.core.line_dates import LineDates  # see above

    return LineDates(datepattern)


def expand(index: int, text: str) -> Piece:
    """Turns the tags of one pattern into groups and checks that it is usable at all."""
    names: list[str] = []
    regex = _TAG.sub(lambda tag: _group(tag[1] == "/", tag[2], names), text)
    try:
        piece = prepare(regex)
        compiled = re.compile(piece.regex)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(index, text, str(error)) from None
    if "host" not in names:
        raise PatternError(index, text, "it has no <HOST>: nobody could be banned for it")
    if compiled.match("") or (not piece.anchored and compiled.search("")):
        raise PatternError(index, text, "it matches the empty message")
    return piece


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


def _all_slots(slots: Mapping[int, Slot]) -> dict[int, _Slots]:
    return {marker: _slots(slot) for marker, slot in slots.items()}


def _slots(slot: Slot) -> _Slots:
    """The same, for harvest(); what has no underscore before its name is the pattern's own affair."""
    fields = [name for name in slot.groups if name.startswith("_") and name != "_host"]
    groups = (slot.groups["_host"], *(slot.groups[name] for name in fields))
    return _Slots(slot.pattern, groups, tuple(name.removeprefix("_") for name in fields))


def compile_ignore(index: int, text: str) -> re.Pattern[str]:
    """One ignoreregex. Raises PatternError."""
    try:
        return re.compile(_TAG.sub(lambda tag: _group(tag[1] == "/", tag[2], []), text))
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(index, text, str(error), "ignoreregex") from None
