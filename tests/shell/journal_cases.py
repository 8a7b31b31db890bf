"""The journal source beside a real journald: each function is one case, run by test_journal.py inside bed/journald.sh."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from typing import NamedTuple

from nfjail.source.journal import Get, Here, JournalSource, Place

TERMS = [[("SYSLOG_IDENTIFIER", "counted")]]


class Seen(NamedTuple):
    message: str
    uid: str
    time: float
    cursor: str


def source(position: str | None = None, lookback: float = 60.0, replay: bool = True) -> JournalSource[Seen]:
    def sift(message: str, get: Get, here: Here, _: float) -> list[Seen]:
        return [Seen(message, get("_UID"), *here())]

    return JournalSource(None, TERMS, sift, position, time.time(), lookback, replay=replay)


def read_all(reader: JournalSource[Seen]) -> tuple[list[str], list[str], str | None]:
    """What was replayed, what was new, and the position."""
    old, new, position = [], [], None
    while True:
        batch = reader.read(time.time())
        (old if batch.replayed else new).extend(entry.message for entry in batch.found)
        position = batch.position or position
        if not reader.more:
            return old, new, position


def write(*messages: str, identifier: str = "counted") -> None:
    """Through journald's native socket, as one of sd_journal_send(3)'s datagrams each."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/run/systemd/journal/socket")
        for message in messages:
            sock.send(f"SYSLOG_IDENTIFIER={identifier}\nMESSAGE={message}\n".encode())


def sync() -> None:
    subprocess.run(["journalctl", "--sync"], check=True)


def numbers(first: int, last: int) -> list[str]:
    return [f"n{number}" for number in range(first, last)]


def first_start_counts_the_last_while() -> None:
    write(*numbers(0, 5))
    sync()
    assert read_all(source())[:2] == ([], numbers(0, 5))
    assert read_all(source(lookback=0.0))[:2] == ([], [])


def break_at(reader: JournalSource[Seen], call: int) -> None:
    """Its so many-th step to a next entry fails, as when a journal file is damaged or vanishes."""

    class Breaking:
        def __init__(self, real: object) -> None:
            self._real, self._left = real, call

        def __getattr__(self, name: str) -> object:
            return getattr(self._real, name)

        def _next(self) -> bool:
            self._left -= 1
            if self._left == 0:
                raise OSError(errno.EBADMSG, os.strerror(errno.EBADMSG))
            return self._real._next()

    reader._reader = Breaking(reader._reader)


def after_a_failure_before_the_first_entry_the_old_ones_stay_old() -> None:
    write(*numbers(0, 5))
    sync()
    time.sleep(0.01)
    reader = source(lookback=0.0)
    break_at(reader, 1)
    assert reader.read(time.time()).found == []
    write("n5")
    sync()
    assert read_all(reader)[1] == ["n5"]


def what_was_read_before_a_failure_counts_once() -> None:
    write(*numbers(0, 10))
    sync()
    reader = source()
    break_at(reader, 5)
    batch = reader.read(time.time())
    assert [entry.message for entry in batch.found] == numbers(0, 4)
    assert read_all(reader)[1] == numbers(4, 10)
    assert read_all(source(batch.position))[:2] == (numbers(0, 4), numbers(4, 10))


def goes_on_behind_the_stored_position_and_replays_what_is_before() -> None:
    write(*numbers(0, 10))
    sync()
    reader = source()
    batch = reader.read(time.time(), limit=6)
    assert len(batch.found) == 6
    write(*numbers(10, 12))
    write("another service's", identifier="other")
    sync()
    old, new, position = read_all(source(batch.position))
    assert (old, new) == (numbers(0, 6), numbers(6, 12))
    assert read_all(source(position))[:2] == (numbers(0, 12), [])
    assert read_all(source(batch.position, replay=False))[:2] == ([], numbers(6, 12))


def replays_only_so_far_back() -> None:
    write(*numbers(0, 3))
    sync()
    time.sleep(1.2)
    write(*numbers(3, 6))
    sync()
    position = read_all(source())[2]
    assert read_all(source(position, lookback=0.6))[:2] == (numbers(3, 6), [])


def entries_of_the_same_instant_are_told_apart() -> None:
    write(*numbers(0, 300))
    sync()
    for limit in (1, 50, 150, 299):
        batch = source().read(time.time(), limit=limit)
        assert read_all(source(batch.position))[:2] == (numbers(0, limit), numbers(limit, 300))


