"""The store in trouble: its disk is full, or its file is damaged. Bans reach the kernel all the same, and are caught up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.system.house import Nfjail, in_bed, in_kernel, log_failures, run, until, who

LOG = "/run/house/auth.log"
JAIL = f'[jail.sshd]\nbackend = "file"\nlogpath = ["{LOG}"]\nmaxretry = 3\nbantime = "1h"\n'


def addresses(first: int, last: int) -> set[tuple[str, str]]:
    return {("sshd", f"198.51.100.{number}") for number in range(first, last)}


BEFORE, MEANWHILE = addresses(0, 10), addresses(10, 110)
BOTH = BEFORE | MEANWHILE


def all_fail(places: set[tuple[str, str]]) -> None:
    for _, address in sorted(places):
        log_failures(LOG, address, 3)


@contextmanager
def small_disk(nfjail: Nfjail) -> Iterator[Path]:
    """The store's folder is a file system of one megabyte meanwhile. Gives a file that can fill it."""
    state = nfjail.folder / "state"
    state.mkdir()
    run("mount", "-n", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(state))
    try:
        yield state / "filler"
    finally:
        run("umount", "-n", str(state))


def fill(filler: Path) -> None:
    """Leaves no room for a single page."""
    with suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)


@contextmanager
def on_a_full_disk() -> Iterator[tuple[Nfjail, Path]]:
    """A running daemon: who failed BEFORE is stored, who failed MEANWHILE is banned all the same. And what fills its disk."""
    house = Nfjail(JAIL)
    with small_disk(house) as filler, house as nfjail:
        all_fail(BEFORE)
        until(lambda: who(nfjail.stored()) == BEFORE)
        fill(filler)
        all_fail(MEANWHILE)
        until(lambda: who(in_kernel()) == BOTH)
        yield nfjail, filler


@in_bed("journald.sh")
def test_on_a_full_disk_bans_reach_the_kernel_and_are_stored_when_there_is_room_again():
    with on_a_full_disk() as (nfjail, filler):
        nfjail.hears("full.*bans still reach the kernel")
        assert re.search("nfjail.db: .*full.*make room", nfjail.trouble()[0])
        assert nfjail.said().count("bans still reach the kernel") == 1  # not once for each
        assert MEANWHILE - who(nfjail.stored())
        nfjail.ctl("ban", "192.0.2.77")
        assert ("manual", "192.0.2.77") in who(in_kernel())
        filler.unlink()
        nfjail.hears("the store works again")
        wanted = BOTH | {("manual", "192.0.2.77")}
        assert who(nfjail.stored()) == wanted
        assert nfjail.trouble() == []
        assert len(nfjail.stored()) == len(wanted)
        nfjail.stop()
        assert nfjail.rows("PRAGMA integrity_check") == [("ok",)]
        [(evidence,)] = nfjail.rows("SELECT count(*) FROM evidence WHERE json_array_length(failures) = 3")
        assert evidence == len(BOTH)
        nfjail.start()
        assert who(in_kernel()) == wanted


@in_bed("journald.sh")
def test_what_could_not_be_stored_before_a_crash_is_decided_again():
    with on_a_full_disk() as (nfjail, filler):
        nfjail.kill()
        assert who(in_kernel()) == BOTH
        nfjail.start()  # the disk is still full
        until(lambda: who(in_kernel()) == BOTH)
        filler.unlink()
        until(lambda: who(nfjail.stored()) == BOTH)
        assert nfjail.stored("past") == []


def garbage_at_its_beginning(store: Path) -> None:
    with store.open("r+b") as file:
        file.write(os.urandom(8192))


def cut_short(store: Path) -> None:
    os.truncate(store, store.stat().st_size // 2)


def garbage_all_over(store: Path) -> None:
    store.write_bytes(os.urandom(store.stat().st_size))


@pytest.mark.parametrize("banaction", ["nftables", "iptables-ipset"])
@pytest.mark.parametrize("damage", [garbage_at_its_beginning, cut_short, garbage_all_over])
@in_bed("journald.sh")
def test_a_damaged_store_is_set_aside_and_the_bans_taken_from_the_kernel(damage, banaction):
    everybody = addresses(0, 50)
    with Nfjail(f'{JAIL}banaction = "{banaction}"\n') as nfjail:
        all_fail(everybody)
        until(lambda: who(nfjail.stored()) == everybody)
        ends = {ban.address: ban.until for ban in nfjail.stored()}
        nfjail.ctl("ban", "2001:db8:7::/64", "--for", "2h")
        nfjail.stop()
        damage(nfjail.store)
        nfjail.start()
        nfjail.hears(r"nfjail\.db is damaged \(.*\): it was set aside as .*/nfjail\.db\.damaged-\d+T\d+Z, and a new one begun")
        nfjail.hears("took over 51 bans that were in the kernel but not in the store")
        assert list(nfjail.store.parent.glob("nfjail.db.damaged-*"))
        found = {ban.address: ban for ban in nfjail.stored()}
        assert who(nfjail.stored()) == everybody | {("manual", "2001:db8:7::/64")}
        assert all(abs((found[address].until or 0) - (end or 0)) < 2 for address, end in ends.items())
        assert {ban["origin"] for ban in nfjail.list()} == {"kernel"}
        all_fail(addresses(0, 60))  # those who are banned already fail in vain
        until(lambda: addresses(0, 60) <= who(nfjail.stored()))
        assert len(nfjail.stored()) == 61
