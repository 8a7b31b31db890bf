"""What the store keeps: bans, their history and evidence, positions, ignore entries; in real SQLite files."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from store_bed import NOW, ban, failure, number, unban

from nfjail import store_schema
from nfjail.core.model import parse_subject
from nfjail.store import Record, Store, StoreError
from nfjail.store_rows import MAX_FAILURES, MAX_TEXT


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "nfjail.db")


@pytest.fixture
def store(path: str) -> Iterator[Store]:
    opened = Store.open(path, NOW)
    yield opened
    opened.close()


def addresses(store: Store) -> list[str]:
    return sorted(str(one.subject) for one in store.live())


def again(store: Store) -> Store:
    store.close()
    return Store.open(store.path, NOW)


# Bans


def test_a_ban_lives_until_it_is_unbanned(store):
    store.commit([ban("192.0.2.1"), ban("2001:db8::/64"), ban("198.51.100.0/24", seconds=None)], {}, NOW)
    assert addresses(store) == ["192.0.2.1", "198.51.100.0/24", "2001:db8::/64"]
    store.commit([unban("192.0.2.1")], {}, NOW)
    assert addresses(store) == ["198.51.100.0/24", "2001:db8::/64"]


def test_bans_outlive_the_daemon_without_their_evidence(store):
    given = [ban("192.0.2.1", nth=3), ban("2001:db8::/64", "nginx", seconds=None)]
    store.commit(given, {}, NOW)
    reopened = again(store)
    assert sorted(reopened.live()) == [one._replace(evidence=()) for one in sorted(given)]
    assert (reopened.fresh, reopened.recovered) == (False, "")
    reopened.close()


def test_a_second_ban_in_the_same_jail_replaces_the_first(store):
    store.commit([ban("192.0.2.1")], {}, NOW)
    store.commit([ban("192.0.2.1", since=NOW + 5, seconds=None, nth=2)], {}, NOW)
    assert [(one.since, one.until) for one in store.live()] == [(NOW + 5, None)]
    newest, oldest = store.why(parse_subject("192.0.2.1"), 9)
    assert (newest.ended_at, newest.ended_why) == (None, "")
    assert (oldest.ended_at, oldest.ended_why) == (NOW + 5, "replaced")


def test_the_same_address_is_banned_in_each_jail_by_itself(store):
    store.commit([ban("192.0.2.1", "sshd"), ban("192.0.2.1", "nginx")], {}, NOW)
    store.commit([unban("192.0.2.1", "nginx")], {}, NOW)
    assert [one.jail for one in store.live()] == ["sshd"]


def test_decisions_of_one_batch_count_in_their_order(store):
    store.commit([ban("192.0.2.1"), unban("192.0.2.1"), unban("192.0.2.2"), ban("192.0.2.2")], {}, NOW)
    assert addresses(store) == ["192.0.2.2"]


def test_unbanning_what_is_not_banned_does_nothing(store):
    store.commit([unban("192.0.2.1")], {}, NOW)
    assert store.why(parse_subject("192.0.2.1"), 9) == []


def test_a_ban_never_ends_before_it_began(store):
    store.commit([ban("192.0.2.1", since=NOW), unban("192.0.2.1", at=NOW - 100)], {}, NOW)
    assert [record.ended_at for record in store.why(parse_subject("192.0.2.1"), 9)] == [NOW]


def test_a_live_ban_is_found_by_jail_and_subject(store):
    store.commit([ban("192.0.2.1", "sshd"), ban("192.0.2.2", "sshd"), unban("192.0.2.2", "sshd")], {}, NOW)
    assert store.find("sshd", parse_subject("192.0.2.1")) == ban("192.0.2.1", "sshd")._replace(evidence=())
    assert store.find("nginx", parse_subject("192.0.2.1")) is None
    assert store.find("sshd", parse_subject("192.0.2.2")) is None


def test_expired_bans_end_at_their_own_end(store):
    store.commit([ban("192.0.2.1", seconds=60), ban("192.0.2.2", seconds=61), ban("192.0.2.3", seconds=None)], {}, NOW)
    assert len(list(store.live())) == 3
    assert store.end_expired(NOW + 60) == [("sshd", parse_subject("192.0.2.1"), NOW + 60)]
    assert store.end_expired(NOW + 60) == []
    assert addresses(store) == ["192.0.2.2", "192.0.2.3"]
    [record] = store.why(parse_subject("192.0.2.1"), 9)
    assert (record.ended_at, record.ended_why) == (NOW + 60, "expired")


def test_ended_since_tells_who_became_free_after_a_time(store):
    store.commit([ban(f"192.0.2.{n}") for n in (1, 2, 3)] + [ban("192.0.2.3", since=NOW + 30)], {}, NOW)
    store.commit([unban("192.0.2.1", at=NOW + 10), unban("192.0.2.2", at=NOW + 20)], {}, NOW)
    assert list(store.ended_since(NOW + 10)) == [("sshd", parse_subject("192.0.2.2"), NOW + 20)]


def test_the_last_end_of_a_subjects_bans_in_a_jail(store):
    subject = parse_subject("192.0.2.1")
    store.commit([ban("192.0.2.1"), ban("192.0.2.2"), ban("192.0.2.1", jail="other")], {}, NOW)
    assert store.last_end("sshd", subject) is None
    store.commit([unban("192.0.2.1", at=NOW + 10), ban("192.0.2.1", since=NOW + 20)], {}, NOW)
    assert store.last_end("sshd", subject) == NOW + 10
    store.commit([unban("192.0.2.1", at=NOW + 30)], {}, NOW)
    assert store.last_end("sshd", subject) == NOW + 30
    assert store.last_end("other", subject) is None


# History


def test_count_tells_how_often_exactly_this_subject_was_banned(store):
    store.commit([ban("192.0.2.1"), unban("192.0.2.1"), ban("192.0.2.1"), ban("192.0.2.1", "nginx")], {}, NOW)
    store.commit([ban("192.0.2.0/24"), ban("2001:db8::/64")], {}, NOW)
    subject = parse_subject("192.0.2.1")
    assert store.count("sshd", subject) == 2
    assert store.count("nginx", subject) == 1
    assert store.count(None, subject) == 3
    assert store.count(None, parse_subject("192.0.2.2")) == 0
    assert store.count("sshd", parse_subject("2001:db8::/64")) == 1


def test_why_shows_the_evidence(store):
    given = ban("192.0.2.1")
    store.commit([given], {}, NOW)
    assert store.why(given.subject, 9) == [Record(given, None, "")]


def test_why_of_an_address_finds_the_networks_around_it(store):
    store.commit([ban("2001:db8:0:1::/64"), ban("2001:db8::/32", since=NOW + 1), ban("2001:db8:0:2::/64")], {}, NOW)
    store.commit([ban("192.0.2.0/24"), ban("0.0.0.0/0"), unban("0.0.0.0/0")], {}, NOW)
    found = [str(record.ban.subject) for record in store.why(parse_subject("2001:db8:0:1::5"), 9)]
    assert found == ["2001:db8::/32", "2001:db8:0:1::/64"]
    found = [str(record.ban.subject) for record in store.why(parse_subject("192.0.2.9"), 9)]
    assert sorted(found) == ["0.0.0.0/0", "192.0.2.0/24"]


def test_why_of_a_network_finds_the_addresses_in_it(store):
    # 32.1.13.184 are the first four bytes of 2001:db8::
    inside = ["32.1.13.184", "32.1.13.0/25", "32.1.13.0/24"]
    store.commit([ban(one) for one in [*inside, "32.1.14.1", "2001:d80::1", "32.1.13.255"]], {}, NOW)
    found = [str(record.ban.subject) for record in store.why(parse_subject("32.1.13.0/24"), 9)]
    assert sorted(found) == sorted([*inside, "32.1.13.255"])


def test_why_gives_the_newest_first_and_no_more_than_asked(store):
    for n in range(5):
        store.commit([ban("192.0.2.1", since=NOW + n, nth=n), unban("192.0.2.1", at=NOW + n)], {}, NOW)
    assert [record.ban.nth for record in store.why(parse_subject("192.0.2.1"), 3)] == [4, 3, 2]


def test_the_evidence_of_a_network_names_the_addresses(store):
    given = ban("2001:db8::/64")._replace(evidence=(failure("2001:db8::1"), failure("2001:db8::/64")))
    store.commit([given], {}, NOW)
    assert store.why(given.subject, 9)[0].ban == given


def test_the_last_failures_are_kept_and_long_messages_cut(store):
    many = tuple(failure("192.0.2.1", "x" * 5000, time=NOW + n) for n in range(50))
    store.commit([ban("192.0.2.1")._replace(evidence=many)], {}, NOW)
    kept = store.why(parse_subject("192.0.2.1"), 9)[0].ban.evidence
    assert [one.time for one in kept] == [NOW + n for n in range(50 - MAX_FAILURES, 50)]
    assert {len(one.message) for one in kept} == {MAX_TEXT}


@pytest.mark.parametrize(
    ("message", "kept"),
    [
        ("a\0b", "a\0b"),
        ("lone \ud800 surrogate \udfff", "lone \ufffd surrogate \ufffd"),
        ("\U0001f600 é \x1b[31m \u2028 '\"; DROP TABLE live; --", "\U0001f600 é \x1b[31m \u2028 '\"; DROP TABLE live; --"),
    ],
)
def test_any_text_can_be_kept_and_comes_back_harmless(store, message, kept):
    told = failure("192.0.2.1", message)._replace(fields={"user": message}, position=message)
    store.commit([ban("192.0.2.1")._replace(evidence=(told,), reason=message), unban("192.0.2.1", why=message)], {}, NOW)
    [record] = store.why(parse_subject("192.0.2.1"), 9)
    [found] = record.ban.evidence
    assert (found.message, found.fields, found.position) == (kept, {"user": kept}, kept)
    assert (record.ban.reason, record.ended_why) == (kept, kept)
    assert repr(record).encode()


def test_totals_count_live_and_all_bans_of_each_jail(store):
    store.commit([ban("192.0.2.1"), ban("192.0.2.2"), ban("192.0.2.2", "nginx"), unban("192.0.2.1")], {}, NOW)
    assert store.totals() == {"sshd": (1, 2), "nginx": (1, 1)}


def test_purge_forgets_ended_bans_by_age_and_a_bounded_number_at_a_time(store):
    bans = [ban(number(n), seconds=60) for n in range(6000)]
    store.commit([*bans, ban("192.0.2.1", seconds=9999), ban("192.0.2.2", seconds=None)], {}, NOW)
    store.end_expired(NOW + 9999)
    assert store.purge(NOW + 60) == 0
    assert [store.purge(NOW + 9999) for _ in range(3)] == [5000, 1000, 0]
    assert store.totals() == {"sshd": (1, 2)}
    assert len(store.why(parse_subject("192.0.2.1"), 9)[0].ban.evidence) == 2
    assert store.count("sshd", parse_subject(number(1))) == 0
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT count(*) FROM evidence").fetchone() == (2,)


# Positions and ignore entries


def test_positions_come_back_as_they_were_given(store):
    odd = {"journal": "s=1;i=2", "/var/log/\udcff.log": "12:\ud800", "/var/log/a\0b": "", "/var/log/é": "é"}
    store.commit([], odd, NOW)
    store.commit([], {"journal": "s=1;i=3"}, NOW)
    reopened = again(store)
    assert reopened.positions() == {**odd, "journal": "s=1;i=3"}
    reopened.close()


def test_ignore_entries_come_and_go(store):
    one, net = parse_subject("192.0.2.1"), parse_subject("2001:db8::/32")
    store.ignore_add(one, NOW + 60, "testing", NOW)
    store.ignore_add(net, None, "", NOW)
    store.ignore_add(one, NOW + 90, "still", NOW)
    assert sorted(store.ignored()) == [(one, NOW + 90, "still"), (net, None, "")]
    assert store.ignore_delete(one) is True
    assert store.ignore_delete(one) is False
    assert store.ignored() == [(net, None, "")]


def test_ignore_entries_that_are_over_are_dropped_with_the_next(store):
    store.ignore_add(parse_subject("192.0.2.1"), NOW + 60, "", NOW)
    store.ignore_add(parse_subject("192.0.2.2"), NOW + 600, "", NOW + 60)
    assert [str(subject) for subject, _, _ in store.ignored()] == ["192.0.2.2"]


# The file


def test_the_file_is_for_its_owner_only(store):
    store.commit([ban("192.0.2.1")], {}, NOW)
    for end in ("", "-wal", "-shm", ".lock"):
        assert stat.S_IMODE(os.stat(store.path + end).st_mode) == 0o600


def test_a_file_that_others_could_read_is_closed_to_them(store):
    os.chmod(store.path, 0o644)
    reopened = again(store)
    assert stat.S_IMODE(os.stat(store.path).st_mode) == 0o600
    reopened.close()


def test_a_new_store_says_so(path):
    first = Store.open(path, NOW)
    assert (first.fresh, first.recovered) == (True, "")
    first.close()
    os.unlink(path)
    second = Store.open(path, NOW)
    assert (second.fresh, second.recovered) == (True, "")
    second.close()


def test_closing_leaves_one_database_file_and_the_lock(store, tmp_path):
    store.commit([ban("192.0.2.1")], {}, NOW)
    again(store).close()
    assert sorted(os.listdir(tmp_path)) == ["nfjail.db", "nfjail.db.lock"]


def test_others_may_read_the_file_meanwhile(store):
    store.commit([ban("192.0.2.1")], {}, NOW)
    with sqlite3.connect(store.path) as db:
        assert db.execute("SELECT jail, reason FROM live").fetchall() == [("sshd", "2 failures in 1s")]


def test_the_directory_must_exist(tmp_path):
    with pytest.raises(StoreError, match="No such file or directory: see whether its directory exists"):
        Store.open(str(tmp_path / "missing" / "nfjail.db"), NOW)


def test_a_second_daemon_is_refused_by_the_pid_of_the_first(store):
    with pytest.raises(StoreError, match=f"{store.path} is in use by pid {os.getpid()}: .*another --state"):
        Store.open(store.path, NOW)


def test_a_second_process_is_refused_until_the_first_is_gone(store):
    code = "import sys; from nfjail.store import Store; Store.open(sys.argv[1], 0.0).close()"
    command = [sys.executable, "-c", code, store.path]
    refused = subprocess.run(command, capture_output=True, text=True)
    assert f"in use by pid {os.getpid()}" in refused.stderr
    assert refused.returncode == 1
    store.commit([ban("192.0.2.1")], {}, NOW)
    reopened = again(store)  # as after the first one's end
    assert addresses(reopened) == ["192.0.2.1"]
    reopened.close()
    assert subprocess.run(command).returncode == 0


# Versions


def test_a_database_without_tables_becomes_a_store(path):
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode = WAL")  # writes the header, nothing else
    db.close()
    made = Store.open(path, NOW)
    assert (made.fresh, made.recovered) == (True, "")
    made.commit([ban("192.0.2.1")], {}, NOW)
    assert addresses(made) == ["192.0.2.1"]
    made.close()


VERSION_1 = """
    PRAGMA journal_mode = WAL;
    CREATE TABLE live (jail TEXT NOT NULL, packed BLOB NOT NULL, prefixlen INTEGER NOT NULL, since REAL NOT NULL,
        until REAL, nth INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL, id INTEGER NOT NULL,
        PRIMARY KEY (packed, prefixlen, jail)) WITHOUT ROWID;
    CREATE TABLE past (id INTEGER PRIMARY KEY, jail TEXT NOT NULL, packed BLOB NOT NULL, prefixlen INTEGER NOT NULL,
        since REAL NOT NULL, until REAL, nth INTEGER NOT NULL, origin TEXT NOT NULL, reason TEXT NOT NULL,
        ended_at REAL NOT NULL, ended_why TEXT NOT NULL);
    CREATE INDEX past_subject ON past (packed, prefixlen, jail);
    CREATE INDEX past_end ON past (ended_at);
    CREATE TABLE evidence (id INTEGER PRIMARY KEY, failures TEXT NOT NULL);
    CREATE TABLE position (source BLOB PRIMARY KEY, position BLOB NOT NULL, saved_at REAL NOT NULL) WITHOUT ROWID;
    CREATE TABLE ignored (packed BLOB NOT NULL, prefixlen INTEGER NOT NULL, until REAL, reason TEXT NOT NULL,
        added_at REAL NOT NULL, PRIMARY KEY (packed, prefixlen)) WITHOUT ROWID;
    INSERT INTO evidence VALUES (7, '[{"time":1.5,"message":"m","position":"p","pattern":2,"fields":{"user":"x"}}]');
    INSERT INTO live VALUES ('sshd', x'c0000201', 32, 5.0, NULL, 2, 'ctl', 'why not', 7);
    INSERT INTO position VALUES (x'6a', x'6b', 5.0);
    PRAGMA user_version = 1;
