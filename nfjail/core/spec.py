"""A filter as written, in the whole language that fail2ban's users know: what a reader yields and the matcher takes."""

from __future__ import annotations

from typing import Literal, NamedTuple

Usedns = Literal["no", "warn", "yes", "raw"]
Logtype = Literal["file", "journal"]


class FilterSpec(NamedTuple):
    """All settings and parameters are filled in; what stands in here are regular expressions with tags (<HOST> ...)."""

    name: str
    failregex: tuple[str, ...]
    ignoreregex: tuple[str, ...] = ()
    prefregex: str = ""
    datepattern: str = ""  # one pattern a line; "": the default templates
    maxlines: int = 1
    journalmatch: tuple[str, ...] = ()  # fail2ban's lines: FIELD=value ... + FIELD=value ...
    usedns: Usedns = "warn"
    logtype: Logtype = "file"  # "journal": lines come as fail2ban renders journal entries, without a date
    logtimezone: str = ""  # zone of stamps that name none; "": the process's own
