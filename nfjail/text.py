"""Text for people's eyes: what an attacker put into a log must not drive a terminal, nor look like another line."""

from __future__ import annotations


def printable(text: str, also: str = "") -> str:
    """text with everything escaped that would not show as itself: control, invisible and direction-changing characters.

    also: characters that stay as they are, such as a newline.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in also else c.encode("unicode_escape").decode() for c in text)
