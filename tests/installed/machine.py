"""A booted Debian with nfjail installed from its package, its real sshd, and attackers at the other end of a cable."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from tests.packages.deb_bed import built_deb
from tests.system.house import BED, SERVER, outside, until

_VOLATILE = {
    "proc", "sys", "dev", "run", "tmp", "var/tmp", "var/log", "var/cache", "var/lib/dpkg", "var/lib/apt", "var/lib/systemd",
}  # fmt: skip
_FAMILY = {4: socket.AF_INET, 6: socket.AF_INET6}

Snapshot = dict[str, tuple[object, ...]]


class Machine:
    """Its addresses are SERVER; the attackers live in the network namespace $NFJAIL_ATK."""

    def __init__(self, suite: str, name: str) -> None:
        self.suite = suite
        self.name = name
        self.deb = built_deb()
        self.before: Snapshot = {}  # as it was without nfjail
        self.users_before = self.tables_before = ""
        self.units_before: set[str] = set()
        self.fail2bans: set[str] = set()  # files of that package, which is there for some of the tests
        self.install_said = ""
        self.install_seconds = 0.0

    @property
    def root(self) -> Path:
        """Where its files are, seen from here. It changes with a reboot."""
        return Path(bed("in.sh", self.name).strip())

    def run(self, command: str, status: int = 0) -> str:
        """What a shell in there printed on both outputs; fails if its exit status is another one."""
        argv = [str(BED / "in.sh"), self.name, "sh", "-c", f"exec 2>&1; {command}"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=90)
        if done.returncode != status:
            raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}\n{self.log()}")
        return done.stdout

    def log(self, unit: str = "nfjail") -> str:
        """The last of what the unit has said."""
        argv = [str(BED / "in.sh"), self.name, "journalctl", "--no-pager", "-q", "-o", "short-precise", "-n", "60", "-u", unit]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30).stdout

    def show(self, name: str, unit: str = "nfjail") -> str:
        """A property of a unit."""
        return self.run(f"systemctl show -P {name} {unit}").strip()

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    @contextlib.contextmanager
    def drop_in(self, text: str, unit: str = "nfjail") -> Iterator[None]:
        """Meanwhile the unit has this, too; it is restarted before and after."""
        change = f"systemctl daemon-reload && systemctl restart {unit}"
        self.write(f"/etc/systemd/system/{unit}.service.d/test.conf", text)
        try:
            self.run(change)
            yield
        finally:
            self.run(f"rm -r /etc/systemd/system/{unit}.service.d; {change}")

    @contextlib.contextmanager
    def config(self, text: str) -> Iterator[None]:
        """Meanwhile there is this in /etc/nfjail/conf.d; nfjail is not told."""
        self.write("/etc/nfjail/conf.d/test.toml", text)
        try:
            yield
        finally:
            self.run("rm /etc/nfjail/conf.d/test.toml")

    def banned(self) -> set[str]:
        """Who is banned, as nfjail says."""
        return {json.loads(line)["address"] for line in self.run("nfjail ctl list --json").splitlines()}

    def in_kernel(self) -> set[str]:
        """Who is banned in the jail sshd, as the kernel says; networks by their first address."""
        listed = self.run("for n in 4 6-64; do nft list set inet nfjail sshd-$n; done")
        return set(re.findall(r"([0-9a-f.:]+) (?:timeout \S+ )?expires", listed))

    def failures(self, address: str) -> int:
        """How many wrong passwords sshd has taken from there."""
        said = self.run("journalctl --no-pager -q -o cat -t sshd -t sshd-session")
        return said.count(f"Failed password for root from {address} ")

    def copied(self, file: Path) -> str:
        """Its path in there."""
        (self.root / "opt" / file.name).write_bytes(file.read_bytes())
        return f"/opt/{file.name}"

    def snapshot(self) -> Snapshot:
        """Mode and owner of all that a package could touch; of files also size and time of change, of links where they go."""
        found: Snapshot = {}
        root = str(self.root)
        for folder, folders, files in os.walk(root):
            inside = os.path.relpath(folder, root)
            folders[:] = [name for name in folders if os.path.normpath(os.path.join(inside, name)) not in _VOLATILE]
            for name in (*folders, *files):
                path = os.path.join(folder, name)
                status = os.lstat(path)
                more: tuple[object, ...] = (status.st_size, status.st_mtime_ns) if name in files else ()
                if os.path.islink(path):
                    more = (os.readlink(path),)
                found[os.path.relpath(path, root)] = (status.st_mode, status.st_uid, status.st_gid, *more)
        return found

    def users(self) -> str:
        return self.run("cat /etc/passwd /etc/group /etc/shadow /etc/gshadow")

    def tables(self) -> str:
        """What of nftables is not nfjail's."""
        return self.run("nft list tables | grep -vx 'table inet nfjail' || :")

    def units(self) -> set[str]:
        """Those that are up."""
        return set(self.run("systemctl list-units --plain --no-legend --state=active | cut -d' ' -f1").split())

    def reboot(self) -> None:
        """Returns when it is up again."""
        self.run("touch /run/old; systemctl --no-block reboot")
        until(self._is_up_again, 30, 0.05)

    def _is_up_again(self) -> bool:
        argv = [str(BED / "in.sh"), self.name, "sh", "-c", "test ! -e /run/old && systemctl is-system-running"]
        try:  # whoever is inside when the system goes down may be stopped for ever
            said = subprocess.run(argv, capture_output=True, text=True, timeout=2).stdout
        except subprocess.TimeoutExpired:
            return False
        return said in ("running\n", "degraded\n")


