"""nfjail ctl as its users meet it: what it prints, how it ends, and what it protects them from."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from control_bed import EVIL, MANY, Bed, as_user, running

import nfjail
from nfjail.cli import main
from nfjail.cli.ctl import VERBS
from nfjail.text import printable

ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"},
    "PYTHONPATH": str(Path(nfjail.__file__).parent.parent),
    "TZ": "CET-1",
    "COLUMNS": "100",
}
NFJAIL = (sys.executable, "-m", "nfjail")


@pytest.fixture(scope="module")
def shared():
    with running() as bed:
        yield bed


@pytest.fixture
def bed(shared):
    """A daemon without bans."""
    with shared.connect() as peer:
        peer.ask("Unban", all=True)
    return shared


def ctl(bed: Bed, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("ctl", "--runtime", bed.runtime, *arguments, **environment)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*NFJAIL, *arguments], env=ENVIRONMENT | environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )


def said(done: subprocess.CompletedProcess[str]) -> str:
    """What a command that went well has printed."""
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


# Banning and unbanning


def test_ban_says_where_and_for_how_long(bed):
    done = ctl(bed, "ban", "192.0.2.7", "2001:db8::/64", "--for", "2h")
    assert said(done) == "manual: banned 192.0.2.7 for 2h\nmanual: banned 2001:db8::/64 for 2h\n"


def test_ban_forever_in_a_jail_with_a_reason(bed):
    assert said(ctl(bed, "ban", "192.0.2.7", "--jail", "sshd", "--for", "forever", "--reason", "no, you")) == (
        "sshd: banned 192.0.2.7 forever\n"
    )
    ban = json.loads(said(ctl(bed, "list", "--json")))
    assert (ban["jail"], ban["until"], ban["reason"]) == ("sshd", None, "no, you")


def test_the_daemon_decides_how_long_without_for(bed):
    assert said(ctl(bed, "ban", "192.0.2.7")) == "manual: banned 192.0.2.7 for 10m\n"


def test_ban_of_a_banned_address_says_both_ends(bed):
    ctl(bed, "ban", "192.0.2.7", "--for", "1h")
    assert said(ctl(bed, "ban", "192.0.2.7", "--for", "2h")) == (
        "manual: 192.0.2.7 was already banned until 2023-11-15 00:13:20, now until 2023-11-15 01:13:20\n"
    )
    assert said(ctl(bed, "ban", "192.0.2.7", "--for", "forever")).endswith("01:13:20, now forever\n")


def test_addresses_are_written_in_one_way(bed):
    assert said(ctl(bed, "ban", "2001:DB8:0:0::7", "::ffff:192.0.2.7", "192.0.2.8/32")) == (
        "manual: banned 2001:db8::7 for 10m\nmanual: banned 192.0.2.7 for 10m\nmanual: banned 192.0.2.8 for 10m\n"
    )


def test_unban_of_addresses_says_what_happened_to_each(bed):
    ctl(bed, "ban", "192.0.2.7")
    ctl(bed, "ban", "192.0.2.7", "--jail", "sshd")
    assert said(ctl(bed, "unban", "192.0.2.7", "192.0.2.9")) == (
        "manual: unbanned 192.0.2.7\nsshd: unbanned 192.0.2.7\n192.0.2.9 was not banned\n"
    )


def test_unban_of_a_jail_and_of_all_says_how_many(bed):
    for jail in ("sshd", "manual"):
        ctl(bed, "ban", "192.0.2.7", "192.0.2.8", "--jail", jail)
    assert said(ctl(bed, "unban", "--jail", "sshd")) == "ended 2 bans\n"
    assert said(ctl(bed, "unban", "192.0.2.8", "--jail", "manual")) == "manual: unbanned 192.0.2.8\n"
    assert said(ctl(bed, "unban", "--all")) == "ended 1 ban\n"


def test_flush_says_how_many(bed):
    ctl(bed, "ban", "192.0.2.7", "192.0.2.8")
    assert said(ctl(bed, "flush")) == "removed 2 bans: nobody is kept out until the next one\n"


# Looking


def test_status_shows_the_daemon_and_its_jails(bed):
    lines = said(ctl(bed, "status")).splitlines()
    assert lines[0].startswith("nfjail 0.1, process 7, up ")
    assert lines[1:] == [
        "trouble: the disk is full",
        "",
        "JAIL    FAILURES  BANNED  TOTAL  REFUSED  WATCHES",
        "sshd        1234       1     20     5678  journal: _SYSTEMD_UNIT=ssh.service, /var/log/auth.log",
        "manual         0       0      3        -  -",
    ]


def test_status_of_one_jail(bed):
    assert "manual" not in said(ctl(bed, "status", "sshd"))


def test_list_is_an_aligned_table(bed):
    ctl(bed, "ban", "192.0.2.7", "--jail", "sshd", "--for", "forever")
    ctl(bed, "ban", "2001:db8::/64", "--reason", "seen elsewhere")
    assert said(ctl(bed, "list")).splitlines() == [
        "JAIL    ADDRESS        SINCE                LEFT     BY   WHY",
        "sshd    192.0.2.7      2023-11-14 23:13:20  forever  ctl  asked by uid 0",
        "manual  2001:db8::/64  2023-11-14 23:13:20  0s       ctl  seen elsewhere",
    ]


def test_list_without_bans_is_a_header(bed):
    assert said(ctl(bed, "list")) == "JAIL  ADDRESS  SINCE  LEFT  BY  WHY\n"


def test_a_list_of_100_000_bans_comes_whole(bed):
    lines = said(ctl(bed, "list", "many")).splitlines()
    assert len(lines) == MANY + 1
    assert lines[-1].split()[1] == f"10.{MANY - 1 >> 16}.{MANY - 1 >> 8 & 255}.{MANY - 1 & 255}"


def test_why_shows_ban_end_arithmetic_who_asked_and_evidence(bed):
    assert said(ctl(bed, "why", "192.0.2.66")).splitlines() == [
        "192.0.2.66 is banned in manual forever",
        "  since     2023-11-14 23:13:20",
        "  because   enough",
        "  asked by  ctl",
        "192.0.2.66 was banned in sshd for 10m",
        "  since     2023-11-14 23:13:20",
        "  ended     2023-11-14 23:23:20 (expired)",
        "  because   3 failures in 41s; 2nd ban",
        "  asked by  filter",
        r"  2023-11-14 23:12:39  Failed password for \x1b[2J\x9broot\u202e from 192.0.2.66",
        "    (failregex 3; /var/log/auth.log)",
    ]


def test_why_of_an_address_that_was_never_banned(bed):
    assert said(ctl(bed, "why", "192.0.2.1")) == "no ban of 192.0.2.1 is on record\n"


def test_ignore_add_list_del(bed):
    assert said(ctl(bed, "ignore", "add", "192.0.2.7", "--for", "1h", "--reason", "a test")) == (
        "ignoring 192.0.2.7 until 2023-11-15 00:13:20\n"
    )
    assert said(ctl(bed, "ignore", "add", "2001:db8::/32")) == "ignoring 2001:db8::/32 forever\n"
    assert said(ctl(bed, "ignore", "list")).splitlines() == [
        "ADDRESS        HOW LONG                   BY   WHY",
        "192.0.2.7      until 2023-11-15 00:13:20  ctl  a test",
        "2001:db8::/32  forever                    ctl",
    ]
    assert said(ctl(bed, "ignore", "del", "192.0.2.7", "2001:db8::/32", "192.0.2.9")) == (
        "no longer ignoring 192.0.2.7\nno longer ignoring 2001:db8::/32\n192.0.2.9 was not ignored\n"
    )


def test_ping(bed):
    assert said(ctl(bed, "ping")) == f"nfjail {nfjail.__version__} is running (process {bed.process.pid})\n"


def test_watch_tells_what_happens_until_ctrl_c(bed):
    with subprocess.Popen(
        [*NFJAIL, "ctl", "watch", "--runtime", bed.runtime], env=ENVIRONMENT, stdout=-1, stderr=-1, text=True
    ) as watch:
        wait_for_watcher(bed)
        ctl(bed, "ban", "192.0.2.7", "--for", "20m", "--reason", "3 failures in 41s")
        first = watch.stdout.readline()
        watch.send_signal(signal.SIGINT)
        rest, errors = watch.communicate(timeout=10)
    assert first == "2023-11-14 23:13:20  manual: banned 192.0.2.7 for 20m (3 failures in 41s)\n"
    assert (watch.returncode, rest, errors) == (130, "", "")


def wait_for_watcher(bed: Bed) -> None:
    deadline = time.monotonic() + 10
    with bed.connect() as peer:
        while "somebody watches" not in peer.ask("Status")["parameters"]["trouble"]:
            assert time.monotonic() < deadline
            time.sleep(0.01)


# JSON


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        (["ban", "192.0.2.7"], "banned"),
        (["unban", "192.0.2.7"], "missing"),
        (["unban", "--all"], "count"),
        (["status"], "jails"),
        (["why", "192.0.2.66"], "records"),
        (["ignore", "add", "192.0.2.7"], "ignored"),
        (["ignore", "list"], "ignored"),
        (["ignore", "del", "192.0.2.7"], "deleted"),
        (["ping"], "pid"),
    ],
)
def test_json_is_one_document(bed, arguments, field):
    assert field in json.loads(said(ctl(bed, *arguments, "--json")))
    assert field in json.loads(said(ctl(bed, "--json", *arguments)))


def test_json_of_list_is_one_object_a_line(bed):
    ctl(bed, "ban", "192.0.2.7", "192.0.2.8")
    lines = said(ctl(bed, "list", "--json")).splitlines()
    assert [json.loads(line)["address"] for line in lines] == ["192.0.2.7", "192.0.2.8"]


def test_json_of_watch_is_one_object_a_line(bed):
    with subprocess.Popen(
        [*NFJAIL, "ctl", "watch", "--json", "--runtime", bed.runtime], env=ENVIRONMENT, stdout=-1, text=True
    ) as watch:
        wait_for_watcher(bed)
        ctl(bed, "ban", "192.0.2.7", "192.0.2.8")
        events = [json.loads(watch.stdout.readline()) for _ in range(2)]
        watch.kill()
    assert [(event["event"], event["address"]) for event in events] == [("ban", "192.0.2.7"), ("ban", "192.0.2.8")]


def test_json_keeps_what_a_log_said_and_harms_no_terminal(bed):
    text = said(ctl(bed, "why", "192.0.2.66", "--json"))
    assert json.loads(text)["records"][1]["evidence"][0]["message"] == EVIL
    assert text.replace("\n", "").isprintable()
    assert text.isascii()


# How it ends


def test_refused_is_1_with_words_and_advice(bed):
    done = ctl(bed, "status", "none")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "nfjail: there is no jail 'none'\n  jails: sshd\n"


def test_all_mistakes_of_a_reload_are_shown(bed):
    done = ctl(bed, "reload")
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["x.toml: maxretry", "x.toml: bantime", "  see nfjail check"]


def test_a_bug_in_the_daemon_is_1_and_says_where_to_look(bed):
    done = ctl(bed, "flush")
    assert done.returncode == 1
    assert "journalctl -u nfjail" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "VERB"),
        (["nonsense"], "invalid choice: 'nonsense'"),
        (["ban"], "ADDR"),
        (["ban", "192.0.2.7", "--for", "2x"], "'2x' is no length of time"),
        (["ban", "192.0.2.7", "--for", "0"], "must be longer than nothing"),
        (["unban"], "whom to unban?"),
        (["unban", "--all", "192.0.2.7"], "--all ends every ban"),
        (["why"], "ADDR"),
        (["ignore", "add"], "whom to add?"),
        (["ignore", "list", "192.0.2.7"], "takes no addresses"),
        (["ignore", "del", "192.0.2.7", "--for", "1h"], "takes no --for"),
        (["ping", "extra"], "extra"),
    ],
)
def test_wrong_usage_is_2_and_says_what_is_wrong(arguments, words):
    done = run("ctl", "--runtime", "/nonexistent", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [["ban"], ["unban"], ["ignore", "add"], ["ignore", "del"]])
def test_each_bad_address_is_named(verb):
    done = run("ctl", "--runtime", "/nonexistent", *verb, "192.0.2.7", "192.0.2.256", "192.0.2.7/24", "host")
    assert done.returncode == 2
    assert "'192.0.2.256' is no IP address" in done.stderr
    assert "'192.0.2.7/24' has bits set behind the prefix: write 192.0.2.0/24" in done.stderr
    assert "'host' is no IP address" in done.stderr


def test_not_running_is_3_and_says_what_to_do(tmp_path):
    done = run("ctl", "ping", "--runtime", str(tmp_path))
    assert (done.returncode, done.stdout) == (3, "")
    assert f"nfjail is not running: nobody listens at {tmp_path}/io.nfjail" in done.stderr
    assert "systemctl start nfjail" in done.stderr
    assert "--runtime" in done.stderr


def test_a_dead_daemons_socket_is_3(tmp_path):
    with socket.socket(socket.AF_UNIX) as left_over:
        left_over.bind(f"{tmp_path}/io.nfjail")
    assert run("ctl", "list", "--runtime", str(tmp_path)).returncode == 3


def test_something_else_that_listens_there_is_1(tmp_path):
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(f"{tmp_path}/io.nfjail")
        other.listen()
        ping = subprocess.Popen(
            [*NFJAIL, "ctl", "ping", "--runtime", str(tmp_path)], env=ENVIRONMENT, stderr=-1, text=True
        )
        with other.accept()[0] as client:
            client.sendall(b"220 mail.example.org ESMTP\0")
            assert ping.communicate(timeout=10)[1] == (
                "nfjail: what answers there is not nfjail\n  see whether --runtime is right\n"
            )
    assert ping.returncode == 1


def test_a_daemon_that_ends_while_it_is_watched_is_3():
    with running() as bed:
        watch = subprocess.Popen(
            [*NFJAIL, "ctl", "watch", "--runtime", bed.runtime], env=ENVIRONMENT, stderr=-1, text=True
        )
        wait_for_watcher(bed)
    assert "the daemon ended the connection" in watch.communicate(timeout=10)[1]
    assert watch.returncode == 3


def test_a_daemon_that_is_busy_is_waited_for():
    with running() as bed:
        os.kill(bed.process.pid, signal.SIGSTOP)
        queue = []
        while not queue or queue[-1].connect_ex(bed.path) == 0:  # until no more may wait
            queue.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
        ping = subprocess.Popen([*NFJAIL, "ctl", "ping", "--runtime", bed.runtime], env=ENVIRONMENT, stdout=-1)
        time.sleep(0.5)
        assert ping.poll() is None
        for waiting in queue:
            waiting.close()
        os.kill(bed.process.pid, signal.SIGCONT)
        assert b"is running" in ping.communicate(timeout=10)[0]


def test_without_the_right_to_connect_it_is_1(bed, capfd):
    assert as_user(65534, 65534, lambda: str(main(["ctl", "ping", "--runtime", bed.runtime]))) == "1"
    assert "run it as root (sudo), or as a member of the group nfjail to look only" in capfd.readouterr().err


def test_a_request_that_is_too_long_is_refused_by_the_daemon(bed):
    done = ctl(bed, "ban", *(f"2001:db8:{n:x}:ffff:ffff:ffff:ffff:ffff" for n in range(30_000)))
    assert done.returncode == 1
    assert "a request has at most 1048576 bytes" in done.stderr


def test_a_closed_pipe_ends_it_quietly(bed):
    command = f'{sys.executable} -m nfjail ctl --runtime {bed.runtime} list many | head -n 2; echo "${{PIPESTATUS[0]}}"'
    done = subprocess.run(["bash", "-c", command], env=ENVIRONMENT, capture_output=True, text=True)
    assert done.stdout.splitlines()[2] == "141"
    assert done.stderr == ""


# Locking oneself out


@pytest.mark.parametrize(
    ("connection", "address", "named"),
    [
        ("192.0.2.7 4711 192.0.2.1 22", "192.0.2.7", "192.0.2.7"),
        ("192.0.2.7 4711 192.0.2.1 22", "192.0.2.0/24", "192.0.2.7"),
        ("::ffff:192.0.2.7 4711 ::1 22", "192.0.2.7", "192.0.2.7"),
        ("2001:db8::7 4711 ::1 22", "2001:db8::7", "2001:db8::7"),
        ("2001:db8::7 4711 ::1 22", "2001:db8::99", "2001:db8::7"),  # banned by /64
        ("fe80::7%eth0 4711 ::1 22", "fe80::7", "fe80::7"),
    ],
)
def test_the_own_ssh_connection_is_not_cut(bed, connection, address, named):
    done = ctl(bed, "ban", "198.51.100.1", address, SSH_CONNECTION=connection)
    assert done.returncode == 1
    assert f"your own SSH connection comes from {named}" in done.stderr
    assert "--force" in done.stderr
    assert said(ctl(bed, "list", "--json")) == ""  # none of them


def test_the_own_ssh_connection_is_found_behind_sudo(bed):
    """sudo drops SSH_CONNECTION; the shell that it was called from still has it."""
    ban = f"{' '.join(NFJAIL)} ctl --runtime {bed.runtime} ban 192.0.2.7; exit $?"
    behind = f"env -u SSH_CONNECTION sh -c '{ban}'; exit $?"
    environment = ENVIRONMENT | {"SSH_CONNECTION": "192.0.2.7 4711 192.0.2.1 22"}
    done = subprocess.run(["sh", "-c", behind], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "your own SSH connection comes from 192.0.2.7" in done.stderr


def test_with_force_it_is_cut(bed):
    done = ctl(bed, "ban", "192.0.2.7", "--force", SSH_CONNECTION="192.0.2.7 4711 192.0.2.1 22")
    assert said(done) == "manual: banned 192.0.2.7 for 10m\n"


@pytest.mark.parametrize(
    "connection", ["192.0.2.8 1 192.0.2.7 22", "UNKNOWN 65535 UNKNOWN 65535", "", "2001:db8::7 1 ::1 2"]
)
def test_other_connections_do_not_matter(bed, connection):
    assert said(ctl(bed, "ban", "192.0.2.7", "2001:db8:0:1::7", SSH_CONNECTION=connection))


# The command itself


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("ščř 漢字", "ščř 漢字"),
        ("two\nlines", r"two\nlines"),
        ("\x1b]0;title\x07 \x9b2J \u202egnp.exe \x00", r"\x1b]0;title\x07 \x9b2J \u202egnp.exe \x00"),
        ("\udce4 \u2028", r"\udce4 \u2028"),
    ],
)
def test_control_characters_are_shown_not_sent(text, shown):
    assert printable(text) == shown


def test_line_ends_may_stay_where_they_are_our_own():
    assert printable("two\nlines\t\x07", "\n") == "two\nlines\\t\\x07"


def test_a_reason_with_line_ends_stays_one_line(bed):
    ctl(bed, "ban", "192.0.2.7", "--reason", "one\nsshd  10.0.0.1  forged")
    assert said(ctl(bed, "list")).splitlines()[1].endswith(r"one\nsshd  10.0.0.1  forged")


def test_set_without_a_change_shows_what_is_in_force(bed):
    lines = said(ctl(bed, "set", "sshd")).splitlines()
    assert lines == ["sshd: a ban for 10m after 5 failures in 10m", "never banned there: nobody by ignoreip"]


def test_set_changes_a_jail_until_the_next_reload(bed):
    changes = ("--bantime", "forever", "--findtime", "1h 30m", "--maxretry", "3", "--ignore", "192.0.2.0/24", "friend.example")
    assert said(ctl(bed, "set", "sshd", *changes)).splitlines() == [
        "sshd: a ban for ever after 3 failures in 1h 30m, until the next reload",
        "never banned there: 192.0.2.0/24, friend.example",
    ]
    assert json.loads(said(ctl(bed, "set", "sshd", "--bantime", "2h", "--json")))["settings"]["bantime"] == 7200
    assert "friend.example" not in said(ctl(bed, "set", "sshd", "--unignore", "friend.example"))


def test_set_refuses_what_makes_no_sense(bed):
    assert ctl(bed, "set", "sshd", "--findtime", "forever").returncode == 2
    done = ctl(bed, "set", "sshd", "--maxretry", "0")
    assert (done.returncode, done.stderr) == (1, "nfjail: maxretry: 0 cannot be used\n  write a whole number from 1 to 10000\n")


def test_help_fits_a_screen():
    text = said(run("--help", COLUMNS="80"))
    assert all(verb in text for verb in ("run", "check", "ctl"))
    assert "exit codes" in text
    assert len(text.splitlines()) <= 24


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_with_examples(verb):
    assert f"nfjail ctl {verb}" in said(run("ctl", verb, "--help")).partition("examples:")[2]


def test_version():
    assert said(run("--version")) == f"nfjail {nfjail.__version__}\n"


@pytest.mark.parametrize("arguments", [["nonsense"], [], ["--", "ctl"], ["--nonsense", "ctl"]])
def test_a_command_line_without_a_verb_is_wrong_usage(arguments):
    done = run(*arguments)
    assert done.returncode == 2
    assert "usage: nfjail" in done.stderr


def test_ctl_loads_nothing_that_is_slow(bed):
    """It is called in loops and by monitoring: what it imports is what it costs."""
    program = "import sys; from nfjail.cli import main; main(sys.argv[1:]); print(*sorted(sys.modules))"
    command = [sys.executable, "-c", program, "ctl", "ping", "--runtime", bed.runtime]
    loaded = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True).stdout.split()
    assert "nfjail.cli.ctl" in loaded
    slow = {"asyncio", "dataclasses", "inspect", "logging", "sqlite3", "subprocess", "tomli", "tomllib", "nftables"}
    assert not slow & set(loaded)
    assert {name for name in loaded if name.startswith("nfjail.") and not name.startswith("nfjail.cli")} == {
        f"nfjail.{room}" for room in ("core", "core.duration", "core.model", "errors", "interface", "text", "varlink")
    }
