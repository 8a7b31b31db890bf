"""`nfjail test --json`: one object for each line, in their order, whatever the lines are like."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from verb_bed import HOST, NOW, command, environment, run, told

STAMP = "Nov 22 02:03:04"


def test_an_object_has_line_result_host_time_pattern_and_fields():
    assert told(HOST, f"{STAMP} h app: no joe from 192.0.2.7", *NOW) == [
        {
            "line": 1,
            "result": "failure",
            "host": "192.0.2.7",
            "time": "2026-11-22T02:03:04+00:00",
            "pattern": 0,
            "fields": {"user": "joe", "ip4": "192.0.2.7"},
        }
    ]


def test_what_is_not_known_is_null():
    first, second = told(HOST, stdin=b"something\nNov 22 02:03:04 else\n")
    assert first == {"line": 1, "result": "missed", "host": None, "time": None, "pattern": None, "fields": {}}
    assert second | {"time": ""} == first | {"line": 2, "time": ""}


def test_a_missed_line_has_its_time_too():
    assert [each["time"] for each in told(HOST, f"{STAMP} else\n2026-11-22T02:03:05Z x", *NOW)] == [
        "2026-11-22T02:03:04+00:00",
        "2026-11-22T02:03:05+00:00",
    ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("last_end", [True, False])
def test_every_line_has_its_object_also_empty_ones(end, last_end):
    lines = [b"", b"Nov 22 02:03:04 h app: no joe from 192.0.2.7", b"", b"", b"x", b"Nov 22 02:03:04 h app: no joe from ::1"]
    results = [(each["line"], each["host"]) for each in told(HOST, stdin=end.join(lines) + end * last_end)]
    assert results == [(1, None), (2, "192.0.2.7"), (3, None), (4, None), (5, None), (6, "::1")]


def test_nothing_in_nothing_out():
    assert told(HOST, stdin=b"") == []


def test_only_a_newline_ends_a_line():
    text = "Nov 22 02:03:04 h app: no a\x0bb\x0cc\x1cd\x85e\u2028f\rg from 192.0.2.7\n"
    (only,) = told(HOST, stdin=text.encode())
    assert only["fields"]["user"] == "a\x0bb\x0cc\x1cd\x85e\u2028f\rg"


def test_bytes_that_are_no_text_do_no_harm():
    noise = bytes(range(256)) * 20
    wanted = noise.count(b"\n")
    lines = told(HOST, stdin=noise + b"\nNov 22 02:03:04 h app: no \xff\0 from 192.0.2.7\n")
    assert [each["line"] for each in lines] == list(range(1, wanted + 3))
    assert lines[-1]["fields"]["user"] == "\ufffd\0"
    assert lines[-1]["host"] == "192.0.2.7"


def test_an_encoding():
    line = "Nov 22 02:03:04 h app: no Zoë from 192.0.2.7\n".encode("latin-1")
    assert told(HOST, "--encoding", "latin-1", stdin=line)[0]["fields"]["user"] == "Zoë"
    assert run(HOST, "--encoding", "latin-99").returncode == 2


def test_a_very_long_line_is_one_line(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x" * 3_000_000 + b"\n" + b"Nov 22 02:03:04 h app: no joe from 192.0.2.7\n" + b"y" * 2_000_000)
    assert [(each["line"], each["result"]) for each in told(HOST, str(log))] == [(1, "missed"), (2, "failure"), (3, "missed")]


def test_many_lines_stay_in_order(tmp_path):
    log = tmp_path / "log"
    count = 20_000
    log.write_text("".join(f"Nov 22 02:03:04 h app: no u{n} from 192.0.2.{n % 200}\n" for n in range(count)))
    lines = told(HOST, str(log))
    assert [each["line"] for each in lines] == list(range(1, count + 1))
    assert [each["fields"]["user"] for each in lines] == [f"u{n}" for n in range(count)]


def test_a_line_in_place_of_a_file_may_be_several():
    assert [each["host"] for each in told(HOST, f"x\n{STAMP} h app: no joe from 192.0.2.7\r\n")] == [None, "192.0.2.7", None]


def test_lines_are_answered_as_they_come():
    """Whoever writes a line into a pipe need not close it to get the answer."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command(HOST, "--json"), env=environment(), **pipes) as process:
        for number in (1, 2):
            process.stdin.write(b"Nov 22 02:03:04 h app: no joe from 192.0.2.7\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["line"] == number
        process.stdin.write(b"unfinished")
        process.stdin.close()
        assert json.loads(process.stdout.readline())["line"] == 3
        assert process.wait(10) == 0


def test_one_who_has_seen_enough_ends_it_quietly(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x\n" * 100_000)
    with subprocess.Popen(
        command(HOST, str(log), "--json"), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10) == 141


def test_a_slow_reader_gets_everything(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"x\n" * 100_000)
    pipes = {"stdout": subprocess.PIPE, "env": environment(PYTHONUNBUFFERED="1")}
    with subprocess.Popen(command(HOST, str(log), "--json"), **pipes) as process:
        time.sleep(0.5)
        assert len(process.stdout.read().splitlines()) == 100_000


RESULTS = (
    r"^ (?:<F-NOFAIL>hello</F-NOFAIL>|<F-MLFGAINED>welcome</F-MLFGAINED>|bad) session <F-MLFID>\d+</F-MLFID>"
    r"(?: user <F-USER>\S+</F-USER>)?(?: from <HOST>)?$"
)


def test_helper_and_pending_lines_of_a_session():
    log = [
        "Nov 22 02:03:04 hello session 1 from 192.0.2.7",
        "Nov 22 02:03:05 bad session 1 user joe",
        "Nov 22 02:03:05 bad session 2 user ann",
        "Nov 22 02:03:06 welcome session 3 from 192.0.2.9",
        "Nov 22 02:03:07 bad session 2 from 192.0.2.8",
    ]
    lines = told(RESULTS, "\n".join(log), *NOW)
    assert [each["result"] for each in lines] == ["helper", "failure", "helper", "helper", "failure"]
    assert [each["host"] for each in lines] == ["192.0.2.7", "192.0.2.7", None, "192.0.2.9", "192.0.2.8"]
    assert [each["pattern"] for each in lines] == [0] * 5
    assert lines[1]["fields"] == {"mlfid": "1", "user": "joe", "ip4": "192.0.2.7"}
    assert lines[4]["fields"]["user"] == "ann"


def test_several_values_of_one_field_are_a_list():
    (line,) = told("id <F-ID>\\w+</F-ID> and <F-TUPLE_ID>\\w+</F-TUPLE_ID>", "id a and b")
    assert line["fields"]["fid"] == ["a", "b"]
    log = "\n".join(f"bad session 1 user {name} from 192.0.2.7" for name in ("joe", "ann"))
    assert told(RESULTS.replace("^ ", "^"), log)[1]["fields"]["users"] == ["joe", "ann"]


def test_ignored_lines():
    log = "Nov 22 02:03:04 h app: no joe from 192.0.2.7\nNov 22 02:03:04 h app: no backup from 192.0.2.7\nbackup"
    lines = told(HOST, log, "--ignoreregex", "backup")
    assert [each["result"] for each in lines] == ["failure", "ignored", "ignored"]
    assert [each["pattern"] for each in lines] == [0, 0, None]
    assert [each["host"] for each in lines] == ["192.0.2.7", None, None]


def test_a_pattern_that_fits_but_names_nobody_is_told():
    (line,) = told(HOST, "Nov 22 02:03:04 h app: no joe from 999.1.1.1", "--usedns", "no")
    assert (line["result"], line["host"], line["pattern"]) == ("missed", None, 0)


@pytest.mark.parametrize(
    ("usedns", "host"), [("yes", "mail.example.org"), ("warn", "mail.example.org"), ("raw", "mail.example.org"), ("no", None)]
)
def test_names_are_not_resolved(usedns, host):
    (line,) = told(HOST, "Nov 22 02:03:04 h app: no joe from mail.example.org", "--usedns", usedns)
    assert line["host"] == host


def test_addresses_are_written_properly():
    log = "\n".join(f"Nov 22 02:03:04 h app: no joe from {ip}" for ip in ("::ffff:192.0.2.7", "2001:DB8::0:1", "[::1]"))
    assert [each["host"] for each in told(HOST, log)] == ["192.0.2.7", "2001:db8::1", "::1"]


def test_several_lines_at_once():
    lines = told("^first <HOST><SKIPLINES>last$", "first 192.0.2.7\nmiddle\nlast\nlast", "--maxlines", "3")
    assert [each["result"] for each in lines] == ["missed", "missed", "failure", "missed"]


# The clock


def times(line: str, *arguments: str) -> str:
    return told(HOST, line, *arguments)[0]["time"]


@pytest.mark.parametrize(
    ("now", "year"),
    [("2026-11-22T12:00:00", 2026), ("2026-11-20T12:00:00", 2025), ("2026-11-21T12:00:00", 2026), ("2019-12-31", 2019),
     ("1577880000", 2019), ("2004-02-29T12:00:00Z", 2003)],
)  # fmt: skip
def test_now_tells_the_year_of_dates_without_one(now, year):
    assert times(STAMP, "--now", now, "--timezone", "UTC") == f"{year}-11-22T02:03:04+00:00"


@pytest.mark.parametrize(
    ("zone", "offset"),
    [("UTC", "+00:00"), ("+0200", "+02:00"), ("-05:30", "-05:30"), ("CET", "+01:00"), ("Europe/Paris", "+01:00"),
     ("UTC+02", "+02:00"),
     ("CET-01CEST-02,M3.5.0,M10.5.0", "+01:00"), ("EST5EDT", "-05:00"), ("Asia/Kathmandu", "+05:45")],
)  # fmt: skip
def test_the_zone_of_dates_without_one(zone, offset):
    assert times(STAMP, "--now", "2026-11-25", f"--timezone={zone}") == f"2026-11-22T02:03:04{offset}"


def test_summer_time():
    assert times("Jul 22 02:03:04", "--now", "2026-11-25", "--timezone", "Europe/Paris") == "2026-07-22T02:03:04+02:00"


def test_a_date_with_a_zone_is_shown_in_the_one_in_use():
    assert times("2026-11-22T02:03:04Z", "--timezone", "+0100") == "2026-11-22T03:03:04+01:00"


def test_the_machines_own_zone_and_clock_are_the_default():
    (line,) = (json.loads(run("--json", HOST, "2026-11-22 02:03:04", TZ="America/New_York").stdout),)
    assert line["time"] == "2026-11-22T02:03:04-05:00"


def test_now_without_a_zone_is_in_the_one_given():
    """The day after tomorrow there, so it was last year; but not here."""
    assert times("Nov 23 23:00:00", "--now", "2026-11-22T22:00:00", "--timezone", "UTC").startswith("2025")
    assert times("Nov 23 23:00:00", "--now", "2026-11-22T22:00:00+00:00", "--timezone", "+1200").startswith("2026")


@pytest.mark.parametrize(
    "option", ["--now=yesterday", "--now=nan", "--now=1e99", "--timezone=Europe/Nowhere", "--timezone=UTC+1"]
)
def test_no_such_time_or_zone(option):
    done = run(HOST, "x", option)
    assert done.returncode == 2
    assert done.stderr.decode().startswith(f"nfjail: {option.partition('=')[0]}")


def test_a_time_beyond_the_calendar_is_null():
    assert times("@4fffffffffffffff00000000 x", "--datepattern", "TAI64N") is None
