"""Which part of a filter takes too long for a line: each of them by itself, to be tried one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from nfjail.core.alternation import Piece, join
from nfjail.core.dates import DateDetector
from nfjail.core.expressions import compile_failregex, compile_ignoreregex, compile_prefix
from nfjail.core.filter import Filter, compile_ignore, expand
from nfjail.core.patience import searching
from nfjail.core.spec import FilterSpec


class Suspect(NamedTuple):
    """A part of a filter, as it is written there."""

    which: str  # "failregex", "ignoreregex", "prefregex" or "datepattern"
    place: int  # there, from 0
    text: str
    trial: Callable[[], object]  # does with the line what the filter does with it; what it yields is needed for the next


def suspects(filter: Filter | FilterSpec, line: str, now: float, several: str = "") -> Iterator[Suspect]:
    """What a filter does with a line: the message, for one of nfjail's own language. Each is to be tried in its turn.

    several: for patterns that see several lines, these, without their dates.
    """
    return _of_spec(filter, line, now, several) if isinstance(filter, FilterSpec) else _of_filter(filter, line)


def _of_filter(filter: Filter, message: str) -> Iterator[Suspect]:
    for index, text in enumerate(filter.failregex):
        probe, _ = join([expand(index, text)])
        yield Suspect("failregex", index, text, _calling(probe, message, 0))
    for index, text in enumerate(filter.ignoreregex):
        yield Suspect("ignoreregex", index, text, _calling(searching(compile_ignore(index, text)), message))


def _of_spec(spec: FilterSpec, line: str, now: float, several: str) -> Iterator[Suspect]:
    undated: list[str] = []
    if spec.logtype == "file":
        dates = DateDetector(spec.datepattern, spec.logtimezone)
        date = spec.datepattern or "{DEFAULT}"
        yield Suspect("datepattern", 0, date, lambda: undated.append(_undated(dates, line, now)))
    seen = content = several or f"{undated[0] if undated else line}\n"
    prefix = compile_prefix(spec)
    if prefix is not None:
        contents: list[str | None] = []
        yield Suspect("prefregex", 0, spec.prefregex, lambda: contents.append(_content(prefix, seen)))
        if contents[-1:] == [None]:
            return
        content = contents[0] or content if contents else content
    for index, piece in enumerate(compile_failregex(spec)):
        probe, _ = join([piece], multiline=spec.maxlines > 1)
        yield Suspect("failregex", index, spec.failregex[index], _calling(probe, content, 0))
    for index, fits in enumerate(compile_ignoreregex(spec)):
        yield Suspect("ignoreregex", index, spec.ignoreregex[index], _both(fits, seen, content))


def _undated(dates: DateDetector, line: str, now: float) -> str:
    dated = dates.find(line, now)
    return line if dated is None else dated.before + dated.after


def _content(prefix: Piece, seen: str) -> str | None:
    """What prefregex cuts out; "": it cuts nothing out; None: it does not fit."""
    probe, slots = join([prefix])
    found = probe(seen, 0)
    if found is None:
        return None
    (slot,) = slots.values()
    content = found[slot.groups["content"]] if "content" in slot.groups else ""
    return f"{content}\n" if content else ""


def _calling(search: Callable[..., object], *arguments: object) -> Callable[[], object]:
    return lambda: search(*arguments)


def _both(search: Callable[[str], object], *texts: str) -> Callable[[], object]:
    return lambda: [search(text) for text in texts]

