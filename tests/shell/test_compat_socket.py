"""fail2ban's own socket over nfjail: its real client of both packages, and what exporters do with it."""

from __future__ import annotations

import contextlib
import os
import pickle
import pickletools
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from compat_bed import ROOT, House, Nfjail, environment, fail, nfjail, unpacked, until

from nfjail.compat.error import CommandError, no_such_jail
from nfjail.compat.pickled import CLOSE, END, UnreadableError, answered, failed, read

SERVER = ROOT / "packaging/compat/nfjail-fail2ban-socket"

ASKED = """\
ping
version
status
status sshd
status nowhere
set sshd banip 192.0.2.1 192.0.2.2
get sshd banip
get sshd banip --with-time
banned
banned 192.0.2.1
set sshd unbanip --report-absent 192.0.2.9
set sshd unbanip 192.0.2.1
set sshd bantime 1h
set sshd maxretry x
set sshd addignoreip 198.51.100.0/24
get sshd logpath
get sshd failregex
get sshd datepattern
get sshd other
get sshd
set sshd idle on
unban --all
flushlogs
reload
get sshd bantime
"""
CHANGED = {
    "set sshd banip 192.0.2.1 192.0.2.2": "2\n",
    "set sshd unbanip --report-absent 192.0.2.9": "not banned: ['192.0.2.9']\n",
    "set sshd unbanip 192.0.2.1": "1\n",
    "set sshd bantime 1h": "3600\n",
    "set sshd maxretry x": "invalid literal for int() with base 10: 'x'\n",
    "set sshd addignoreip 198.51.100.0/24": "These IP addresses/networks are ignored:\n`- 198.51.100.0/24\n",
    "set sshd idle on": (
        "nfjail cannot let a jail pause: write enabled = false into [jail.sshd] in a file in /etc/nfjail/conf.d, and reload\n"
    ),
    "unban --all": "1\n",
}


@contextlib.contextmanager
def serving(house: Nfjail, path: Path) -> Iterator[subprocess.Popen]:
    command = [sys.executable, str(SERVER), "--socket", str(path), "--runtime", str(house.folder / "run")]
    with subprocess.Popen(command, env=house.settings) as process:
        try:
            until(path.exists)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(20) == 0
    assert not path.exists()


@pytest.fixture(scope="module")
def house(tmp_path_factory) -> Iterator[Nfjail]:
    folder = tmp_path_factory.mktemp("house")
    with nfjail(folder, folder) as running:
        yield running


@pytest.fixture(scope="module")
def path(house) -> Iterator[Path]:
    where = house.folder / "fail2ban" / "fail2ban.sock"
    with serving(house, where):
        yield where


