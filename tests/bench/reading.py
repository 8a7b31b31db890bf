"""How many log entries and lines a second nfjail reads, matches and counts: its own sources, filters, jails and engine."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

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
from nfjail.core.model import Ban, Decision, Subject
from nfjail.engine import Engine
from nfjail.exempt import Ignored
from nfjail.intake import Intake

_BEGIN = 1_767_225_600.0  # 2026-01-01, as genexport.py's entries

# What else genexport.py's services log, so that four jails want 80 % of all entries.
_MORE_JAILS = r"""
[filter.postfix]
identifier = ["postfix/smtpd"]
journalmatch = ["_SYSTEMD_UNIT=postfix@-.service"]
failregex = ['^warning: \S+\[<HOST>\]: SASL \w+ authentication failed: ']
[filter.dovecot]
identifier = ["dovecot"]
journalmatch = ["_SYSTEMD_UNIT=dovecot.service"]
failregex = ['^(?:imap|pop3)-login: Disconnected: .*\(auth failed, \d+ attempts in \d+ secs\): user=<<F-USER>[^>]*</F-USER>>, method=\S+, rip=<HOST>, ']
[filter.nginx]
identifier = ["nginx"]
journalmatch = ["_SYSTEMD_UNIT=nginx.service"]
failregex = ['^<HOST> - \S+ "GET /wp-login\.php HTTP/[\d.]+" 404 ']
"""
_JAIL = '[jail.{0}]\nenabled = true\nfilter = "{0}"\nport = ["all"]\nbackend = "journal"\n'


class _NoStore:
    def commit(self, decisions: Sequence[Decision], positions: Mapping[str, str], now: float) -> None: ...
    def count(self, jail: str | None, subject: Subject) -> int:
        return 0

    def replace(self, bans: object, positions: Mapping[str, str], now: float) -> None: ...


class _NoKernel:
    def apply(self, decisions: Sequence[Decision], now: float) -> None: ...
    def sync(self, bans: object, now: float) -> None: ...


def journal(options: Options) -> Iterator[Row]:
    count = options.size(1_000_000, 20_000)
    folder = _made_journal(options.cache / f"journal-{count}", count)
    plain = [_journalctl(folder) for _ in range(options.size(3, 1))]
    say(f"journalctl: {count / median(plain):,.0f}/s")
    where = f'[journal]\npath = "{folder}"\n'
    shipped = f"{where}{_JAIL.format('sshd')}"
    four = shipped + _MORE_JAILS + "".join(_JAIL.format(name) for name in ("postfix", "dovecot", "nginx"))
    for number, (jails, toml) in enumerate((("four jails want 80 % of them", four), ("the shipped jail wants 45 %", shipped))):
        runs = [_read(toml, _BEGIN, _BEGIN + 10 * 86400) for _ in range(options.size(3, 1))]
        wall = [count / run[0] for run in runs]
        figure = f"entries of a {count:,}-entry journal read and matched, {jails}"
        note = f"journalctl -o cat >/dev/null on it: {count / median(plain):,.0f}/s; {runs[0][2]:,} bans"
        yield Row(figure, "/s", 400_000, median(wall), None, note, wall)
        yield Row("  per second of processor time", "/s", None, median([count / run[1] for run in runs]))
        say(f"nfjail: {median(wall):,.0f}/s ({number + 1} of 2)")


def _made_journal(folder: Path, count: int) -> Path:
    if not folder.exists():
        say(f"making a journal of {count:,} entries, which is kept in {folder}")
        half = folder.with_suffix(".new")
        shutil.rmtree(half, ignore_errors=True)
        subprocess.run([str(BED / "make-journal.sh"), str(count), str(half)], check=True, stdout=subprocess.DEVNULL)
        half.rename(folder)
    return folder


def _journalctl(folder: Path) -> float:
    begin = time.monotonic()
    subprocess.run(["journalctl", "-D", str(folder), "-o", "cat"], check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def _read(toml: str, begin: float, now: float) -> tuple[float, float, int]:
    """Reads all that the configured sources hold, as the daemon does; seconds, processor seconds, bans."""
    folder = Path("/run/bench-config")
    (folder / "conf.d").mkdir(parents=True, exist_ok=True)
    (folder / "conf.d/bench.toml").write_text(toml)
    config = load(str(folder))
    jails = make_jails(config, Ignored((), {}, ()))
    engine = Engine(_NoStore(), _NoKernel(), lambda: 0.0)
    engine.replace_jails(jails)
    gc.collect()
    gc.freeze()
    bans = 0
    wall, used = time.monotonic(), time.process_time()
    with closing(Intake(config, jails, {}, begin, replay=True)) as intake:
        more = True
        while more:
            for reading in intake.read(now):
                decisions = engine.digest(reading.sightings, reading.replayed)
                bans += sum(isinstance(decision, Ban) for decision in decisions)
                if decisions:
                    engine.carry_out(decisions, now)
            engine.carry_out(engine.expire(now), now)
            more = intake.more
    return time.monotonic() - wall, time.process_time() - used, bans


def file(options: Options) -> Iterator[Row]:
    count = options.size(500_000, 20_000)
    path = options.cache / f"auth-{count}.log"
    if not path.exists():
        say(f"making a log of {count:,} lines, which is kept in {path}")
        half = path.with_suffix(".new")
        half.write_text("".join(auth_log(count, mixed_addresses(4000), _BEGIN, 0.01)))
        half.rename(path)
    toml = f'[jail.sshd]\nenabled = true\nbackend = "file"\nlogpath = ["{path}"]\n'
    runs = [_read(toml, _BEGIN, _BEGIN + 10 * 86400) for _ in range(options.size(5, 1))]
    wall = [count / run[0] for run in runs]
    say(f"nfjail: {median(wall):,.0f}/s")
    more = options.size(500_000, 10_000)
    ours = _catch_up(Nfjail(nfjail_config("file")), more)
    less = options.size(40_000, 1_000)
    theirs = _catch_up(Fail2ban(options.fail2ban, fail2ban_config("auto")), less) if options.fail2ban else None
    note = f"by the classes of the daemon in one process; {runs[0][2]:,} bans"
    yield Row("auth.log lines read, matched and counted (55 % failures)", "/s", 500_000, median(wall), None, note, wall)
    yield Row("  per second of processor time", "/s", None, median([count / run[1] for run in runs]))
    note = (f"{more:,} lines ({less:,} for fail2ban) appended at once to the log of the running daemon, until the address "
            "in the last ones is banned; nobody else is")  # fmt: skip
    yield Row("  the same, by the whole daemon", "/s", None, ours[0], theirs[0] if theirs else None, note)
    yield Row("  and per second of its processor time", "/s", None, ours[1], theirs[1] if theirs else None)


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
