"""A damaged store is set aside and said; nothing else than StoreDamaged ever comes out of one."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from store_bed import NOW, ban, number, unban

from nfjail.core.model import parse_subject
from nfjail.store import Store, StoreDamaged

PAGE = 4096
ASIDE = ".damaged-20231114T221320Z"  # NOW
IGNORED = (parse_subject("192.0.2.250"), None, "my own")


def filled(path: str) -> None:
    store = Store.open(path, NOW)
    for n in range(0, 200, 20):
        store.commit([ban(number(i)) for i in range(n, n + 20)], {"journal": f"{n}"}, NOW)
        store.commit([unban(number(i)) for i in range(n, n + 10)], {}, NOW)
    store.ignore_add(*IGNORED, NOW)
    store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "nfjail.db"
    filled(str(path))
    return path.read_bytes()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "nfjail.db")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    filled(path)
    opened = Store.open(path, NOW)
    yield opened
    opened.close()


def spoil(path: str, *statements: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA ignore_check_constraints = on")
        for statement in statements:
            db.execute(statement)
    db.close()


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "is damaged (it is empty)": lambda _: b"",
    "is damaged (file is not a database)": lambda _: b"Dear diary, today I was no database. " * 1000,
    "is damaged (database disk image is malformed)": lambda whole: whole[: len(whole) // 2],
    "its tables cannot be read": lambda whole: whole.replace(b"CREATE TABLE evidence", b"CREATE \xc1ABLE evidence"),
    "malformed": lambda whole: whole[:PAGE] + b"\xff" * (len(whole) - PAGE),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_a_damaged_file_is_set_aside_and_a_new_one_made(path, whole, said):
    spoiled = DAMAGE[said](whole)
    Path(path).write_bytes(spoiled)
    store = Store.open(path, NOW)
    assert store.recovered.startswith(f"{path} is damaged (")
    assert said in store.recovered
    assert store.recovered.endswith(f": it was set aside as {path}{ASIDE}, and a new one begun")
    assert store.fresh
    assert Path(path + ASIDE).read_bytes()[100:] == spoiled[100:]
    assert list(store.live()) == []
    store.commit([ban("192.0.2.1")], {}, NOW)
    store.close()
    reopened = Store.open(path, NOW)
    assert (len(list(reopened.live())), reopened.recovered, reopened.fresh) == (1, "", False)
    reopened.close()


SPOILED = {
    "no evidence, ignored in it": ["DROP TABLE evidence", "DROP TABLE ignored"],
    "no past_end in it": ["DROP INDEX past_end"],
    "its tables have no version": ["PRAGMA user_version = 0"],
    "2 of 100 rows of live": ["UPDATE live SET since = 'yesterday' WHERE packed IN (x'0a00000a', x'0a00000b')"],
    "1 of 100 rows of live": ["UPDATE live SET packed = x'c00002' WHERE packed = x'0a00000a'"],
    "1 of 1 rows of position": ["UPDATE position SET position = 7"],
    "1 of 1 rows of ignored": ["UPDATE ignored SET until = 'never'"],
}


@pytest.mark.parametrize("said", SPOILED)
def test_tables_and_rows_that_are_not_as_they_should_be_are_damage(path, said):
    filled(path)
    spoil(path, *SPOILED[said])
    store = Store.open(path, NOW)
    assert said in store.recovered
    assert list(store.live()) == []
    store.close()


def test_what_still_can_be_read_of_positions_and_ignore_entries_is_kept(path):
    filled(path)
    spoil(path, "DROP TABLE evidence")
    store = Store.open(path, NOW)
    assert store.positions() == {"journal": "180"}
    assert store.ignored() == [IGNORED]
    store.close()


def test_the_wal_is_set_aside_with_its_file(path):
    filled(path)
    store = Store.open(path, NOW)
    store.commit([ban("192.0.2.1")], {}, NOW)
    wal = Path(path + "-wal").read_bytes()
    store.close()
    Path(path).write_bytes(b"no database" * 1000)
    Path(path + "-wal").write_bytes(wal)
    Path(path + "-shm").write_bytes(b"\xff" * 32768)
    store = Store.open(path, NOW)
    assert Path(path + ASIDE + "-wal").read_bytes() == wal
    store.close()


def test_two_damages_in_one_second_get_two_names(path):
    for _ in range(2):
        Path(path).write_bytes(b"no database" * 1000)
        Store.open(path, NOW).close()
    assert {ASIDE, f"{ASIDE}-2"} == {name[len("nfjail.db") :] for name in os.listdir(Path(path).parent)} - {"", ".lock"}


def test_a_spoiled_shm_or_wal_file_alone_loses_no_more_than_itself(path):
    filled(path)
    Path(path + "-wal").write_bytes(os.urandom(50_000))
    Path(path + "-shm").write_bytes(os.urandom(32_768))
    store = Store.open(path, NOW)
    assert (len(list(store.live())), store.recovered) == (100, "")
    store.close()


def test_a_wal_cut_anywhere_gives_bans_and_positions_that_belong_together(path):
    store = Store.open(path, NOW)
    for n in range(1, 41):
        store.commit([ban(number(n))], {"journal": str(n)}, NOW)
    database, wal = Path(path).read_bytes(), Path(path + "-wal").read_bytes()
    store.close()
    seen = set()
    for length in range(0, len(wal), 3000):
        Path(path).write_bytes(database)
        Path(path + "-wal").write_bytes(wal[:length])
        store = Store.open(path, NOW)
        last = int(store.positions().get("journal", "0"))
        assert sorted(one.subject for one in store.live()) == [parse_subject(number(n)) for n in range(1, last + 1)]
        seen.add(last)
        store.close()
    assert len(seen) > 10


def everything(store: Store) -> Iterator[tuple[str, Callable[[], object]]]:
    """All that one can do with a store."""
    subjects = [parse_subject(number(n)) for n in range(210)]
    yield "live", lambda: list(store.live())
    yield "find", lambda: [store.find("sshd", subject) for subject in subjects]
    yield "count", lambda: [store.count(None, subject) for subject in subjects]
    yield "why", lambda: [store.why(subject, 9) for subject in subjects[::10]]
    yield "ended_since", lambda: list(store.ended_since(0.0))
    yield "positions", store.positions
    yield "ignored", store.ignored
    yield "ignore_delete", lambda: store.ignore_delete(IGNORED[0])
    yield "totals", store.totals
    yield "ban", lambda: store.commit([ban(number(n), since=NOW + 1) for n in range(210)], {"journal": "x"}, NOW)
    yield "unban", lambda: store.commit([unban(number(n)) for n in range(0, 210, 2)], {}, NOW)
    yield "end_expired", lambda: store.end_expired(NOW + 9999)
    yield "purge", lambda: store.purge(NOW + 9999)


@pytest.mark.parametrize("filling", ["zeros", "ones", "noise", "the page after", "the page five on"])
def test_any_page_may_be_spoiled(path, whole, filling):
    pages = [whole[at : at + PAGE] for at in range(0, len(whole), PAGE)]
    noticed = 0
    for n in range(len(pages)):
        other = {"zeros": b"\0" * PAGE, "ones": b"\xff" * PAGE, "noise": os.urandom(PAGE)}
        other |= {"the page after": pages[n - len(pages) + 1], "the page five on": pages[n - len(pages) + 5]}
        Path(path).write_bytes(b"".join([*pages[:n], other[filling], *pages[n + 1 :]]))
        store = Store.open(path, NOW)
        damaged = bool(store.recovered)
        for _, act in everything(store):
            try:
                act()
            except StoreDamaged:
                damaged = True
                store.replace([ban("192.0.2.1")], {"journal": "y"}, NOW)
                assert [str(one.subject) for one in store.live()] == ["192.0.2.1"]
        store.close()
        noticed += damaged
    assert noticed > len(pages) * 0.8  # the others are free pages


def break_under(store: Store) -> None:
    """Spoils all pages but the first while the store is open."""
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with open(store.path, "r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(PAGE)
        file.write(b"\xff" * (size - PAGE))
    store._db.execute("PRAGMA shrink_memory")  # else it would not look


def test_damage_under_a_running_daemon_is_told_and_the_store_replaced(store):
    bans = list(store.live())
    break_under(store)
    with pytest.raises(StoreDamaged, match=r"is damaged .*: it has to be set aside and started anew"):
        store.commit([ban("192.0.2.1")], {"journal": "x"}, NOW)
    store.replace([*bans, ban("192.0.2.1")], {"journal": "x"}, NOW)
    assert store.recovered == f"{store.path} is damaged: it was set aside as {store.path}{ASIDE}, and a new one begun"
    assert os.path.exists(store.path + ASIDE)
    store.commit([ban("192.0.2.2"), unban("192.0.2.1")], {"journal": "y"}, NOW)
    store.close()
    reopened = Store.open(store.path, NOW)
    assert {one.subject for one in reopened.live()} == {one.subject for one in [*bans, ban("192.0.2.2")]}
    assert (reopened.positions(), reopened.recovered) == ({"journal": "y"}, "")
    reopened.close()


def test_ignore_entries_outlive_a_replacement(store):
    store._db.execute("DROP TABLE evidence")
    with pytest.raises(StoreDamaged, match="no such table: evidence"):
        store.commit([ban("192.0.2.1")], {}, NOW)
    store.replace([], {}, NOW)
    assert store.ignored() == [IGNORED]


def test_an_unreadable_record_is_damage_and_no_traceback(store):
    store._db.execute("UPDATE evidence SET failures = '[{\"time\": 5}]'")
    with pytest.raises(StoreDamaged, match=r"is damaged \(ban \d+ cannot be read\)"):
        store.why(parse_subject(number(1)), 9)