class Peer:
    """A program that speaks fail2ban's protocol by itself."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(20)
        self.socket.connect(str(path))

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> bytes:
        self.socket.sendall(data + END)
        reply = b""
        while not reply.endswith(END) and (piece := self.socket.recv(4096)):
            reply += piece
        return reply.removesuffix(END)

    def ask(self, *words: Any, protocol: int = 2) -> Any:
        return pickle.loads(self.send(pickle.dumps(list(words), protocol)))


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_the_packages_client_gets_what_nfjails_says(suite, house, path, tmp_path):
    """Its configuration is only needed for a reload, and is sent then; nfjail reads its own."""
    conf = tmp_path / "conf"
    subprocess.run(["cp", "-r", str(unpacked(suite) / "etc/fail2ban"), str(conf)], check=True)
    (conf / "jail.d/defaults-debian.conf").write_text("[sshd]\nenabled = true\nbackend = systemd\n")
    program = unpacked(suite) / "usr/bin/fail2ban-client"
    client = ["/usr/bin/python3", "-W", "ignore", str(program), "-c", str(conf), "-s", str(path)]
    theirs = Nfjail(tmp_path, tmp_path, client, environment(suite))
    house.ask("unban", "--all")
    for line in ASKED.splitlines():
        words = line.split()
        said = House.ask(theirs, *words)  # the real client, in a process of its own
        if words[0] in ("set", "unban"):  # what it changes is then seen by those that only ask
            assert said.out == CHANGED[line]
        else:
            assert said == house.ask(*words), line


def test_what_the_prometheus_exporter_asks(house, path):
    """gitlab.com/hctrdev/fail2ban-prometheus-exporter: it takes the answers apart by their place."""
    house.ask("set", "nginx-http-auth", "banip", "192.0.2.7")
    fail(house.folder, "192.0.2.66", 1)
    until(lambda: "Total failed:\t1\n" in house.ask("status", "sshd").out)
    with Peer(path) as exporter:
        assert exporter.ask("ping", "100") == (0, "pong")
        (_, (count, jails)) = exporter.ask("status")
        assert count == ("Number of jail", 2)
        assert jails == ("Jail list", "nginx-http-auth, sshd")
        code, (filter_part, actions) = exporter.ask("status", "sshd")
        assert (code, filter_part[0], actions[0]) == (0, "Filter", "Actions")
        assert filter_part[1][:2] == [("Currently failed", 1), ("Total failed", 1)]
        _, (_, actions) = exporter.ask("status", "nginx-http-auth")
        assert actions[1][:2] == [("Currently banned", 1), ("Total banned", 1)]
        assert exporter.ask("version") == (0, "1.1.0")
        assert [exporter.ask("get", "sshd", key)[1] for key in ("bantime", "findtime", "maxretry")] == [600, 600, 3]
        exporter.socket.sendall(CLOSE + END)
        assert exporter.socket.recv(1) == b""


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_protocol_of_pickle(path, protocol):
    with Peer(path) as peer:
        assert peer.ask("ping", 0.5, protocol=protocol) == (0, "pong")


def test_several_commands_at_once_and_in_pieces(path):
    with Peer(path) as peer:
        request = pickle.dumps(["ping"]) + END
        for byte in request:
            peer.socket.sendall(bytes([byte]))
        peer.socket.sendall(request * 2)
        reply = b""
        while reply.count(END) < 3:
            reply += peer.socket.recv(4096)
        assert reply == (pickle.dumps((0, "pong"), pickle.HIGHEST_PROTOCOL) + END) * 3


def test_only_root_may_connect(path):
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600


def test_what_would_run_a_program_is_refused(path, tmp_path):
    class Evil:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path}/done",)

    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with Peer(path) as peer:
            code, error = pickle.loads(peer.send(pickle.dumps([Evil()], protocol)))
            assert (code, type(error)) == (1, Exception)
    assert not (tmp_path / "done").exists()


def test_a_second_one_does_not_take_the_socket_away(house, path):
    command = [sys.executable, str(SERVER), "--socket", str(path), "--runtime", str(house.folder / "run")]
    done = subprocess.run(command, env=house.settings, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is running there" in done.stderr


def test_without_nfjail_it_says_so(house, tmp_path):
    house_without = Nfjail(tmp_path, tmp_path, [], house.settings)
    with serving(house_without, tmp_path / "sock"), Peer(tmp_path / "sock") as peer:
        code, error = peer.ask("ping")
        assert code == 1
        assert "nfjail is not running" in str(error)


# The reader


VALUES = [
    ["ping"],
    ["set", "sshd", "banip", "192.0.2.1"],
    ["ping", 0.0125, -1, 300, 70_000, 2**40, -(2**40), True, False, None],
    ["reload", "--all", ["--unban"], [["set", "thread", {"stacksize": 0, "x": [1, (2, 3, 4)]}], []]],
    ("ä€😀", "x" * 300, (), (1,), (1, 2), (1, 2, 3, 4)),
    ["same", "same", ["same"]],
]


@pytest.mark.parametrize("protocol", range(1, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("value", VALUES)
def test_values_are_read_as_they_were_written(value, protocol):
    assert read(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("data", [b"", b".", b"]", b"](", b"e.", b"(", b"K", b"\x8c\xffx", b"h\x07.", b"](]ae", b"I99"])
def test_what_is_cut_off_or_makes_no_sense(data):
    with pytest.raises(UnreadableError):
        read(data)


DANGEROUS = (
    "GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID",
    "BINPERSID",
)  # fmt: skip


def test_no_instruction_that_calls_or_names_is_known():
    for opcode in pickletools.opcodes:
        if opcode.name in DANGEROUS:
            with pytest.raises(UnreadableError):
                read(b"]" + opcode.code.encode("latin-1") + b"os\nsystem\n(U\x04true\x85R.")


def test_answers_are_what_pickle_reads():
    assert pickle.loads(answered([("a", ["b"])]).removesuffix(END)) == (0, [("a", ["b"])])
    code, error = pickle.loads(failed(CommandError("told", "noted")).removesuffix(END))
    assert (code, type(error), error.args) == (1, Exception, ("noted",))
    names = [argument for opcode, argument, _ in pickletools.genops(failed(no_such_jail("x"))) if opcode.name == "GLOBAL"]
    assert names == ["fail2ban.exceptions UnknownJailException"]
