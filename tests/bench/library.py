"""What the whole library of conf.d costs when every jail is on: the start, memory, and the reading of a mixed journal."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence

from lines import access_log
from parts import Nfjail, Options, Row, median, rss, say
from reading import JAIL, made_journal, read_all, set_up

from nfjail.config import load
from nfjail.core.literals import Literals
from nfjail.core.route import Page, sift_lines
from nfjail.core.syslog import Stamps


def library(options: Options) -> Iterator[Row]:
    everything = _everything()
    daemon = Nfjail(everything)
    yield Row(f"nfjail check, {everything.count('[jail.')} jails enabled, whole process", "s", 1,
              median([_check(daemon) for _ in range(options.size(5, 1))]))  # fmt: skip
    daemon.start()
    time.sleep(options.size(5, 1))
    yield Row("RSS with all of them", "MB", 45, rss(daemon.pid))
    daemon.stop()
    yield from _mixed(options, everything)
    yield from _access(options)


def _everything() -> str:
    """Every shipped jail. Those that have no pattern in their usual mode are taken in the one that they have."""
    texts = []
    for jail in load(None, runtime="/nonexistent", check_all=True).jails:
        usual = jail.filter.failregex or jail.backend == "history"
        texts.append(f'[jail."{jail.name}"]\nenabled = true\n' + ("" if usual else 'mode = "forgeable"\n'))
    return "".join(texts)


def _check(daemon: Nfjail) -> float:
    begin = time.monotonic()
    command = daemon.command("check", "--config", str(daemon.folder / "etc"))
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begin


def _mixed(options: Options, everything: str) -> Iterator[Row]:
    count = options.size(1_000_000, 20_000)
    journal = f'[journal]\npath = "{made_journal(options.cache / f"journal-{count}", count)}"\n'
    alone: list[float] = []
    every: list[float] = []
    for _ in range(options.size(3, 1)):
        alone.append(count / read_all(*set_up(journal + JAIL.format("sshd")), counted=False).cpu)
        every.append(count / read_all(*set_up(journal + everything), counted=False).cpu)
    say(f"{median(every):,.0f}/s with every jail, {median(alone):,.0f}/s with sshd's")
    yield Row("entries of the mixed journal, every jail enabled, per second of processor time", "/s", None, median(every))
    ratios = [one / other for one, other in zip(every, alone, strict=True)]
    note = f"that does {median(alone):,.0f}/s: the journal's index skips what is not sshd's. 80 % are some service's failures"
    yield Row("  times the shipped jail alone", "x", 0.5, median(ratios), None, note, ratios)


def _access(options: Options) -> Iterator[Row]:
    """A web server's log, 2 % of whose lines somebody's searches for holes."""
    lines = access_log(options.size(200_000, 5_000))
    for name in ("web-botsearch", "web-exploit", "web-auth"):
        _, engine = set_up(f'[jail.bench]\nenabled = true\nfilter = "{name}"\nbackend = "file"\nlogpath = ["/nonexistent"]\n')
        jail = engine.jails["bench"]
        literals = Literals([piece.regex for piece in jail.rules.filter.pieces()])
        times = []
        for _ in range(options.size(5, 1)):
            begin, found = time.process_time(), 0
            for at in range(0, len(lines), 1300):  # about a block of a file
                found += len(_sift(literals.lines(lines[at : at + 1300]), jail))
            times.append(time.process_time() - begin)
        yield Row(f"access log, filter {name}", "/s", None, len(lines) / median(times), None, f"{found:,} hits")


def _sift(lines: Sequence[str], jail: object) -> list[object]:
    return list(sift_lines(Page("", lines, iter(lines), 0.0), jail, Stamps(0.0), 0.0, lambda *_: None))  # type: ignore[arg-type]
