"""Filters made up at random, with lines that they nearly fit."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from nfjail.core.spec import FilterSpec

# An expression, and texts that it fits or nearly fits.
_PARTS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("failed", ("failed", "Failed", "faile")),
    ("(?i:Failed)", ("failed", "FAILED", "fail")),
    ("password", ("password", "passwort")),
    ("[Ii]nvalid user", ("invalid user", "Invalid user", "Invalid  user")),
    ("(?:bad|wrong|no) login", ("bad login", "wrong login", "no login", "login")),
    ("(?:error|(?:illegal|unknown) name)", ("error", "unknown name", "illegal name", "name")),
    ("(?:auth(?:entication)? failure)?", ("auth failure", "authentication failure", "", "auth")),
    ("(?:denied )+", ("denied ", "denied denied ", "")),
    ("(?:denied ){0,2}", ("denied ", "denied denied denied ", "")),
    (r"\w+", ("word", "w", "")),
    (r"\S*", ("word", "a.b", "")),
    (r"\s*", (" ", "  ", "", "\t")),
    (r"\d{2,4}", ("12", "1", "12345")),
    ("[^a-z]", ("A", "1", "a")),
    ("(?!root)\\w+", ("root", "admin", "rootx")),
    ("(?=.*user).", ("x", "user")),
    ("(?<=d) from", (" from",)),
    ("(?<!x)y", ("y", "xy")),
    ("(['\"]?)name", ("name", "'name", '"name')),
    ("(?P<q>['\"]?)a(?P=q)", ("a", "'a'", "'a\"")),
    ("(?P<o>\\()?b(?(o)\\))", ("b", "(b)", "(b")),
    ("<F-USER>\\w+</F-USER>", ("root", "x y", "")),
    ("<F-USER>.*?</F-USER>", ("root", "x from 192.0.2.3", "")),
    ("(?:<F-USER>.*</F-USER> )?", ("root ", "x from 192.0.2.3 ", "")),
    ("<F-ALT_USER>\\w+</F-ALT_USER>", ("alt", "")),
    ("(?:for|of) <F-NAME>\\S+</F-NAME>", ("for n", "of m", "by m")),
    ("\\[<F-PORT/>\\]", ("[22]", "[x]", "[]")),
    ("(?x: a # b\n c)", ("ac", "a c")),
    (".{3}", ("abc", "ab")),
    ("(?:a|b|)c", ("ac", "bc", "c")),
    ("a|b", ("a", "b")),
    ("\\bend\\b", ("end", "ending")),
    ("[]x]", ("]", "x")),
    ("\\x41\\u0042\\.", ("AB.", "ab.")),
    ("é|ü", ("é", "ü")),
    ("(?s:.)", ("x", "\r")),
    ("$", ("",)),
    ("^", ("",)),
)  # fmt: skip
_WHOM: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("<HOST>", ("192.0.2.1", "2001:db8::2", "host.example", "[::3]")),
    ("<ADDR>", ("192.0.2.1", "2001:db8::2", "[192.0.2.4]", "x")),
    ("<IP4>", ("192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1")),
    ("<SUBNET>", ("192.0.2.1/24", "2001:db8::2/32", "192.0.2.1")),
    ("<F-ID/>", ("192.0.2.1", "id", "[2001:db8::1]")),
    ("(?:<IP4>|\\[<IP6>\\])", ("192.0.2.1", "[2001:db8::1]", "2001:db8::1")),
    ("(?:<ADDR>|-)", ("192.0.2.1", "-")),
)  # fmt: skip


def random_filter(chance: Random) -> tuple[FilterSpec, list[str]]:
    """A filter, and lines for it without a date."""
    made = [_pattern(chance) for _ in range(chance.randrange(1, 7))]
    prefix, heads = "", [""]
    if chance.random() < 0.4:
        prefix, heads = chance.choice([
            (r"^\s*prog(?:\[\d+\])?:\s+<F-CONTENT>.+</F-CONTENT>$", ["prog[1]: ", "prog: ", "prog ", "x prog: "]),
            (r"^\s*(?:user=<F-USER>\w+</F-USER> )?<F-CONTENT>.+</F-CONTENT>", ["user=u ", ""]),
            (r"prog(?P<q>['\"]?)", ["prog", "prog'", ""]),
            (r"^\s*<F-MLFID>p\d</F-MLFID>: <F-CONTENT>.*</F-CONTENT>$", ["p1: ", "p2: ", "p"]),
            (r"(?i)^\s*(?:PROG|OTHER): <F-CONTENT>.+</F-CONTENT>$", ["prog: ", "other: ", ": "]),
        ])  # fmt: skip
    lines = [chance.choice(heads) + _text(parts, chance) for _ in range(14) for _, parts in made]
    ignore = [_expression([chance.choice(_PARTS)]) for _ in range(chance.choice([0, 0, 0, 1, 2]))]
    ignore = [regex for regex in ignore if not set(regex) & set("*?$^") and "|" not in regex]
    return FilterSpec("random", tuple(regex for regex, _ in made), tuple(ignore), prefix), lines


def _pattern(chance: Random) -> tuple[str, list[tuple[str, tuple[str, ...]]]]:
    parts = [chance.choice(_PARTS) for _ in range(chance.randrange(1, 5))]
    parts.insert(chance.randrange(len(parts) + 1), chance.choice(_WHOM))
    start = chance.choice(["^", "^", "^", r"^\s*", "", "(?i)", "(?i)^", "^(?:x )?"])
    regex = start + _expression(parts, chance.choice(["", " ", " ", r"\s+"])) + chance.choice(["", "$", "", r"\s*$", "$"])
    return regex, [(" ", (" ",)) if part is None else part for part in parts]


def _expression(parts: list[tuple[str, tuple[str, ...]]], between: str = "") -> str:
    return between.join(regex for regex, _ in parts)


def _text(parts: list[tuple[str, tuple[str, ...]]], chance: Random) -> str:
    words = [chance.choice(texts) for _, texts in parts]
    return (
        chance.choice(["", "", "", " ", "x "]) + chance.choice([" ", " ", ""]).join(words) + chance.choice(["", "", " ", " x"])
    )


def random_filters(chance: Random, count: int) -> Iterator[tuple[FilterSpec, list[str]]]:
    for _ in range(count):
        yield random_filter(chance)
