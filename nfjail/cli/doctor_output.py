"""How `nfjail doctor` shows what it has found: by sections, each finding with its mark, or as JSON."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Sequence

from nfjail import __version__
from nfjail.cli import ctl_output
from nfjail.doctor import MARKS, SECTIONS, Finding, plural
from nfjail.doctor.machine import Machine
from nfjail.text import printable

_MARK = 11  # columns
_ADVICE = " " * (_MARK + 4)


def needs_attention(found: Sequence[Finding]) -> bool:
    return any(one.mark in ("warning", "problem") for one in found)


def say(found: Sequence[Finding], machine: Machine) -> None:
    width = max(50, shutil.get_terminal_size((100, 24)).columns)
    for section in SECTIONS:
        ctl_output.say(section)
        own = [one for one in found if one.section == section]
        for one in own:
            _say(one, width)
        if not own:
            ctl_output.say(f"  {'ok':<{_MARK - 2}}nothing to tell")
        ctl_output.say("")
    ctl_output.say(_verdict(found))
    if not machine.is_root:
        ctl_output.say("seen with the rights of an ordinary user: root sees more (sudo nfjail doctor)")


def _say(one: Finding, width: int) -> None:
    """What is so is wrapped; what is to be written or called stays as it is."""
    text = printable(one.what)
    lines = textwrap.wrap(text, width - _MARK, break_long_words=False, break_on_hyphens=False) or [""]
    ctl_output.say(f"  {one.mark:<{_MARK - 2}}{lines[0]}")
    for line in lines[1:]:
        ctl_output.say(" " * _MARK + line)
    for line in one.advice:
        ctl_output.say(_ADVICE + line)


def _verdict(found: Sequence[Finding]) -> str:
    count = {mark: sum(one.mark == mark for one in found) for mark in MARKS}
    parts = [plural(count[mark], mark) for mark in ("problem", "warning", "note") if count[mark]]
    told = f": {', '.join(parts)}" if parts else ""
    return ("something needs attention" if needs_attention(found) else "nothing is wrong") + told


def say_as_json(found: Sequence[Finding], machine: Machine) -> None:
    """One object: version, time, uid, worst, findings (section, mark, key, what, advice)."""
    worst = max((one.mark for one in found), key=MARKS.index, default="ok")
    findings = [{**one._asdict(), "advice": list(one.advice)} for one in found]
    ctl_output.say_json(
        {"version": __version__, "time": machine.now, "uid": machine.uid, "worst": worst, "findings": findings}
    )
