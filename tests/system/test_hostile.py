"""Hostile words, in the logs and on the control socket: no harm, no stall, and the daemon goes on banning."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.system.house import BED, Nfjail, in_bed, in_kernel, log_failures, run, until, who

LOG = "/run/house/auth.log"
MEGABYTE = 1_000_000
FILE_JAIL = f'[jail.sshd]\nbackend = "file"\nlogpath = ["{LOG}"]\nmaxretry = 3\nmode = "aggressive"\n'
JOURNAL_JAIL = '[jail.sshd]\nbackend = "journal"\nmaxretry = 3\nmode = "aggressive"\n'

#: as user names in a failure of 192.0.2.60; each counts, whatever it looks like
NAMES = [
    b"\x1b[2J\x1b]0;owned\x07\r\x08\x7f",
    b"\xc2\x9b31m\xe2\x80\xa8\xe2\x80\xae",  # C1, line separator, right-to-left
    b"\xff\xfe\xc3(\xed\xa0\x80",  # no UTF-8
    b"$(touch /run/owned)`touch /run/owned`;touch /run/owned|&'\"\\",
    b"'); DROP TABLE live; --",
    b"%s%n{0}{self}",
]
#: as whole messages; the patterns begin to fit, and go on as long as they can
LONG = [
    b"x" * MEGABYTE,
    b"Failed password for " + b"from 192.0.2.61 port 1 ssh2 " * (MEGABYTE // 28),
    b"Invalid user " + b" from 192.0.2.61 port " * (MEGABYTE // 22),
    b"Disconnecting authenticating user " + b"a " * (MEGABYTE // 2),
    b"error: PAM: Authentication failure for " + b" from" * (MEGABYTE // 5),
    b"Received disconnect from 192.0.2.61 port 1:11: " + b"\x1b" * MEGABYTE,
    b": " * (MEGABYTE // 2),
    b"\xff" * MEGABYTE,
]
WRITER = """
import fcntl, os, socket, subprocess, sys
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.connect("/run/systemd/journal/socket")
    for message in sys.stdin.buffer.read().split(b"\\n"):
        memory = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
        size = len(message).to_bytes(8, "little")
        os.write(memory, b"SYSLOG_IDENTIFIER=sshd\\nMESSAGE\\n" + size + message + b"\\n")
        fcntl.fcntl(memory, 1033, 0xF)  # F_ADD_SEALS, all
        socket.send_fds(sock, [b""], [memory])
