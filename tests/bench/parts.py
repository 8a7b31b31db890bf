"""What the benchmarks share: the two daemons, the kernel's word that somebody is banned, and what /proc knows of a process."""

from __future__ import annotations

import math
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from nfjail.firewall import netlink

ROOT = Path(__file__).resolve().parents[2]
BED = ROOT / "tests" / "bed"
LOG = Path("/var/log/auth.log")  # the bed's own /var/log
MAXRETRY = 3
_GROUP = 7  # NFNLGRP_NFTABLES
_SOL_NETLINK, _ADD_MEMBERSHIP, _SO_RCVBUFFORCE = 270, 1, 33
_NEWSETELEM, _LIST_ELEMENTS, _ELEM_KEY = 12, 3, 1


class Options(NamedTuple):
    """quick: tiny sizes, to see that it works. fail2ban: the folder with Debian's unpacked package, if there is one."""

    quick: bool
    fail2ban: Path | None
    cache: Path

    def size(self, full: int, quick: int) -> int:
        return quick if self.quick else full


class Row(NamedTuple):
    """One figure. reach: what the issue asks for; None: it only explains another one."""

    figure: str
    unit: str
    reach: float | None
    nfjail: float | None
    fail2ban: float | None = None
    note: str = ""
    samples: Sequence[float] = ()


class Daemon(Protocol):
    """What both daemons can do."""

    pid: int

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def ban(self, *addresses: str) -> None: ...


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def until(condition: object, within: float, what: str) -> None:
    """Waits for condition() to become true."""
    end = time.monotonic() + within
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            raise SystemExit(f"bench: in vain for {within:.0f} s: {what}")
        time.sleep(0.005)


def median(samples: Sequence[float]) -> float | None:
    return statistics.median(samples) if samples else None


def percentile(samples: Sequence[float], share: float) -> float | None:
    ordered = sorted(samples)
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


class Nfjail:
    """The checkout's nfjail with the shipped conf.d, beside which the given TOML stands."""

    def __init__(self, config: str, folder: str = "/run/bench-nfjail") -> None:
        self.folder = Path(folder)
        shutil.rmtree(folder, ignore_errors=True)
        (self.folder / "etc/conf.d").mkdir(parents=True)
        (self.folder / "etc/conf.d/bench.toml").write_text(config)
        (self.folder / "state").mkdir()
        self.started_in = 0.0  # seconds until READY=1
        self.pid = 0

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "nfjail", *arguments]

    def start(self) -> None:
        places = ("--config", "etc"), ("--state", "state"), ("--runtime", "run")
        options = [text for name, place in places for text in (name, str(self.folder / place))]
        address = self.folder / "notify"
        address.unlink(missing_ok=True)
        environment = {**os.environ, "NOTIFY_SOCKET": str(address)}
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, (self.folder / "said").open("ab") as said:
            systemd.bind(str(address))
            systemd.settimeout(60)
            begin = time.monotonic()
            self._process = subprocess.Popen(self.command("run", *options), env=environment, cwd="/", stderr=said)
            self.pid = self._process.pid
            try:
                ready = systemd.recv(4096).startswith(b"READY=1")
            except TimeoutError:
                ready = False
            self.started_in = time.monotonic() - begin
        if not ready:
            raise SystemExit(f"bench: nfjail did not start:\n{(self.folder / 'said').read_text()}")

    def stop(self, number: int = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(30)

    def ctl(self, *arguments: str) -> None:
        command = self.command("ctl", "--runtime", str(self.folder / "run"), *arguments)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")

    def ban(self, *addresses: str) -> None:
        self.ctl("ban", "--jail", "sshd", *addresses)


class Fail2ban:
    """Debian's fail2ban with its own jail.conf, beside which the given jail.local stands."""

    def __init__(self, package: Path, jail: str, folder: str = "/run/bench-fail2ban") -> None:
        self.folder = Path(folder)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(package / "etc/fail2ban", self.folder / "etc")
        (self.folder / "etc/jail.local").write_text(jail)
        (self.folder / "etc/fail2ban.local").write_text(f"[Definition]\ndbfile = {folder}/store.sqlite3\n")
        self._program = package / "usr/bin"
        self._environment = {**os.environ, "PYTHONPATH": str(package / "usr/lib/python3/dist-packages")}
        places = ("-c", "etc"), ("-s", "sock"), ("-p", "pid")
        self._places = [text for name, place in places for text in (name, str(self.folder / place))]
        self.pid = 0

    def start(self) -> None:
        options = ["--logtarget", str(self.folder / "said"), "--loglevel", "NOTICE", "-f", "start"]
        command = ["/usr/bin/python3", str(self._program / "fail2ban-server"), *self._places, *options]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, env=self._environment, cwd="/", **quiet)
        self.pid = self._process.pid
        until(lambda: self.client("status", "sshd", check=False) == 0, 60, "fail2ban's jail does not start")
        if self._process.poll() is not None:
            raise SystemExit("bench: fail2ban has ended")

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(120)

    def client(self, *arguments: str, check: bool = True) -> int:
        command = ["/usr/bin/python3", str(self._program / "fail2ban-client"), *self._places, *arguments]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        return subprocess.run(command, env=self._environment, cwd="/", check=check, **quiet).returncode

    def ban(self, *addresses: str) -> None:
        self.client("set", "sshd", "banip", *addresses)


