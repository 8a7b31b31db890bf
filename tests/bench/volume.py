"""Many at once: 2,000 attackers in one write, and a start with 100,000 bans in the store."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from lines import addresses, auth_log
from parts import (
    BED,
    LOG,
    Daemon,
    Fail2ban,
    Kernel,
    Nfjail,
    Options,
    Row,
    cpu,
    empty_firewall,
    fail2ban_config,
    median,
    nfjail_config,
    rss,
    say,
)

from nfjail.core.model import Ban, Subject, parse_address
from nfjail.firewall import netlink
from nfjail.store import Store

_CLONE_NEWNET = 0x40000000
_SO_RCVBUFFORCE = 33
_SERVER = ("192.0.2.1", 22)
_BANNED, _FREE = "192.0.2.20", "192.0.2.40"
_PROBE_EVERY = 0.0003  # seconds


def burst(options: Options) -> Iterator[Row]:
    lines, attackers = options.size(40_000, 2_000), addresses(options.size(2_000, 100))
    walls, cpus = [], []
    for _ in range(options.size(5, 1)):
        wall, used = _one_burst(Nfjail(nfjail_config("file")), lines, attackers)
        walls.append(wall)
        cpus.append(used)
        say(f"nfjail: {wall:.2f} s")
    theirs = None
    if options.fail2ban:
        theirs, used = _one_burst(Fail2ban(options.fail2ban, fail2ban_config("auto")), lines, attackers)
    figure = f"{lines:,} lines with {len(attackers):,} attackers at once -> all of them in the kernel"
    yield Row(figure, "s", 0.5, median(walls), theirs, samples=walls)
    yield Row("  of this, the daemon's processor time", "s", None, median(cpus), used if theirs else None,
              "fail2ban's without the nft processes that it starts", cpus)  # fmt: skip


def _one_burst(daemon: Daemon, lines: int, attackers: list[str]) -> tuple[float, float]:
    empty_firewall()
    LOG.unlink(missing_ok=True)
    LOG.touch()
    daemon.start()
    with closing(Kernel()) as kernel, LOG.open("ab", buffering=0) as log:
        data = "".join(auth_log(lines, attackers, time.time() - 20, 20 / lines)).encode()
        time.sleep(0.5)
        before, begin = cpu(daemon.pid), time.monotonic()
        log.write(data)
        wall = kernel.wait_for(attackers, 100) - begin
    used = cpu(daemon.pid) - before
    daemon.stop()
    return wall, used


def start(options: Options) -> Iterator[Row]:
    count = options.size(100_000, 2_000)
    subprocess.run([str(BED / "net.sh"), "up"], check=True)
    _enter(os.environ.get("NFJAIL_SRV", "nfj-srv"))
    nfjail = Nfjail(nfjail_config("journal", 'blocktype = "drop"\nprotocol = ["tcp", "udp"]'))
    _store(nfjail.folder / "state/nfjail.db", count)
    starts = [_cold_start(nfjail, count) for _ in range(options.size(3, 1))]
    cold, used = [took for took, _ in starts], [used for _, used in starts]
    say(f"nfjail: {median(cold):.2f} s into an empty kernel")
    nfjail.start()
    with Probe() as probe:
        warm, warm_used = [], []
        for number in (signal.SIGTERM, signal.SIGKILL) * options.size(2, 1):
            nfjail.stop(number)
            nfjail.start()
            warm.append(nfjail.started_in)
            warm_used.append(cpu(nfjail.pid))
    time.sleep(options.size(3, 1))
    size = rss(nfjail.pid)
    nfjail.stop()
    theirs, note = _their_start(options, count) if options.fail2ban else (None, "")
    yield Row(f"start with {count:,} bans in the store -> all in the kernel, READY", "s", 2, median(cold), theirs, note, cold)
    yield Row("  of this, the daemon's processor time", "s", None, median(used), samples=used)
    yield Row("  the same, where the kernel has them already", "s", 2, median(warm), samples=warm)
    yield Row("  of this, the daemon's processor time", "s", None, median(warm_used), samples=warm_used)
    note = (
        f"one every {1000 * probe.mean_gap:.1f} ms (longest pause {1000 * probe.longest_gap:.0f} ms) through {len(warm)} stops "
        f"and starts, half of them by SIGKILL; of another address's {probe.sent:,} came through {probe.free:,}"
    )
    yield Row("  packets of a banned address that came through then", f"of {probe.sent:,}", 0, probe.banned, None, note)
    yield Row(f"RSS with {count:,} bans", "MB", 80, size)


def _store(path: Path, count: int) -> None:
    """Bans of an hour, a fifth of them of IPv6 networks."""
    now = time.time()
    v4 = [parse_address(ip) for ip in (_BANNED, *addresses(count - count // 5 - 1))]
    v6 = [Subject(6, bytes.fromhex(f"20010db8{n:08x}") + bytes(8), 64) for n in range(count // 5)]
    bans = [Ban("sshd", subject, now, now + 3600, 1, "filter", "3 failures in 41s") for subject in [*v4, *v6] if subject]
    with closing(Store.open(str(path), now)) as store:
        store.commit(bans, {}, now)


def _cold_start(nfjail: Nfjail, count: int) -> tuple[float, float]:
    """Seconds, and seconds of the daemon's processor time."""
    empty_firewall()
    nfjail.start()
    used = cpu(nfjail.pid)
    there = sum(1 for name in netlink.timeout_sets("nfjail") for _ in netlink.elements("nfjail", name))
    nfjail.stop()
    if there != count:
        raise SystemExit(f"bench: READY, but {there} of {count} bans are in the kernel")
    return nfjail.started_in, used


