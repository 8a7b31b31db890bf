"""What the tests of the whole daemon share: a test that runs inside the bed, a real nfjail, and attackers on the other side."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest

T = TypeVar("T")

ROOT = Path(__file__).resolve().parents[2]
BED = ROOT / "tests" / "bed"
SERVER = {4: "192.0.2.1", 6: "2001:db8::1"}
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def in_bed(script: str, patience: float = 120.0, **settings: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Runs the test inside sshd.sh or journald.sh (settings: their variables), in a pytest of its own.

    There, /run and /var/log are new, and the namespaces private: it may do what it likes and leaves nothing behind.
    """

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        if "NFJAIL_TEST_INSIDE" in os.environ:
            return test

        @functools.wraps(test)
        def outside(**_arguments: Any) -> None:
            node = os.environ["PYTEST_CURRENT_TEST"].rpartition(" ")[0]
            inner = [sys.executable, "-m", "pytest", "--noconftest", "-p", "no:cacheprovider", "--tb=short"]
            inner += ["-o", f"faulthandler_timeout={patience - 5}", node]  # tells where it hangs before it is ended
            said, status = _bounded([str(BED / script), *inner], {**settings, "NFJAIL_TEST_INSIDE": "1"}, patience)
            if status != 0:
                pytest.fail(said, pytrace=False)

        return outside

    return decorate


def _bounded(command: list[str], settings: dict[str, str], patience: float) -> tuple[str, int]:
    """Output and exit status. The bed is told to end after patience seconds, and then cleans up behind itself."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **settings}
    to_pipe = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **to_pipe) as bed:
        alarm = threading.Timer(patience, bed.terminate)
        alarm.start()
        try:
            said = bed.communicate()[0]
        finally:
            alarm.cancel()
    return said, bed.returncode


def until(condition: Callable[[], T], within: float = 20.0, every: float = 0.005) -> T:
    """What condition returns as soon as that is true; fails if it does not come."""
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, f"in vain for {within} s; the last was {found!r}"
        time.sleep(every)
    return found


def run(*argv: str, text: str | bytes = "", status: int = 0) -> str:
    """What the command printed on both outputs; fails if its exit status is another one."""
    given = text.encode() if isinstance(text, str) else text
    done = subprocess.run(argv, input=given, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
    said = done.stdout.decode(errors="replace")
    assert done.returncode == status, (argv, done.returncode, said)
    return said


class Held(NamedTuple):
    """A ban, as the store or the kernel has it. until: None for ever."""

    jail: str
    address: str  # a network with its prefix length
    since: float
    until: float | None


class Nfjail:
    """A real daemon in a process of its own, with the shipped conf.d and below it the given TOML."""

    def __init__(self, config: str, folder: str = "/run/house") -> None:
        self.folder = Path(folder)
        self.store = self.folder / "state" / "nfjail.db"
        self._log = self.folder / "said"
        (self.folder / "etc" / "conf.d").mkdir(parents=True)
        self._log.touch()
        self.configure(config)
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Nfjail:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.process.poll() is None:
            self.stop()
        if error[0] is not None:
            print(self.said())  # pytest shows it with the failure

    @property
    def command(self) -> list[str]:
        state, runtime = self.folder / "state", self.folder / "run"
        options = ["--config", self.folder / "etc", "--state", state, "--runtime", runtime]
        return [sys.executable, "-m", "nfjail", "run", "-v", *map(str, options)]

    def configure(self, config: str) -> None:
        (self.folder / "etc" / "conf.d" / "test.toml").write_text(config)

    def start(self) -> None:
        """Returns when the daemon tells systemd's side that it is ready."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, self._log.open("ab") as log:
            path = self.folder / "notify"
            path.unlink(missing_ok=True)
            systemd.bind(str(path))
            systemd.settimeout(0.05)
            environment = {**os.environ, "NOTIFY_SOCKET": str(path)}
            self.process = subprocess.Popen(self.command, cwd="/", env=environment, stdin=subprocess.DEVNULL, stderr=log)
            until(lambda: self.process.poll() is not None or _said_ready(systemd), 30)
        assert self.process.poll() is None, self.said()

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends it by a signal, and waits. Fails if it does not end well."""
        self.process.send_signal(number)
        status = self.process.wait(30)
        assert status == (0 if number == signal.SIGTERM else -number), (status, self.said())

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def ctl(self, *arguments: str, status: int = 0) -> str:
        """What `nfjail ctl` prints; fails if its exit status is another one."""
        return run(*self.ctl_command(*arguments), status=status)

    def ctl_command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "nfjail", "ctl", "--runtime", str(self.folder / "run"), *arguments]

    def list(self, *arguments: str) -> list[dict[str, Any]]:
        """The bans that `ctl list` tells."""
        return [json.loads(line) for line in self.ctl("list", "--json", *arguments).splitlines()]

    def trouble(self) -> list[str]:
        """What `ctl status` says is wrong."""
        return list(json.loads(self.ctl("status", "--json"))["trouble"])

    def said(self) -> str:
        """Its log so far."""
        return self._log.read_bytes().decode()

    def hears(self, pattern: str, within: float = 20.0) -> re.Match[str]:
        """Waits for a line of the log. Fails if it does not come."""
        try:
            return until(lambda: re.search(pattern, self.said(), re.MULTILINE), within)
        except AssertionError:
            raise AssertionError(f"{pattern!r} is not in the log:\n{self.said()}") from None

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """From the store, read by somebody else."""
        with contextlib.closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=5)) as db:
            return db.execute(query).fetchall()

    def stored(self, *tables: str) -> list[Held]:
        """The bans in the store: those in force, or those in the tables "live" and "past"."""
        query = " UNION ALL ".join(f"SELECT jail, packed, prefixlen, since, until FROM {t}" for t in tables or ("live",))
        found = self.rows(query)
        return [Held(jail, _text(packed, length), since, end) for jail, packed, length, since, end in found]

    def cpu(self) -> float:
        """Seconds that it has worked so far (schedstat of proc(5))."""
        return int(Path(f"/proc/{self.process.pid}/schedstat").read_text().split()[0]) / 1e9


def _said_ready(systemd: socket.socket) -> bool:
    try:
        return systemd.recv(4096).startswith(b"READY=1")
    except TimeoutError:
        return False


def _text(packed: bytes, length: int) -> str:
    address = socket.inet_ntop(_FAMILY[4 if len(packed) == 4 else 6], packed)
    return address if length == len(packed) * 8 else f"{address}/{length}"


def in_kernel(table: str = "nfjail") -> list[Held]:
    """The bans in nftables' sets, as `nft list` shows them. since is not told: 0."""
    done = subprocess.run(["nft", "-j", "list", "table", "inet", table], capture_output=True, timeout=60)
    found = []
    for thing in json.loads(done.stdout)["nftables"] if done.returncode == 0 else ():
        named = re.fullmatch(r"(.+)-[46](-\d+)?", thing.get("set", {}).get("name", ""))
        for element in thing["set"].get("elem", ()) if named and named[1] != "ignore" else ():
            values = element["elem"] if isinstance(element, dict) else {"val": element}
            prefix = named[2].replace("-", "/") if named[2] else ""
            end = time.time() + values["expires"] if "expires" in values else None
            found.append(Held(named[1], values["val"] + prefix, 0.0, end))
    return found


