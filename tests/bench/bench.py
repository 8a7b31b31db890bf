"""Measures the figures that nfjail must reach, and fail2ban's on the same machine in the same run: see packaging/bench."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["PYTHONPATH"] = str(ROOT)  # for the helpers that are started as processes of their own

import filters  # noqa: E402 (they need nfjail)
import idle  # noqa: E402
import latency  # noqa: E402
import library  # noqa: E402
import reading  # noqa: E402
import volume  # noqa: E402
from parts import BED, Options, Row, say  # noqa: E402


class Benchmark(NamedTuple):
    """limit: seconds, after which it is ended."""

    what: str
    limit: float
    run: Callable[[Options], Iterator[Row]]


BENCHMARKS = {
    "file": Benchmark("from a line in a log file to the kernel", 120, latency.from_file),
    "journal": Benchmark("from a journald under attack to the kernel", 120, latency.from_journal),
    "burst": Benchmark("2,000 attackers at once", 120, volume.burst),
    "start": Benchmark("start with 100,000 bans", 150, volume.start),
    "read-journal": Benchmark("reading a journal of 1,000,000 entries", 240, reading.journal),
    "read-file": Benchmark("reading an auth.log of 500,000 lines", 120, reading.file),
    "filters": Benchmark("fail2ban's own filters on 200,000 lines each", 240, filters.filters),
    "library": Benchmark("every jail of conf.d enabled", 240, library.library),
    "ctl": Benchmark("a ban by hand", 60, idle.by_hand),
    "idle": Benchmark("memory and wake-ups while nothing is logged", 90, idle.idle),
}
_CACHE = Path(tempfile.gettempdir()) / "nfjail-bench"


def main() -> int:
    args = _arguments()
    options = Options(args.quick, args.fail2ban, args.cache)
    if args.inside:
        rows = [row._asdict() for row in BENCHMARKS[args.inside].run(options)]
        args.json.write_text(json.dumps(rows))
        return 0
    args.cache.mkdir(parents=True, exist_ok=True)
    begin, load = time.monotonic(), os.getloadavg()
    say(f"load average {load[0]:.1f}, {os.cpu_count()} processors")
    results = {name: _in_bed(name, args) for name in args.names or BENCHMARKS}
    machine = _machine(load, args.fail2ban)
    _print(machine, results)
    if args.json:
        rows = [{"benchmark": name, **row._asdict()} for name, found in results.items() for row in found or ()]
        args.json.write_text(json.dumps({**machine, "figures": rows}, indent=1) + "\n")
    say(f"done in {time.monotonic() - begin:.0f} s")
    return 1 if any(found is None for found in results.values()) else 0


def _arguments() -> argparse.Namespace:
    lines = [f"  {name:13} {one.what}" for name, one in BENCHMARKS.items()]
    parser = argparse.ArgumentParser(
        prog="packaging/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="\n".join(["benchmarks (all, if none is named):", *lines]),
    )  # fmt: skip
    parser.add_argument("names", metavar="NAME", nargs="*", choices=[*BENCHMARKS, []], help="which ones")
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures there")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: only to see that it works")
    parser.add_argument("--fail2ban", metavar="DIR", type=Path, help="Debian's package, unpacked; without, only nfjail runs")
    parser.add_argument("--cache", metavar="DIR", type=Path, default=_CACHE, help=f"kept between runs (default: {_CACHE})")
    parser.add_argument("--inside", choices=list(BENCHMARKS), help=argparse.SUPPRESS)
    return parser.parse_args()


def _in_bed(name: str, args: argparse.Namespace) -> list[Row] | None:
    """Runs one benchmark beside a private journald, in namespaces of its own. None: it failed."""
    one = BENCHMARKS[name]
    say(f"{name}: {one.what}")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "rows.json")
        command = [BED / "journald.sh", sys.executable, __file__, "--inside", name, "--json", out, "--cache", args.cache]
        command += ["--quick"] if args.quick else []
        command += ["--fail2ban", args.fail2ban] if args.fail2ban else []
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL) as bed:
            alarm = threading.Timer(one.limit, bed.terminate)
            alarm.start()
            status = bed.wait()
            alarm.cancel()
        took = time.monotonic() - begin
        say(f"{name}: {took:.0f} s" if status == 0 else f"{name}: FAILED after {took:.0f} s (status {status})")
        return [Row(**row) for row in json.loads(out.read_text())] if status == 0 else None


def _machine(load: tuple[float, float, float], fail2ban: Path | None) -> dict[str, object]:
    info = next(fail2ban.glob("usr/lib/python3/dist-packages/fail2ban-*"), None) if fail2ban else None
    version = info.name.split("-")[1].removesuffix(".egg") if info else None
    return {"load": load, "processors": os.cpu_count(), "kernel": os.uname().release,
            "python": sys.version.split()[0], "fail2ban": version}  # fmt: skip


def _print(machine: dict[str, object], results: dict[str, list[Row] | None]) -> None:
    rows = [row for found in results.values() for row in found or ()]
    header = ("FIGURE", "REACH", "NFJAIL", "", f"FAIL2BAN {machine['fail2ban'] or ''}".rstrip())
    cells = [header]
    notes: list[str] = []
    for row in rows:
        note = ""
        if row.note:
            notes.append(row.note)
            note = f" ({len(notes)})"
        cells.append((row.figure + note, _value(row.reach, row.unit), _value(row.nfjail, row.unit), _verdict(row),
                      _value(row.fail2ban, row.unit)))  # fmt: skip
    widths = [max(len(cell[column]) for cell in cells) for column in range(len(header))]
    for figure, reach, ours, verdict, theirs in cells:
        print(f"{figure:{widths[0]}}  {reach:>{widths[1]}}  {ours:>{widths[2]}}  {verdict:{widths[3]}}  {theirs:>{widths[4]}}")
    for number, note in enumerate(notes, 1):
        print(f"({number}) {note}")
    for name, found in results.items():
        if found is None:
            print(f"{name}: FAILED, see above")


def _verdict(row: Row) -> str:
    if row.reach is None or row.nfjail is None:
        return ""
    more_is_better = row.unit in ("/s", "x")
    return "yes" if (row.nfjail >= row.reach if more_is_better else row.nfjail <= row.reach) else "NO"


def _value(value: float | None, unit: str) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f} {unit}" if value >= 100 or value == int(value) else f"{value:.3g} {unit}"


if __name__ == "__main__":
    sys.exit(main())
