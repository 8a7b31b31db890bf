"""What fail2ban-regex is to try: a jail, a filter by name or path, or a pattern; and what it says about that."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from optparse import Values
from typing import NamedTuple, cast, get_args

from nfjail.compat.regex_report import short, template_name
from nfjail.core.dates import DateDetector
from nfjail.core.spec import FilterSpec, Logtype, Usedns
from nfjail.fail2ban.call import parse_call
from nfjail.fail2ban.filters import Filter, load_filter
from nfjail.fail2ban.jails import Jail, read_jails
from nfjail.fail2ban.problem import Fail2banError

Say = Callable[[str], object]

_NAME = re.compile(r"(?ms)/{0,3}[\w/_\-.]+(?:\[.*\])?")
_MAXLINES = 20  # lines of a kind that are printed


class RegexError(Exception):
    """It cannot be tried."""


class Tested(NamedTuple):
    """spec: with what the options say in place of it."""

    spec: FilterSpec


def find_tested(asked: str, options: Values, logtype: Logtype, say: Say) -> Tested:
    """Raises RegexError, Fail2banError."""
    said: list[str] = []
    if options.maxlines:
        said.append(f"Use         maxlines : {options.maxlines}")
    if options.datepattern:
        said.append(_datepattern(options.datepattern))
    for text in said:
        say(text)
    found = _by_name(asked, options, logtype, say) if _NAME.fullmatch(asked) else None
    if found is None:
        say(f"Use   failregex line : {short(asked)}")
        return Tested(_with(FilterSpec("", (asked,), logtype=logtype), options))
    if "maxlines" in found.options and not options.maxlines:
        say(f"Use         maxlines : {found.spec.maxlines}")
    if found.spec.datepattern and not options.datepattern:
        say(_datepattern(found.spec.datepattern))
    return Tested(_with(found.spec, options))


def with_ignored(tested: Tested, asked: str, options: Values, say: Say) -> Tested:
    """tested with one more pattern of lines to be ignored, or with those of a filter."""
    found = load_filter(asked, options.config).spec.ignoreregex if asked.endswith(".conf") and os.path.isfile(asked) else None
    if found is None:
        say(f"Use ignoreregex line : {short(asked)}")
        found = (asked,)
    return Tested(tested.spec._replace(ignoreregex=found))


def _with(spec: FilterSpec, options: Values) -> FilterSpec:
    given = {"datepattern": options.datepattern, "maxlines": options.maxlines}
    spec = spec._replace(**{name: value for name, value in given.items() if value})
    if options.usedns:
        usedns = options.usedns.lower()
        spec = spec._replace(usedns=cast(Usedns, usedns if usedns in get_args(Usedns) else "no"))
    return spec


def _datepattern(text: str) -> str:
    try:
        forms = DateDetector(text).hits()
    except ValueError as error:
        raise RegexError(f"Failed to set datepattern {text!r}: {error}") from None
    name = template_name(forms[0][0]) if len(forms) <= 2 else "Default Detectors"
    return f"Use      datepattern : {text} : {name}"


def _by_name(asked: str, options: Values, logtype: Logtype, say: Say) -> Filter | None:
    """The filter of a jail, or of a file; None: there is none of that name."""
    try:
        name, parameters = parse_call(asked)
    except ValueError as error:
        raise RegexError(f"Wrong filter name or options: {error}\n       while parsing: {asked}") from None
    if "/" not in name and not name.endswith((".conf", ".local")):
        jail = _jail(name, options.config)
        if jail is not None:
            say(f"Use             jail : {name}")
            if parameters:
                say(f"Use jail/flt options : {parameters!r}")
            return _of_jail(jail, options.config, parameters, logtype)
    path = _path(name, options.config)
    if path is None:
        return None
    folder, file = os.path.split(path)
    if os.path.basename(folder) == "filter.d":
        stem = os.path.splitext(file)[0]
        say(f"Use      filter file : {stem}, basedir: {os.path.dirname(folder)}")
    else:
        say(f"Use      filter file : {name}")
    if parameters:
        say(f"Use   filter options : {parameters!r}")
    return load_filter(os.path.abspath(path), options.config, parameters, logtype)


def _path(name: str, base: str) -> str | None:
    for file in (name,) if "." in name[-6:] else (name, f"{name}.conf", f"{name}.local"):
        folder = os.path.dirname(file)
        if folder == "filter.d":
            file = os.path.join(base, file)
        elif not folder:
            file = os.path.join(base, file) if os.path.basename(base) == "filter.d" else os.path.join(base, "filter.d", file)
        if os.path.isfile(file):
            return file
    return None


def _jail(name: str, base: str) -> Jail | None:
    try:
        return next((jail for jail in read_jails(base, every=True).jails if jail.name == name), None)
    except Fail2banError:
        return None


def _of_jail(jail: Jail, base: str, parameters: dict[str, str], logtype: Logtype) -> Filter:
    if jail.filter is None:
        what = str(jail.problems[0]) if jail.problems else "it has no filter"
        raise RegexError(f"Failed to get jail for {jail.name!r}: {what}")
    if not parameters and jail.filter.spec.logtype == logtype:
        return jail.filter
    name, own = parse_call(jail.options["filter"].value)
    return load_filter(name, base, {**own, **parameters}, logtype)
