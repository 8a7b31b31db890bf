"""A journal entry as one line of text, the way fail2ban shows it to filters: HOST IDENTIFIER[PID]: MESSAGE, without a date."""

from __future__ import annotations

from collections.abc import Callable, Iterable

#: get(field) fetches a field of the entry; "": it has none
Get = Callable[[str], str]


def journal_line(message: str, get: Get) -> str:
    """The entry as a line. Line ends in the message become backslash and n; the kernel's entries show its own clock."""
    parts = [get("_HOSTNAME")]
    writer = get("SYSLOG_IDENTIFIER") or get("_COMM")
    if writer:
        pid = get("SYSLOG_PID") or get("_PID")
        parts.append(f"{writer}[{pid}]:" if pid else f"{writer}:")
        if parts[-1] == "kernel:":
            clock = _seconds(get("_SOURCE_MONOTONIC_TIMESTAMP")) or _seconds(get("__MONOTONIC_TIMESTAMP")) or 0.0
            parts.append(f"[{clock:12.6f}]")
    return " ".join((*filter(None, parts), message)).replace("\n", "\\n")


def journal_time(get: Get, received: float) -> float:
    """When the entry's writer wrote it; received: when journald had it. Both in seconds since the epoch."""
    written = _seconds(get("_SOURCE_REALTIME_TIMESTAMP"))
    return received if written is None else written


def _seconds(microseconds: str) -> float | None:
    """None: that is no number."""
    return int(microseconds) / 1e6 if microseconds.isascii() and microseconds.isdigit() and len(microseconds) <= 20 else None


def journal_terms(matches: Iterable[str]) -> list[list[tuple[str, str]]]:
    """journalmatch lines (FIELD=value ... + FIELD=value ...) as an OR of groups.

    As for the journal itself, values of one field are alternatives and different fields must all fit.
    """
    terms: list[list[tuple[str, str]]] = []
    for line in matches:
        group: list[tuple[str, str]] = []
        for word in (*split_words(line), "+"):
            if word != "+":
                field, _, value = word.partition("=")
                group.append((field, value))
            elif group:
                terms.append(group)
                group = []
    return terms


def split_words(line: str) -> list[str]:
    """The words of a line; what stands in quotation marks is one, as in a shell."""
    words, word, quote, inside = [], "", "", False
    for char in line:
        if quote:
            if char == quote:
                quote = ""
            else:
                word += char
        elif char in "\"'":
            quote, inside = char, True
        elif char.isspace():
            if word or inside:
                words.append(word)
            word, inside = "", False
        else:
            word += char
    return [*words, word] if word or inside else words
