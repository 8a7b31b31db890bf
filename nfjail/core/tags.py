"""The tags that stand for parts of a pattern: `<HOST>`, `<ADDR>`, `<F-USER>...</F-USER>` and their like, as fail2ban has them.

A tag becomes a named group; the names are fail2ban's: ip4, ip6, dns, cidr, fid, and for `<F-NAME>` name in lower case.
"""

from __future__ import annotations

import re

from nfjail.core.spec import Usedns

# Loose on purpose: what these let through is judged by inet_pton (core.model.parse_address), which is exact.
_BYTE = r"\d{1,3}"
_IP4 = rf"(?:::[Ff]{{4}}:)?(?P<ip4>{_BYTE}\.{_BYTE}\.{_BYTE}\.{_BYTE})"  # written out: a repeated group is slower
_IP6 = r"(?P<ip6>(?:[0-9A-Fa-f]{1,4}:{1,2}|:){1,7}(?:[0-9A-Fa-f]{1,4}|(?<=:):))"
_DNS = r"(?P<dns>[\w.^-]*\w)"
_CIDR = r"(?P<cidr>[0-9]+)"
_ADDR = rf"\[?(?:{_IP4}|{_IP6})\]?"
_HOST = f"(?:{_ADDR}|{_DNS})"
_SUBNET = rf"\[?(?:{_IP4}|{_IP6})(?:/{_CIDR})?\]?"
_SKIPPED = r"\n(?P<skiplines%d>(?:(?:.*\n)*?))"

_MEANING = {
    **{name: text for tag, text in (("IP4", _IP4), ("IP6", _IP6), ("DNS", _DNS), ("ADDR", _ADDR), ("CIDR", _CIDR),
                                    ("SUBNET", _SUBNET)) for name in (tag, f"F-{tag}/")},
    "F-ID/": r"(?P<fid>\S+)",
    "F-PORT/": r"(?P<fport>\w+)",
}  # fmt: skip

_TAG = re.compile(r"<(/?[\w-]+/?)>")
_CAPTURE = re.compile(r"(/?)F-([A-Z0-9_-]+)")
_OTHER_NAME = {"id": "fid", "port": "fport"}

#: one of these groups must be in a pattern, or it could tell nothing about anybody
WHOM = frozenset({"fid", "ip4", "ip6", "dns", "mlfid"})


def expand(text: str, usedns: Usedns = "warn") -> str:
    """The pattern with its tags turned into groups. With usedns "no", `<HOST>` is an address and never a name.

    What looks like a tag but is none stays as it is, as does a closing tag without an opening one.
    """
    opened: set[str] = set()
    skips = 0

    def meaning(found: re.Match[str]) -> str:
        nonlocal skips
        tag = found[1]
        if tag == "HOST":
            return _ADDR if usedns == "no" else _HOST
        if tag == "SKIPLINES":
            skips += 1
            return _SKIPPED % (skips - 1)
        capture = _CAPTURE.fullmatch(tag)
        if capture is None:
            return _MEANING.get(tag, found[0])
        closing, name = capture.groups()
        if closing:
            return ")" if name in opened else found[0]
        opened.add(name)
        return f"(?P<{group_name(name.lower())}>"

    return _TAG.sub(meaning, text)


def group_name(tag: str) -> str:
    """The group of `<F-TAG>`; tag is given in lower case."""
    return _OTHER_NAME.get(tag, tag)
