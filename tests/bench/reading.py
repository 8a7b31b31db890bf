"""How many log entries and lines a second nfjail reads, matches and counts: its own sources, filters, jails and engine."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from lines import addresses, as_line, auth_log, failure, mixed_addresses
from parts import (
    BED,
    LOG,
    MAXRETRY,
    Daemon,
    Fail2ban,
    Kernel,
    Nfjail,
    Options,
    Row,
    cpu,
    empty_firewall,
    fail2ban_config,
    median,
    nfjail_config,
    say,
)

from nfjail.assembly import make_jails
from nfjail.config import load
from nfjail.core.model import Ban
from nfjail.counsel import Counsel
from nfjail.engine import Engine
from nfjail.exempt import Ignored
from nfjail.intake import Intake
from nfjail.source.file_lines import LogFile

_BEGIN = 1_767_225_600.0  # 2026-01-01, as genexport.py's entries

# What else genexport.py's services log, so that four jails want 80 % of all entries.
_MORE_JAILS = r"""
[filter.bench-postfix]
identifier = ["postfix/smtpd"]
journalmatch = ["_SYSTEMD_UNIT=postfix@-.service"]
failregex = ['^warning: \S+\[<HOST>\]: SASL \w+ authentication failed: ']
[filter.bench-dovecot]
identifier = ["dovecot"]
journalmatch = ["_SYSTEMD_UNIT=dovecot.service"]
failregex = ['^imap-login: Disconnected: .*\(auth failed, .*\): user=<<F-USER>\w*</F-USER>>, .*rip=<HOST>, ']
[filter.bench-nginx]
identifier = ["nginx"]
journalmatch = ["_SYSTEMD_UNIT=nginx.service"]
failregex = ['^<HOST> - \S+ "GET /wp-login\.php HTTP/[\d.]+" 404 ']
"""
JAIL = '[jail.{0}]\nenabled = true\nfilter = "{0}"\nport = ["all"]\nbackend = "journal"\n'


class _Nothing:
    """A store and a kernel that take nothing and have nothing."""

    def commit(self, *_: object) -> None: ...
    def replace(self, *_: object) -> None: ...
    def apply(self, *_: object) -> None: ...
    def sync(self, *_: object) -> None: ...
    def last_end(self, *_: object) -> None: ...
    def count(self, *_: object) -> int:
        return 0


def journal(options: Options) -> Iterator[Row]:
    count = options.size(1_000_000, 20_000)
    folder = made_journal(options.cache / f"journal-{count}", count)
    shipped = f'[journal]\npath = "{folder}"\n{JAIL.format("sshd")}'
    four = shipped + _MORE_JAILS + "".join(JAIL.format(name) for name in ("bench-postfix", "bench-dovecot", "bench-nginx"))
    for jails, toml in (("four jails want 80 % of them", four), ("the shipped jail wants 45 %", shipped)):
        plain, matched, counted = [], [], []
        for _ in range(options.size(5, 1)):  # in turn, as other programs make the machine quicker and slower
            matched.append(read_all(*set_up(toml), counted=False))
            plain.append(_journalctl(folder))
            counted.append(read_all(*set_up(toml)))
        say(f"nfjail, {jails}: {count / median([run.wall for run in matched]):,.0f}/s")
        figure = f"entries of a {count:,}-entry journal read and matched, {jails}"
        yield from _rates(figure, f"{matched[0].failures:,} failures recognised", 400_000, count, matched)
        ratios = [theirs / run.cpu for (_, theirs), run in zip(plain, matched, strict=True)]
        note = f"it does {count / median([wall for wall, _ in plain]):,.0f}/s"
        yield Row("  times journalctl -o cat >/dev/null, by processor time", "x", 1, median(ratios), None, note, ratios)
        yield from _rates("  and counted, with all decisions", _outcome(counted[0]), None, count, counted)


def made_journal(folder: Path, count: int) -> Path:
    if not folder.exists():
        say(f"making a journal of {count:,} entries, which is kept in {folder}")
        half = folder.with_suffix(".new")
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run([str(BED / "make-journal.sh"), str(count), str(half)], check=True, stdout=subprocess.DEVNULL)
        half.rename(folder)
    return folder


def _journalctl(folder: Path) -> tuple[float, float]:
    """Seconds, and seconds of its processor time."""
    wall, used = time.monotonic(), os.times()
    subprocess.run(["journalctl", "-D", str(folder), "-o", "cat"], check=True, stdout=subprocess.DEVNULL)
    now = os.times()
    used_since = now.children_user + now.children_system - used.children_user - used.children_system
    return time.monotonic() - wall, used_since


class Run(NamedTuple):
    """What it cost to read everything, in seconds, and what came of it."""

    wall: float
    cpu: float
    failures: int
    bans: int


def set_up(toml: str) -> tuple[Intake, Engine]:
    """The daemon's parts as the daemon makes them, but for store and kernel."""
    folder = Path("/run/bench-config")
    (folder / "conf.d").mkdir(parents=True, exist_ok=True)
    (folder / "conf.d/bench.toml").write_text(toml)
    config = load(str(folder))
    jails = make_jails(config, Ignored((), {}, ()))
    engine = Engine(_Nothing(), _Nothing(), lambda: 0.0)
    engine.replace_jails(jails)
    intake = Intake(config, jails, Counsel(), {}, _BEGIN, replay=True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)  # as daemon.py
    return intake, engine


