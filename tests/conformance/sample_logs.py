"""fail2ban's sample logs: lines, and comments before them that say what a line has to yield, and with which options.

# filterOptions: {"mode": "ddos"}                              the options of the filter for the lines that follow
# failJSON: {"match": true, "host": "192.0.2.1", "time": ...}  what the next line has to yield
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from packages import config_of, sample_logs

# The annotations were made for this moment and this zone: 2005-08-14 12:00:00 CEST.
NOW = 1124013600.0
ZONE = "CET-01CEST-02,M3.5.0,M10.5.0"

Options = dict[str, Any]

_DIRECTIVE = re.compile(r"#+ ?(failJSON|fileOptions|filterOptions|addFILE):(.+)")


class Sample(NamedTuple):
    """One line under one set of options."""

    file: str
    number: int
    line: str
    wanted: dict[str, Any]  # empty: nothing is said, so the line is no failure
    options: Options

    @property
    def parameters(self) -> dict[str, str]:
        """What the filter is read with."""
        return {name: value for name, value in self.options.items() if not name.startswith("test.")}

    @property
    def journal(self) -> bool:
        return self.options.get("logtype") == "journal"

    @property
    def place(self) -> str:
        return f"{self.file}:{self.number} {self.parameters}"


def names(suite: str) -> list[str]:
    """The filters that have samples: each that can be used by itself, and two of fail2ban's own tests."""
    files = [path for name in ("", "zzz-") for path in config_of(suite, name).glob(f"filter.d/{name}*.conf")]
    return sorted(path.stem for path in files if not path.stem.endswith("common"))


def samples(suite: str, name: str) -> Iterator[Sample]:
    """The samples of the filter of that name, in their order: what one line says may depend on those before."""
    files, options, common = [name], [Options()], Options()
    for file in files:
        lines = _read(sample_logs(suite) / file)
        wanted: dict[str, Any] = {}
        for number, line in lines:
            directive = _DIRECTIVE.fullmatch(line)
            if directive is None:
                if wanted or (line.strip() and not line.startswith("#")):
                    yield from _under(Sample(file, number, line, wanted, {}), options, name)
                wanted = {}
                continue
            kind, value = directive[1], json.loads(directive[2])
            if kind == "failJSON":
                wanted = value
            elif kind == "fileOptions":
                common = value
            elif kind == "addFILE":
                files.append(value)
            else:
                options = [{**common, **one} for one in (value if isinstance(value, list) else [value])]


def _under(sample: Sample, options: list[Options], name: str) -> Iterator[Sample]:
    constraint = sample.wanted.get("constraint", "True")
    for opts in options:
        condition = opts.get("test.condition", "True")
        if eval(condition, {"name": name}) and eval(constraint, {"name": name, "opts": opts}):
            line = opts.get("test.prefix-line", "") + sample.line if opts.get("logtype") == "journal" else sample.line
            yield sample._replace(line=line, options=opts)


def _read(path: Path) -> Iterator[tuple[int, str]]:
    text = path.read_text(encoding="utf-8", errors="replace")
    return ((i, line.rstrip("\r")) for i, line in enumerate(text.split("\n"), 1))
