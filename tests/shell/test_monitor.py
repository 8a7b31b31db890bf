"""Somebody else's change of nfjail's table is noticed and its author named; our own and other tables' are not."""

from __future__ import annotations

import os
import random
import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from iptables_bed import inside, new_namespace, run

from nfjail.core.model import Ban, Unban, parse_subject
from nfjail.firewall import Gate
from nfjail.firewall.monitor import LOST, Change, Monitor
from nfjail.firewall.nft import NftFirewall

NOW = 1_700_000_000.0
_OUTERMOST = 0xEFFFFFFC  # PROC_PID_INIT_INO of linux/proc_ns.h


@pytest.fixture(autouse=True)
def namespace() -> Iterator[None]:
    with new_namespace() as made, inside(made):
        yield


def ban(address: str, seconds: float | None = 600) -> Ban:
    return Ban("sshd", parse_subject(address), NOW, None if seconds is None else NOW + seconds)


def many(count: int) -> list[Ban]:
    return [ban(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}") for n in range(count)]


def firewall(*bans: Ban) -> NftFirewall:
    made = NftFirewall()
    made.configure([Gate("sshd", ("22",))], [])
    made.sync(bans, NOW)
    return made


def stranger(commands: str) -> int:
    """Does that with nft, in one transaction; the process's number."""
    with subprocess.Popen(["nft", "-f", "-"], stdin=subprocess.PIPE, text=True) as process:
        process.communicate(commands)
    assert process.returncode == 0
    # The kernel counts in the outermost pid namespace; in an inner one we cannot know the number that it says.
    return process.pid if os.stat("/proc/self/ns/pid").st_ino == _OUTERMOST else mock.ANY


def is_silent(monitor: Monitor) -> bool:
    return select.select([monitor], [], [], 0.05)[0] == []


@pytest.mark.parametrize(
    ("commands", "what"),
    [
        ("flush ruleset", "deleted the table"),
        ("delete table inet nfjail", "deleted the table"),
        ("delete table inet nfjail\ntable inet nfjail { chain c { }; }", "deleted the table"),
        ("flush set inet nfjail sshd-4", "removed elements from sshd-4"),
        ("delete element inet nfjail sshd-4 { 192.0.2.1 }", "removed elements from sshd-4"),
        ("add element inet nfjail ignore-4 { 192.0.2.1 }", "added elements to ignore-4"),
        ("flush chain inet nfjail sshd", "deleted a rule of sshd"),
        ("insert rule inet nfjail prerouting accept", "added a rule to prerouting"),
        ("add chain inet nfjail c", "added chain c"),
        ("add set inet nfjail s { type ipv4_addr; }", "added set s"),
        ("flush chain inet nfjail prerouting\nflush chain inet nfjail sshd\ndelete chain inet nfjail sshd",
         "deleted a rule of prerouting, deleted a rule of sshd, deleted chain sshd"),
        ("add table inet nfjail { flags dormant; }", "changed the table"),
    ],
)  # fmt: skip
def test_each_foreign_transaction_is_one_change(commands: str, what: str):
    firewall(ban("192.0.2.1"), ban("192.0.2.2"))
    monitor = Monitor("nfjail")
    pid = stranger(commands)
    assert not is_silent(monitor)
    found = monitor.read()
    assert [(each.pid, each.command) for each in found] == [(pid, "nft")]
    assert what in found[0].what
    assert is_silent(monitor)


def test_our_own_changes_do_not_even_wake_us():
    nft = firewall()
    for monitor in (Monitor("nfjail"), nft.monitor()):
        nft.sync(many(3000), NOW)
        nft.apply([ban("192.0.2.1"), Unban("sshd", parse_subject("10.0.0.1"), NOW, "")], NOW)
        nft.sync(many(20_000), NOW)
        nft.flush()
        assert is_silent(monitor)


def test_there_is_one_monitor_until_it_is_closed():
    nft = firewall()
    first = nft.monitor()
    assert nft.monitor() is first
    first.close()
    nft.sync(many(6000), NOW)
    assert nft.monitor() is not first


def test_our_own_changes_are_known_even_when_the_monitor_was_there_first():
    monitor = Monitor("nfjail")
    nft = firewall()
    assert monitor.read() == []
    nft.apply([ban("192.0.2.1")], NOW)
    assert is_silent(monitor)
    pid = stranger("delete table inet nfjail")
    assert monitor.read() == [Change(pid, "nft", "deleted the table")]


@pytest.mark.parametrize(
    "commands",
    ["table inet other { chain c { accept; }; }", "table ip nfjail { chain c { accept; }; }", "table inet nfjail2 { }"],
)
def test_other_tables_are_none_of_ours(commands: str):
    firewall()
    monitor = Monitor("nfjail")
    stranger(commands)
    assert not is_silent(monitor)
    assert monitor.read() == []


def test_what_is_done_to_others_in_the_same_transaction_is_not_told():
    firewall()
    stranger("table inet other { chain c { }; }")
    monitor = Monitor("nfjail")
    stranger("add rule inet other c accept\nadd chain inet nfjail x\ndelete table inet other")
    assert [each.what for each in monitor.read()] == ["added chain x"]


def test_a_refused_change_is_no_change():
    firewall()
    monitor = Monitor("nfjail")
    done = subprocess.run(["nft", "add chain inet nfjail x; delete table inet nosuch"], capture_output=True, timeout=60)
    assert done.returncode != 0
    assert is_silent(monitor)


def test_the_end_of_a_ban_is_no_change():
    firewall(ban("192.0.2.1", 0.2))
    monitor = Monitor("nfjail")
    time.sleep(0.4)
    assert is_silent(monitor)


def test_two_strangers_are_two_changes():
    firewall(ban("192.0.2.1"))
    monitor = Monitor("nfjail")
    pids = [stranger("flush set inet nfjail sshd-4"), stranger("flush ruleset")]
    assert monitor.read() == [
        Change(pids[0], "nft", "removed elements from sshd-4"),
        Change(pids[1], "nft", "deleted the table"),
    ]


def test_a_big_set_that_is_flushed_is_still_one_change():
    firewall(*many(30_000))
    monitor = Monitor("nfjail")
    pid = stranger("flush set inet nfjail sshd-4")
    found: list[Change] = []
    while not found and not is_silent(monitor):
        found = monitor.read()
    assert found == [Change(pid, "nft", "removed elements from sshd-4")]
    assert is_silent(monitor)


def test_too_many_changes_to_follow_are_said():
    firewall(*many(3000))
    monitor = Monitor("nfjail")
    with socket.socket(fileno=socket.dup(monitor.fileno())) as same:
        same.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    stranger("flush set inet nfjail sshd-4")
    assert LOST in monitor.read()
    monitor.read()
    assert is_silent(monitor)


def test_a_change_while_the_monitor_is_paused_is_undone(monkeypatch: pytest.MonkeyPatch):
    nft = firewall()
    monitor = nft.monitor()
    run_one, turns = nft._run, iter([True, False])

    def disturbed(text: str) -> None:
        run_one(text)
        if text.startswith("add table inet nfjail\ndelete") and next(turns):
            stranger("delete table inet nfjail")

    monkeypatch.setattr(nft, "_run", disturbed)
    nft.sync(many(6000), NOW)
    assert next(turns, None) is None  # it was done twice
    assert len(nft.adopt(NOW)) == 6000
    assert is_silent(monitor)
    pid = stranger("delete table inet nfjail")
    assert monitor.read() == [Change(pid, "nft", "deleted the table")]


def fed(datagrams: list[bytes]) -> list[Change]:
    """What a monitor makes of these instead of the kernel's messages."""
    monitor = Monitor("nfjail")
    monitor.close()
    monitor._socket, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with monitor._socket, other:
        monitor._socket.setblocking(False)
        for datagram in datagrams:
            other.send(datagram)
        return monitor.read()


@given(st.lists(st.binary(max_size=200), max_size=5))
def test_nonsense_is_no_trouble(datagrams: list[bytes]):
    assert fed(datagrams) == []


def test_damaged_messages_are_no_trouble():
    firewall()
    monitor = Monitor("nfjail")
    stranger("add chain inet nfjail c\nadd rule inet nfjail c accept\nflush set inet nfjail sshd-4")
    genuine = []
    while not is_silent(monitor):
        genuine.append(monitor._socket.recv(100_000))
    assert [each.what for each in fed(genuine)] == ["added chain c, added a rule to c"]
    dice = random.Random(1)
    for _ in range(3000):
        damaged = [bytearray(each) for each in genuine]
        victim = dice.choice(damaged)
        for _ in range(dice.randrange(1, 4)):
            victim[dice.randrange(len(victim))] = dice.randrange(256)
        assert len(fed([bytes(each[: dice.randrange(len(each) + 1)]) for each in damaged])) <= 2


def test_it_says_what_it_needs_when_it_cannot_listen():
    program = "from nfjail.firewall.monitor import *; Monitor('nfjail')"
    command = ["setpriv", "--bounding-set=-net_admin", sys.executable, "-c", program]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=60)
    assert "CAP_NET_ADMIN" in done.stderr
    assert run("nft", "list", "ruleset") == ""