def in_iptables() -> set[tuple[str, str]]:
    """Jail and address of the bans in iptables' rules and ipset's sets."""
    found = set()
    rules = run("iptables-save", "-t", "filter") + run("ip6tables-save", "-t", "filter")
    for jail, address in re.findall(r"^-A nfjail-(\S+) -s (\S+) -j REJECT", rules, re.MULTILINE):
        found.add((jail, re.sub("/(32|128)$", "", address)))
    for jail, address in re.findall(r"^add nfjail-(\S+)-[46] (\S+) ", run("ipset", "save"), re.MULTILINE):
        found.add((jail, address))
    return found


def who(bans: list[Held]) -> set[tuple[str, str]]:
    """Jail and address of each."""
    return {(ban.jail, ban.address) for ban in bans}


def log_failures(log: str, address: str, times: int) -> None:
    """Appends what sshd and rsyslog would write about wrong passwords."""
    stamp = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    with open(log, "a") as file:
        file.write(f"{stamp} host sshd[4711]: Failed password for root from {address} port 22 ssh2\n" * times)


# The attackers' side


@contextlib.contextmanager
def outside() -> Iterator[None]:
    """This thread is in the attackers' network meanwhile."""
    with open("/proc/thread-self/ns/net") as here, open(f"/run/netns/{os.environ['NFJAIL_ATK']}") as there:
        _enter(there.fileno())
        try:
            yield
        finally:
            _enter(here.fileno())


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def connect(source: str, port: int = 22, timeout: float = 3.0) -> socket.socket:
    """A connection from that address to the server. Raises OSError."""
    family = 6 if ":" in source else 4
    with outside():
        client = socket.socket(_FAMILY[family])
    try:
        client.settimeout(timeout)
        client.bind((source, 0))
        client.connect((SERVER[family], port))
    except BaseException:
        client.close()
        raise
    return client


def knock(source: str, port: int = 22, timeout: float = 3.0) -> str:
    """"served" (the server has said something), "refused", "reset", or "silent"."""
    try:
        with connect(source, port, timeout) as client:
            return "served" if client.recv(1) else "closed"
    except ConnectionRefusedError:
        return "refused"
    except ConnectionResetError:
        return "reset"
    except TimeoutError:
        return "silent"


@contextlib.contextmanager
def attack(source: str, failures: int, user: str = "root") -> Iterator[subprocess.Popen[bytes]]:
    """Meanwhile somebody fails at sshd from that address, once in each connection, at most so often."""
    namespace = f"--net=/run/netns/{os.environ['NFJAIL_ATK']}"
    server = SERVER[6 if ":" in source else 4]
    command = ["nsenter", namespace, "--", str(BED / "flood.py"), "-c", "1", server, user, source, str(failures)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as attacker:
        try:
            yield attacker
        finally:
            attacker.kill()  # somebody who is cut off in the middle would else wait 5 s, and then go on
