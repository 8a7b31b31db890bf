"""The daemon is stopped, the log goes on and is rotated, the daemon is started: no line lost, none twice."""

from __future__ import annotations

import gzip
import logging
import os
import random
import shutil
import time
from pathlib import Path

import pytest
from file_bed import NOW, Reader, append, reading, rename_rotate, stamped
from test_file_rotation import Rotate, both_ways

OLD = [stamped(NOW + i, f"old {i}") for i in range(6)]
NEW = [stamped(NOW + 10 + i, f"new {i}") for i in range(4)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.touch()
    return path


def read_until(path: Path, count: int) -> dict[str, str]:
    """Writes OLD, has count of them read, and returns the position after them."""
    with reading(path) as reader:
        reader.read()
        append(path, *OLD[:count])
        assert reader.read() == OLD[:count]
        append(path, *OLD[count:])
        return reader.positions


@pytest.mark.parametrize("rotations", [0, 1, 2, 3])
@pytest.mark.parametrize("count", range(1, len(OLD) + 1))
@both_ways
def test_restart_at_any_position_with_any_rotation_in_between(
    path: Path, count: int, rotations: int, rotate: Rotate
) -> None:
    positions = read_until(path, count)
    between = [stamped(NOW + 7, f"between {i}") for i in range(rotations)]
    for line in between:
        rotate(path)
        append(path, line)
    with reading(path, positions=positions) as reader:
        assert reader.read() == OLD[count:] + between
        append(path, *NEW)
        assert reader.read() == NEW


@pytest.mark.parametrize("limit", [40, 100, 1000])
@both_ways
def test_restart_in_the_middle_of_catching_up(path: Path, rotate: Rotate, limit: int) -> None:
    positions = read_until(path, 2)
    expected = list(OLD[2:])
    for i in range(3):
        rotate(path)
        lines = [stamped(NOW + 7 + i, f"between {i} {j}") for j in range(5)]
        append(path, *lines)
        expected += lines
    seen: list[str] = []
    for _ in range(40):
        with reading(path, positions=positions) as reader:
            for _ in range(4):
                for batch in reader.source.read(NOW, limit):
                    if not batch.replayed:
                        seen += batch.lines
                        positions[batch.path] = batch.position
    assert seen == expected


def test_late_lines_in_the_renamed_file_are_read_after_a_restart(path: Path) -> None:
    with reading(path) as reader, path.open("a", buffering=1) as writer:
        reader.read()
        writer.write("one\n")
        rename_rotate(path)
        append(path, "two")
        assert reader.read() == ["one", "two"]
        writer.write("late\n")
        append(path, "three")
        with reading(path, positions=reader.positions) as restarted:
            assert restarted.read() == ["late", "three"]


def test_a_rotation_both_before_and_during_the_dead_time(path: Path) -> None:
    positions = read_until(path, 6)
    with reading(path, positions=positions) as reader:
        rename_rotate(path)
        append(path, NEW[0])
        assert reader.read() == [NEW[0]]
        positions = reader.positions
    append(path, NEW[1])
    rename_rotate(path)
    append(path, NEW[2])
    with reading(path, positions=positions) as reader:
        assert reader.read() == NEW[1:3]


def test_an_inode_that_is_used_again_is_another_file(path: Path) -> None:
    positions = read_until(path, 6)
    inode = path.stat().st_ino
    os.truncate(path, 0)
    append(path, *[f"another file {i}" for i in range(40)])  # longer than the position
    assert path.stat().st_ino == inode
    with reading(path, positions=positions) as reader:
        assert reader.read() == [f"another file {i}" for i in range(40)]


def test_a_restored_copy_of_the_file_is_read_on(path: Path) -> None:
    positions = read_until(path, 4)
    copy = path.with_suffix(".copy")
    shutil.copy(path, copy)
    os.rename(copy, path)
    with reading(path, positions=positions) as reader:
        assert reader.read() == OLD[4:]


def test_a_file_that_a_power_cut_made_shorter_is_not_read_again(path: Path) -> None:
    positions = read_until(path, 6)
    os.truncate(path, len("".join(f"{line}\n" for line in OLD[:5])))
    with reading(path, positions=positions) as reader:
        assert reader.read() == []
        append(path, NEW[0])
        assert reader.read() == [NEW[0]]


@both_ways
def test_the_log_is_not_there_at_the_start_but_its_rotated_file_is(path: Path, rotate: Rotate) -> None:
    positions = read_until(path, 3)
    rotate(path)
    os.unlink(path)
    with reading(path, positions=positions) as reader:
        assert reader.read() == OLD[3:]
        append(path, *NEW)
        assert reader.read() == NEW


def test_nothing_is_there_at_the_start_and_the_folder_comes_later(tmp_path: Path) -> None:
    folder, away = tmp_path / "log", tmp_path / "away"
    folder.mkdir()
    path = folder / "auth.log"
    path.touch()
    positions = read_until(path, 3)
    os.rename(folder, away)
    with reading(path, positions=positions) as reader:
        assert reader.read() == []
        os.rename(away, folder)
        assert reader.read() == OLD[3:]


def packed_away(path: Path) -> None:
    """What logrotate's compress does: the packed file keeps the time of the plain one."""
    with gzip.open(f"{path}.gz", "wb") as packed:
        packed.write(path.read_bytes())
    os.utime(f"{path}.gz", ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    os.unlink(path)


def test_the_rest_was_compressed_during_the_dead_time(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    positions = read_until(path, 3)
    later = time.time() + 5000  # than the change that the position knows of
    os.utime(path, (later, later))
    rename_rotate(path)
    append(path, "newer")
    rename_rotate(path)
    packed_away(Path(f"{path}.2"))
    os.utime(f"{path}.1", (later + 1000, later + 1000))
    append(path, "newest")
    with caplog.at_level(logging.WARNING), reading(path, positions=positions) as reader:
        assert reader.read() == ["newer", "newest"]
    assert [r.getMessage() for r in caplog.records] == [
        f"{path}: lines were compressed into {path}.2.gz before they were read, and are missed: "
        "set delaycompress in logrotate"
    ]


def test_no_warning_when_all_was_read_before_it_was_compressed(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    positions = read_until(path, 6)
    rename_rotate(path)
    packed_away(Path(f"{path}.1"))
    append(path, *NEW)
    with caplog.at_level(logging.WARNING), reading(path, positions=positions) as reader:
        assert reader.read() == NEW
    assert not caplog.records


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", "[[1,2]]", '[["a",1,1,1,1,1,1]]', "nonsense"])
def test_a_damaged_position_is_said_and_the_last_minutes_are_read(
    path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    append(path, stamped(NOW - 100, "long ago"), stamped(NOW - 10, "just now"))
    with caplog.at_level(logging.WARNING), reading(path, positions={str(path): text}, since=NOW - 60) as reader:
        assert reader.read() == [stamped(NOW - 10, "just now")]
    assert "the stored position" in caplog.text




@pytest.mark.parametrize("seed", range(60))
@both_ways
def test_whatever_happens_no_line_is_lost_and_none_read_twice(path: Path, rotate: Rotate, seed: int) -> None:
    chance = random.Random(seed)
    written: list[str] = []
    seen: list[str] = []
    reader = Reader(path)
    reader.read()
    for _ in range(chance.randrange(5, 40)):
        event = chance.choice(("write", "write", "write", "write", "rotate", "rotate", "read", "read", "little", "restart"))
        if event == "write":
            lines = [stamped(NOW + i, f"line {i}") for i in range(len(written), len(written) + chance.randrange(1, 8))]
            append(path, *lines)
            written += lines
        elif event == "rotate":
            rotate(path)
        elif event == "read":
            seen += reader.read()
        elif event == "little":
            seen += reader.read_once(limit=chance.randrange(1, 400))
        elif reader.positions:  # without one, what a first start takes for new depends on the time
            reader.source.close()
            reader = Reader(path, positions=reader.positions, since=NOW - chance.choice((0, 5, 100)))
    seen += reader.read()
    reader.source.close()
    assert seen == written
