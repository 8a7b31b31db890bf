"""A log is written and rotated by another process while it is read, sometimes by a daemon that is killed again and again."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from file_bed import NOW, Reader, reading

LINES = 20_000
ROTATIONS = 8

# Writes numbered lines in bursts and rotates in between; says "done" at the end. Line and rotation never overlap, as a line
# that is written between copy and truncation is lost by copytruncate itself.
WRITER = """
import os, shutil, sys, time
path, way, lines, rotations = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
log = open(path, "a", buffering=1)
def shift():
    for i in range(rotations + 1, 0, -1):
        if os.path.exists(f"{path}.{i}"):
            os.rename(f"{path}.{i}", f"{path}.{i + 1}")
late = 0
for i in range(lines):
    if i and i % (lines // (rotations + 1)) == 0:
        shift()
        if way == "rename":
            os.rename(path, f"{path}.1")
            open(path, "a").close()
            late = 40  # the writer is told only some lines later that its file has been renamed
        else:
            shutil.copy(path, f"{path}.1")
            os.truncate(path, 0)
    if late:
        late -= 1
        if not late:
            log.close()
            log = open(path, "a", buffering=1)
    log.write(f"2026-11-22T14:15:01.{i:06d}+00:00 host sshd[1]: line {i}\\n")
    if i % 97 == 0:
        time.sleep(0.002)
"""


@contextmanager
def written(path: Path, way: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", WRITER, str(path), way, str(LINES), str(ROTATIONS)]
    writer = subprocess.Popen(command)
    try:
        yield writer
        assert writer.returncode == 0
    finally:
        writer.kill()
        writer.wait()


def numbers(lines: list[str]) -> list[int]:
    return [int(line.rpartition(" ")[2]) for line in lines]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.touch()
    return path


@pytest.mark.parametrize("way", ["rename", "copytruncate"])
def test_rotated_under_load(path: Path, way: str) -> None:
    with reading(path) as reader:
        seen = reader.read()
        with written(path, way) as writer:
            while writer.poll() is None:
                select.select([reader.source.fileno()], [], [], 0.05)
                seen += reader.read()
            seen += reader.read()
    assert numbers(seen) == list(range(LINES))


@pytest.mark.parametrize("way", ["rename", "copytruncate"])
def test_rotated_under_load_and_read_by_one_that_sleeps_too_long(path: Path, way: str) -> None:
    with reading(path) as reader:
        seen = reader.read()
        with written(path, way) as writer:
            while writer.poll() is None:
                time.sleep(0.11)
                seen += reader.read(limit=20_000)
            seen += reader.read()
    assert sorted(numbers(seen)) == list(range(LINES))


@pytest.mark.parametrize("way", ["rename", "copytruncate"])
def test_rotated_under_load_and_read_by_one_that_is_killed_all_the_time(path: Path, way: str) -> None:
    seen: list[str] = []
    with reading(path) as reader:
        reader.read()
    with path.open("w") as log:  # so that there is a position before the first rotation
        log.write("2026-11-22T14:15:00.000000+00:00 host sshd[1]: line -1\n")
    positions: dict[str, str] = {}
    with written(path, way) as writer:
        while True:
            ended = writer.poll() is not None
            reader = Reader(path, positions=positions, since=NOW if positions else NOW - 60)
            for _ in range(3):
                for batch in reader.source.read(NOW, 10_000):
                    if not batch.replayed:
                        seen += batch.lines
                        positions[batch.path] = batch.position
            more = reader.source.more
            reader.source.close()
            if ended and not more:
                break
    assert sorted(numbers(seen)) == list(range(-1, LINES))
