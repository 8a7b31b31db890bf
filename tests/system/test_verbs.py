"""What an administrator tells the running daemon with `nfjail ctl`, and that it is so in the kernel afterwards."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time

from tests.system.house import SERVER, Nfjail, in_bed, in_kernel, knock, log_failures, outside, run, until, who

LOG = "/run/house/auth.log"
UDP = socket.SOCK_DGRAM
JAIL = f'[jail.sshd]\nbackend = "file"\nlogpath = ["{LOG}"]\nport = [22]\nmaxretry = 3\n'


@in_bed("sshd.sh")
def test_a_ban_by_hand_closes_everything_and_nothing_to_others():
    def answers(address: str) -> list[str]:
        return [knock(address, 22), knock(address, 8022), "echo" if echoed(address, 8053) else "silent"]

    with Nfjail(JAIL) as nfjail, socket.create_server(("192.0.2.1", 8022)) as server, socket.socket(type=UDP) as udp:
        udp.bind(("192.0.2.1", 8053))
        for serve in (lambda: greet(server), lambda: echo(udp)):
            threading.Thread(target=serve, daemon=True).start()
        assert answers("192.0.2.20") == ["served", "served", "echo"]
        assert nfjail.ctl("ban", "192.0.2.20") == "manual: banned 192.0.2.20 for 10m\n"
        assert answers("192.0.2.20") == ["refused", "refused", "silent"]
        assert answers("192.0.2.40") == ["served", "served", "echo"]
        assert nfjail.ctl("unban", "192.0.2.20") == "manual: unbanned 192.0.2.20\n"
        assert answers("192.0.2.20") == ["served", "served", "echo"]
        nfjail.ctl("ban", "192.0.2.20", "--jail", "sshd")
        assert answers("192.0.2.20") == ["refused", "served", "echo"]


def greet(server: socket.socket) -> None:
    while True:
        client, _ = server.accept()
        client.sendall(b"hello")
        client.close()


def echo(udp: socket.socket) -> None:
    while True:
        udp.sendto(*udp.recvfrom(100))


def echoed(source: str, port: int) -> bool:
    with outside(), socket.socket(type=UDP) as client:
        client.settimeout(0.5)
        client.bind((source, 0))
        client.connect((SERVER[4], port))
        client.send(b"hello")
        try:
            return client.recv(100) == b"hello"
        except (TimeoutError, ConnectionRefusedError):
            return False


@in_bed("sshd.sh")
def test_networks_lengths_and_reasons():
    with Nfjail(JAIL) as nfjail:
        nfjail.ctl("ban", "192.0.2.16/28", "2001:db8:20::1", "2001:db8:21::/64", "--for", "2h", "--reason", "a $test\x1b")
        nfjail.ctl("ban", "198.51.100.1", "--for", "forever", "--jail", "sshd")
        kernel = {(ban.jail, ban.address): ban.until for ban in in_kernel()}
        names = ("192.0.2.16/28", "2001:db8:20::1", "2001:db8:21::/64")
        assert set(kernel) == {("sshd", "198.51.100.1"), *(("manual", name) for name in names)}
        assert kernel.pop(("sshd", "198.51.100.1")) is None
        assert all(abs((until or 0) - time.time() - 7200) < 10 for until in kernel.values())
        outcome = [knock(a) for a in ("192.0.2.16", "192.0.2.31", "192.0.2.32", "2001:db8:20::1", "2001:db8:20::2")]
        assert outcome == ["refused", "refused", "served", "refused", "served"]
        assert {ban["reason"] for ban in nfjail.list("manual")} == {"uid 0: a $test\x1b"}
        assert "a $test\\x1b" in nfjail.ctl("why", "192.0.2.20")
        assert nfjail.ctl("ban", "192.0.2.16/28", "--for", "3h").startswith("manual: 192.0.2.16/28 was already banned until")
        assert nfjail.ctl("unban", "192.0.2.0/24", "2001:db8:20::1", "192.0.2.99").splitlines() == [
            "manual: unbanned 192.0.2.16/28",
            "manual: unbanned 2001:db8:20::1",
            "192.0.2.99 was not banned",
        ]
        assert [knock(a) for a in ("192.0.2.16", "2001:db8:20::1")] == ["served", "served"]


@in_bed("sshd.sh")
def test_a_ban_ends_in_the_kernel_and_on_record():
    with Nfjail(JAIL) as nfjail:
        nfjail.ctl("ban", "192.0.2.20", "--for", "2s")
        [ban] = nfjail.stored()
        assert knock("192.0.2.20") == "refused"
        until(lambda: knock("192.0.2.20") == "served")
        assert time.time() >= (ban.until or 0)
        nfjail.hears(r"manual: unbanned 192\.0\.2\.20 \(expired\)")
        assert nfjail.stored("past") == [ban]
        assert "expired" in nfjail.ctl("why", "192.0.2.20")


@in_bed("sshd.sh")
def test_who_is_ignored_is_freed_and_not_banned_again():
    with Nfjail(JAIL) as nfjail:
        log_failures(LOG, "192.0.2.20", 3)
        nfjail.hears(r"banned 192\.0\.2\.20")
        assert knock("192.0.2.20") == "refused"
        assert nfjail.ctl("ignore", "add", "192.0.2.20", "--reason", "a friend") == "ignoring 192.0.2.20 forever\n"
        until(lambda: knock("192.0.2.20") == "served")
        assert who(nfjail.stored()) == set()
        log_failures(LOG, "192.0.2.20", 9)
        log_failures(LOG, "192.0.2.21", 3)
        nfjail.hears(r"banned 192\.0\.2\.21")
        assert "ignored" in nfjail.ctl("ban", "192.0.2.20", status=1)
        nfjail.ctl("ban", "192.0.2.16/28")  # the kernel lets him pass all the same
        assert [knock(address) for address in ("192.0.2.20", "192.0.2.22")] == ["served", "refused"]
        nfjail.stop()
        nfjail.start()
        assert [knock(address) for address in ("192.0.2.20", "192.0.2.22")] == ["served", "refused"]
        assert "a friend" in nfjail.ctl("ignore", "list")
        nfjail.ctl("ignore", "del", "192.0.2.20")
        until(lambda: knock("192.0.2.20") == "refused")
        nfjail.ctl("ignore", "add", "192.0.2.20", "--for", "3s")
        until(lambda: knock("192.0.2.20", timeout=0.5) == "served")
        until(lambda: knock("192.0.2.20") == "refused")


@in_bed("sshd.sh")
def test_flush_removes_everything_and_the_next_ban_works_again():
    with Nfjail(JAIL) as nfjail:
        log_failures(LOG, "192.0.2.20", 3)
        nfjail.hears(r"banned 192\.0\.2\.20")
        nfjail.ctl("ban", "192.0.2.21")
        assert "removed 2 bans" in nfjail.ctl("flush")
        assert run("nft", "list", "ruleset") == ""
        assert knock("192.0.2.20") == "served"
        assert (nfjail.stored(), len(nfjail.stored("past"))) == ([], 2)
        log_failures(LOG, "192.0.2.22", 3)
        until(lambda: knock("192.0.2.22") == "refused")
        assert who(in_kernel()) == {("sshd", "192.0.2.22")}


@in_bed("sshd.sh")
def test_status_why_and_watch_tell_what_happens():
    with Nfjail(JAIL) as nfjail:
        seen: list[dict[str, str]] = []
        with subprocess.Popen(nfjail.ctl_command("watch", "--json"), stdout=subprocess.PIPE, text=True) as watching:
            reader = threading.Thread(target=lambda: seen.extend(map(json.loads, watching.stdout or ())))
            reader.start()
            until(lambda: nfjail.ctl("ban", "192.0.2.99") and seen)  # one that is seen shows that watching has begun
            log_failures(LOG, "192.0.2.20", 3)
            until(lambda: seen[-1]["address"] == "192.0.2.20" and seen[-1]["event"] == "ban")
            watching.terminate()
            reader.join()
        told = [event["event"] for event in seen if event["address"] == "192.0.2.20"]
        assert told == ["failure", "failure", "failure", "ban"]
        until(lambda: knock("192.0.2.20") == "refused")
        [jail] = [jail for jail in json.loads(nfjail.ctl("status", "--json"))["jails"] if jail["name"] == "sshd"]
        assert (jail["failures"], jail["banned"], jail["total"], jail["sources"]) == (3, 1, 1, [LOG])
        assert jail["refused"] >= 1
        why = nfjail.ctl("why", "192.0.2.20")
        assert why.count("Failed password for root from 192.0.2.20 port 22 ssh2") == 3
        assert "3 failures in 0s" in why


@in_bed("sshd.sh")
def test_exit_codes():
    with Nfjail(JAIL) as nfjail:
        nfjail.ctl("ping")
        assert "there is no jail" in nfjail.ctl("ban", "192.0.2.9", "--jail", "nosuch", status=1)
        assert "own addresses" in nfjail.ctl("ban", "192.0.2.1", status=1)
        assert "everybody" in nfjail.ctl("ban", "0.0.0.0/0", status=1)
        assert "no IP address" in nfjail.ctl("ban", "192.0.2.999", status=2)
        nfjail.ctl("unban", status=2)
        nfjail.ctl("nosuch", status=2)
        assert nfjail.stored() == []
        nfjail.stop()
        assert "not running" in nfjail.ctl("ping", status=3)
