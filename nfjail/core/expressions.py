"""The expressions of a filter in fail2ban's language, made ready for use."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from nfjail.core.alternation import Piece, prepare
from nfjail.core.filter import PatternError
from nfjail.core.patience import searching
from nfjail.core.spec import FilterSpec
from nfjail.core.tags import WHOM, expand


def compile_prefix(spec: FilterSpec) -> Piece | None:
    """The prefregex; None: the filter has none."""
    return _compile(spec.prefregex, 0, "prefregex", spec) if spec.prefregex else None


def compile_failregex(spec: FilterSpec) -> list[Piece]:
    """All of failregex. Each must name somebody, unless the prefregex does."""
    prefix = compile_prefix(spec)
    named = prefix is not None and _names_somebody(prefix)
    pieces = []
    for index, text in enumerate(spec.failregex):
        piece = _compile(text, index, "failregex", spec)
        if not named and not _names_somebody(piece):
            raise PatternError(index, text, "it has no <HOST> or <F-ID>: nobody could be banned for it")
        pieces.append(piece)
    return pieces


def compile_ignoreregex(spec: FilterSpec) -> Sequence[Callable[[str], re.Match[str] | None]]:
    """All of ignoreregex, as what searches for it."""
    pieces = [_compile(text, index, "ignoreregex", spec) for index, text in enumerate(spec.ignoreregex)]
    return [searching(re.compile(f"^(?:{piece.regex})" if piece.anchored else piece.regex)) for piece in pieces]


def _compile(text: str, index: int, which: str, spec: FilterSpec) -> Piece:
    if not text.strip():
        raise PatternError(index, text, "it is empty", which)
    try:
        return prepare(expand(text, spec.usedns), multiline=which == "failregex" and spec.maxlines > 1)
    except (re.error, OverflowError, RecursionError) as error:
        raise PatternError(index, text, str(error), which) from None


def _names_somebody(piece: Piece) -> bool:
    return not WHOM.isdisjoint(re.compile(piece.regex).groupindex)
