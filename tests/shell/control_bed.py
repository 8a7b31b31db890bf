"""A control socket with a small desk behind it, in a process of its own: what test_control.py and test_ctl.py talk to.

As a program: control_bed.py RUNTIME; it prints "ready", and ends with its standard input.
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nfjail
from nfjail.config import load
from nfjail.control import Caller, Control
from nfjail.desk_settings import changed, settings_info
from nfjail.errors import NfjailError
from nfjail.interface import NFJAIL

START = 1_700_000_000.0  # the daemon's start, and the time at which its bans began
MANY = 100_000  # bans in the jail "many"
EVIL = "Failed password for \x1b[2J\x9broot\u202e from 192.0.2.66"  # a log line that would like to drive the terminal


def info(jail: str, address: str, until: float | None, reason: str = "", **more: Any) -> dict[str, Any]:
    ban = {"jail": jail, "address": address, "since": START, "until": until, "nth": 1, "origin": "ctl"}
    return {**ban, "reason": reason, **more}


class FakeDesk:
    """Remembers bans in a dictionary."""

    def __init__(self) -> None:
        self.bans: dict[tuple[str, str], dict[str, Any]] = {}
        self.ignored: dict[str, dict[str, Any]] = {}
        self.control: Control | None = None
        shipped = load(os.path.dirname(__file__), runtime="")
        self.jail = next(jail for jail in shipped.jails if jail.name == "sshd")

    def ping(self, parameters: dict, caller: Caller, now: float) -> dict:
        return {"version": nfjail.__version__, "pid": os.getpid()}

    def status(self, parameters: dict, caller: Caller, now: float) -> dict:
        if parameters.get("jail") not in (None, "sshd"):
            raise NfjailError(f"there is no jail {parameters['jail']!r}", "jails: sshd")
        sources = ["journal: _SYSTEMD_UNIT=ssh.service", "/var/log/auth.log"]
        sshd = {"name": "sshd", "sources": sources, "failures": 1234, "failing": 7, "banned": 1, "total": 20, "refused": 5678}
        manual = {"name": "manual", "sources": [], "failures": 0, "failing": 0, "total": 3, "refused": None}
        manual["banned"] = len(self.bans)
        trouble = ["the disk is full", *(["somebody watches"] if self.control.watched else [])]
        jails = [sshd] if parameters.get("jail") else [sshd, manual]
        return {"version": "0.1", "pid": 7, "since": START, "trouble": trouble, "jails": jails}

    def list_bans(self, parameters: dict, caller: Caller, now: float) -> Iterator[dict]:
        if parameters.get("jail") == "many":
            return ({"ban": info("many", f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", None)} for n in range(MANY))
        return ({"ban": ban} for ban in list(self.bans.values()))

    def addresses(self, parameters: dict, caller: Caller, now: float) -> Iterator[dict]:
        return ({"addresses": [ban["address"]]} for ban in list(self.bans.values()))

    def why(self, parameters: dict, caller: Caller, now: float) -> dict:
        if parameters["address"] != "192.0.2.66":
            return {"records": []}
        old = info("sshd", "192.0.2.66", START + 600, "3 failures in 41s", origin="filter", nth=2)
        line = {"time": START - 41, "message": EVIL, "position": "/var/log/auth.log", "pattern": 3}
        over = {"ban": old, "ended": START + 600, "why": "expired", "evidence": [line]}
        holds = {"ban": info("manual", "192.0.2.66", None, "enough"), "ended": None, "why": None, "evidence": []}
        return {"records": [holds, over]}

    def ban(self, parameters: dict, caller: Caller, now: float) -> dict:
        banned = []
        jail, seconds = parameters.get("jail") or "manual", parameters.get("seconds") or 600
        for address in parameters["addresses"]:
            before = self.bans.get((jail, address))
            until = None if parameters.get("forever") else START + seconds
            ban = info(jail, address, until, parameters.get("reason") or f"asked by uid {caller.uid}")
            self.bans[jail, address] = ban
            banned.append({"ban": ban, "already": bool(before), "before": before and before["until"]})
            event = {name: ban[name] for name in ("jail", "address", "until", "nth", "origin")}
            self.control.publish({"event": "ban", "time": START, "text": ban["reason"], **event}, now)
        return {"banned": banned}

    def unban(self, parameters: dict, caller: Caller, now: float) -> dict:
        addresses, jail = parameters.get("addresses"), parameters.get("jail")
        gone = [key for key in self.bans if jail in (None, key[0]) and (addresses is None or key[1] in addresses)]
        for key in gone:
            del self.bans[key]
        missing = [address for address in addresses or [] if address not in [key[1] for key in gone]]
        places = [{"jail": key[0], "address": key[1]} for key in gone] if addresses else []
        return {"count": len(gone), "bans": places, "missing": missing}

    def ignore_add(self, parameters: dict, caller: Caller, now: float) -> dict:
        until = None if parameters.get("seconds") is None else START + parameters["seconds"]
        for address in parameters["addresses"]:
            more = {"until": until, "origin": "ctl", "reason": parameters.get("reason") or ""}
            self.ignored[address] = {"address": address, **more}
        return {"ignored": [self.ignored[address] for address in parameters["addresses"]]}

    def ignore_delete(self, parameters: dict, caller: Caller, now: float) -> dict:
        gone = [address for address in parameters["addresses"] if self.ignored.pop(address, None)]
        return {"deleted": gone, "missing": [address for address in parameters["addresses"] if address not in gone]}

    def ignore_list(self, parameters: dict, caller: Caller, now: float) -> dict:
        return {"ignored": list(self.ignored.values())}

    def settings(self, parameters: dict, caller: Caller, now: float) -> dict:
        jails = [settings_info(self.jail, None, "nftables")]
        return {"jails": jails, "store": "/var/lib/nfjail/nfjail.db", "dbpurgeage": 86400.0, "fail2ban_log": ""}

    def set(self, parameters: dict, caller: Caller, now: float) -> dict:
        self.jail = changed(self.jail, parameters)
        return {"settings": settings_info(self.jail, None, "nftables")}

    def attempt(self, parameters: dict, caller: Caller, now: float) -> dict:
        return {"failures": len(parameters["messages"])}

    def flush_logs(self, parameters: dict, caller: Caller, now: float) -> dict:
        return {"path": "/var/log/fail2ban.log"}

    def reload(self, parameters: dict, caller: Caller, now: float) -> dict:
        raise NfjailError("2 mistakes in the configuration:\nx.toml: maxretry\nx.toml: bantime", "see nfjail check")

    def flush(self, parameters: dict, caller: Caller, now: float) -> dict:
        if not self.bans:
            raise ZeroDivisionError("a bug")
        count = len(self.bans)
        self.bans.clear()
        return {"count": count}


def serve(runtime: str) -> None:
    selector = selectors.DefaultSelector()
    desk = FakeDesk()
    try:
        control = desk.control = Control(runtime, desk, selector)
    except NfjailError as error:
        sys.exit(str(error))
    over: list[bool] = []
    selector.register(sys.stdin, selectors.EVENT_READ, lambda mask, now: over.append(True))
    print("ready", flush=True)
    while not over:
        for key, mask in selector.select():
            key.data(mask, time.time())
    control.close()


class Bed:
    """A running control socket."""

    def __init__(self, runtime: str, process: subprocess.Popen) -> None:
        self.runtime, self.process = runtime, process
        self.path = f"{runtime}/io.nfjail"

    def connect(self) -> Peer:
        return Peer(self.path)

    def memory(self) -> int:
        """Bytes that the process has in memory."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Peer:
    """A client that can also misbehave."""

    def __init__(self, path: str) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(path)  # without a timeout: with one, it fails at once when many come together
        self.sock.settimeout(20)
        self.rest = b""

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *error: object) -> None:
        self.sock.close()

    def send(self, method: str, parameters: dict | None = None, **more: Any) -> None:
        self.sock.sendall(request(method, parameters, **more))

    def reply(self) -> dict[str, Any] | None:
        """The next reply; None if the server has closed the connection."""
        while b"\0" not in self.rest:
            data = self.sock.recv(65536)
            if not data:
                return None
            self.rest += data
        raw, _, self.rest = self.rest.partition(b"\0")
        return json.loads(raw)

    def ask(self, method: str, **parameters: Any) -> dict[str, Any] | None:
        self.send(method, parameters)
        return self.reply()


def request(method: str, parameters: dict | None = None, **more: Any) -> bytes:
    name = method if "." in method else f"{NFJAIL.name}.{method}"
    return json.dumps({"method": name, "parameters": parameters or {}, **more}).encode() + b"\0"


@contextmanager
def running(*wrapper: str, runtime: str | None = None) -> Iterator[Bed]:
    """The server, started by the command wrapper if given (setpriv, prlimit ...)."""
    folder = tempfile.mkdtemp(prefix="nfjail-control-")
    os.chmod(folder, 0o755)  # other users shall get as far as the socket
    runtime = runtime or f"{folder}/run"
    command = [*wrapper, sys.executable, __file__, runtime]
    environment = {**os.environ, "PYTHONPATH": str(Path(nfjail.__file__).parent.parent)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    try:
        assert process.stdout.readline() == b"ready\n"
        yield Bed(runtime, process)
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()
        shutil.rmtree(folder)


def as_user(uid: int, gid: int, function: Callable[[], str]) -> str:
    """What function returns in a child process that has become that user, with no other groups."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
            os.write(writing, function().encode())
        except BaseException as error:
            os.write(writing, type(error).__name__.encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    return answer


if __name__ == "__main__":
    serve(sys.argv[1])
