"""`nfjail test`: what does a filter make of these lines?"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, repeat

from nfjail.cli.test_clock import parse_now, use_zone
from nfjail.cli.test_filters import FAIL2BAN, Trial, find_filter, probes
from nfjail.cli.test_input import Batch, Block, find_input
from nfjail.cli.test_json import MEANING, all_of, json_writer
from nfjail.cli.test_output import MANY, Tally, Timing, emit, explain, report, text
from nfjail.core.journal_line import journal_terms
from nfjail.core.sight import Sight
from nfjail.core.whom import Judge

HELP = "try a filter or a pattern on a line, a file or the journal"
EXAMPLES = f"""\
  nfjail test sshd /var/log/auth.log           the filter of conf.d, on a file
  nfjail test 'sshd[mode=aggressive]' journal  on the journal, in another mode
  nfjail test '^ app: login of <F-USER>.*</F-USER> failed from <HOST>$' \\
      'Nov 22 02:03:04 app: login of x failed from 192.0.2.7'
  nfjail test {FAIL2BAN}sshd /var/log/auth.log  fail2ban's, from /etc/fail2ban
  nfjail test '{FAIL2BAN}./filter.d/my.conf[mode=ddos]' --json < my.log

{MEANING}

exit codes: 0 there are failures in it (with --json always), 1 there are none,
2 wrong usage, 66 the input cannot be read, 78 the filter cannot be used"""

_SAMPLE = 200  # lines for which the time of each pattern is taken


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("filter", metavar="FILTER|REGEX", help=f"a filter of conf.d, {FAIL2BAN}NAME|PATH, or a pattern")
    what = "what to try it on; journal:FOLDER: another journal; -: standard input (the default)"
    parser.add_argument("input", metavar="LINE|FILE|journal", nargs="?", help=what)
    parser.add_argument("--json", action="store_true", help="print one JSON object for each line")
    parser.add_argument("-v", "--verbose", action="store_true", help="print what was made of each line")
    parser.add_argument("--all", action="store_true", help="print all missed and ignored lines, and not the last only")
    parser.add_argument("--now", metavar="TIME", help="take this for now (ISO 8601, or seconds since 1970)")
    parser.add_argument("--timezone", metavar="NAME", help="zone of times that name none (Europe/Paris, +0100, CET)")
    parser.add_argument("--encoding", metavar="NAME", default="utf-8", help="of the lines (default: utf-8)")
    parser.add_argument("--config", metavar="DIR", help="read DIR/conf.d/*.toml (default: /etc/nfjail)")
    parser.add_argument("--journalmatch", metavar="MATCH", action="append", help="which entries of the journal to read")
    only = parser.add_argument_group("in place of what the filter says (patterns and fail2ban's filters only)")
    only.add_argument("--ignoreregex", metavar="REGEX", action="append", help="one more pattern of lines to be ignored")
    only.add_argument("--datepattern", metavar="PATTERN", help="where the date stands, and how it is written")
    only.add_argument("--maxlines", metavar="N", type=_positive, help="how many lines patterns see at once")
    only.add_argument("--usedns", choices=("yes", "warn", "no", "raw"), help="whether a host name is a host")
    only.add_argument("--logtype", choices=("file", "journal"), help="journal: lines come without a date")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("write 1 or more")
    return number


def main(args: argparse.Namespace) -> int:
    """Exit code: see EXAMPLES."""
    if args.timezone:
        use_zone(args.timezone)
    now = time.time() if args.now is None else parse_now(args.now)
    trial = find_filter(args)
    if args.journalmatch:
        trial = trial._replace(terms=journal_terms(args.journalmatch))
    gc.disable()  # nothing here goes round in circles, and there may be millions of lines
    batches = find_input(args.input, trial, now, args.encoding)
    return _print_json(trial, batches, now) if args.json else _print_report(trial, batches, now, args)


def _sights(trial: Trial, batch: Batch | Block, now: float) -> Sequence[Sight]:
    feed, ignores = trial.eye.feed, trial.ignores
    if ignores is None:
        return list(map(feed, batch.lines, repeat(now), batch.times))
    sights = []
    for line, when in zip(batch.lines, batch.times):  # noqa: B905  # there may be more times
        sight = feed(line, now, when)
        missed = sight.result == "missed" and ignores(line, now)
        sights.append(sight._replace(result="ignored") if missed else sight)
    return sights


def _one_by_one(batches: Iterable[Batch | Block]) -> Iterator[Batch]:
    for batch in batches:
        for line, when in zip(batch.lines, batch.times):  # noqa: B905  # there may be more times
            yield Batch([line], [when])


def _print_json(trial: Trial, batches: Iterator[Batch | Block], now: float) -> int:
    write, first = json_writer(Judge(trial.spec.usedns if trial.spec else "no")), 1
    for batch in batches:
        sights = _sights(trial, batch, now)
        emit(all_of(write, first, sights))  # whoever writes lines into a pipe may wait for the answer
        first += len(sights)
    return 0


def _print_report(trial: Trial, batches: Iterator[Batch | Block], now: float, args: argparse.Namespace) -> int:
    tally, sample = Tally(trial, args.all), _Sample()
    began, interrupted = time.perf_counter(), False
    try:
        for batch in _one_by_one(batches) if args.verbose else batches:
            if trial.sift and not args.all and isinstance(batch, Block) and len(batch.lines) > MANY:
                tally.sift(batch.lines, trial.sift(batch.lines, batch.text, now))
                sample.add(batch.lines)
                continue
            sights, lines = _sights(trial, batch, now), batch.lines
            sample.add(lines)
            tally.add(lines, sights)
            if args.verbose:
                emit(text(explain(tally.lines, lines[0], sights[0], trial.eye, now)))
    except KeyboardInterrupt:  # enough; but what was found is told
        interrupted = True
    took = time.perf_counter() - began
    emit(text(report(tally, _timings(trial, sample.lines, now), took, now)))
    return 130 if interrupted else 0 if tally.results["failure"] else 1


class _Sample:
    """A few of the lines, from all over the input."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._every, self._done = 1, 0

    def add(self, lines: Sequence[str]) -> None:
        self.lines += lines[-self._done % self._every :: self._every]
        self._done += len(lines)
        self._thin_out()

    def _thin_out(self) -> None:
        while len(self.lines) >= 2 * _SAMPLE:
            self.lines = self.lines[::2]
            self._every *= 2


def _timings(trial: Trial, lines: list[str], now: float) -> list[Timing]:
    """How long each pattern takes by itself."""
    seen = [each for line in islice(lines, _SAMPLE) if (each := trial.eye.seen(line, now)) is not None]
    if not seen:
        return []
    timings = []
    for probe in probes(trial):
        total = worst = 0.0
        for each in seen:
            began = time.perf_counter()
            probe(each, 0)
            took = time.perf_counter() - began
            total, worst = total + took, max(worst, took)
        timings.append(Timing(total / len(seen), worst))
    return timings
