"""How many lines a second fail2ban's own filters take: `nfjail test` beside `fail2ban-regex`, both as whole processes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from parts import Options, Row, median, say
from service_logs import SERVICES, write

_QUICKEST = ("--no-check-all", "--print-no-missed", "--print-no-ignored")
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
    for service in SERVICES:
        log = write(service, count, options.cache)
        theirs, quickest = (
            _run(_their_command(options.fail2ban, service, log, flags), r"^Lines: .* (\d+) matched", options.fail2ban)
            for flags in ((), _QUICKEST)
        )
        ours = [
            _run(_our_command(options.fail2ban, service, log), r"^\d+ lines.*: (\d+) failure")
            for _ in range(options.size(3, 1))
        ]
        if any(run.failures != theirs.failures for run in (*ours, quickest)):
            raise SystemExit(f"bench: {service}: fail2ban found {theirs.failures} failures, nfjail {ours[0].failures}")
        used = median([run.cpu for run in ours]) or 0.0
        say(f"{service}: {used:.2f} s, fail2ban-regex {theirs.cpu:.2f} s")
        figure = f"{count:,} lines through fail2ban's {service} ({theirs.failures:,} failures)"
        yield Row(figure, "/s", None, count / used, count / theirs.cpu, _NOTE)
        yield Row("  times fail2ban-regex", "x", 10, theirs.cpu / used)
        yield Row("  times fail2ban-regex with its quickest options", "x", None, quickest.cpu / used, note=_QUICKEST_NOTE)


def _our_command(package: Path, service: str, log: Path) -> list[str]:
    return [sys.executable, "-m", "nfjail", "test", f"fail2ban:{package}/etc/fail2ban/filter.d/{service}.conf", str(log)]


def _their_command(package: Path, service: str, log: Path, flags: tuple[str, ...]) -> list[str]:
    folder = package / "etc/fail2ban"
    program = ["/usr/bin/python3", str(package / "usr/bin/fail2ban-regex"), "-c", str(folder), *flags]
    return [*program, str(log), f"{folder}/filter.d/{service}.conf"]


def _run(command: list[str], failures: str, package: Path | None = None) -> Run:
    environment = {**os.environ, "PYTHONPATH": str(package / "usr/lib/python3/dist-packages")} if package else None
    before = os.times()
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd="/")
    after = os.times()
    found = re.search(failures, done.stdout, re.MULTILINE)
    if found is None:
        raise SystemExit(f"bench: {' '.join(command)} says:\n{done.stdout}")
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Run(used, int(found[1]))
