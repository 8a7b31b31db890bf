"""`nfjail import --bans` where the database is not as it should be, and what a jail here makes of somebody else's bans."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from nfjail.cli import main
from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import FOREVER, Jail, Rules
from nfjail.core.model import parse_subject
from nfjail.core.policy import Policy
from nfjail.desk_takeover import taken_over
from nfjail.engine import Engine
from nfjail.errors import NfjailError
from nfjail.fail2ban.bans import read_bans

NOW = 1_795_356_901.0
BIPS = "CREATE TABLE bips(ip TEXT, jail TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON);"
BANS = "CREATE TABLE bans(jail TEXT, ip TEXT, timeofban INTEGER, bantime INTEGER, bancount INTEGER, data JSON);"
OLD = "CREATE TABLE bans(jail TEXT, ip TEXT, timeofban INTEGER, data JSON);"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fail2ban.sqlite3"


def make(path: Path, script: str) -> None:
    with sqlite3.connect(path) as db:
        db.executescript(script)
    db.close()


def trouble(path: Path | str) -> str:
    with pytest.raises(NfjailError) as caught:
        read_bans(str(path), NOW)
    return str(caught.value).replace(f"{path}", "DB")


def test_no_database(path: Path) -> None:
    assert trouble(path) == (
        "there is no database of fail2ban's at DB: name it: nfjail import --bans FILE; "
        "`fail2ban-client get dbfile` tells where it is"
    )


def test_a_folder(tmp_path: Path) -> None:
    assert trouble(tmp_path) == "DB is not a file: name fail2ban's database: nfjail import --bans FILE"


@pytest.mark.parametrize("content", [b"this is not a database" * 100, b"SQLite format 3\0" + b"\xff" * 5000])
def test_something_else(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert trouble(path).startswith("DB: it cannot be read as fail2ban's database: file is not a database: if it is damaged,")


def test_a_damaged_one(path: Path) -> None:
    make(path, BIPS + "".join(f"INSERT INTO bips VALUES('192.0.2.{n}', 'sshd', 1, 2, 3, '{'x' * 200}');" for n in range(250)))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + b"\xaa" * 8192 + whole[16384:])
    assert trouble(path) == (
        "DB: it cannot be read as fail2ban's database: database disk image is malformed: "
        "if it is damaged, start and stop fail2ban once: it mends what it can"
    )
    path.write_bytes(whole[:8192])
    assert trouble(path).startswith("DB: it cannot be read as fail2ban's database: database disk image is malformed")


def test_an_empty_one_and_one_of_somebody_else(path: Path) -> None:
    advice = "start fail2ban 0.11 or newer on it once, or name its database"
    path.touch()
    assert trouble(path) == f"DB: it has no table of bans: {advice}"
    make(path, "CREATE TABLE songs(name);")
    assert trouble(path) == f"DB: it has no table of bans: {advice}"


def test_one_from_before_0_11(path: Path) -> None:
    make(path, OLD)
    assert trouble(path).startswith("DB: it is from a fail2ban before 0.11, which kept no lengths: start fail2ban 0.11")


def test_the_last_ban_of_each_where_there_is_only_the_history(path: Path) -> None:
    rows = [("192.0.2.1", NOW - 10, 60, 2), ("192.0.2.1", NOW - 1000, 100_000, 1), ("192.0.2.2", NOW - 100, 60, 1)]
    make(path, BANS + "".join(f"INSERT INTO bans VALUES('sshd', '{ip}', {t}, {n}, {c}, '{{}}');" for ip, t, n, c in rows))
    found = read_bans(str(path), NOW)
    assert [(str(ban.subject), ban.until, ban.nth) for ban in found.running] == [("192.0.2.1", NOW + 50, 2)]
    assert found.over == 1


def test_rows_that_make_no_sense_are_left_out_and_counted(path: Path) -> None:
    rows = ("NULL, 'sshd', 1, 600, 1, '{}'", "'192.0.2.1', 'sshd', 'soon', 600, 1, '{}'", "x'ff', 'sshd', 1, 600, 1, '{}'",
            "'192.0.2.2', 'sshd', 1, -2, 1, '{}'", f"'192.0.2.3', 'sshd', {NOW}, 600, 0, 'no JSON'")  # fmt: skip
    make(path, BIPS + "".join(f"INSERT INTO bips VALUES({row});" for row in rows))
    found = read_bans(str(path), NOW)
    assert [(str(ban.subject), ban.nth, ban.reason) for ban in found.running] == [("192.0.2.3", 1, "taken over from fail2ban")]
    assert dict(found.unfit) == {
        "its row is damaged": 3,
        "it is from a fail2ban before 0.11, and its length is not known": 1,
    }


def test_while_fail2ban_is_in_the_middle_of_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(path, BIPS)
    monkeypatch.setattr("nfjail.fail2ban.bans._PATIENCE", 0.01)
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    busy = trouble(path)
    writer.close()
    assert busy == (
        "DB: it cannot be read as fail2ban's database: database is locked: fail2ban is busy writing there: try again"
    )


def test_who_may_not_read_it(path: Path) -> None:
    make(path, BIPS)
    path.chmod(0)
    command = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", sys.executable, "-m", "nfjail", "import"]
    done = subprocess.run([*command, "--bans", path], capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 1
    assert done.stderr == (
        f"nfjail: {path}: it cannot be read as fail2ban's database: unable to open database file\n"
        "  see whether you may read it: run this as root\n"
    )


def test_where_no_nfjail_runs_it_says_what_to_do(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(path, BIPS + "INSERT INTO bips VALUES('192.0.2.1', 'sshd', 1, -1, 1, '{}');")
    assert main(["import", "--bans", str(path), "--runtime", str(tmp_path)]) == 3
    told = capsys.readouterr()
    assert told.out == f"{path}: 1 running bans, 0 that are over\n"
    assert told.err == (
        f"nfjail: nfjail is not running: nobody listens at {tmp_path}/io.nfjail (No such file or directory)\n"
        "  start it with fail2ban's jails (nfjail import -o /etc/nfjail; systemctl start nfjail), then do this again\n"
    )


def test_the_database_is_where_fail2ban_conf_says(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(path, BIPS)
    (tmp_path / "fail2ban.conf").write_text(f"[Definition]\ndbfile = {path}\n")
    assert main(["import", str(tmp_path), "--bans"]) == 0
    assert capsys.readouterr().out == f"{path}: 0 running bans, 0 that are over\n"
    (tmp_path / "fail2ban.local").write_text("[Definition]\ndbfile = None\n")
    assert main(["import", str(tmp_path), "--bans"]) == 1
    assert capsys.readouterr().err.startswith(f"nfjail: fail2ban keeps no database: dbfile = None in {tmp_path}/fail2ban.conf")


def test_it_is_not_done_together_with_writing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--bans", "-o", str(tmp_path)]) == 2
    assert "--bans goes with neither -o nor --force" in capsys.readouterr().err


class Nothing:
    """A store without earlier bans, and a kernel that does nothing."""

    def count(self, *_: object) -> int:
        return 0


@pytest.fixture
def engine() -> Engine:
    jail = Jail(Rules("sshd", Filter("sshd", ()), Policy(600.0)), IgnoreList([parse_subject("192.0.2.9")]))
    engine = Engine(Nothing(), Nothing(), lambda: 0.0)  # type: ignore[arg-type]
    engine.replace_jails({"sshd": jail})
    return engine


def old(address: str, until: float | None = NOW + 500, **more: object) -> dict[str, object]:
    ban = {"jail": "sshd", "address": address, "since": NOW - 100, "until": until, "nth": 3, "origin": "import"}
    return {**ban, "reason": "taken over from fail2ban", **more}


def test_a_ban_goes_on_since_when_until_when_and_for_the_how_many_th_time(engine: Engine) -> None:
    (ban,), answer = taken_over({"bans": [old("192.0.2.1")]}, engine, NOW)
    assert answer == {"taken": 1, "ignored": []}
    assert ban == ("sshd", parse_subject("192.0.2.1"), NOW - 100, NOW + 500, 3, "import", "taken over from fail2ban", ())
    assert engine.jails["sshd"].banned == {parse_subject("192.0.2.1"): NOW + 500}
    assert taken_over({"bans": [old("192.0.2.1")]}, engine, NOW) == ([], {"taken": 0, "ignored": []})


def test_ipv6_addresses_of_one_network_are_one_ban_here(engine: Engine) -> None:
    bans = [old("2001:db8::1", NOW + 10), old("2001:db8::2", None), old("2001:db8::3", NOW + 20)]
    decisions, answer = taken_over({"bans": bans}, engine, NOW)
    assert [(str(ban.subject), ban.until) for ban in decisions] == [("2001:db8::/64", None)]
    assert engine.jails["sshd"].banned == {parse_subject("2001:db8::/64"): FOREVER}
    assert answer["taken"] == 1


def test_who_is_ignored_here_is_not_banned_and_what_is_over_stays_over(engine: Engine) -> None:
    bans = [old("192.0.2.9"), old("192.0.2.0/28"), old("192.0.2.1", NOW)]
    decisions, answer = taken_over({"bans": bans}, engine, NOW)
    assert decisions == []
    assert [place["address"] for place in answer["ignored"]] == ["192.0.2.9", "192.0.2.0/28"]


@pytest.mark.parametrize("given", [old("0.0.0.0/0"), old("nobody"), old("192.0.2.1", jail="shop")])
def test_what_makes_no_sense_is_refused_as_a_whole(engine: Engine, given: dict[str, object]) -> None:
    with pytest.raises(NfjailError):
        taken_over({"bans": [old("192.0.2.1"), given]}, engine, NOW)
    assert engine.jails["sshd"].banned == {}
