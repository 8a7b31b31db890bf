"""Log lines that nobody has written yet: sample lines changed at random, and sessions of many connections mixed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from random import Random

ADDRESSES = (
    "192.0.2.1",
    "192.0.2.01",
    "999.1.1.1",
    "1.2.3",
    "1.2.3.4.5",
    "256.0.0.1",
    "::ffff:192.0.2.1",
    "2001:db8::1",
    "2001:DB8:0:0:0:0:0:1",
    "2001:0db8:0000:0000:0000:0000:0000:0001",
    "[2001:db8::1]",
    "::1",
    "::",
    "fe80::1%eth0",
    "12:34",
    "1::2::3",
    "aa:bb:cc:dd:ee:ff",
    "64:ff9b::192.0.2.1",
    "0.0.0.0",
    "192.0.2.1/24",
    "2001:db8::/32",
    "[192.0.2.7]",
    "٣.٣.٣.٣",
    "10.0.0.1.",
    "host.example.com",
    "-",
    "1.2.3.4:22",
    "[2001:db8::1]:22",
)
USERS = (
    "root from 192.0.2.1",
    "x from 192.0.2.1 port 22",
    "admin\tfrom 192.0.2.9",
    "a b",
    "",
    " ",
    "'quoted'",
    '"x"',
    "<b>",
    "from 2001:db8::9 port 1 ssh2",
    "ünï",
    "\x1b[31m",
    "a\x00b",
    "\ufffd\ufffd",
    "$(reboot)",
    "%s%n",
    "a\rb",
    "a\x0bb",
    "\u2028x",
    "192.0.2.250",
    "invalid user x",
    "user=<y>",
    "rhost=192.0.2.44",
    "(" * 9,
    "x" * 300,
)
_ADDRESS = re.compile(r"(?:::ffff:)?\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f]*(?::[0-9A-Fa-f]*){3,}")
_WORD = re.compile(r"[^\s]+")


def changed(line: str, chance: Random) -> str:
    """The line with one to three things done to it."""
    for _ in range(chance.randrange(1, 4)):
        line = chance.choice(_CHANGES)(line, chance)
    return line.replace("\n", " ")


def _another_address(line: str, chance: Random) -> str:
    found = list(_ADDRESS.finditer(line))
    if not found:
        return line
    place = chance.choice(found)
    return line[: place.start()] + chance.choice(ADDRESSES) + line[place.end() :]


def _another_word(line: str, chance: Random) -> str:
    found = list(_WORD.finditer(line))
    if not found:
        return line
    place = chance.choice(found)
    word = chance.choice([*USERS, *ADDRESSES, chance.choice(found)[0]])
    return line[: place.start()] + word + line[place.end() :]


def _swapped(line: str, chance: Random) -> str:
    words = line.split(" ")
    if len(words) > 1:
        i = chance.randrange(len(words) - 1)
        words[i], words[i + 1] = words[i + 1], words[i]
    return " ".join(words)


def _cut(line: str, chance: Random) -> str:
    return line[: chance.randrange(len(line) + 1)]


def _left_out(line: str, chance: Random) -> str:
    start = chance.randrange(len(line) + 1)
    return line[:start] + line[start + chance.randrange(1, 12) :]


def _doubled(line: str, chance: Random) -> str:
    return line + chance.choice(["", " ", "\t"]) + line[chance.randrange(len(line) + 1) :]


def _put_in(line: str, chance: Random) -> str:
    place = chance.randrange(len(line) + 1)
    more = chance.choice(
        [" ", "  ", "\t", "\x00", "\x7f", "\ufffd", "\xa0", "\u200b", "\r", "\x0c", "\x85", *USERS, *ADDRESSES]
    )
    return line[:place] + more + line[place:]


def _other_case(line: str, chance: Random) -> str:
    return chance.choice([line.lower, line.upper, line.swapcase])()


_CHANGES = (
    _another_address,
    _another_address,
    _another_word,
    _another_word,
    _swapped,
    _cut,
    _left_out,
    _doubled,
    _put_in,
    _other_case,
)


def mixed(sessions: Sequence[Sequence[str]], chance: Random) -> Iterator[str]:
    """The lines of all sessions, each session's own in their order."""
    left = [list(lines) for lines in sessions if lines]
    while left:
        lines = chance.choice(left)
        yield lines.pop(0)
        if not lines:
            left.remove(lines)
