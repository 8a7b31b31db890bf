"""Reads a log line by line and tells which lines are failures, and of whom: a whole fail2ban filter at work.

A line goes: date cut out, prefregex, failregexes (the first that fits), ignoreregex, session, address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy

from nfjail.core.alternation import Joined, Piece, Probe, join, join_by_first
from nfjail.core.captures import Captured, Captures
from nfjail.core.dates import DateDetector
from nfjail.core.expressions import compile_failregex, compile_ignoreregex, compile_prefix
from nfjail.core.lines import Line, Lines, joined
from nfjail.core.session import Marks, Sessions, take_marks
from nfjail.core.shapes import Shape, Shapes, Words, blindness, digit_words, shape_of
from nfjail.core.sieve import Sieve, parse
from nfjail.core.sight import Sight, ignored, missed, new_sight
from nfjail.core.spec import FilterSpec
from nfjail.core.timeline import Timeline
from nfjail.core.whom import Judge

_BEHIND_HEAD = re.compile(r"\\?:(?: |\\s[+*]?)<F-CONTENT>")  # in a prefregex: what follows begins in the message
_LONGEST = 8192  # characters of a line that are looked at: what a pattern needs grows with their square or worse
_DATE_AT_BOUNDS = ("", "{DEFAULT}", "{^LN-BEG}", "{NONE}")  # these cut out nothing of what stands around a date
_NAMES = {"ip4", "ip6", "dns"}
_CUT = "…"  # stands behind a line that was cut, so that no pattern takes the cut for the line's end


#: a probe; by its match's lastindex the pattern and how to take its captures; whether it takes all digits for the same
_Finder = tuple[Probe, Mapping[int, tuple[int, Captures]], bool]


class Recogniser:
    """A filter at work on one log. Raises PatternError for the first pattern that cannot be used."""

    def __init__(self, spec: FilterSpec, every_time: bool = False) -> None:
        """every_time: also lines that are missed shall have their time, which costs some."""
        self.spec = spec
        self._every_time = every_time
        self._judge = Judge(spec.usedns)
        self._prefix: Probe | None = None
        self._content = 0
        self._head: Mapping[str, int] = {}
        prefix = compile_prefix(spec)
        if prefix:
            self._prefix, slots = join([prefix])
            (slot,) = slots.values()
            self._head, self._content = slot.groups, slot.groups.get("content", 0)
        self._apart = spec.logtype == "file" and spec.datepattern.strip() not in _DATE_AT_BOUNDS
        self._prefix_words = digit_words(prefix.regex) if prefix else Words()
        self._sieves = [Sieve([prefix.regex], self._apart)] if prefix else []
        self._use(dict(enumerate(compile_failregex(spec))))
        self._ignore = compile_ignoreregex(spec)
        self._begin()

    def _use(self, pieces: Mapping[int, Piece]) -> None:
        """The failregexes that are looked for, by their indexes."""
        self._pieces = pieces
        indexes, regexes = list(pieces), list(pieces.values())
        several = self.spec.maxlines > 1
        by_first, others = ({}, join(regexes, multiline=True)) if several else join_by_first(regexes)
        # A filter may have many patterns, but few of them begin alike.
        words = {index: digit_words(piece.regex) for index, piece in pieces.items()}
        blind, self._blind, digits = blindness(words, self._prefix_words)
        self._shapes = Shapes(digits)
        self._by_first = {first: _finder(joined, indexes, self._head, blind) for first, joined in by_first.items()}
        self._others = _finder(others, indexes, self._head, blind)
        sieves = [Sieve([piece.regex for piece in regexes], self._apart), *self._sieves]
        self._sieve = max(sieves, key=lambda sieve: sieve.shortest)
        self._message_sieve = sieves[0] if not several and _BEHIND_HEAD.search(self.spec.prefregex) else None
        parse.cache_clear()

    def _begin(self) -> None:
        """At the log's beginning."""
        spec = self.spec
        self.fed = 0  # lines: of feed()'s calls, the last may still be running
        dates = None if spec.logtype == "journal" else DateDetector(spec.datepattern, spec.logtimezone)
        self._times = Timeline(dates)
        self._lines = Lines(spec.maxlines) if spec.maxlines > 1 else None
        self._sessions = Sessions()

    def another(self) -> Recogniser:
        """One for another log. The patterns are made ready already, so it costs little."""
        other = copy(self)
        other._begin()
        return other

    @property
    def several(self) -> str:
        """The lines that patterns see together, as far as the last one; "": they see it alone."""
        return self._lines.text() if self._lines else ""

    def without(self, pattern: int) -> Recogniser:
        """One that goes on in this one's place, with all that it knows of the log, but does not look for that failregex."""
        other = copy(self)
        other._use({index: piece for index, piece in self._pieces.items() if index != pattern})
        return other

    def wants(self, message: str) -> bool:
        """False: what it would tell of a journal entry with that message is nothing, whoever wrote it."""
        return self._message_sieve is None or self._message_sieve.passes(message)

    def feed(self, line: str, now: float, time: float | None = None) -> Sight:
        """What the next line of the log tells. It comes without its line end.

        time: when it was written, if that is known and the line begins behind its date; else the date in the line counts.
        """
        self.fed += 1
        if len(line) > _LONGEST:
            line = _shortened(line)
        if self._lines is not None:
            return self._feed_lines(self._lines, line, now, time)
        if not self._sieve.passes(line):
            return self._missed(line, now, time)
        if time is None:
            time, text = self._times.date(line, now)
        else:
            self._times.last, text = time, line
        return self._look(line, f"{text}\n", time, now)

    def sift(self, lines: Sequence[str], text: str, now: float) -> list[tuple[int, Sight]]:
        """The same for many lines at once: what those tell that may tell something, by their index.

        text: the lines, each with its end. All others are missed. Much faster than feed(), but good only where patterns see
        a line alone (maxlines 1).
        """
        times, shapes, told, read = self._times, self._shapes, list[tuple[int, Sight]](), 0
        self.fed += len(lines)
        minute, upto = times.begin(now)
        for i, line, key in shapes.candidates(text, lines, self._sieve, self.fed):
            shape = shapes.get(key)
            if len(line) > _LONGEST:
                line = _shortened(line)
            time = minute.get(line[:upto])
            if time is None:
                time = times.again(line, now)
                if time is None:
                    times.skip(lines[read:i])
                    time, _ = times.date(line, now)
                minute, upto = times.minute
            else:
                times.last = time
            read = i + 1
            if shape is None or shape.cut != times.cut:
                start, end = times.cut
                told.append((i, self._look(line, f"{line[:start]}{line[end:]}\n", time, now, key)))
            elif shape.pattern >= 0:
                told.append((i, self._alike(shape, line, time, now)))
        times.skip(lines[read:])
        return told

    def _alike(self, shape: Shape, line: str, time: float | None, now: float) -> Sight:
        """What a line of a known shape tells."""
        texts = shape.take(line)
        if shape.captures is not None:
            return self._told(shape.pattern, shape.put_together(texts), (line,), time, now)
        fields: Captured = dict(zip(shape.names, texts))  # noqa: B905  # the last ones are left out
        whom = self._judge.known.get(texts[shape.whom]) if shape.alone else None
        if whom is None:
            return self._told(shape.pattern, fields, (line,), time, now, shape.marks)
        host, subject, lookup = whom
        return new_sight(("failure", host, time, shape.pattern, fields, (line,), subject, lookup))

    def _look(self, line: str, seen: str, time: float | None, now: float, key: bytes = b"") -> Sight:
        """What a line tells. seen: what is left of it without its date, with its end; key: of its shape, to be kept."""
        content, before, at = seen, None, 0
        if self._prefix is not None:
            before = self._prefix(seen, 0)
            if before is None:
                return self._fits_nothing(time, key)
            if self._content and (kept := before[self._content]):
                content, at = kept + "\n", before.start(self._content)
        probe, patterns, blind = self._by_first.get(content[0], self._others)
        found = probe(content, 0)
        if not (blind and self._blind) or self._ignore or content[0].isdigit():
            key = b""
        if found is None:
            return self._fits_nothing(time, key)
        pattern, captures = patterns[found.lastindex or 0]
        if key and (shape := shape_of(pattern, captures, found, before, at, self._times.cut)):
            self._shapes.keep(key, shape, self.fed)
        if self._ignore and self._ignores(seen, content):
            return ignored(time, pattern, (line,))
        return self._told(pattern, captures.of(found, before), (line,), time, now)

    def _fits_nothing(self, time: float | None, key: bytes) -> Sight:
        if key and self._blind:
            self._shapes.keep(key, Shape(self._times.cut), self.fed)
        return missed(time)

    def _missed(self, line: str, now: float, time: float | None) -> Sight:
        """What a line tells that no pattern can fit."""
        if time is not None:
            self._times.last = time
        elif self._every_time:
            time, _ = self._times.date(line, now)
        else:
            self._times.unread.append(line)
        return missed(time)

    def _feed_lines(self, lines: Lines, line: str, now: float, time: float | None) -> Sight:
        """The same where patterns see several lines."""
        if time is None:
            time, text = self._times.date(line, now)
        else:
            self._times.last, text = time, line
        lines.add(Line(line, text))
        content, whole = lines.text(), None
        before: re.Match[str] | None = None
        if self._prefix is not None:
            before = self._prefix(content, 0)
            if before is None:
                return missed(time)
            if self._content and before[self._content]:
                whole = lines.narrow(before[self._content])
                content = lines.text()
        probe, patterns, _ = self._others
        found = probe(content, 0)
        if found is None:
            return missed(time)
        pattern, captures = patterns[found.lastindex or 0]
        matched = lines.take(found, whole)
        texts = tuple(each.full for each in matched)
        if self._ignore and self._ignores(joined(matched), content if whole else ""):
            return ignored(time, pattern, texts)
        return self._told(pattern, captures.of(found, before), texts, time, now)

    def ignores(self, line: str, now: float) -> bool:
        """Whether ignoreregex fits a line that no failregex fits."""
        return bool(self._ignore) and self._ignores(f"{self._times.date(line, now)[1]}\n", "")

    def seen(self, line: str, now: float) -> str | None:
        """What failregex gets to see of a line; None: nothing, as prefregex does not fit."""
        text = f"{self._times.date(line, now)[1]}\n"
        before = self._prefix(text, 0) if self._prefix else None
        if before is not None and self._content and before[self._content]:
            return f"{before[self._content]}\n"
        return None if self._prefix and before is None else text

    def _ignores(self, seen: str, content: str) -> bool:
        return any(fits(seen) or fits(content) for fits in self._ignore)

    def _told(
        self, pattern: int, fields: Captured, lines: tuple[str, ...], time: float | None, now: float, marks: Marks | None = None
    ) -> Sight:
        """What a match means: a failure, or a piece of one. marks: None, if they are among the fields."""
        key = fields.get("mlfid")
        if key is None:
            helper = bool(fields.get("nofail") or fields.get("mlfgained"))
        else:
            marks = marks or take_marks(fields)
            session, helper = self._sessions.see(key, fields, marks, lines, now if time is None else time)
            if helper:
                return new_sight(("helper", None, time, pattern, fields, lines, None, False))
            fields, lines = session.fields, session.lines
            if len(session.users) > 1:
                fields = {**fields, "users": session.users}
        whom = self._judge.judge(fields)
        if whom is not None:
            host, subject, lookup = whom
            return new_sight(("helper" if helper else "failure", host, time, pattern, fields, lines, subject, lookup))
        if key is None or not _NAMES.isdisjoint(fields):  # what was written there is nobody's address
            return new_sight(("missed", None, time, pattern, fields, lines, None, False))
        session.pending = True
        return new_sight(("helper", None, time, pattern, fields, lines, None, False))


def _shortened(line: str) -> str:
    return line[:_LONGEST] + _CUT


def _finder(joined: Joined, indexes: Sequence[int], head: Mapping[str, int], blind: frozenset[int]) -> _Finder:
    probe, slots = joined
    patterns = {marker: (indexes[slot.pattern], Captures(slot.groups, head)) for marker, slot in slots.items()}
    return probe, patterns, blind.issuperset(indexes[slot.pattern] for slot in slots.values())
