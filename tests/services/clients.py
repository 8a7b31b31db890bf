"""Clients that fail: each tries once to be let in by a server and must be refused. The standard library only, and paramiko.

They run in the attackers' network. Each returns what the server said to the failure, so that a test knows it was one.
"""

from __future__ import annotations

import base64
import contextlib
import ftplib
import http.client
import imaplib
import poplib
import smtplib
import socket
import struct
from typing import Any

import paramiko  # type: ignore[import-untyped]

from tests.system.house import connect

WRONG = "wrong-password"


def ssh(source: str, user: str, port: int = 22) -> str:
    """Says "no" to a password, or raises."""
    with connect(source, port, 10) as opened:
        client = paramiko.Transport(opened)
        client.banner_timeout = client.auth_timeout = 10
        try:
            client.start_client(timeout=10)
            client.auth_password(user, WRONG)
        except paramiko.AuthenticationException as refused:
            return str(refused)
        finally:
            client.close()
    raise AssertionError("it let us in")


# The modules of the standard library open their connections themselves: here they are given one.


def http_basic(source: str, user: str, path: str = "/private/", port: int = 80, method: str = "GET") -> str:
    """The status of the answer."""
    client = http.client.HTTPConnection("server.example", port)
    client.sock = connect(source, port)
    with contextlib.closing(client):
        secret = base64.b64encode(f"{user}:{WRONG}".encode()).decode()
        client.request(method, path, headers={"Authorization": f"Basic {secret}"} if user else {})
        return str(client.getresponse().status)


def http_proxy(source: str, user: str, port: int = 3128) -> str:
    """The status with which a proxy answers. The page is named by an address: Squid looks up names before it says no."""
    client = http.client.HTTPConnection("server.example", port)
    client.sock = connect(source, port, 10)
    with contextlib.closing(client):
        secret = base64.b64encode(f"{user}:{WRONG}".encode()).decode()
        client.request("GET", "http://198.51.100.1/", headers={"Proxy-Authorization": f"Basic {secret}"})
        return str(client.getresponse().status)


def ftp(source: str, user: str) -> str:
    """The server's answer to the password."""
    client = ftplib.FTP()
    client.sock = connect(source, 21, 10)
    client.file = client.sock.makefile("r", encoding="utf-8")
    with contextlib.closing(client):
        client.getresp()
        try:
            client.sendcmd(f"USER {user}")
            client.sendcmd(f"PASS {WRONG}")
        except ftplib.error_perm as refused:
            return str(refused)
    raise AssertionError("it let us in")


class _Imap(imaplib.IMAP4):
    def __init__(self, given: socket.socket) -> None:
        self._given = given
        super().__init__("server.example")

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._given


def imap(source: str, user: str) -> str:
    """The server's answer to LOGIN."""
    client = _Imap(connect(source, 143, 10))
    try:
        client.login(client._quote(user), WRONG)
    except imaplib.IMAP4.error as refused:
        return str(refused)
    finally:
        client.shutdown()
    raise AssertionError("it let us in")


class _Pop(poplib.POP3):
    def __init__(self, given: socket.socket) -> None:
        self._given = given
        super().__init__("server.example")

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        return self._given


def pop(source: str, user: str) -> str:
    """The server's answer to PASS."""
    client = _Pop(connect(source, 110, 10))
    try:
        client.user(user)
        client.pass_(WRONG)
    except poplib.error_proto as refused:
        return str(refused)
    finally:
        client.close()
    raise AssertionError("it let us in")


class _Smtp(smtplib.SMTP):
    def __init__(self, given: socket.socket) -> None:
        self._given = given
        super().__init__("server.example", 25, local_hostname="client.example", timeout=10)

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        return self._given


def smtp(source: str, user: str, mechanism: str = "PLAIN") -> str:
    """The server's answer to AUTH."""
    client = _Smtp(connect(source, 25, 10))
    with contextlib.closing(client):
        client.ehlo()
        if mechanism == "PLAIN":
            secret = base64.b64encode(f"\0{user}\0{WRONG}".encode()).decode()
            status, said = client.docmd("AUTH", f"PLAIN {secret}")
        else:
            client.docmd("AUTH", "LOGIN")
            client.docmd(base64.b64encode(user.encode()).decode())
            status, said = client.docmd(base64.b64encode(WRONG.encode()).decode())
    return f"{status} {said.decode(errors='replace')}"


def smtp_relay(source: str, to: str = "somebody@elsewhere.example") -> str:
    """The server's answer to a recipient that is none of its own."""
    client = _Smtp(connect(source, 25, 10))
    with contextlib.closing(client):
        client.ehlo()
        client.mail("spam@elsewhere.example")
        status, said = client.rcpt(to)
    return f"{status} {said.decode(errors='replace')}"


# Two protocols that the standard library does not know.


def _exactly(client: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        more = client.recv(size - len(got))
        if not more:
            raise ConnectionResetError("the server hung up")
        got += more
    return got


def mysql(source: str, user: str) -> str:
    """MySQL's handshake (protocol 10) with a password of the plugin mysql_native_password; the server's error message."""
    with connect(source, 3306, 10) as client:
        size = int.from_bytes(_exactly(client, 4)[:3], "little")
        greeting = _exactly(client, size)
        if greeting[0] == 0xFF:
            return greeting[3:].decode(errors="replace")
        wants = 0x00000001 | 0x00000200 | 0x00008000 | 0x00080000  # long password, protocol 4.1, its passwords, plugins named
        answer = struct.pack("<IIB23x", wants, 1 << 24, 33) + user.encode() + b"\0"
        answer += b"\x14" + b"x" * 20 + b"mysql_native_password\0"
        client.sendall(len(answer).to_bytes(3, "little") + b"\x01" + answer)
        while True:
            head = _exactly(client, 4)
            packet = _exactly(client, int.from_bytes(head[:3], "little"))
            if packet[0] == 0xFF:
                return packet[3:].decode(errors="replace")
            if packet[0] != 0xFE:
                raise AssertionError("it let us in")
            client.sendall((20).to_bytes(3, "little") + bytes([head[3] + 1]) + b"y" * 20)  # it asks for another plugin's


def postgres(source: str, user: str, database: str = "postgres") -> str:
    """PostgreSQL's start-up and SCRAM-SHA-256 with a proof that is wrong; the server's error message."""
    with connect(source, 5432, 10) as client:
        start = struct.pack(">I", 196608) + f"user\0{user}\0database\0{database}\0\0".encode()
        client.sendall(struct.pack(">I", len(start) + 4) + start)
        while True:
            kind, size = struct.unpack(">cI", _exactly(client, 5))
            body = _exactly(client, size - 4)
            if kind == b"E":
                return body.decode(errors="replace").replace("\0", " ")
            state = int.from_bytes(body[:4], "big")
            if kind != b"R" or state == 0:
                raise AssertionError(f"it let us in: {kind!r} {body!r}")
            client.sendall(_scram(state, body[4:]))


def _scram(state: int, said: bytes) -> bytes:
    answer: Any
    if state == 3:  # a password in clear
        answer = WRONG.encode() + b"\0"
    elif state == 10:  # which mechanisms there are
        first = b"n,,n=,r=abcdefghijklmnopqr"
        answer = b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first
    else:  # salt and the number of rounds, after the server's nonce
        nonce = said.split(b",")[0][2:]
        answer = b"c=biws,r=" + nonce + b",p=" + base64.b64encode(b"x" * 32)
    return b"p" + struct.pack(">I", len(answer) + 4) + bytes(answer)