def nfjail_config(backend: str, more: str = "") -> str:
    # [store] and the like stay as shipped.
    lines = ("[jail.sshd]", "enabled = true", f'backend = "{backend}"', f'logpath = ["{LOG}"]', f"maxretry = {MAXRETRY}")
    return "\n".join([*lines, 'findtime = "10m"', 'bantime = "10m"', more, ""])


def fail2ban_config(backend: str, more: str = "") -> str:
    """Debian 13's ban action: with it the bans of both are elements of nftables sets."""
    lines = ("[DEFAULT]", "banaction = nftables", "[sshd]", "enabled = true", f"backend = {backend}")
    # Of the unit's name Debian 12's journalmatch knows only the other one.
    return "\n".join([*lines, f"logpath = {LOG}", "journalmatch = _SYSTEMD_UNIT=ssh.service + _COMM=sshd",
                      f"maxretry = {MAXRETRY}", "findtime = 10m", "bantime = 10m", more, ""])  # fmt: skip


class Kernel:
    """Hears from nf_tables itself which elements have come into sets, whoever has added them."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink.PROTOCOL)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 512 * 1024 * 1024)
        self._socket.bind((0, 0))
        self._socket.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, _GROUP)

    def wait_for(self, addresses: Iterable[str], within: float) -> float:
        """When (time.monotonic) the last one of these IPv4 addresses had become an element. Exits if one does not come."""
        missing = {socket.inet_aton(ip) for ip in addresses}
        end = time.monotonic() + within
        while missing:
            self._socket.settimeout(max(end - time.monotonic(), 0.001))
            try:
                datagram = self._socket.recv(256 * 1024)
            except TimeoutError:
                raise SystemExit(f"bench: after {within:.0f} s {len(missing)} are not in the kernel") from None
            heard = time.monotonic()
            missing.difference_update(_added(datagram))
        return heard

    def close(self) -> None:
        self._socket.close()


def _added(datagram: bytes) -> Iterable[bytes]:
    for message in netlink.messages(datagram):
        for kind, value in netlink.attributes(message.body) if message.kind == _NEWSETELEM else ():
            for _, element in netlink.attributes(value) if kind == _LIST_ELEMENTS else ():
                key = dict(netlink.attributes(element)).get(_ELEM_KEY, b"")
                yield from (packed for _, packed in netlink.attributes(key))


def empty_firewall() -> None:
    """Of the private network namespace, between two runs."""
    subprocess.run(["nft", "flush", "ruleset"], check=True)


# What /proc says of a process: see proc(5)


def cpu(pid: int) -> float:
    """Seconds of processor time, of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rss(pid: int) -> float:
    """MB that it holds in memory."""
    return _status(f"/proc/{pid}/status", "VmRSS") / 1024


def wake_ups(pid: int) -> int:
    """How often its threads have gone to sleep by themselves so far, and so will have been woken."""
    tasks = [f"/proc/{pid}/task/{task}/status" for task in os.listdir(f"/proc/{pid}/task")]
    return sum(int(_status(task, "voluntary_ctxt_switches")) for task in tasks)


def _status(path: str, name: str) -> float:
    line = next(line for line in Path(path).read_text().splitlines() if line.startswith(f"{name}:"))
    return float(line.split()[1])
