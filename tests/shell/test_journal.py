"""Reading the journal: every case of journal_cases.py, each beside a private, real journald."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType

import pytest

from nfjail.errors import NfjailError
from nfjail.source.journal import JournalSource
from tests.shell import journal_cases

CASES = [
    name
    for name, case in vars(journal_cases).items()
    if isinstance(case, FunctionType) and case.__module__ == journal_cases.__name__
    if case.__code__.co_argcount == 0 and name != "sync"
]
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("case", CASES)
def test_beside_a_real_journald(case: str, bed: Path) -> None:
    command = [bed / "journald.sh", sys.executable, "-m", "tests.shell.journal_cases", case]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_missing_folder_is_a_clear_error() -> None:
    with pytest.raises(NfjailError, match=r"/nonexistent cannot be opened: No such file") as caught:
        JournalSource("/nonexistent", [], lambda *_: [], None, 0.0, 0.0)
    assert "journal.path" in caught.value.advice
