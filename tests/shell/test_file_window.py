"""Where reading begins: the last minutes are read again, so that counters are as they were."""

from __future__ import annotations

import logging
import os
import time
from pathlib import Path

import pytest
from file_bed import NOW, append, reading, rename_rotate, stamped
from test_file_restart import packed_away
from test_file_rotation import Rotate, both_ways


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "auth.log"


def lines(begin: float, count: int, step: float = 1.0) -> list[str]:
    return [stamped(begin + i * step, f"line {i}") for i in range(count)]


def read_all(path: Path) -> dict[str, str]:
    with reading(path, since=0.0) as reader:
        reader.read()
        return reader.positions


def test_first_start_lines_from_since_on_are_new(path: Path) -> None:
    written = lines(NOW - 100, 100)
    append(path, *written)
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == written[60:]
        assert reader.replayed == []


def test_first_start_of_a_file_in_which_all_is_old(path: Path) -> None:
    append(path, *lines(NOW - 1000, 10))
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == []
        append(path, "new")
        assert reader.read() == ["new"]


def test_first_start_a_line_without_a_time_has_that_of_the_line_before(path: Path) -> None:
    old, new = stamped(NOW - 100, "old"), stamped(NOW - 10, "new")
    append(path, old, "\tcontinued old", new, "\tcontinued new")
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == [new, "\tcontinued new"]


def test_first_start_a_file_without_times_is_read_from_its_end(path: Path) -> None:
    append(path, *(f"192.0.2.1 - - [22/Nov/2026:14:15:01 +0000] line {i}" for i in range(100)))
    with path.open("a") as log:
        log.write("the beginning of ")
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == []
        append(path, "a line", "and another")
        assert reader.read() == ["the beginning of a line", "and another"]


def test_first_start_a_line_that_is_being_written_is_not_lost(path: Path) -> None:
    append(path, stamped(NOW - 100, "old"))
    line = stamped(NOW, "half")
    with path.open("a") as log:
        log.write(line[:10])
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == []
        append(path, line[10:])
        assert reader.read() == [line]


@both_ways
def test_first_start_shortly_after_a_rotation(path: Path, rotate: Rotate) -> None:
    written = lines(NOW - 100, 90)
    append(path, *written)
    rotate(path)
    os.utime(f"{path}.1", (NOW, NOW))
    last = stamped(NOW - 5, "in the new file")
    append(path, last)
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == [*written[60:], last]
        append(Path(f"{path}.1"), "late")
        assert reader.read() == ["late"]


@pytest.mark.parametrize("back", [0.5, 100.5, 4_000.5, 29_999.5, 99_999.0])
def test_going_back_over_many_blocks(path: Path, back: float) -> None:
    written = lines(NOW - 30_000, 30_000)  # 1.7 MB
    append(path, *written)
    expected = [line for i, line in enumerate(written) if 30_000 - i <= back]
    with reading(path, since=NOW - back) as reader:
        assert reader.read() == expected


def test_going_back_over_a_line_that_is_longer_than_a_block(path: Path) -> None:
    written = [stamped(NOW - 100, "old"), stamped(NOW - 20, "long " + "x" * 600_000), stamped(NOW - 10, "new")]
    append(path, *written)
    with reading(path, since=NOW - 40) as reader:
        assert [line[-10:] for line in reader.read()] == ["x" * 10, written[2][-10:]]


def test_a_huge_file_without_times_is_not_searched_to_its_beginning(path: Path) -> None:
    append(path, stamped(NOW, "found only by reading gigabytes"))
    with path.open("a") as log:
        log.write(f"{'no time in here ' * 8}\n" * 20_000)  # 2.5 MB
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == []


def test_restart_the_lookback_is_replayed_and_the_rest_is_new(path: Path) -> None:
    written = lines(NOW - 100, 100)
    append(path, *written)
    positions = read_all(path)
    append(path, "new")
    with reading(path, positions=positions, since=NOW - 40) as reader:
        assert reader.read() == ["new"]
        assert reader.replayed == written[59:]  # 40 s before the last line that had been read
        assert [batch.replayed for batch in reader.batches] == [True, False]


def test_restart_the_lookback_counts_from_the_position_however_long_the_dead_time_was(path: Path) -> None:
    written = lines(NOW - 9000, 100)
    append(path, *written)
    positions = read_all(path)
    new = stamped(NOW - 8890, "written while we were down")
    append(path, new)
    with reading(path, positions=positions, since=NOW - 40) as reader:
        assert reader.read() == [new]
        assert reader.replayed == written[59:]


def test_restart_nothing_is_replayed_when_since_is_now(path: Path) -> None:
    append(path, *lines(NOW - 100, 100))
    positions = read_all(path)
    with reading(path, positions=positions, since=NOW) as reader:
        assert reader.read() == []
        assert reader.replayed == []


def test_the_position_of_replayed_lines_is_the_stored_one(path: Path) -> None:
    append(path, *lines(NOW - 100, 5000, 0.01))
    positions = read_all(path)
    append(path, "new")
    with reading(path, positions=positions, since=NOW - 3600) as reader:
        reader.read(limit=10_000)
        replayed = [batch for batch in reader.batches if batch.replayed]
        assert len(replayed) > 10
        assert {batch.position for batch in replayed} == set(positions.values())


@both_ways
def test_restart_the_replay_reaches_back_into_the_file_before(path: Path, rotate: Rotate) -> None:
    before, after = lines(NOW - 100, 50), lines(NOW - 50, 50)
    append(path, *before)
    rotate(path)
    append(path, *after)
    positions = read_all(path)
    append(path, "new")
    with reading(path, positions=positions, since=NOW - 60) as reader:
        assert reader.read() == ["new"]
        assert reader.replayed == before[39:] + after


@both_ways
def test_restart_after_a_rotation_in_the_dead_time_replays_from_the_rotated_file(path: Path, rotate: Rotate) -> None:
    written = lines(NOW - 100, 50)
    append(path, *written)
    positions = read_all(path)
    append(path, "unread")
    rotate(path)
    append(path, "new")
    with reading(path, positions=positions, since=NOW - 10) as reader:
        assert reader.read() == ["unread", "new"]
        assert reader.replayed == written[39:]


def test_a_log_of_which_the_last_minutes_are_all_compressed_is_no_trouble(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    append(path, *lines(NOW - 100, 50))
    rename_rotate(path)
    packed_away(Path(f"{path}.1"))
    append(path, *lines(NOW - 50, 50))
    positions = read_all(path)
    with caplog.at_level(logging.WARNING), reading(path, positions=positions, since=NOW - 300) as reader:
        assert reader.read() == []
        assert reader.replayed == lines(NOW - 50, 50)


def test_traditional_stamps_do_as_well(path: Path) -> None:
    def stamp(when: float) -> str:
        return time.strftime("%b %e %H:%M:%S", time.localtime(when))

    append(path, f"{stamp(NOW - 120)} host sshd[1]: old", f"{stamp(NOW - 2)} host sshd[1]: new")
    with reading(path, since=NOW - 40) as reader:
        assert reader.read() == [f"{stamp(NOW - 2)} host sshd[1]: new"]