"""


@pytest.fixture
def version_1(path: str) -> str:
    with sqlite3.connect(path) as db:
        db.executescript(VERSION_1)
    db.close()
    return path


def test_version_1_of_the_tables_can_be_read(version_1):
    opened = Store.open(version_1, NOW)
    [record] = opened.why(parse_subject("192.0.2.1"), 9)
    assert (opened.fresh, opened.recovered, opened.positions()) == (False, "", {"j": "k"})
    assert (record.ban.origin, record.ban.reason, record.ban.until, record.ban.nth) == ("ctl", "why not", None, 2)
    assert record.ban.evidence == (failure("192.0.2.1", "m", 1.5)._replace(position="p", pattern=2, fields={"user": "x"}),)
    opened.close()


def test_older_tables_are_brought_forward(version_1, monkeypatch):
    later = (("ALTER TABLE past ADD COLUMN colour TEXT",), ("UPDATE live SET reason = 'moved'", "ANALYZE"))
    monkeypatch.setattr(store_schema, "MIGRATIONS", store_schema.MIGRATIONS + later)
    opened = Store.open(version_1, NOW)
    assert [one.reason for one in opened.live()] == ["moved"]
    opened.close()
    with sqlite3.connect(version_1) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (3,)
        assert db.execute("SELECT count(colour) FROM past").fetchone() == (0,)


def test_a_step_forward_that_fails_changes_nothing(version_1, monkeypatch):
    later = (("UPDATE live SET reason = 'moved'", "INSERT INTO live SELECT * FROM live"),)
    with monkeypatch.context() as patched:
        patched.setattr(store_schema, "MIGRATIONS", store_schema.MIGRATIONS + later)
        patched.setattr(store_schema, "_DAMAGE", ())
        with pytest.raises(sqlite3.IntegrityError):
            Store.open(version_1, NOW)
    opened = Store.open(version_1, NOW)
    assert [one.reason for one in opened.live()] == ["why not"]
    opened.close()


def test_tables_of_a_newer_nfjail_are_left_alone(version_1):
    with sqlite3.connect(version_1) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = Path(version_1).read_bytes()
    with pytest.raises(StoreError, match=r"written by a newer nfjail \(version 99 .* knows 1\): install that nfjail again"):
        Store.open(version_1, NOW)
    with pytest.raises(StoreError, match="newer"):  # and the lock is free again
        Store.open(version_1, NOW)
    assert Path(version_1).read_bytes() == before