subprocess.run(["journalctl", "--sync"])  # journald asks who it was: be there until then
"""


def failure(name: bytes, address: str = "192.0.2.60") -> bytes:
    return b"Failed password for invalid user " + name + f" from {address} port 1 ssh2".encode()


def to_file(messages: list[bytes]) -> None:
    with open(LOG, "ab") as log:
        for message in messages:
            log.write(time.strftime("%Y-%m-%dT%H:%M:%S+00:00 host sshd[1]: ", time.gmtime()).encode() + message + b"\n")


def to_journal(messages: list[bytes]) -> None:
    unit = [str(BED / "as-unit.sh"), "ssh.service"]
    run(*unit, sys.executable, "-c", WRITER, text=b"\n".join(messages))


WAYS = {"file": (FILE_JAIL, to_file), "journal": (JOURNAL_JAIL, to_journal)}


@pytest.mark.parametrize("way", WAYS)
@in_bed("journald.sh")
def test_evil_names_do_no_harm(way):
    jail, write = WAYS[way]
    with Nfjail(jail.replace("= 3", f"= {len(NAMES) + 1}")) as nfjail:
        write([failure(name) for name in NAMES])
        nfjail.hears(rf"failure of 192\.0\.2\.60 .*\({len(NAMES)} of {len(NAMES) + 1}\)")
        write([failure(b"nobody")])
        nfjail.hears("banned 192.0.2.60")
        assert who(nfjail.stored()) == {("sshd", "192.0.2.60")}
        for told in (nfjail.said(), nfjail.ctl("why", "192.0.2.60"), nfjail.ctl("why", "192.0.2.60", "--json")):
            assert not re.search(r"[^\n -~\xa0-\u2027\u2030-\ufffd]|[\u202a-\u202e]", told), told
        assert "DROP TABLE" in nfjail.ctl("why", "192.0.2.60")
        assert not os.path.exists("/run/owned")


@pytest.mark.parametrize("way", WAYS)
@in_bed("journald.sh")
def test_a_line_of_a_megabyte_costs_less_than_50_ms(way):
    jail, write = WAYS[way]
    with Nfjail(jail) as nfjail:
        write([failure(b"x", "192.0.2.59")])
        nfjail.hears("failure of 192.0.2.59")
        for number, message in enumerate(LONG):
            worked = nfjail.cpu()
            write([*[message] * 3, failure(b"x", f"192.0.2.7{number}")])
            nfjail.hears(rf"failure of 192\.0\.2\.7{number}")
            cost = (nfjail.cpu() - worked) / 3
            print(f"{message[:30]!r}...: {cost * 1000:.1f} ms")
            assert cost < 0.05, message[:50]
        assert nfjail.stored() == []


# The control socket


@contextmanager
def clients(path: str, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        opened = [stack.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(count)]
        for client in opened:
            client.connect(path)
            client.settimeout(10)
        yield opened


def answer(client: socket.socket, *parts: bytes) -> bytes:
    """What the daemon says to that before it closes the connection."""
    said = b""
    try:
        for part in parts:
            client.sendall(part)
    except (BrokenPipeError, ConnectionResetError):
        pass  # it did not want all of it
    try:
        while data := client.recv(65536):
            said += data
    except ConnectionResetError:
        pass
    return said


def memory(nfjail: Nfjail) -> int:
    """Megabytes."""
    found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{nfjail.process.pid}/status").read_text())
    assert found
    return int(found[1]) // 1024


def descriptors(nfjail: Nfjail) -> int:
    return len(os.listdir(f"/proc/{nfjail.process.pid}/fd"))


@in_bed("journald.sh")
def test_the_control_socket_withstands_and_bans_go_on():
    with Nfjail(FILE_JAIL) as nfjail:
        path = str(nfjail.folder / "run" / "io.nfjail")
        log_failures(LOG, "192.0.2.1", 3)
        until(lambda: ("sshd", "192.0.2.1") in who(in_kernel()))
        before, opened = memory(nfjail), descriptors(nfjail)
        with clients(path, 500), clients(path, 3) as others:
            garbage, half, huge = others
            half.sendall(b'{"method": "io.nfjail.Fl')
            assert b"BadRequest" in answer(garbage, os.urandom(4000).replace(b"\0", b"x") + b"\0")
            log_failures(LOG, "192.0.2.2", 3)
            begin = time.monotonic()
            until(lambda: ("sshd", "192.0.2.2") in who(in_kernel()))
            print(f"a ban beside 500 idle clients: {(time.monotonic() - begin) * 1000:.0f} ms")
            assert b"BadRequest" in answer(huge, b'{"method": "', *[b"x" * MEGABYTE] * 100)
            log_failures(LOG, "192.0.2.3", 3)
            until(lambda: ("sshd", "192.0.2.3") in who(in_kernel()))
            nfjail.ctl("ping")
            assert memory(nfjail) - before < 20
        until(lambda: descriptors(nfjail) <= opened)
        assert sorted(ban.address for ban in nfjail.stored()) == ["192.0.2.1", "192.0.2.2", "192.0.2.3"]


@in_bed("journald.sh")
def test_an_ordinary_user_cannot_ban_or_unban():
    with Nfjail(FILE_JAIL) as nfjail:
        nfjail.ctl("ban", "192.0.2.8")
        ctl = [sys.executable, "-m", "nfjail", "ctl", "--runtime", str(nfjail.folder / "run")]
        user = ["setpriv", "--reuid=1000", "--regid=1000", "--clear-groups"]
        for asked in (["ban", "192.0.2.9"], ["unban", "192.0.2.8"], ["flush"], ["reload"]):
            said = run(*user, *ctl, *asked, status=1)
            assert "root" in said
            assert "Traceback" not in said
        assert who(nfjail.stored()) == who(in_kernel()) == {("manual", "192.0.2.8")}
