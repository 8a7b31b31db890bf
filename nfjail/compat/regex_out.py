"""What fail2ban-regex prints of each failure with --out: its id, address, lines, a capture, or a text with tags."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from functools import partial

from nfjail.compat.regex_lines import Failure

_TAG = re.compile(r"<([\w.-]+)>")


def printer(form: str) -> Callable[[Failure], None]:
    """What prints a failure in that form."""
    if form in ("id", "fid"):
        return lambda failure: print(failure.host)
    if form == "ip":
        return lambda failure: print(failure.ip)
    if form == "msg":
        return lambda failure: print(*failure.lines, sep="\n")
    if form == "row":
        return lambda failure: print(f"[{failure.host!r},\t{failure.time!r},\t{failure.fields!r}],")
    if "<" not in form:
        return lambda failure: print(failure.fields.get(form))
    return lambda failure: _print_form(form, failure)


def _print_form(form: str, failure: Failure) -> None:
    lines = failure.lines if "<msg>" in form and len(failure.lines) > 1 else ("\n".join(failure.lines),)
    for line in lines:
        print(_TAG.sub(partial(_value, failure, line), form))


def _value(failure: Failure, line: str, tag: re.Match[str]) -> str:
    name = tag[1]
    if name.startswith("F-"):
        return str(failure.fields.get(name[2:].lower(), ""))
    address = _address(failure.ip)
    values = {
        "ip": failure.ip, "fid": failure.host, "time": failure.time, "failures": 0, "msg": line,
        "matches": "\n".join(failure.lines), "family": f"inet{address.version}" if address else None,
        "ip-rev": _reverse(address),
    }  # fmt: skip
    return str(values[name]) if name in values else tag[0]


def _address(text: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text or "")
    except ValueError:
        return None


def _reverse(address: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    """As in the name for a reverse look-up, with a dot behind."""
    return "" if address is None else re.sub(r"(in-addr|ip6)\.arpa$", "", address.reverse_pointer)