def _their_start(options: Options, count: int) -> tuple[float, str]:
    """fail2ban starts a process for each ban that it restores: so few of them, extrapolated."""
    few = options.size(300, 10)
    assert options.fail2ban
    banned = addresses(few)
    fail2ban = Fail2ban(options.fail2ban, fail2ban_config("systemd"))
    fail2ban.start()
    with closing(Kernel()) as kernel:
        fail2ban.ban(*banned)
        kernel.wait_for(banned, 60)
    fail2ban.stop()
    with closing(Kernel()) as kernel:
        begin = time.monotonic()
        fail2ban.start()
        took = kernel.wait_for(banned, 60) - begin
    fail2ban.stop()
    return took * count / few, f"fail2ban: {took:.1f} s for {few} bans, extrapolated; it takes all bans out when it stops"


class Probe:
    """Meanwhile a banned and a free address send datagrams to the server, which counts what arrives."""

    def __enter__(self) -> Probe:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 512 * 1024 * 1024)
        self._socket.bind(_SERVER)
        outside = f"--net=/run/netns/{os.environ.get('NFJAIL_ATK', 'nfj-atk')}"
        command = ["nsenter", outside, "--", sys.executable, __file__]
        self._sender = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_error: object) -> None:
        said, _ = self._sender.communicate("")
        sent, longest, lasted = said.split()
        self.sent, self.longest_gap, self.mean_gap = int(sent), float(longest), float(lasted) / int(sent)
        arrived = {_BANNED: 0, _FREE: 0}
        self._socket.setblocking(False)
        while True:
            try:
                arrived[self._socket.recvfrom(16)[1][0]] += 1
            except BlockingIOError:
                break
        self._socket.close()
        self.banned, self.free = arrived[_BANNED], arrived[_FREE]


def be_probe() -> None:
    """Sends until stdin ends; then prints how often, the longest pause, and how long it took."""
    sockets = []
    for source in (_BANNED, _FREE):
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((source, 0))
        sockets.append(one)
    os.set_blocking(0, False)
    sent, longest, begin = 0, 0.0, time.monotonic()
    last = begin
    while sys.stdin.buffer.raw.read(1) is None:
        for one in sockets:
            one.sendto(b"?", _SERVER)
        sent += 1
        time.sleep(_PROBE_EVERY)
        now = time.monotonic()
        longest, last = max(longest, now - last), now
    print(sent, longest, last - begin)


def _enter(namespace: str) -> None:
    with open(f"/run/netns/{namespace}") as there:
        if ctypes.CDLL(None, use_errno=True).setns(there.fileno(), _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")


if __name__ == "__main__":
    be_probe()
