"""A log is rotated while it is read."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from file_bed import NOW, ROTATIONS, append, copytruncate, reading, rename_rotate, shift, stamped

Rotate = Callable[[Path], None]
both_ways = pytest.mark.parametrize("rotate", ROTATIONS.values(), ids=ROTATIONS)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.touch()
    return path


@both_ways
def test_lines_before_and_after_a_rotation_are_read_in_order(path: Path, rotate: Rotate) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "read before", "and this")
        assert reader.read() == ["read before", "and this"]
        append(path, "unread at the rotation")
        rotate(path)
        append(path, "after it")
        assert reader.read() == ["unread at the rotation", "after it"]
        append(path, "later")
        assert reader.read() == ["later"]


@both_ways
def test_several_rotations_between_two_looks(path: Path, rotate: Rotate) -> None:
    with reading(path) as reader:
        append(path, "skipped, as it has no time")
        reader.read()
        for i in range(5):
            append(path, f"generation {i}")
            rotate(path)
        append(path, "generation 5")
        assert reader.read() == [f"generation {i}" for i in range(6)]


@both_ways
def test_several_rotations_between_two_looks_at_a_file_that_was_empty(path: Path, rotate: Rotate) -> None:
    with reading(path) as reader:
        reader.read()
        for i in range(3):
            append(path, f"generation {i}")
            rotate(path)
        append(path, "generation 3")
        assert reader.read() == [f"generation {i}" for i in range(4)]
        rotate(path)
        assert reader.read() == []
        for i in range(4, 7):
            append(path, f"generation {i}")
            rotate(path)
        append(path, "generation 7")
        assert reader.read() == [f"generation {i}" for i in range(4, 8)]


@both_ways
def test_a_rotation_that_changes_nothing_else_delivers_nothing(path: Path, rotate: Rotate) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "one", "two")
        assert len(reader.read()) == 2
        for _ in range(4):
            rotate(path)
            assert reader.read() == []


def test_lines_that_the_writer_still_adds_to_the_renamed_file(path: Path) -> None:
    with reading(path) as reader, path.open("a", buffering=1) as writer:
        reader.read()
        writer.write("before\n")
        rename_rotate(path)
        writer.write("late 1\n")
        assert reader.read() == ["before", "late 1"]
        append(path, "new 1")
        assert reader.read() == ["new 1"]
        writer.write("late 2\n")
        append(path, "new 2")
        assert reader.read() == ["late 2", "new 2"]


def test_the_renamed_file_is_read_on_while_nothing_has_its_name(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "before")
        renamed = shift(path)
        os.rename(path, renamed)
        assert reader.read() == ["before"]
        append(renamed, "in between")
        assert reader.read() == ["in between"]
        append(path, "after")
        assert reader.read() == ["after"]


def test_a_file_that_is_renamed_to_another_folder_is_read_to_its_end(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "old"
    elsewhere.mkdir()
    with reading(path) as reader, path.open("a", buffering=1) as writer:
        reader.read()
        writer.write("before\n")
        reader.read()
        writer.write("unread\n")
        os.rename(path, elsewhere / "auth.log-1")
        append(path, "after")
        writer.write("late\n")
        assert reader.read() == ["unread", "late", "after"]


def test_a_file_that_is_compressed_at_once_is_read_from_what_we_hold(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "read")
        reader.read()
        append(path, "unread")
        rename_rotate(path)
        with gzip.open(f"{path}.1.gz", "wb") as packed:
            packed.write(Path(f"{path}.1").read_bytes())
        os.unlink(f"{path}.1")
        append(path, "after")
        assert reader.read() == ["unread", "after"]


def test_a_copytruncated_file_that_has_outgrown_the_old_one_is_noticed(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "short")
        reader.read()
        append(path, "unread")
        copytruncate(path)
        longer = [f"line {i} of the next file" for i in range(50)]
        append(path, *longer)
        assert reader.read() == ["unread", *longer]


def test_a_copy_that_is_not_finished_is_not_read(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, *[f"line {i}" for i in range(100)])
        assert len(reader.read()) == 100
        for size in (0, 20, 400, 700):
            Path(f"{path}.1").write_bytes(path.read_bytes()[:size])
            assert reader.read() == []
        append(path, "one more")
        shutil.copy(path, f"{path}.1")
        os.truncate(path, 0)
        append(path, "next file")
        assert reader.read() == ["one more", "next file"]


def test_a_file_truncated_by_hand_is_read_from_its_beginning(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "one", "two", "three")
        reader.read()
        os.truncate(path, 0)
        assert reader.read() == []
        append(path, "four")
        assert reader.read() == ["four"]


def test_a_writer_that_does_not_append_leaves_a_hole_and_no_line_is_lost_in_it(path: Path) -> None:
    with reading(path) as reader, path.open("r+b", buffering=0) as writer:
        reader.read()
        writer.write(b"x" * 1_500_000 + b"\n")
        assert len(reader.read()) == 1
        os.truncate(path, 0)
        assert reader.read() == []
        writer.write(b"behind the hole\n")
        assert reader.read() == ["behind the hole"]


def test_an_editor_that_replaces_the_file_by_a_copy_repeats_nothing(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "one", "two")
        reader.read()
        copy = path.with_suffix(".swp")
        shutil.copy(path, copy)
        os.rename(copy, path)
        append(path, "three")
        assert reader.read() == ["three"]


@pytest.mark.parametrize(
    ("name", "older", "newer"),
    [
        ("auth.log", "auth.log-20261121", "auth.log-20261122"),
        ("auth.log", "auth.log.2", "auth.log.1"),
        ("auth.log", "auth.log.1", "auth.log.old"),
        ("auth.log", "auth.log-2026-11-22T10", "auth.log-2026-11-22T11"),
        ("auth.log", "auth-20261121.log", "auth-20261122.log"),
        ("auth", "auth-1763820000", "auth-1763823600"),
    ],
)
def test_the_names_that_logrotate_gives(tmp_path: Path, name: str, older: str, newer: str) -> None:
    path = tmp_path / name
    path.touch()
    with reading(path) as reader:
        reader.read()
        append(path, "one")
        reader.read()
        append(path, "two")
        shutil.copy(path, tmp_path / older)
        os.truncate(path, 0)
        append(path, "three")
        shutil.copy(path, tmp_path / newer)
        os.truncate(path, 0)
        append(path, "four")
        assert reader.read() == ["two", "three", "four"]


def test_lines_that_were_compressed_before_they_were_read_are_missed_aloud(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with reading(path) as reader, caplog.at_level(logging.WARNING):
        reader.read()
        append(path, "read")
        reader.read()
        append(path, "missed")
        with gzip.open(f"{path}.1.gz", "wb") as packed:
            packed.write(path.read_bytes())
        os.truncate(path, 0)
        append(path, "after")
        assert reader.read() == ["after"]
        assert [r.getMessage() for r in caplog.records] == [
            f"{path}: lines were compressed into {path}.1.gz before they were read, and are missed: "
            "set delaycompress in logrotate"
        ]


def test_old_files_are_closed(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        before = len(os.listdir("/proc/self/fd"))
        for i in range(10):
            append(path, stamped(NOW, f"generation {i}"))
            rename_rotate(path)
            reader.read()
        assert len(os.listdir("/proc/self/fd")) == before + 1  # the last one may still be written to


def test_a_deleted_file_is_let_go_so_that_its_disk_space_is_free(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "last words")
        os.unlink(path)
        assert reader.read() == ["last words"]
        links = [link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
        assert links
        assert not [link for link in links if str(path) in str(link)]