def read_all(intake: Intake, engine: Engine, counted: bool = True) -> Run:
    """Reads all that there is, as the daemon does after a long sleep. counted: False, to recognise failures and no more."""
    now = _BEGIN + 10 * 86400
    failures = bans = 0
    wall, used = time.monotonic(), time.process_time()
    more = True
    while more:
        for reading in intake.read(now):
            failures += len(reading.sightings)
            if not counted:
                continue
            decisions = engine.digest(reading.sightings, reading.replayed)
            bans += sum(isinstance(decision, Ban) for decision in decisions)
            if decisions:
                engine.carry_out(decisions, now)
        engine.expire(now)
        more = intake.more
    run = Run(time.monotonic() - wall, time.process_time() - used, failures, bans)
    intake.close()
    return run


def _outcome(run: Run) -> str:
    return f"{run.failures:,} failures recognised, {run.bans:,} bans"


def _rates(figure: str, note: str, reach: float | None, count: int, runs: Sequence[Run]) -> Iterator[Row]:
    rates = [count / run.wall for run in runs]
    yield Row(figure, "/s", reach, median(rates), None, note, rates)
    yield Row("  per second of processor time", "/s", None, median([count / run.cpu for run in runs]))


def file(options: Options) -> Iterator[Row]:
    count = options.size(500_000, 20_000)
    made, path = options.cache / f"auth-{count}.log", options.cache / "auth.log"
    if not made.exists():
        say(f"making a log of {count:,} lines, which is kept in {made}")
        half = made.with_suffix(".new")
        half.write_text("".join(auth_log(count, mixed_addresses(4000), _BEGIN, 0.01)))
        half.rename(made)
    runs = [_read_file(made, path) for _ in range(options.size(5, 1))]
    say(f"nfjail: {count / median([run.wall for run in runs]):,.0f}/s")
    note = f"{_outcome(runs[0])}; to read the lines and try the filter on each, and nothing else: {count / _floor(made):,.0f}/s"
    yield from _rates("auth.log lines read, matched and counted (55 % failures)", note, 500_000, count, runs)
    more, less = options.size(500_000, 10_000), options.size(40_000, 1_000)
    ours = _catch_up(Nfjail(nfjail_config("file")), more)
    theirs = _catch_up(Fail2ban(options.fail2ban, fail2ban_config("auto")), less) if options.fail2ban else None
    note = (
        f"{more:,} lines ({less:,} for fail2ban) appended at once to the log of the running daemon, until the address "
        "in the last ones is banned; nobody else is"
    )
    yield Row("  the same, by the whole daemon", "/s", None, ours[0], theirs[0] if theirs else None, note)
    yield Row("  and per second of its processor time", "/s", None, ours[1], theirs[1] if theirs else None)


def _read_file(made: Path, path: Path) -> Run:
    """The log appears at path, so that all of it is new."""
    path.unlink(missing_ok=True)
    intake, engine = set_up(f'[jail.sshd]\nenabled = true\nbackend = "file"\nlogpath = ["{path}"]\n')
    assert not list(intake.read(_BEGIN))
    os.link(made, path)
    run = read_all(intake, engine)
    path.unlink()
    return run


def _floor(made: Path) -> float:
    """Seconds of what cannot be saved: reading, splitting, and one match a line."""
    _, engine = set_up('[jail.sshd]\nenabled = true\nbackend = "file"\nlogpath = ["/nonexistent"]\n')
    probe = engine.jails["sshd"].rules.filter.probe
    log, begin = LogFile(str(made)), time.monotonic()
    while not log.at_end:
        for line in log.read(262_144) or ():
            probe(line, line.find(": ") + 2)
    log.close()
    return time.monotonic() - begin


def _catch_up(daemon: Daemon, count: int) -> tuple[float, float]:
    """Lines a second, of time and of processor time."""
    empty_firewall()
    LOG.unlink(missing_ok=True)
    LOG.touch()
    daemon.start()
    last = addresses(1)[0]
    with closing(Kernel()) as kernel, LOG.open("ab", buffering=0) as log:
        now = time.time()
        many = addresses(count, first=1000)  # each fails once at most
        text = "".join(auth_log(count, many, now - 60, 60 / count)) + as_line(failure(last), now) * MAXRETRY
        data = text.encode()
        del text, many
        time.sleep(0.5)
        used, begin = cpu(daemon.pid), time.monotonic()
        log.write(data)
        wall = kernel.wait_for([last], 60) - begin
    used = cpu(daemon.pid) - used
    daemon.stop()
    os.truncate(LOG, 0)
    return count / wall, count / used
