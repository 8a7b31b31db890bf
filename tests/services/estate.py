"""A booted Debian with many servers and nfjail, as it is in the checkout, and attackers at the other end of a cable.

nfjail runs as its package has it run: the same unit, so with the same user, privileges and view of the files.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from tests.installed.machine import bed
from tests.packages.deb_bed import alone, cache
from tests.system.house import BED, ROOT, SERVER, connect, knock, until

# sshd is there anyway; proftpd and pure-ftpd come by install.sh.
PACKAGES = (
    "dropbear,nginx,apache2,lighttpd,postfix,dovecot-imapd,dovecot-pop3d,vsftpd,mariadb-server,postgresql,squid,openbsd-inetd"
)
FRIEND = "192.0.2.60"
_EVIDENCE = 10  # lines that nfjail keeps of a ban


def suite() -> str:
    """The Debian whose servers are tried: this machine's, or $NFJAIL_SERVICES_SUITE."""
    with open("/etc/os-release") as file:
        found = re.search(r"^VERSION_CODENAME=(\w+)$", file.read(), re.MULTILINE)
    return os.environ.get("NFJAIL_SERVICES_SUITE") or (found[1] if found and found[1] == "trixie" else "bookworm")


class Estate:
    """Its addresses are SERVER; the attackers live in the network namespace $NFJAIL_ATK."""

    def __init__(self, suite: str, name: str) -> None:
        self.suite = suite
        self.name = name

    def boot(self) -> None:
        folder = f"services-{self.suite}"
        cache().mkdir(parents=True, exist_ok=True)
        with alone(cache()):  # building takes more than a minute
            bed("mkrootfs.sh", self.suite, folder, MORE=PACKAGES, HOOK=str(Path(__file__).with_name("install.sh")))
        bed("net.sh", "up")
        bed("boot.sh", folder, self.name, NETNS=os.environ["NFJAIL_SRV"])
        self.root = Path(bed("in.sh", self.name).strip())
        self.write("/etc/hosts", f"127.0.0.1 localhost\n{SERVER[4]} server.example {self.name}\n{SERVER[6]} server.example\n")
        self._install_nfjail()

    def stop(self) -> None:
        bed("stop.sh", self.name)
        bed("net.sh", "down")

    def _install_nfjail(self) -> None:
        """Where the package has it. Python's own files are compiled once, since the service may not write them."""
        packages = "usr/lib/python3/dist-packages/nfjail"
        shutil.copytree(ROOT / "nfjail", self.root / packages, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copytree(ROOT / "conf.d", self.root / "usr/share/nfjail/conf.d")
        self.write("/usr/bin/nfjail", "#!/bin/sh\nexec /usr/bin/python3 -m nfjail \"$@\"\n", 0o755)
        kind = "notify-reload" if int(self.run("systemctl --version").split()[1]) >= 253 else "notify"
        unit = (ROOT / "packaging/systemd/nfjail.service.in").read_text().replace("@TYPE@", kind)
        self.write("/etc/systemd/system/nfjail.service", unit)
        self.write("/usr/lib/sysusers.d/nfjail.conf", (ROOT / "packaging/systemd/nfjail.sysusers").read_text())
        self.run(f"python3 -m compileall -q /{packages}; systemd-sysusers && systemctl daemon-reload && systemctl start nfjail")

    def run(self, command: str) -> str:
        """What a shell in there printed on both outputs; fails if the command does."""
        argv = [str(BED / "in.sh"), self.name, "sh", "-c", f"exec 2>&1; {command}"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}\n{self.log()}")
        return done.stdout

    def log(self) -> str:
        """The last of what anybody has said."""
        argv = [str(BED / "in.sh"), self.name, "journalctl", "--no-pager", "-q", "-n", "15"]
        return subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=30).stdout

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    # What the tests do

    @contextlib.contextmanager
    def serving(self, unit: str, *ports: int) -> Iterator[None]:
        """Meanwhile the server runs, and listens at these ports."""
        self.run(f"systemctl restart {unit}")
        try:
            for port in ports:
                until(partial(is_served, FRIEND, port), 20, 0.05)
            yield
        finally:
            self.run(f"systemctl stop {unit}")

    @contextlib.contextmanager
    def jail(self, name: str, more: str = "") -> Iterator[None]:
        """Meanwhile this jail is enabled, as an administrator does it; more: what its documentation asks for besides."""
        file = f"/etc/nfjail/conf.d/{name}.toml"
        self.write(file, f"[jail.{name}]\nenabled = true\n{more}")
        try:
            self.run("nfjail check && systemctl reload nfjail")
            yield
        finally:
            self.run(f"rm {file}; systemctl reload nfjail")

    @contextlib.contextmanager
    def may_read(self, group: str) -> Iterator[None]:
        """Meanwhile nfjail reads the log files of this group, too: the drop-in logs.conf among the examples."""
        folder = "/etc/systemd/system/nfjail.service.d"
        self.write(f"{folder}/logs.conf", f"[Service]\nSupplementaryGroups={group}\n")
        try:
            self.run("systemctl daemon-reload && systemctl restart nfjail")
            yield
        finally:
            self.run(f"rm -r {folder}; systemctl daemon-reload && systemctl restart nfjail")

    def counts(self, jail: str) -> tuple[int, int]:
        """How many failures the jail has seen, and how many addresses it has banned."""
        jails = json.loads(self.run("nfjail ctl status --json"))["jails"]
        return next((one["failures"], one["banned"]) for one in jails if one["name"] == jail)

    def see_counts(self, jail: str, expected: tuple[int, int]) -> None:
        with contextlib.suppress(AssertionError):
            until(lambda: self.counts(jail) >= expected, 5, 0.05)
        counts = self.counts(jail)
        assert counts == expected, f"{counts} failures and bans, not {expected}\n{self.log()}"

    def see_cut_off(
        self, jail: str, port: int, attacker: str, attempt: Callable[[str], str], failed: str, maxretry: int = 5
    ) -> None:
        """The attacker is served until he fails too often; each failure counts once. failed: what the server says to one."""
        before = self.counts(jail)
        with ThreadPoolExecutor(4) as attackers:  # some servers take seconds to say no
            said = [*attackers.map(attempt, [attacker] * (maxretry - 1))]
        self.see_counts(jail, (before[0] + maxretry - 1, before[1]))
        assert is_served(attacker, port)
        said.append(attempt(attacker))
        assert [failed in one for one in said] == [True] * maxretry, said
        self.see_counts(jail, (before[0] + maxretry, before[1] + 1))
        [record] = json.loads(self.run(f"nfjail ctl why --json {attacker}"))["records"]
        assert record["ban"]["jail"] == jail
        assert [attacker in line["message"] for line in record["evidence"]] == [True] * min(maxretry, _EVIDENCE)
        assert knock(attacker, port) == "refused"
        assert is_served(FRIEND, port)


def is_served(source: str, port: int) -> bool:
    """Whether a server takes connections from there."""
    try:
        connect(source, port).close()
    except OSError:
        return False
    return True
