"""How many lines a second fail2ban's own filters take: `nfjail test` beside `fail2ban-regex`, both as whole processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from parts import ROOT, Options, Row, say
from service_logs import SERVICES, write

_QUICKEST = ("--no-check-all", "--print-no-missed", "--print-no-ignored")
_NOT_AS_INSTALLED = ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
_OUR_COUNT, _THEIR_COUNT = r"^\d+ lines.*: (\d+) failure", r"^Lines: .* (\d+) matched"
_NOTE = "processor time of the whole process, start-up included; fail2ban-regex as people call it, without options"
_QUICKEST_NOTE = f"fail2ban-regex with {' '.join(_QUICKEST)}"


class Run(NamedTuple):
    """Seconds of processor time, and how many failures were found."""

    cpu: float
    failures: int


def filters(options: Options) -> Iterator[Row]:
    if options.fail2ban is None:
        raise SystemExit("bench: these are fail2ban's filters: give its unpacked package with --fail2ban")
    count = options.size(200_000, 4_000)
    _measure(options.fail2ban, "sshd", write("sshd", 4_000, options.cache), options.cache)  # writes the bytecode
    for service in SERVICES:
        ours, theirs, quickest = _measure(options.fail2ban, service, write(service, count, options.cache), options.cache)
        say(f"{service}: {ours.cpu:.2f} s, fail2ban-regex {theirs.cpu:.2f} s")
        figure = f"{count:,} lines through fail2ban's {service} ({theirs.failures:,} failures)"
        yield Row(figure, "/s", None, count / ours.cpu, count / theirs.cpu, _NOTE)
        yield Row("  times fail2ban-regex", "x", 10, theirs.cpu / ours.cpu)
        yield Row("  times fail2ban-regex with its quickest options", "x", None, quickest.cpu / ours.cpu, note=_QUICKEST_NOTE)


def _measure(package: Path, service: str, log: Path, cache: Path) -> list[Run]:
    """nfjail's (the median of three), fail2ban-regex's, and that with its quickest options."""

    def run(flags: tuple[str, ...] | None) -> Run:
        command = _our_command(package, service, log) if flags is None else _their_command(package, service, log, flags)
        return _run(command, _OUR_COUNT if flags is None else _THEIR_COUNT, cache, None if flags is None else package)

    runs = [run(flags) for flags in (None, (), None, _QUICKEST, None)]  # in turn: both meet the machine's moods
    if len({each.failures for each in runs}) > 1:
        raise SystemExit(f"bench: {service}: fail2ban found {runs[1].failures} failures, nfjail {runs[0].failures}")
    return [sorted(runs[::2])[1], runs[1], runs[3]]


def _our_command(package: Path, service: str, log: Path) -> list[str]:
    return [sys.executable, "-m", "nfjail", "test", f"fail2ban:{package}/etc/fail2ban/filter.d/{service}.conf", str(log)]


def _their_command(package: Path, service: str, log: Path, flags: tuple[str, ...]) -> list[str]:
    folder = package / "etc/fail2ban"
    program = ["/usr/bin/python3", str(package / "usr/bin/fail2ban-regex"), "-c", str(folder), *flags]
    return [*program, str(log), f"{folder}/filter.d/{service}.conf"]


def _run(command: list[str], failures: str, cache: Path, package: Path | None) -> Run:
    """package: fail2ban's, for its own program."""
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_AS_INSTALLED}
    environment["PYTHONPATH"] = str(package / "usr/lib/python3/dist-packages" if package else ROOT)
    environment["PYTHONPYCACHEPREFIX"] = str(cache / "bytecode")
    before = os.times()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    after = os.times()
    found = re.search(failures, done.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"bench: {' '.join(command)} says:\n{done.stdout}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(used, int(found[1]))
