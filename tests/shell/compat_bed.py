"""Two houses side by side for the tests of fail2ban-client: fail2ban's own server from a package, and nfjail, on the same logs.

Each is alone in a network namespace of its own, with all its files below the test's folder.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple, TypeVar

from nfjail.compat.client import main

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/conformance"))

from packages import CACHE, alone, environment, unpacked  # noqa: E402

T = TypeVar("T")
SHIM = ROOT / "packaging/compat/fail2ban-client"
CLIENTS = Path(__file__).with_name("fail2ban_clients.py")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(,\d{3})?")

_FAIL2BAN = """\
[DEFAULT]
backend = polling
action =
bantime = 10m
findtime = 10m
maxretry = 3
ignoreself = false
[sshd]
enabled = true
backend = polling
logpath = {logs}/auth.log
          {logs}/auth2.log
[nginx-http-auth]
enabled = true
backend = polling
logpath = {logs}/nginx.log
bantime = -1
"""
_NFJAIL = """\
fail2ban_log = "{folder}/fail2ban.log"
[default]
backend = "file"
bantime = "10m"
findtime = "10m"
maxretry = 3
ipv6_prefix = 128
ignoreself = false
[jail.sshd]
enabled = true
logpath = ["{logs}/auth.log", "{logs}/auth2.log"]
[jail.nginx-http-auth]
enabled = true
filter = "as-in-fail2ban"
logpath = ["{logs}/nginx.log"]
bantime = "forever"
[filter.as-in-fail2ban]
failregex = ['user ".*" was not found in ".*", client: <HOST>,']
"""


class Said(NamedTuple):
    """What a command printed, without the moment and the process number, and its exit code."""

    out: str
    errors: str
    code: int


class House:
    """A running server, and the command that asks it."""

    def __init__(self, folder: Path, log: Path, command: list[str], settings: dict[str, str]) -> None:
        self.folder, self.log = folder, log
        self.command, self.settings = command, settings
        self.process: subprocess.Popen[bytes]

    def ask(self, *words: str) -> Said:
        done = subprocess.run([*self.command, *words], env=self.settings, capture_output=True, text=True, timeout=60)
        return _said(done.stdout, done.stderr, done.returncode)

    def logged(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


class Fail2ban(House):
    """Its client is ready, as long as the server is up."""

    clients: subprocess.Popen[str]

    def ask(self, *words: str) -> Said:
        self.clients.stdin.write(json.dumps([*self.command, *words]) + "\n")
        self.clients.stdin.flush()
        return _said(*json.loads(self.clients.stdout.readline()))


class Nfjail(House):
    """Its client runs in this process: quicker."""

    def ask(self, *words: str) -> Said:
        out, errors = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
            code = main([*self.command[1:], *words])
        texts = []
        for stream in (out, errors):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return _said(*texts, code)

    def configure(self, more: str) -> None:
        (self.folder / "etc/conf.d/more.toml").write_text(more)


def _said(out: str, errors: str, code: int) -> Said:
    # fail2ban's client also warns of things in its configuration; the answers are what its logger "fail2ban" says
    own = [line for line in errors.splitlines() if re.search(r" fail2ban +\[\d+\]: ", line) or " fail2ban." not in line]
    return Said(_MOMENT.sub("MOMENT", out), re.sub(r"\[\d+\]:", "[PID]:", _MOMENT.sub("MOMENT", "\n".join(own))), code)


@contextlib.contextmanager
def fail2ban(suite: str, folder: Path, logs: Path, jails: str = _FAIL2BAN) -> Iterator[House]:
    """The package's own server; logs: the folder of what it watches."""
    _make_logs(logs)
    conf = folder / "fail2ban"
    package = unpacked(suite)
    subprocess.run(["cp", "-r", str(package / "etc/fail2ban"), str(conf)], check=True)
    for path in (conf / "jail.d").glob("*"):
        path.unlink()
    (conf / "jail.local").write_text(jails.format(logs=logs))
    files = {name: folder / f"fail2ban.{name}" for name in ("sock", "pid", "db", "log")}
    (conf / "fail2ban.local").write_text(
        f"[Definition]\nlogtarget = {files['log']}\nsocket = {files['sock']}\n"
        f"pidfile = {files['pid']}\ndbfile = {files['db']}\n"
    )
    python = ["/usr/bin/python3", "-W", "ignore"]  # Debian's: the package is made for it
    client = [str(package / "usr/bin/fail2ban-client"), "-c", str(conf)]
    server = ["unshare", "-n", *python, str(package / "usr/bin/fail2ban-server"), "-c", str(conf), "-f", "start"]
    house = Fail2ban(folder, files["log"], client, environment(suite))
    piped = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    house.clients = subprocess.Popen([*python, str(CLIENTS)], env=house.settings, **piped)
    with house.clients, _running(house, server, house.settings, lambda: "Server ready" in house.ask("server-status").out):
        yield house


@contextlib.contextmanager
def nfjail(folder: Path, logs: Path, config: str = _NFJAIL) -> Iterator[Nfjail]:
    _make_logs(logs)
    (folder / "etc/conf.d").mkdir(parents=True)
    (folder / "etc/conf.d/bed.toml").write_text(config.format(logs=logs, folder=folder))
    options = ["--config", folder / "etc", "--state", folder / "state", "--runtime", folder / "run"]
    server = ["unshare", "-n", sys.executable, "-m", "nfjail", "run", *map(str, options)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [str(SHIM), "-s", str(folder / "run/io.nfjail")]
    house = Nfjail(folder, folder / "fail2ban.log", command, settings)
    with _running(house, server, settings, lambda: house.ask("ping").code == 0):
        yield house


def _make_logs(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("auth.log", "auth2.log", "nginx.log"):
        (folder / name).touch()


@contextlib.contextmanager
def _running(house: House, server: list[str], settings: dict[str, str], ready: Callable[[], bool]) -> Iterator[None]:
    with (house.folder / "said").open("wb") as said:
        house.process = subprocess.Popen(server, env=settings, cwd="/", stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        until(lambda: ready() or house.process.poll() is not None)
        said = [path.read_text() for path in (house.folder / "said", house.log) if path.is_file()]
        assert house.process.poll() is None, "\n".join(said)
        yield
    finally:
        house.process.send_signal(signal.SIGTERM)
        try:
            house.process.wait(10)
        except subprocess.TimeoutExpired:
            house.process.kill()
            house.process.wait()
            if isinstance(house, Nfjail):  # fail2ban sometimes never ends when it is told to right after its start
                raise


def until(condition: Callable[[], T], within: float = 20.0) -> T:
    """What condition returns as soon as that is true; fails if it does not come."""
    end = time.monotonic() + within
    while not (found := condition()):
        assert time.monotonic() < end, "in vain"
        time.sleep(0.05)
    return found


def fail(logs: Path, address: str, times: int) -> None:
    """What sshd logs about wrong passwords, in a process for each attacker."""
    process = 1000 + hash(address) % 9000
    stamp = datetime.now(timezone.utc).isoformat(timespec="microseconds")
    with (logs / "auth.log").open("a") as log:
        log.write(f"{stamp} host sshd[{process}]: Failed password for root from {address} port 22 ssh2\n" * times)


def debian_package(name: str) -> Path:
    """A package of this machine's Debian, unpacked and not installed."""
    folder = CACHE / name
    with alone():
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as work_name:
                work = Path(work_name)
                subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name], cwd=work, check=True)
                (package,) = work.glob("*.deb")
                subprocess.run(["dpkg", "-x", str(package), str(work / "tree")], check=True)
                (work / "tree").rename(folder)
    return folder
