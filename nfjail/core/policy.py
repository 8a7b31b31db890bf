"""How long a ban lasts: the base time, and how it grows for those who come back (fail2ban's bantime.increment)."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from nfjail.core.duration import LONGEST

#: (seconds of the base time, number of earlier bans, factor) -> seconds
Formula = Callable[[float, int, float], float]

_LONGEST = 300  # characters of a formula: it is worked out recursively
_HIGHEST = 1000  # of an exponent or a shift: larger ones only burn time and memory


class Increment(NamedTuple):
    """fail2ban's bantime.* options. Off: every ban lasts the base time."""

    enabled: bool = False
    factor: float = 1.0
    multipliers: tuple[float, ...] = ()  # by number of earlier bans, the last one for all beyond; instead of formula
    formula: str = ""  # "": the base time doubles with each ban, twenty times at most
    maxtime: float | None = None  # seconds; None: no limit
    rndtime: float = 0.0  # up to so many seconds are added by chance, so that bots cannot learn the end
    overalljails: bool = False  # earlier bans in all jails count


class Policy(NamedTuple):
    """What a jail needs to know to set the length of a ban."""

    bantime: float | None  # seconds; None: for ever
    increment: Increment = Increment()

    def length(self, earlier: int, chance: float) -> float | None:
        """Seconds of the next ban of somebody with so many earlier ones; chance: from 0 to 1. None: for ever."""
        base, inc = self.bantime, self.increment
        if base is None or not inc.enabled:
            return base
        if inc.multipliers:
            grown = base * inc.factor * inc.multipliers[min(earlier, len(inc.multipliers) - 1)]
        else:
            grown = _tolerant(_formula(inc.formula), base, earlier, inc.factor)
        longest = LONGEST if inc.maxtime is None else inc.maxtime
        return min(max(base, grown), longest) + chance * inc.rndtime


def _tolerant(formula: Formula, base: float, earlier: int, factor: float) -> float:
    """A formula that was fine for small numbers may fail for large ones: then it means "very long", not "never"."""
    try:
        grown = formula(base, earlier, factor)
    except OverflowError:
        return LONGEST
    except ArithmeticError:
        return base
    return base if math.isnan(grown) else grown


def _doubling(time: float, count: int, factor: float) -> float:
    return float(time * (1 << min(count, 20)) * factor)


_compiled: dict[str, Formula] = {"": _doubling}


def _formula(text: str) -> Formula:
    if text not in _compiled:
        _compiled[text] = compile_formula(text)
    return _compiled[text]


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: lambda a, b: math.pow(a, b),
    ast.LShift: lambda a, b: _whole(a) << _bounded(b),
    ast.RShift: lambda a, b: _whole(a) >> _bounded(b),
}
_UNARY: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Not: operator.not_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
}
_CALLS: dict[str, Callable[..., Any]] = {
    "min": min, "max": max, "abs": abs, "int": int, "float": float, "round": round,
    "math.exp": math.exp, "math.log": math.log, "math.sqrt": math.sqrt, "math.pow": math.pow,
    "math.floor": math.floor, "math.ceil": math.ceil, "math.log2": math.log2, "math.log10": math.log10,
}  # fmt: skip


def _whole(value: Any) -> int:
    if isinstance(value, int):
        return value
    raise ArithmeticError("only whole numbers can be shifted")


def _bounded(value: Any) -> int:
    if _whole(value) > _HIGHEST:
        raise OverflowError
    if value < 0:
        raise ArithmeticError("negative shift")
    return int(value)


def compile_formula(text: str) -> Formula:
    """fail2ban's bantime.formula as a function, arithmetic only: numbers, ban.Time, ban.Count, banFactor, math.exp(...)
    and the like. Raises ValueError, which says what is not allowed."""
    if len(text) > _LONGEST:
        raise ValueError(f"a formula has at most {_LONGEST} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
        _check(tree)
    except (SyntaxError, RecursionError, MemoryError):
        raise ValueError(f"{text!r} is no formula: write for example ban.Time * 2 ** ban.Count") from None

    def formula(time: float, count: int, factor: float) -> float:
        names = {"ban.Time": time, "ban.Count": count, "banFactor": factor, "math.e": math.e, "math.pi": math.pi}
        try:
            return float(_value(tree, names))
        except (TypeError, ValueError) as error:  # such as the logarithm of 0
            raise ArithmeticError(str(error)) from None

    try:  # for somebody's first, second and tenth ban it must work
        for count in (0, 1, 9):
            with suppress(OverflowError):  # means: very long
                formula(600, count, 1.0)
    except ArithmeticError as error:
        raise ValueError(f"{text!r} cannot be worked out: {error}") from None
    return formula


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_name(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


_OPERATORS = frozenset[type]((*_BINARY, *_UNARY, *_COMPARE, ast.And, ast.Or))
_NAMES = ("ban.Time", "ban.Count", "banFactor", "math.e", "math.pi")
_PLAIN = (ast.BinOp, ast.UnaryOp, ast.IfExp, ast.Compare, ast.BoolOp)


def _check(node: ast.expr) -> None:
    """Raises ValueError for anything that is not arithmetic."""
    if isinstance(node, (ast.Name, ast.Attribute)):
        if _name(node) not in _NAMES:
            raise ValueError(f"{ast.unparse(node)!r} is not known in a formula: write {', '.join(_NAMES[:3])}")
        return
    if isinstance(node, ast.Call):
        if _name(node.func) not in _CALLS or node.keywords:
            raise ValueError(f"{ast.unparse(node)!r}: only {', '.join(_CALLS)} can be called in a formula")
        children: list[ast.AST] = list(node.args)
    elif isinstance(node, ast.Constant):
        if type(node.value) not in (int, float):
            raise ValueError(f"{node.value!r} is no number")
        return
    elif isinstance(node, _PLAIN):
        children = list(ast.iter_child_nodes(node))
    else:
        raise ValueError(f"{ast.unparse(node)!r}: a formula is arithmetic only")
    for child in children:
        if isinstance(child, ast.expr):
            _check(child)
        elif type(child) not in _OPERATORS:
            raise ValueError(f"{ast.unparse(node)!r}: a formula is arithmetic only")


def _value(node: ast.expr, names: dict[str, float]) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](_value(node.operand, names))
    if isinstance(node, ast.Call):
        return _CALLS[_name(node.func)](*(_value(arg, names) for arg in node.args))
    if isinstance(node, ast.IfExp):
        return _value(node.body if _value(node.test, names) else node.orelse, names)
    if isinstance(node, ast.BoolOp):
        combine = all if isinstance(node.op, ast.And) else any
        return combine(_value(value, names) for value in node.values)
    if isinstance(node, ast.Compare):
        values = [_value(value, names) for value in (node.left, *node.comparators)]
        pairs = zip(node.ops, values, values[1:], strict=False)
        return all(_COMPARE[type(op)](a, b) for op, a, b in pairs)
    return names[_name(node)]