def a_lost_cursor_falls_back_to_time() -> None:
    write(*numbers(0, 5))
    sync()
    position = read_all(source())[2]
    time.sleep(0.01)
    write(*numbers(5, 8))
    sync()
    place = Place.parse(position or "")
    assert place
    unknown = place.cursor.replace("i=", "i=f")[:-3] + "abc"
    unknown = ";".join("s=" + "0" * 32 if part.startswith("s=") else part for part in unknown.split(";"))
    said: list[str] = []
    logging.getLogger("nfjail").handlers = [logging.StreamHandler(io.StringIO())]
    logging.getLogger("nfjail").addFilter(lambda record: said.append(record.getMessage()) or True)
    assert read_all(source(str(Place(unknown, place.microseconds))))[:2] == (numbers(0, 5), numbers(5, 8))
    assert said == ["the journal no longer has the entry that was read last: going on by its time instead"]
    assert read_all(source("no position at all"))[:2] == ([], numbers(0, 8))


def rotation_and_vacuum_under_load_lose_and_double_nothing() -> None:
    reader = source()
    total, seen = 20_000, []
    child = os.fork()
    if child == 0:
        for first in range(0, total, 100):
            write(*numbers(first, first + 100))
            if first % 2000 == 0:
                subprocess.run(["journalctl", "--rotate"], check=True)
            if first % 6000 == 3000:
                subprocess.run(["journalctl", "--vacuum-files=3"], check=True, stderr=subprocess.DEVNULL)
        os._exit(0)
    until = time.time() + 60
    while len(seen) < total and time.time() < until:
        select.select([reader.fileno()], [], [], min(reader.wait(time.time()) or 0.5, 0.5))
        seen += read_all(reader)[1]
    assert os.waitpid(child, 0)[1] == 0
    assert seen == numbers(0, total)


def journald_restarted_under_load_loses_and_doubles_nothing() -> None:
    reader = source()
    seen = []
    pid = int(os.environ["JOURNALD_PID"])
    for turn in range(4):
        write(*numbers(turn * 100, turn * 100 + 100))
        sync()
        os.kill(pid, signal.SIGTERM)
        while os.path.exists(f"/proc/{pid}/exe"):
            try:
                os.readlink(f"/proc/{pid}/exe")
            except OSError:
                break
            time.sleep(0.01)
            seen += read_all(reader)[1]
        daemon = subprocess.Popen(["/lib/systemd/systemd-journald"], stderr=subprocess.DEVNULL)
        pid = daemon.pid
        for _ in range(500):
            try:
                write("a probe", identifier="probe")
                break
            except OSError:
                time.sleep(0.01)
        seen += read_all(reader)[1]
    sync()
    for _ in range(100):
        seen += read_all(reader)[1]
        if len(seen) >= 400:
            break
        time.sleep(0.02)
    daemon.kill()
    daemon.wait()
    assert seen == numbers(0, 400), (len(seen), seen[:3], seen[-3:])


def idle_it_waits_and_after_an_entry_it_looks_often() -> None:
    write("n0")
    sync()
    reader = source(lookback=0.0)
    read_all(reader)
    now = time.time()
    assert reader.wait(now + 60) is None
    write("n1")
    sync()
    assert read_all(reader)[1] == ["n1"]
    waits = [reader.wait(time.time() + later) for later in (0.0, 0.5, 5.0, 11.0)]
    assert waits[0] is not None
    assert waits[1] is not None
    assert waits[0] < 0.005
    assert waits[0] <= waits[1] <= waits[2] <= 0.02
    assert waits[3] is None


def idle_it_is_woken_by_the_descriptor() -> None:
    reader = source()
    read_all(reader)
    write("n0")
    begin = time.time()
    assert select.select([reader.fileno()], [], [], 2.0)[0]
    assert time.time() - begin < 1.0
    assert read_all(reader)[1] == ["n0"]


def trusted_fields_can_be_asked_for() -> None:
    write("n0")
    sync()
    batch = source().read(time.time())
    (entry,) = batch.found
    assert entry.uid == "0"
    assert abs(entry.time - time.time()) < 10
    assert json.loads(batch.position or "")["cursor"] == entry.cursor


def a_message_of_a_megabyte_is_cut_and_costs_little() -> None:
    big = "x" * 1_000_000
    memory = os.memfd_create("message", os.MFD_ALLOW_SEALING)
    os.write(memory, b"SYSLOG_IDENTIFIER=counted\nMESSAGE=" + big.encode() + b"\n")
    fcntl.fcntl(memory, 1033, 0xF)  # F_ADD_SEALS, all: journald takes nothing else
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/run/systemd/journal/socket")
        socket.send_fds(sock, [b""], [memory])
    write("n1")
    sync()
    reader = source()
    begin = time.process_time()
    _, new, _ = read_all(reader)
    assert time.process_time() - begin < 0.05
    assert [len(message) <= 65536 for message in new] == [True, True]
    assert new[1] == "n1"


def invalid_utf8_and_control_characters_do_no_harm() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.connect("/run/systemd/journal/socket")
        sock.send(b"SYSLOG_IDENTIFIER=counted\nMESSAGE=a\xff\xfeb\x1b[2Jc\n")
    sync()
    assert read_all(source())[1] == ["a\ufffd\ufffdb\x1b[2Jc"]


if __name__ == "__main__":
    globals()[sys.argv[1]]()
