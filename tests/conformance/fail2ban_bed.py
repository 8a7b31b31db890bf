"""A configuration read by fail2ban and by nfjail, brought into one form so that they can be compared value by value."""

from __future__ import annotations

import ast
import glob
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from packages import environment, unpacked

from nfjail.fail2ban.actions import FLAGS, Action
from nfjail.fail2ban.filters import OPTIONS, Filter
from nfjail.fail2ban.jails import VERSION, Jail
from nfjail.fail2ban.settings import is_true

BESIDE = Path(__file__).with_name("beside_config.py")
LOGS = re.compile(r"(?<![\w.])/(?:var/log|opt|home|var/www)/(?=\S)")  # where the shipped jails look for logs

Values = dict[str, Any]


def private_copy(suite: str, folder: Path) -> Path:
    """etc/fail2ban of the package with every jail enabled and every log in place, below folder."""
    base, logs = folder / "fail2ban", folder / "logs"
    shutil.copytree(unpacked(suite) / "etc/fail2ban", base)
    for path in (*base.glob("*.conf"), *base.glob("jail.d/*.conf")):
        path.write_text(LOGS.sub(f"{logs}/", path.read_text()))
    (base / "jail.local").write_text("[DEFAULT]\nenabled = true\n")
    for pattern in set(re.findall(rf"{logs}/\S+", "".join(path.read_text() for path in base.glob("*.conf")))):
        path = Path(pattern.replace("*", "1"))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return base


def dump(suite: str, base: Path) -> list[list[Any]]:
    """What `fail2ban-client -d` says: the commands by which fail2ban configures its server."""
    client = unpacked(suite) / "usr/bin/fail2ban-client"
    command = [sys.executable, str(client), "-c", str(base), "-d"]
    done = subprocess.run(command, env=environment(suite), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [ast.literal_eval(line) for line in done.stdout.splitlines()]


def beside(suite: str, jobs: Iterable[list[Any]]) -> list[Any]:
    """What fail2ban makes of each job; see beside_config.py."""
    command = [sys.executable, str(BESIDE), VERSION]
    lines = "".join(f"{json.dumps(job)}\n" for job in jobs)
    done = subprocess.run(command, env=environment(suite), input=lines, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def theirs(commands: Iterable[list[Any]]) -> dict[str, Values | str]:
    """The values that the commands leave in the server, by jail; text: why fail2ban leaves the jail out."""
    jails: dict[str, Any] = {}
    for command, *rest in commands:
        if command == "add":
            jails[rest[0]] = {"backend": rest[1], "logpath": [], "actions": {}}
        elif command == "config-error":
            jails[rest[0].split("'")[1]] = rest[0]
        elif command in ("set", "multi-set") and rest[0] in jails:
            _set(jails[rest[0]], rest[1], rest[2:], command == "multi-set")
    return jails


def _set(jail: Values, option: str, values: list[Any], many: bool) -> None:
    if option == "addaction":
        jail["actions"][values[0]] = {} if len(values) == 1 else values[1:]
    elif option == "action":
        jail["actions"][values[0]].update(values[1] if many else [values[1:]])
    elif option == "addjournalmatch":
        jail.setdefault("journalmatch", []).append(values)
    elif option == "addlogpath":
        jail["logpath"].append(values)
    elif option.startswith("add"):
        jail.setdefault(option.removeprefix("add"), []).extend(values[0] if many else values)
    else:
        (jail[option],) = values


_OF_NFJAIL_ONLY = ("skip_if_nologs", "systemd_if_nologs")  # later than Debian's versions
_IN_FILTER = (*OPTIONS, "enabled", "backend", "filter", "action", *_OF_NFJAIL_ONLY)


def ours(jail: Jail, base: Path) -> Values:
    """What nfjail read, in the same form."""
    values: Values = {"backend": jail.options["backend"].value, "logpath": []}
    for option, text in jail.options.items():
        if option == "logpath":
            if jail.settings.backend.name != "systemd":
                for path in jail.settings.logpath:
                    values["logpath"] += [[file, "tail" if path.tail else "head"] for file in glob.glob(path.pattern)]
        elif option == "ignoreip":
            values["ignoreip"] = list(jail.settings.ignoreip)
        elif option in ("maxretry", "maxmatches"):
            values[option] = getattr(jail.settings, option)
        elif option in ("bantime.increment", "bantime.overalljails"):
            values[option] = is_true(text.value)
        elif option == "ignoreself":
            values[option] = jail.settings.ignoreself
        elif option not in _IN_FILTER:
            values[option] = text.value
    if jail.filter:
        values |= filter_values(jail.filter)
    values["actions"] = {action.name: _action_values(action, base) for action in jail.actions}
    return values


def filter_values(filter: Filter) -> Values:
    spec, written = filter.spec, filter.options
    values: Values = {name: written[name].value for name in ("usedns", "prefregex", "datepattern") if name in written}
    values |= {name: list(getattr(spec, name)) for name in ("failregex", "ignoreregex") if getattr(spec, name)}
    if spec.journalmatch:
        values["journalmatch"] = [shlex.split(line) for line in spec.journalmatch]
    if "maxlines" in written:
        values["maxlines"] = spec.maxlines
    return values


def _action_values(action: Action, base: Path) -> Any:
    if action.file.endswith(".py"):
        return [str(base / "action.d" / action.file), json.dumps(dict(action.given))]
    hooks: Mapping[str, Any] = {k: is_true(v) if k in FLAGS else v for k, v in action.hooks.items()}
    return {**hooks, **action.parameters}
