"""`nfjail test`: its report for people, which filters and which input it takes, and what it says when something is wrong."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess

import pytest
from verb_bed import HOST, NOW, command, environment, refusal, report, run, told

LINE = "Nov 22 02:03:04 h app: no joe from 192.0.2.7"
SSHD = "Nov 22 02:03:04 h sshd[7]: Failed password for root from 192.0.2.7 port 22 ssh2"


@pytest.fixture
def filters(tmp_path):
    folder = tmp_path / "fail2ban/filter.d"
    folder.mkdir(parents=True)
    (folder / "common.conf").write_text(
        "[DEFAULT]\nlogtype = file\n[lt_file]\nhead = \\s*\\S+ app:\\s\n[lt_journal]\nhead = \\S+ app:\\s\n"
    )
    (folder / "app.conf").write_text(
        "[INCLUDES]\nbefore = common.conf\n[Definition]\nprefregex = ^<lt_<logtype>/head><F-CONTENT>.+</F-CONTENT>$\n"
        "mdre-normal = ^no <F-USER>\\S+</F-USER> from <HOST>$\nmdre-aggressive = %(mdre-normal)s\n  ^bad <HOST>$\n"
        "failregex = <mdre-<mode>>\nmode = normal\njournalmatch = SYSLOG_IDENTIFIER=app\n"
    )
    return folder


# The report


def test_a_few_lines_are_explained_one_by_one():
    said = report(HOST, f"{LINE}\nelse", *NOW)
    assert said.splitlines()[:2] == ["the pattern: 1 pattern", ""]
    assert "     1 failure Nov 22 02:03:04 h app: no joe from 192.0.2.7\n       host     192.0.2.7\n" in said
    assert "       time     2026-11-22T02:03:04+00:00\n       pattern  0\n       user     joe\n" in said
    assert "     2 missed  else\n       seen     'else'\n" in said
    assert said.endswith("\n2 lines: 1 failure, 0 helper, 0 ignored, 1 missed\n")


def test_of_many_lines_the_last_missed_and_ignored_ones_are_shown(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"{LINE}\nno joe {n}\nNov 22 02:03:04 h app: no root from 192.0.2.7\n" for n in range(30)))
    arguments = (HOST, str(log), "--ignoreregex", "root", *NOW)
    said = report(*arguments)
    assert "the last 10 missed of 30:\n       62 no joe 20\n" in said
    assert "the last 10 ignored of 30:\n       63 Nov" in said
    assert re.search(r"^ +0 +30 +[\d.]+us +[\d.]+us  \^ h app", said, re.MULTILINE)
    assert re.search(r"^90 lines.*: 30 failure, 0 helper, 30 ignored, 30 missed$", said, re.MULTILINE)
    assert "30 missed of 30:\n        2 no joe 0\n" in report(*arguments, "--all")


def test_each_line_on_demand(tmp_path):
    log = tmp_path / "log"
    log.write_text(f"{LINE}\n" * 30)
    assert report(HOST, str(log), "-v").count("       user     joe\n") == 30


def test_patterns_have_hits_and_times_and_the_slowest_is_named(filters):
    said = report(f"fail2ban:{filters}/app.conf[mode=aggressive]", "Nov 22 02:03:04 h app: bad 192.0.2.7\n" + LINE)
    assert re.search(r"^ +0 +1 +[\d.]+us +[\d.]+us  \^no <F-USER>", said, re.MULTILINE)
    assert re.search(r"^ +1 +1 +[\d.]+us +[\d.]+us  \^bad <HOST>", said, re.MULTILINE)
    assert re.search(r"^slowest: pattern [01], [\d.]+us a line$", said, re.MULTILINE)


def test_what_the_log_says_does_not_drive_the_terminal():
    said = report(HOST, "Nov 22 02:03:04 h app: no \x1b]0;pwned\x07 from 192.0.2.7\n\x1b[2J")
    assert "\x1b" not in said
    assert "no \\x1b]0;pwned\\x07 from" in said


def test_exit_codes():
    assert run(HOST, LINE).returncode == 0
    assert run(HOST, "else").returncode == 1
    assert run(HOST, "else", "--json").returncode == 0
    assert run().returncode == 2


def on_terminal(arguments: tuple[str, ...], **more: str) -> bytes:
    ours, theirs = pty.openpty()
    with subprocess.Popen(command(*arguments), env=environment(**more), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs):
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 65536):
                said += chunk
        except OSError:  # EIO: the process has ended
            os.close(ours)
    return said


def test_colours_on_a_terminal_only():
    assert b"\x1b[31mfailure" in on_terminal((HOST, LINE))
    assert b"\x1b" not in on_terminal((HOST, LINE), NO_COLOR="1")
    assert "\x1b" not in report(HOST, LINE)


def test_a_progress_bar_on_long_input(tmp_path):
    log = tmp_path / "log"
    log.write_text("".join(f"Nov 22 02:{n % 60:02}:04 h app: no joe{n} from 192.0.2.7\n" for n in range(200_000)))
    said = on_terminal((HOST, str(log)))
    assert re.search(rb"\r\x1b\[K\[#+\.+\] +\d+%, \d+s left", said)
    assert b"\x1b[K" not in on_terminal((HOST, LINE))


def test_interrupted_it_reports_what_it_has_found():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(HOST, "-v"), env=environment(), **pipes) as process:
        process.stdin.write(f"{LINE}\n".encode())
        process.stdin.flush()
        assert b"failure" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stdout.read().endswith(b"1 line: 1 failure, 0 helper, 0 ignored, 0 missed\n")
        assert process.stderr.read() == b""
        assert process.wait(10) == 130


def test_interrupted_with_json_it_just_ends():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command(HOST, "--json"), env=environment(), **pipes) as process:
        process.stdin.write(b"x\n")
        process.stdin.flush()
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert (process.stdout.read(), process.stderr.read(), process.wait(10)) == (b"", b"", 130)


# Filters


def test_a_filter_of_conf_d():
    assert [each["host"] for each in told("sshd", SSHD)] == ["192.0.2.7"]
    (line,) = told("sshd", SSHD, *NOW)
    assert (line["time"], line["fields"]) == ("2026-11-22T02:03:04+00:00", {"user": "root"})


def test_a_mode_of_a_filter_of_conf_d():
    line = "Nov 22 02:03:04 h sshd[7]: Connection closed by 192.0.2.7 port 22 [preauth]"
    assert told("sshd", line)[0]["result"] == "missed"
    assert told("sshd[mode=aggressive]", line)[0]["result"] == "failure"


def test_a_bare_message_does_as_well():
    assert told("sshd", SSHD.partition(": ")[2])[0]["host"] == "192.0.2.7"


@pytest.fixture
def configured(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/x.toml").write_text(
        "[filter.app]\nidentifier = [\"app\"]\nfailregex = ['^no <HOST>$']\n\n"
        "[filter.old]\nlanguage = \"fail2ban\"\nprefregex = '^ h app: <F-CONTENT>.+</F-CONTENT>$'\n"
        "failregex = ['^no <F-USER>\\S+</F-USER> from <HOST>$']\nignoreregex = ['from ::1$']\n"
    )
    return ("--config", str(tmp_path))


def test_another_folder_with_conf_d(configured):
    assert told("app", "Nov 22 02:03:04 h app: no 192.0.2.7", *configured)[0]["host"] == "192.0.2.7"
    assert told("app", "Nov 22 02:03:04 h other: no 192.0.2.7", *configured)[0]["host"] is None


def test_a_filter_of_conf_d_in_fail2bans_language(configured):
    first, second = told("old", f"{LINE}\n{LINE.replace('192.0.2.7', '::1')}", *configured, *NOW)
    assert (first["host"], first["fields"]["user"], first["time"]) == ("192.0.2.7", "joe", "2026-11-22T02:03:04+00:00")
    assert second["result"] == "ignored"
    assert told("old", "h app: no joe from ::2", "--logtype", "journal", *configured)[0]["result"] == "missed"


@pytest.mark.parametrize(
    "name", ["fail2ban:{}/app.conf", "fail2ban:{}/app", "{}/app.conf", "fail2ban:{}/app.conf[mode=normal]"]
)
def test_a_fail2ban_file(filters, name):
    lines = told(name.format(filters), f"{LINE}\nNov 22 02:03:04 h app: bad 192.0.2.7", *NOW)
    assert [(each["host"], each["pattern"]) for each in lines] == [("192.0.2.7", 0), (None, None)]
    assert lines[0]["fields"] == {"user": "joe", "ip4": "192.0.2.7"}


def test_parameters_of_a_fail2ban_file(filters):
    lines = told(f"fail2ban:{filters}/app.conf[mode='aggressive']", f"{LINE}\nNov 22 02:03:04 h app: bad 192.0.2.7")
    assert [each["pattern"] for each in lines] == [0, 1]


def test_with_logtype_journal_lines_have_no_date_of_their_own(filters):
    name = f"fail2ban:{filters}/app.conf[mode=aggressive,logtype=journal]"
    lines = told(name, f"h app: bad 192.0.2.7\n{LINE}", *NOW)
    assert [each["host"] for each in lines] == ["192.0.2.7", None]
    assert [each["time"] for each in lines] == ["2026-11-22T12:00:00+00:00"] * 2


def test_local_files_count(filters):
    (filters / "app.local").write_text("[Definition]\nmode = aggressive\n")
    assert told(f"fail2ban:{filters}/app.conf", "Nov 22 02:03:04 h app: bad 192.0.2.7")[0]["pattern"] == 1


# Mistakes


def test_no_such_filter(filters):
    assert refusal("sshdd", LINE) == (
        "nfjail: there is no filter 'sshdd' in conf.d\n  did you mean sshd? One of fail2ban's is written fail2ban:sshdd\n"
    )
    assert "there is no filter 'apq'" in refusal(f"fail2ban:{filters}/apq.conf", LINE)
    assert "did you mean app?" in refusal(f"fail2ban:{filters}/apq.conf", LINE)
    assert "no mode 'angry'" in refusal("sshd[mode=angry]", LINE)
    assert "color is no parameter" in refusal("sshd[color=red]", LINE)
    assert "/nonexistent/filter.d" in refusal("fail2ban:/nonexistent/filter.d/x.conf", LINE)


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        (b"[Definition]\nfailregex = ^a <HOST>$\n  ^b (<HOST>$\n", 3, "unterminated"),
        (b"[Definition]\nfailregex = ^a <HOST>$\nfailregex = ^b <HOST>$\n", 3, "failregex"),
        (b"[Definition]\nfailregex = %(gone)s <HOST>\n", 2, "gone"),
        (b"[Definition]\nfailregex = ^nobody$\n", 2, "<HOST>"),
        (b"[Definition]\nfailregex = ^<HOST>$\ndatepattern = %%Q\n", 3, "%Q"),
        (b"failregex = ^<HOST>$\n", 1, ""),
        (b"[Definition\nfailregex = ^<HOST>$\n", 1, ""),
        (b"\x7fELF\0\0\xff\xfe\n", 1, ""),
    ],
)
def test_a_broken_fail2ban_file_is_named_with_its_line(filters, text, line, what):
    path = filters / "broken.conf"
    path.write_bytes(text)
    said = refusal(f"fail2ban:{path}", LINE, "--json")
    assert said.startswith(f"nfjail: {path}:{line}: ")
    assert what in said
    assert "Traceback" not in said


def test_a_broken_pattern():
    assert refusal("^(<HOST>", LINE).startswith("nfjail: failregex[0] '^(<HOST>': missing )")
    assert "put <HOST> where the address stands" in refusal("^x$", LINE)
    assert "ignoreregex[0] '('" in refusal(HOST, LINE, "--ignoreregex", "(")
    assert "datepattern" in refusal(HOST, LINE, "--datepattern", "%Q")


def test_a_broken_filter_of_conf_d(tmp_path):
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/x.toml").write_text("[filter.app]\nfailregex = ['^no (<HOST>$']\n")
    said = refusal("app", LINE, "--config", str(tmp_path))
    assert "conf.d/x.toml" in said
    assert "failregex" in said


def test_input_that_cannot_be_read(tmp_path):
    assert "no file /nonexistent/log" in refusal(HOST, "/nonexistent/log", code=66)
    assert "cannot be read" in refusal(HOST, str(tmp_path), code=66)
    assert "cannot be opened" in refusal("sshd", f"journal:{tmp_path}/none", code=1)


def test_options_that_mean_nothing_to_nfjails_own_filters():
    assert "--usedns is for patterns" in refusal("sshd", LINE, "--usedns", "no", code=2)
    assert "give --journalmatch" in refusal(HOST, "journal", code=2)


def test_no_input_at_all(tmp_path):
    closed = subprocess.run(["sh", "-c", '"$@" <&-', "sh", *command(HOST)], env=environment(), capture_output=True)
    assert closed.returncode == 66
    assert b"standard input" in closed.stderr


# The journal


@pytest.fixture(scope="module")
def journal(bed, tmp_path_factory):
    """Three entries: of app, of sshd, and one of app in two lines."""
    folder = tmp_path_factory.mktemp("journal") / "j"
    written = 1_795_312_984_000_000  # 2026-11-22T02:03:04Z
    entries = ""
    for n, (writer, message) in enumerate(
        (("app", b"no joe from 192.0.2.7"), ("sshd", SSHD.partition(": ")[2].encode()), ("app", b"bad\nthing"))
    ):
        size = len(message).to_bytes(8, "little").decode("latin-1")
        entries += (
            f"__REALTIME_TIMESTAMP={written + (n + 60) * 1_000_000}\n__MONOTONIC_TIMESTAMP={n + 1}\n_BOOT_ID={'b' * 32}\n"
            f"_SOURCE_REALTIME_TIMESTAMP={written + n * 1_000_000}\n_HOSTNAME=h\nSYSLOG_IDENTIFIER={writer}\n"
            f"_COMM={writer}\n_UID=0\n_PID=7\nMESSAGE\n{size}{message.decode('latin-1')}\n\n"
        )
    command = [str(bed / "make-journal.sh"), "-", str(folder)]
    subprocess.run(command, input=entries.encode("latin-1"), check=True, stdout=subprocess.DEVNULL)
    return f"journal:{folder}"


def test_the_journal_as_fail2ban_shows_it_to_filters(filters, journal):
    filter = f"fail2ban:{filters}/app.conf"
    (filters / "common.conf").write_text("[DEFAULT]\nlogtype = file\n[lt_journal]\nhead = \\S+ app\\[7\\]:\\s\n")
    lines = told(filter, journal, "--timezone", "UTC")
    assert [(each["host"], each["time"]) for each in lines] == [
        ("192.0.2.7", "2026-11-22T02:03:04+00:00"),
        (None, "2026-11-22T02:03:06+00:00"),
    ]
    assert " 2 missed  h app[7]: bad\\nthing\n" in report(filter, journal)


def test_the_journal_with_a_filter_of_conf_d(journal):
    (line,) = told("sshd", journal, "--timezone", "UTC")
    assert (line["host"], line["time"]) == ("192.0.2.7", "2026-11-22T02:03:05+00:00")


def test_other_entries_of_the_journal(journal):
    lines = told("^h \\S+ Failed .* from <HOST>", journal, "--journalmatch", "SYSLOG_IDENTIFIER=sshd + SYSLOG_IDENTIFIER=app")
    assert [each["host"] for each in lines] == [None, "192.0.2.7", None]
