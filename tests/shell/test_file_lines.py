"""From bytes in a log file to lines."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from file_bed import NOW, append, reading, stamped

from nfjail.source.file_lines import LINE, UNENDED


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.touch()
    return path


def write(path: Path, data: bytes) -> None:
    with path.open("ab") as log:
        log.write(data)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"one\ntwo\n", ["one", "two"]),
        (b"\n\n", ["", ""]),
        (b"trailing blank \nmore blanks \t \nnone\n", ["trailing blank", "more blanks", "none"]),
        (b"blank   \n", ["blank"]),
        (b"tab\t\n", ["tab"]),
        (b" leading stays\n", [" leading stays"]),
        (b"from Windows\r\nand on\r\n", ["from Windows", "and on"]),
        (b"caf\xc3\xa9\n", ["caf\u00e9"]),
        (b"latin1 caf\xe9\nnext\n", ["latin1 caf\ufffd", "next"]),
        (b"cut \xe2\x82\nnext\n", ["cut \ufffd", "next"]),
        (b"NUL \x00 inside\n", ["NUL \x00 inside"]),
        (b"\x00\x00\x00after a hole\n", ["after a hole"]),
        (
            b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\rg\n",
            ["a\x0bb\x0cc\x1cd\x85e\u2028f\rg"],
        ),
    ],
)
def test_only_a_newline_ends_a_line(path: Path, data: bytes, lines: list[str]) -> None:
    with reading(path) as reader:
        reader.read()
        write(path, data)
        assert reader.read() == lines


def test_a_partial_line_waits_for_its_end_and_the_position_stays_before_it(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        write(path, b"whole\npar")
        assert reader.read() == ["whole"]
        write(path, b"ti")
        assert reader.read() == []
        with reading(path, positions=reader.positions) as restarted:
            write(path, b"al\n")
            assert restarted.read() == ["partial"]
        assert reader.read() == ["partial"]


def test_a_character_written_in_two_pieces_is_one(path: Path) -> None:
    with reading(path) as reader:
        write(path, b"caf\xc3")
        assert reader.read() == []
        write(path, b"\xa9\n")
        assert reader.read() == ["caf\u00e9"]


@pytest.mark.parametrize("limit", [1, 7, 4096, 262_144])
def test_the_limit_changes_the_pieces_but_not_the_lines(path: Path, limit: int) -> None:
    lines = [f"line {i} {'x' * (i % 97)}." for i in range(300)]
    with reading(path) as reader:
        reader.read()
        append(path, *lines)
        assert reader.read(limit=limit) == lines
        assert all(sum(map(len, batch.lines)) <= limit + 120 for batch in reader.batches)


def test_a_long_line_is_cut(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        write(path, b"before\n" + b"y" * (LINE + 1) + b"\n" + b"x" * 300_000 + b"\nafter\n")
        assert reader.read() == ["before", "y" * LINE, "x" * LINE, "after"]


def test_a_line_of_a_megabyte_without_end_is_delivered_cut_and_its_rest_dropped(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        begin = time.perf_counter()
        write(path, b"x" * (UNENDED + 1))
        lines = reader.read()
        assert time.perf_counter() - begin < 0.5
        assert lines == ["x" * LINE]
        write(path, b"y" * 100_000)
        assert reader.read() == []
        write(path, b"Failed password for root\nnext\n")
        assert reader.read() == ["next"]


def test_the_rest_of_a_dropped_line_is_no_line_after_a_restart_either(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        write(path, b"x" * (UNENDED + 1))
        reader.read()
        write(path, b"Failed password for root\nnext\n")
        with reading(path, positions=reader.positions) as restarted:
            assert restarted.read() == ["next"]


def test_a_line_without_end_takes_no_more_memory_than_is_delivered_of_it(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        for _ in range(40):
            write(path, b"x" * 100_000)
            reader.read()
        file = reader.source._followers[str(path)]._files[0]
        assert len(file._begun) <= LINE


def test_not_before_is_the_time_at_which_the_file_was_last_seen_completely_read(path: Path) -> None:
    append(path, stamped(NOW - 1, "first"))
    with reading(path, since=NOW - 60) as reader:
        reader.read(NOW)
        append(path, "second")
        reader.read(NOW + 5)
        reader.read(NOW + 7)
        append(path, "third")
        reader.read(NOW + 9)
        assert [batch.not_before for batch in reader.batches] == [0.0, NOW, NOW + 7]
