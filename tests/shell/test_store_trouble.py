"""The store when the machine is in trouble: a full disk, a read-only file, a foreign lock, kill -9."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from store_bed import NOW, ban

from nfjail.core.model import parse_subject
from nfjail.store import Store, StoreDamaged, StoreError

HERE = Path(__file__).parent


def on_a_small_disk(folder: Path, code: str) -> None:
    """Runs code as root of mounts of its own, with 1 MiB of disk at folder; whatever it asserts must hold."""
    prelude = f"""
        import os, sys
        sys.path.insert(0, {str(HERE)!r})
        from store_bed import NOW, ban, number, unban
        from nfjail.core.model import parse_subject
        from nfjail.store import Store, StoreDamaged, StoreError
        path, filler = {str(folder / "nfjail.db")!r}, {str(folder / "filler")!r}

        def fill_the_disk():
            with open(filler, "wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(4096))
                except OSError:
                    pass

        def refusal(act, *arguments):
            try:
                act(*arguments)
            except StoreError as error:
                assert not isinstance(error, StoreDamaged), error
                assert "make room on the file system that holds it" in str(error) or "has room" in str(error), error
                return str(error)
            raise AssertionError("not refused")
    """
    script = textwrap.dedent(prelude) + textwrap.dedent(code)
    mounted = f'mount -t tmpfs -o size=1m tmpfs {folder} && exec {sys.executable} -c "$0"'
    done = subprocess.run(["unshare", "-m", "sh", "-c", mounted, script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_refuses_a_commit_as_a_whole_and_all_is_well_with_room_again(tmp_path):
    on_a_small_disk(
        tmp_path,
        """
        store = Store.open(path, NOW)
        store.commit([ban("192.0.2.1"), ban("192.0.2.2")], {"journal": "1"}, NOW)
        store.ignore_add(parse_subject("192.0.2.9"), None, "", NOW)
        fill_the_disk()
        many = [unban("192.0.2.1"), ban("192.0.2.2", since=NOW + 1)] + [ban(number(n)) for n in range(500)]
        for _ in range(3):
            assert "database or disk is full" in refusal(store.commit, many, {"journal": "2"}, NOW)
            assert sorted(str(one.subject) for one in store.live()) == ["192.0.2.1", "192.0.2.2"]
            assert store.positions() == {"journal": "1"}
            assert store.count(None, parse_subject("192.0.2.2")) == 1
        os.unlink(filler)
        store.commit(many, {"journal": "2"}, NOW)
        assert len(list(store.live())) == 501
        store.close()
        store = Store.open(path, NOW)
        assert (len(list(store.live())), store.positions(), store.recovered) == (501, {"journal": "2"}, "")
        """,
    )


def test_single_commits_until_the_disk_is_full_are_each_there_or_not(tmp_path):
    on_a_small_disk(
        tmp_path,
        """
        store = Store.open(path, NOW)
        open(filler, "wb").write(bytes(500_000))
        n = 0
        try:
            while True:
                store.commit([ban(number(n))], {"journal": str(n)}, NOW)
                n += 1
        except StoreError:
            pass
        assert n > 10
        assert len(list(store.live())) == n
        assert store.positions() == {"journal": str(n - 1)}
        os.unlink(filler)
        store.commit([ban(number(n))], {"journal": str(n)}, NOW)
        assert (len(list(store.live())), store.positions()) == (n + 1, {"journal": str(n)})
        """,
    )


def test_a_store_can_be_opened_and_read_on_a_full_disk(tmp_path):
    on_a_small_disk(
        tmp_path,
        """
        store = Store.open(path, NOW)
        store.commit([ban("192.0.2.1")], {"journal": "1"}, NOW)
        store.close()
        fill_the_disk()
        store = Store.open(path, NOW)
        assert ([str(one.subject) for one in store.live()], store.positions()) == (["192.0.2.1"], {"journal": "1"})
        assert (store.fresh, store.recovered) == (False, "")
        refusal(store.commit, [ban("192.0.2.2")], {"journal": "2"}, NOW)
        os.unlink(filler)
        store.commit([ban("192.0.2.2")], {"journal": "2"}, NOW)
        store.close()
        store = Store.open(path, NOW)
        assert (len(list(store.live())), store.positions()) == (2, {"journal": "2"})
        """,
    )


def test_a_full_disk_makes_no_new_store_and_leaves_nothing_behind(tmp_path):
    on_a_small_disk(
        tmp_path,
        """
        fill_the_disk()
        refusal(Store.open, path, NOW)
        assert sorted(os.listdir(os.path.dirname(path))) == ["filler", "nfjail.db.lock"]
        os.unlink(filler)
        assert Store.open(path, NOW).fresh
        """,
    )


def test_a_damaged_store_cannot_be_replaced_on_a_full_disk_but_later(tmp_path):
    on_a_small_disk(
        tmp_path,
        """
        store = Store.open(path, NOW)
        store.commit([ban("192.0.2.1")], {"journal": "1"}, NOW)
        store._db.execute("DROP TABLE evidence")
        fill_the_disk()
        refusal(store.replace, [ban("192.0.2.1"), ban("192.0.2.2")], {"journal": "2"}, NOW)
        try:
            store.commit([ban("192.0.2.2")], {"journal": "2"}, NOW)
            raise AssertionError("not refused")
        except StoreDamaged:
            pass
        os.unlink(filler)
        store.replace([ban("192.0.2.1"), ban("192.0.2.2")], {"journal": "2"}, NOW)
        assert (len(list(store.live())), store.positions()) == (2, {"journal": "2"})
        """,
    )


def test_a_foreign_lock_is_waited_for_a_moment_and_then_told(tmp_path):
    store = Store.open(str(tmp_path / "nfjail.db"), NOW)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match=r"database is locked: another program keeps it locked") as caught:
        store.commit([ban("192.0.2.1")], {}, NOW)
    assert not isinstance(caught.value, StoreDamaged)
    other.execute("ROLLBACK")
    other.close()
    store.commit([ban("192.0.2.1")], {}, NOW)
    assert len(list(store.live())) == 1
    store.close()


def test_a_read_only_file_system_is_told(tmp_path):
    Store.open(str(tmp_path / "nfjail.db"), NOW).close()
    code = "import sys; from nfjail.store import Store; Store.open(sys.argv[1], 0.0)"
    mounted = f'mount --bind {tmp_path} {tmp_path} && mount -o remount,ro,bind {tmp_path} && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mounted, "sh", sys.executable, "-c", code, str(tmp_path / "nfjail.db")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "StoreError" in done.stderr
    assert "Read-only file system: see whether its directory exists, may be written to" in done.stderr


def test_a_link_is_not_followed(tmp_path):
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "elsewhere").chmod(0o644)
    (tmp_path / "nfjail.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreError, match="is a link"):
        Store.open(str(tmp_path / "nfjail.db"), NOW)
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert (tmp_path / "elsewhere").stat().st_mode & 0o777 == 0o644


def test_a_bug_of_the_callers_is_no_trouble_of_the_store(tmp_path):
    store = Store.open(str(tmp_path / "nfjail.db"), NOW)
    with pytest.raises(sqlite3.IntegrityError):
        store.commit([ban("192.0.2.1"), ban("192.0.2.2")._replace(since=None)], {"journal": "1"}, NOW)
    assert (list(store.live()), store.positions()) == ([], {})
    store.commit([ban("192.0.2.1")], {}, NOW)
    store.close()


COMMIT_FOR_EVER = """
import sys
sys.path.insert(0, sys.argv[2])
from store_bed import NOW, ban, number, unban
from nfjail.store import Store
store = Store.open(sys.argv[1], NOW)
n = int(store.positions().get("journal", "0"))
print(n, flush=True)
while True:
    n += 1
    batch = [ban(number(n)), ban("192.0.2.1", since=NOW + n)] + [unban(number(n - 1))] * (n % 3 == 0)
    store.commit(batch, {"journal": str(n), "file": str(n)}, NOW)
"""


def test_kill_9_at_any_moment_leaves_bans_and_positions_that_belong_together(tmp_path):
    path = str(tmp_path / "nfjail.db")
    chance = random.Random(1)
    last = 0
    for _ in range(30):
        command = [sys.executable, "-c", COMMIT_FOR_EVER, path, str(HERE)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout
            assert int(child.stdout.readline()) == last
            time.sleep(chance.random() * 0.05)
            child.send_signal(signal.SIGKILL)
        store = Store.open(path, NOW)
        assert store.recovered == ""
        positions = store.positions()
        last = int(positions.get("journal", "0"))
        expected = [n for n in range(1, last + 1) if (n + 1) % 3 or n == last]
        live = {str(one.subject): one for one in store.live()}
        assert positions in ({}, {"journal": str(last), "file": str(last)})
        assert len(live) == len(expected) + bool(last)
        assert not last or live["192.0.2.1"].since == NOW + last
        assert store.count(None, parse_subject("192.0.2.1")) == last
        store.close()
    assert last > 100
