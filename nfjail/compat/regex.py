"""The command fail2ban-regex, by nfjail's own matcher: its options, what it prints where scripts look, its exit codes.

What it prints is what fail2ban-regex 1.1.0 prints. Exit code 0: it ran, whether or not anything matched; 255: it could not.
`nfjail test` tells more.
"""

from __future__ import annotations

import locale
import os
import sys
import time
from collections.abc import Iterable, Iterator
from optparse import OptionParser, Values

from nfjail.cli.test_clock import use_zone
from nfjail.compat.regex_filter import RegexError, Tested, find_tested, with_ignored
from nfjail.compat.regex_lines import Examiner
from nfjail.compat.regex_out import printer
from nfjail.compat.regex_report import report, short
from nfjail.core.dates import DatePatternError
from nfjail.core.filter import PatternError
from nfjail.core.journal_line import journal_line, journal_terms, journal_time
from nfjail.errors import NfjailError
from nfjail.fail2ban_log import VERSION

FAILED = 255
JOURNAL = "systemd-journal"

Lines = Iterable[tuple[str, "float | None"]]


def main(arguments: list[str] | None = None) -> int:
    """Runs a command line (default: the process's own). Returns its exit code; optparse may raise SystemExit."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # no locale makes a message fail
    options, words = parser().parse_args(arguments)
    wrong = [f"--print-no-{kind} and --print-all-{kind} are mutually exclusive." for kind in ("missed", "ignored")
             if getattr(options, f"no_{kind}") and getattr(options, f"all_{kind}")]  # fmt: skip
    if len(words) not in (2, 3):
        wrong.append("provide both <LOG> and <REGEX>.")
    if wrong:
        parser().print_help()
        print("", *(f"ERROR: {text}" for text in wrong), sep="\n", file=sys.stderr)
        return FAILED
    try:
        _run(options, words)
        sys.stdout.flush()
    except PatternError as error:
        text = str(error).partition("] ")[2].removesuffix(f": {error.what}")
        print(f"ERROR: No failure-id group in {text}" if "<HOST>" in error.what else f"ERROR: {error}")
        return FAILED
    except (RegexError, DatePatternError, NfjailError) as error:
        print(f"ERROR: {error}")
        return FAILED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    except KeyboardInterrupt:
        return FAILED
    return 0


def parser() -> OptionParser:
    """The options of fail2ban-regex(1)."""
    usage = "%prog [OPTIONS] <LOG> <REGEX> [IGNOREREGEX]"
    made = OptionParser(usage, prog="fail2ban-regex", version=f"%prog {VERSION}")
    add = made.add_option
    add("-c", "--config", default="/etc/fail2ban", help="fail2ban's configuration directory")
    add("-d", "--datepattern", help="where the date stands, and how it is written")
    add("--timezone", "--TZ", help="time zone of dates that name none")
    add("-e", "--encoding", default=locale.getpreferredencoding(False), help="of the file (default: the locale's)")
    add("-r", "--raw", action="store_true", default=False, help="do not resolve host names")
    add("--usedns", help="whether host names are resolved: yes, warn, no or raw")
    add("-L", "--maxlines", type=int, default=0, help="lines that patterns see at once")
    add("-m", "--journalmatch", help="entries of the journal, in place of the filter's")
    add("-V", action="callback", callback=_print_version, help="print the bare version")
    add("-v", "--verbose", action="count", default=0, help="print patterns without hits, and who was found")
    add("--verbosity", dest="verbose", type=int, help="the same, as a number")
    add("--no-check-all", action="store_false", dest="check_all", default=True, help="stop at the first pattern that fits")
    add("-o", "--out", help="print only this of each failure: id, ip, msg, row, a capture, or a text with tags")
    for kind in ("missed", "ignored"):
        add(f"--print-no-{kind}", action="store_true", default=False, dest=f"no_{kind}", help=f"print no {kind} lines")
    for kind in ("matched", "missed", "ignored"):
        add(f"--print-all-{kind}", action="store_true", default=False, dest=f"all_{kind}", help=f"print all {kind} lines")
    nothing = "accepted, and without effect"
    for names in (("-D", "--debuggex"), ("-t", "--log-traceback"), ("--verbose-date", "--VD"), ("--full-traceback",)):
        add(*names, action="store_true", default=False, help=nothing)
    add("-l", "--log-level", help=nothing)
    return made


def _print_version(*_: object) -> None:
    print(VERSION)
    sys.exit(0)


def _run(options: Values, words: list[str]) -> None:
    say = (lambda _: None) if options.out else print
    say("\nRunning tests\n=============\n")
    log = words[0]
    if options.timezone:
        use_zone(options.timezone)
    tested = find_tested(words[1], options, "journal" if log.startswith(JOURNAL) else "file", say)
    if len(words) == 3:
        tested = with_ignored(tested, words[2], options, say)
    examiner = Examiner(tested.spec, options)
    lines = _lines(log, tested, options, say)
    say("")
    began = time.time()
    if options.out:
        show = printer(options.out)
        for line, when in lines:
            for failure in examiner.failures(line, when):
                show(failure)
        return
    for line, when in lines:
        examiner.examine(line, when)
    for text in report(tested.spec, examiner, options, time.time() - began):
        print(text)


def _lines(log: str, tested: Tested, options: Values, say: object) -> Lines:
    assert callable(say)
    if os.path.isfile(log):
        say(f"Use         log file : {log}\nUse         encoding : {options.encoding}")
        return _file(log, options.encoding)
    if log.startswith(JOURNAL):
        matches = [options.journalmatch] if options.journalmatch is not None else tested.spec.journalmatch
        say(f"Use         systemd journal\nUse         encoding : {options.encoding}")
        if matches:
            say(f"Use    journal match : {' '.join(matches)}")
        return _journal(log, matches)
    if tested.spec.maxlines <= 1 and "\n" not in log:
        say(f"Use      single line : {short(log)}")
        return [(log, None)]
    texts = log.split("\n")
    say(f"Use      multi line : {len(texts)} line(s)")
    for number, text in enumerate(texts[:5], 1):
        say(f"| {number:>2}: {short(text)}")
    say("| ...\n`-" if len(texts) > 5 else "`-")
    return [(text, None) for text in texts]


def _file(path: str, encoding: str) -> Iterator[tuple[str, float | None]]:
    with open(path, "rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # fail2ban takes the last line for unfinished without
                yield line.decode(encoding, "replace"), None


def _journal(log: str, matches: Iterable[str]) -> Iterator[tuple[str, float | None]]:
    from nfjail.fail2ban.call import parse_call
    from nfjail.source.journal import JournalSource

    def sift(message: str, get: object, here: object, _now: float) -> list[tuple[str, float]]:
        assert callable(get)
        assert callable(here)
        return [(journal_line(message, get), journal_time(get, 0.0) or here()[0])]

    _, parameters = parse_call(log)
    now = time.time()
    source = JournalSource(parameters.get("journalpath"), journal_terms(matches), sift, None, now, now)
    try:
        while source.more:
            yield from source.read(now).found
    finally:
        source.close()
