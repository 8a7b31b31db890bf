"""Which files are read, and what wakes the reader."""

from __future__ import annotations

import logging
import os
import select
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from file_bed import NOW, Reader, append, copytruncate, reading, rename_rotate, stamped

from nfjail.source.file_watch import file_system
from nfjail.source.inotify import IN_Q_OVERFLOW, Event, Inotify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "auth.log"
    path.touch()
    return path


def is_readable(reader: Reader, timeout: float = 0.0) -> bool:
    return bool(select.select([reader.source.fileno()], [], [], timeout)[0])


@pytest.fixture
def no_inotify(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine whose inotify watches are used up."""

    def refuse(self: Inotify, path: str, mask: int) -> int:
        raise OSError(28, "No space left on device", path)

    monkeypatch.setattr(Inotify, "add", refuse)


def test_a_new_line_wakes_the_reader_at_once(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        assert not is_readable(reader, 0.05)
        append(path, "hello")
        assert is_readable(reader, 1.0)
        assert reader.read() == ["hello"]
        assert not is_readable(reader)


def test_there_is_no_timer_where_inotify_works(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        assert reader.source.wait(NOW) is None
        assert not reader.source.more


def test_the_first_read_needs_no_event(path: Path) -> None:
    append(path, stamped(NOW, "there already"))
    with reading(path) as reader:
        assert reader.source.more
        assert reader.read() == [stamped(NOW, "there already")]


@pytest.mark.parametrize("rotate", [rename_rotate, copytruncate])
def test_a_rotation_wakes_the_reader(path: Path, rotate: Callable[[Path], None]) -> None:
    with reading(path) as reader:
        append(path, "x")
        reader.read()
        rotate(path)
        assert is_readable(reader, 1.0)
        reader.read()
        append(path, "after")
        assert is_readable(reader, 1.0)
        assert reader.read() == ["after"]


def test_a_file_that_appears_later_is_read_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "later.log"
    with reading(path) as reader:
        assert reader.read() == []
        append(path, stamped(NOW - 9999, "first"))
        assert is_readable(reader, 1.0)
        assert reader.read() == [stamped(NOW - 9999, "first")]
        append(path, "second")
        assert reader.read() == ["second"]


def test_a_folder_that_appears_later(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.log"
    with reading(path) as reader:
        reader.read()
        path.parent.parent.mkdir()
        assert is_readable(reader, 1.0)
        assert reader.read() == []
        path.parent.mkdir()
        append(path, "one")
        assert is_readable(reader, 1.0)
        assert reader.read() == ["one"]


def test_a_folder_that_is_there_at_once_with_all_in_it(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "c.log"
    with reading(path) as reader:
        reader.read()
        path.parent.mkdir(parents=True)
        append(path, "one")
        assert reader.read() == ["one"]


def test_a_folder_that_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    folder.mkdir()
    path = folder / "x.log"
    append(path, "x")
    with reading(path) as reader:
        reader.read()
        os.rename(folder, tmp_path / "app.old")
        folder.mkdir()
        append(path, "new folder")
        assert reader.read() == ["new folder"]
        append(path, "more")
        assert is_readable(reader, 1.0)
        assert reader.read() == ["more"]


def test_a_file_that_vanishes_and_comes_back(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        for i in range(3):
            append(path, f"before {i}", f"last words {i}")
            os.unlink(path)
            assert reader.read() == [f"before {i}", f"last words {i}"]
            assert reader.read() == []
            append(path, f"back {i}")
            assert is_readable(reader, 1.0)
            assert reader.read() == [f"back {i}"]


def test_a_glob_takes_what_matches_now_and_later(tmp_path: Path) -> None:
    append(tmp_path / "a.log", stamped(NOW, "a"))
    append(tmp_path / "other.txt", stamped(NOW, "no"))
    with reading(tmp_path / "*.log") as reader:
        assert reader.read() == [stamped(NOW, "a")]
        append(tmp_path / "b.log", "b")
        append(tmp_path / "a.log", "a again")
        assert sorted(reader.read()) == ["a again", "b"]
        assert {batch.path for batch in reader.batches} == {str(tmp_path / "a.log"), str(tmp_path / "b.log")}


def test_a_glob_of_folders(tmp_path: Path) -> None:
    with reading(tmp_path / "*" / "logs" / "access.log") as reader:
        reader.read()
        for site in ("one", "two"):
            path = tmp_path / site / "logs" / "access.log"
            (tmp_path / site).mkdir()
            reader.read()
            path.parent.mkdir()
            reader.read()
            append(path, site)
            assert is_readable(reader, 1.0)
            assert reader.read() == [site]


def test_a_glob_that_matches_the_rotated_files_too_reads_each_line_once(path: Path) -> None:
    append(Path(f"{path}.1"), stamped(NOW - 5, "rotated before"))
    os.utime(f"{path}.1", (NOW, NOW))
    append(Path(f"{path}.2.gz"), "packed")
    append(path, stamped(NOW - 4, "one"))
    with reading(f"{path}*", since=NOW - 60) as reader:
        assert reader.read() == [stamped(NOW - 5, "rotated before"), stamped(NOW - 4, "one")]
        append(path, "two")
        rename_rotate(path)
        append(path, "three")
        assert reader.read() == ["two", "three"]
        rename_rotate(path)
        assert reader.read() == []


def test_several_globs_and_links_for_one_file_are_one_reading(path: Path, tmp_path: Path) -> None:
    link, hard = tmp_path / "link.log", tmp_path / "hard.log"
    link.symlink_to(path)
    hard.hardlink_to(path)
    with reading(path, tmp_path / "*.log", link) as reader:
        reader.read()
        append(path, "once")
        assert reader.read() == ["once"]


def test_a_link_that_is_made_to_point_elsewhere(tmp_path: Path) -> None:
    link = tmp_path / "current"
    (tmp_path / "days").mkdir()
    monday, tuesday = tmp_path / "days" / "monday", tmp_path / "days" / "tuesday"
    append(monday, "old")
    link.symlink_to(monday)
    with reading(link) as reader:
        reader.read()
        append(monday, "one")
        append(tuesday, "two")
        (tmp_path / "new").symlink_to(tuesday)
        os.rename(tmp_path / "new", link)
        assert is_readable(reader, 1.0)
        assert reader.read() == ["one", "two"]
        append(tuesday, "three")
        assert reader.read() == ["three"]


def test_the_target_of_a_link_is_rotated(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    target, link = tmp_path / "data" / "x.log", tmp_path / "x.log"
    append(target, "old")
    link.symlink_to(target)
    with reading(link) as reader:
        reader.read()
        append(target, "one")
        rename_rotate(target)
        append(target, "two")
        assert is_readable(reader, 1.0)
        assert reader.read() == ["one", "two"]


def test_a_linked_folder_that_is_made_to_point_elsewhere(tmp_path: Path) -> None:
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
    folder = tmp_path / "log"
    folder.symlink_to("first")
    with reading(folder / "x.log") as reader:
        append(folder / "x.log", "one")
        assert reader.read() == ["one"]
        (tmp_path / "new").symlink_to("second")
        append(tmp_path / "second" / "x.log", "two")
        os.rename(tmp_path / "new", folder)
        assert is_readable(reader, 1.0)
        assert reader.read() == ["two"]


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder for tests of what others may read: pytest keeps tmp_path, and what is above it, to itself."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.mark.parametrize(
    ("mode", "advice"),
    [
        (0o640, "let nfjail's process have the file's group (adm): SupplementaryGroups= in its unit"),
        (0o600, "chmod g+r {}, with a group that nfjail's process has (chgrp adm); or let its unit read all (nfjail(1))"),
    ],
)
def test_an_unreadable_file_is_said_once_with_advice_and_read_when_it_may(
    open_to_all: Path, caplog: pytest.LogCaptureFixture, mode: int, advice: str
) -> None:
    path = open_to_all / "auth.log"
    append(path, stamped(NOW, "secret"))
    path.chmod(mode)
    shutil.chown(path, group="adm")
    os.seteuid(65534)  # nobody
    try:
        with caplog.at_level(logging.WARNING), reading(path) as reader:
            for _ in range(3):
                assert reader.read() == []
            assert [r.getMessage() for r in caplog.records] == [f"{path} may not be read: {advice.format(path)}"]
            os.seteuid(0)
            path.chmod(0o644)
            os.seteuid(65534)
            assert is_readable(reader, 1.0)
            assert reader.read() == [stamped(NOW, "secret")]
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("kind", ["a directory", "a named pipe", "a device", "a socket"])
def test_what_is_no_file_is_refused_once_and_never_blocks(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "x.log"
    if kind == "a directory":
        path.mkdir()
    elif kind == "a named pipe":
        os.mkfifo(path)
    elif kind == "a device":
        path.symlink_to("/dev/null")
    else:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
    with caplog.at_level(logging.WARNING), reading(path) as reader:
        for _ in range(3):
            assert reader.read() == []
            append(tmp_path / "something-else", "x")
        assert [r.getMessage() for r in caplog.records] == [f"{path.resolve()} is {kind}, not a log file: correct logpath"]


def test_a_file_takes_the_place_of_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "x.log"
    path.mkdir()
    with reading(path) as reader:
        reader.read()
        path.rmdir()
        append(path, stamped(NOW, "now a file"))
        assert reader.read() == [stamped(NOW, "now a file")]


def test_a_directory_takes_the_place_of_the_file(path: Path) -> None:
    with reading(path) as reader:
        reader.read()
        append(path, "one")
        os.rename(path, f"{path}.1")
        path.mkdir()
        assert reader.read() == ["one"]
        append(Path(f"{path}.1"), "late")
        assert reader.read() == ["late"]


def test_events_that_the_kernel_lost_lose_no_lines(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with reading(path, tmp_path / "later.log") as reader:
        reader.read()
        append(path, "one")
        append(tmp_path / "later.log", "two")
        real = Inotify.read
        monkeypatch.setattr(Inotify, "read", lambda self: real(self) and [Event(-1, IN_Q_OVERFLOW)])
        assert reader.read() == ["one", "two"]


def test_without_inotify_files_are_polled(no_inotify: None, path: Path, tmp_path: Path) -> None:
    with reading(path, tmp_path / "later.log") as reader:
        reader.read(NOW)
        assert reader.source.wait(NOW) == pytest.approx(0.25)
        assert reader.source.wait(NOW + 0.1) == pytest.approx(0.15)
        assert reader.source.wait(NOW + 7) == 0.0
        append(path, "one")
        assert reader.read() == ["one"]
        append(path, "two")
        rename_rotate(path)
        append(path, "three")
        append(tmp_path / "later.log", "other")
        assert sorted(reader.read()) == ["other", "three", "two"]


def test_polling_is_said_once(no_inotify: None, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING), reading(path) as reader:
        reader.read()
        append(path, "x")
        reader.read()
    assert len(caplog.records) == 1
    assert "fs.inotify.max_user_watches" in caplog.text


def test_a_file_system_that_others_write_to_is_polled(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nfjail.source.file_watch.file_system", lambda _: "nfs")
    with reading(path) as reader:
        reader.read()
        append(path, "from another machine")
        assert not is_readable(reader)
        assert reader.source.wait(NOW) == pytest.approx(0.25)
        assert reader.read() == ["from another machine"]


def test_the_kernel_tells_the_type_of_a_file_system() -> None:
    assert file_system(os.stat("/proc").st_dev) == "proc"
    assert file_system(os.makedev(4095, 7)) == ""


def test_many_files_leave_nothing_open_afterwards(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    for i in range(300):
        append(tmp_path / f"{i}.log", stamped(NOW, "x"))
    with reading(tmp_path / "*.log") as reader:
        assert len(reader.read()) == 300
        for i in range(300):
            os.unlink(tmp_path / f"{i}.log")
        reader.read()
    assert len(os.listdir("/proc/self/fd")) == before


def test_an_error_while_reading_is_said_and_reading_begins_again(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(fd: int, size: int, offset: int) -> bytes:
        raise OSError(5, "Input/output error")

    with caplog.at_level(logging.WARNING), reading(path) as reader:
        reader.read()
        append(path, "one")
        assert reader.read() == ["one"]
        append(path, "two")
        with monkeypatch.context() as broken:
            broken.setattr("os.pread", fail)
            assert reader.read() == []
        append(path, "three")
        os.utime(path)
        assert reader.read() == ["two", "three"]
    assert [r.getMessage() for r in caplog.records] == [f"{path} cannot be read: Input/output error"]
