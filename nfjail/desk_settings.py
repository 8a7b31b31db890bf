"""A jail's settings as the desk tells them and changes them, and failures that are reported over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nfjail.assembly import source_of
from nfjail.config import JailConfig
from nfjail.config.kinds import Kind, whole
from nfjail.config.network import IGNOREIP, Ignored
from nfjail.config.problem import BadValueError
from nfjail.core.duration import LONGEST
from nfjail.core.filter import Filter
from nfjail.core.jail import Jail
from nfjail.core.model import Decision, Failure
from nfjail.core.spec import FilterSpec
from nfjail.desk_values import Answer, Parameters, subject_in
from nfjail.engine import Counted, Engine
from nfjail.errors import NfjailError

_NUMBERS = {"maxretry": whole(1, 10_000), "maxmatches": whole(0, 10_000)}  # as in the configuration
_REPORTED = "reported"  # where a failure stands that nobody logged


def settings_info(jail: JailConfig, journal_path: str | None, firewall: str) -> Answer:
    """The jail as interface.py's JailSettings. firewall: what banaction = "auto" has come to."""
    return {
        "jail": jail.name,
        "backend": source_of(jail, journal_path),
        "logpath": list(jail.logpath),
        "journalmatch": _journalmatch(jail),
        "bantime": jail.bantime,
        "findtime": jail.findtime,
        "maxretry": jail.maxretry,
        "maxmatches": jail.maxmatches,
        "ignoreip": _ignoreip(jail),
        "ignoreself": jail.ignoreself,
        "increment": {**jail.increment._asdict(), "multipliers": list(jail.increment.multipliers)},
        "banaction": firewall if jail.banaction == "auto" else jail.banaction,
        "filter": _patterns(jail.filter_name, jail.filter),
    }


def _ignoreip(jail: JailConfig) -> list[str]:
    """As fail2ban lists them: single addresses at the end."""
    networks = [str(subject) for subject in jail.ignoreip if not subject.is_single]
    return [*networks, *jail.ignore_names, *(str(subject) for subject in jail.ignoreip if subject.is_single)]


def _journalmatch(jail: JailConfig) -> list[str]:
    if isinstance(jail.filter, FilterSpec) and jail.filter.journalmatch:
        return list(jail.filter.journalmatch)
    return [" ".join(f"{field}={value}" for field, value in group) for group in jail.journalmatch]


def _patterns(name: str, found: Filter | FilterSpec) -> Answer:
    info: Answer = {"name": name, "failregex": list(found.failregex), "ignoreregex": list(found.ignoreregex)}
    if isinstance(found, FilterSpec):
        more = ("prefregex", "datepattern", "maxlines", "usedns", "logtimezone")
        return info | {key: getattr(found, key) for key in more}
    return info | {"prefregex": "", "datepattern": "", "maxlines": 1, "usedns": "no", "logtimezone": ""}


def changed(jail: JailConfig, parameters: Parameters) -> JailConfig:
    """The jail as Set's parameters want it. Raises NfjailError, with all that is wrong."""
    values: dict[str, Any] = {}
    if parameters.get("forever"):
        values["bantime"] = None
    for key in ("bantime", "findtime"):
        if parameters.get(key) is not None:
            values[key] = _length(key, parameters[key])
    for key, kind in _NUMBERS.items():
        if parameters.get(key) is not None:
            values[key] = _parsed(f"{key}: ", kind, parameters[key])
    if parameters.get("ignoreself") is not None:
        values["ignoreself"] = parameters["ignoreself"]
    more, less = _ignored(parameters.get("ignore")), _ignored(parameters.get("unignore"))
    absent = [str(one) for one in (*less.subjects, *less.names) if one not in (*jail.ignoreip, *jail.ignore_names)]
    if absent:
        raise NfjailError(f"not in ignoreip of jail {jail.name}: {', '.join(absent)}", f"there are: {_ignoreip(jail)}")
    if any(subject.prefixlen == 0 for subject in more.subjects):
        raise NfjailError("0.0.0.0/0 and ::/0 are everybody", "the jail would then do nothing: switch it off instead")
    subjects = tuple(one for one in dict.fromkeys((*jail.ignoreip, *more.subjects)) if one not in less.subjects)
    names = tuple(one for one in dict.fromkeys((*jail.ignore_names, *more.names)) if one not in less.names)
    return replace(jail, ignoreip=subjects, ignore_names=names, **values)


def _length(key: str, seconds: float) -> float:
    if not 0 < seconds <= LONGEST:
        raise NfjailError(f"{key}: {seconds:g} seconds cannot be used", "write more than 0, and 100 years at most")
    return float(seconds)


def _parsed(key: str, kind: Kind, value: Any) -> Any:
    try:
        return kind.parse(value)
    except BadValueError as error:
        raise NfjailError(f"{key}{error}", error.troubles[0][1]) from None


def _ignored(texts: Sequence[str] | None) -> Ignored:
    found: Ignored = _parsed("", IGNOREIP, list(texts or ()))
    return found


def failing(jail: Jail, now: float) -> int:
    """How many addresses or networks have failed within findtime."""
    oldest = now - jail.rules.findtime
    return len({failure.subject for failure in jail.window.failures() if failure.time >= oldest})


def attempted(engine: Engine, jail: Jail, address: str, messages: Sequence[str], now: float) -> tuple[list[Decision], int]:
    """What follows from reported failures, and how many are counted now."""
    single = subject_in(address)
    if not single.is_single:
        raise NfjailError(f"{single} is a network", "give the address that has failed")
    subject = jail.subject_of(address)
    if subject is None:
        return [], 0
    counts: list[Counted] = []
    sightings = [(jail, Failure(now, subject, text, _REPORTED, -1, {})) for text in messages or [_REPORTED]]
    decisions = engine.digest(sightings, False, counts.append)
    return decisions, max((counted.failures for counted in counts), default=0)