def bed(script: str, *arguments: str, **settings: str) -> str:
    """Runs one of the bed's scripts; what it printed."""
    done = subprocess.run([str(BED / script), *arguments], env={**os.environ, **settings}, capture_output=True, text=True)
    assert done.returncode == 0, (script, arguments, done.stdout, done.stderr)
    return done.stdout


def flood(source: str, failures: int) -> int:
    """Tries so many wrong passwords at sshd, one in a connection; returns how many it could."""
    server = SERVER[6 if ":" in source else 4]
    inside = ["nsenter", f"--net=/run/netns/{os.environ['NFJAIL_ATK']}", "--"]
    attack = [str(BED / "flood.py"), "-c", "1", server, "root", source, str(failures)]
    done = subprocess.run([*inside, *attack], capture_output=True, text=True, timeout=60)
    return int(re.findall(r"(\d+) failures in", done.stdout)[0])


class Hammer(threading.Thread):
    """Sends packets to sshd from these addresses as fast as it can: new connections, and into an open one."""

    def __init__(self, sources: tuple[str, ...], opened: socket.socket) -> None:
        super().__init__()
        self.knocks = 0
        self._sources = sources
        self._opened = opened
        self._over = threading.Event()

    def run(self) -> None:
        self._opened.setblocking(False)
        with outside():
            while not self._over.is_set():
                for source in self._sources:
                    self._knock(source, 6 if ":" in source else 4)
                with contextlib.suppress(OSError):
                    self._opened.send(b"x")
                time.sleep(0.01)

    def _knock(self, source: str, family: int) -> None:
        with socket.socket(_FAMILY[family]) as client:
            client.setblocking(False)
            client.bind((source, 0))
            client.connect_ex((SERVER[family], 22))
        self.knocks += 1

    def __enter__(self) -> Hammer:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


class Witness:
    """Counts the packets from these addresses that come past nfjail's chain, in a table that is not nfjail's."""

    def __init__(self, machine: Machine, v4: str, v6: str) -> None:
        self._machine = machine
        rules = f"ip saddr {v4} counter; ip6 saddr {v6} counter"
        machine.run(f"nft 'table inet witness {{ chain seen {{ type filter hook prerouting priority -299; {rules}; }}; }}'")

    def __enter__(self) -> Witness:
        return self

    def __exit__(self, *_: object) -> None:
        self._machine.run("nft delete table inet witness")

    @property
    def packets(self) -> int:
        return sum(map(int, re.findall(r"packets (\d+)", self._machine.run("nft list table inet witness"))))
