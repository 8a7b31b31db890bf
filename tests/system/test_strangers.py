"""What others do on the same machine: who wipes the firewall is named and has it back; who forges a log bans nobody."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from tests.system.house import BED, Nfjail, attack, in_bed, in_kernel, knock, run, until, who

BANNED, ALSO_BANNED, FRIEND = "192.0.2.20", "192.0.2.21", "192.0.2.40"
BANNED_6, ALSO_BANNED_6 = "2001:db8:20::1", "2001:db8:21::1"
VICTIM = "192.0.2.50"
FORGED = f"Failed password for root from {VICTIM} port 1 ssh2"


# The firewall


@in_bed("sshd.sh")
def test_who_wipes_nfjails_table_is_named_and_the_bans_are_back():
    wipings = ["flush ruleset", "delete table inet nfjail", "flush set inet nfjail sshd-4", "flush table inet nfjail"]
    jail = '[jail.sshd]\nblocktype = "tcp-reset"\n'
    with Nfjail(jail) as nfjail, subprocess.Popen(["nft", "-i"], stdin=subprocess.PIPE, text=True) as nft:
        nfjail.ctl("ban", BANNED, "2001:db8:20::/64", "--jail", "sshd")
        held = who(in_kernel())
        for count, wiping in enumerate(wipings, 1):
            assert nft.stdin
            nft.stdin.write(f"{wiping}\n")
            nft.stdin.flush()
            begin = time.monotonic()
            until(lambda count=count: nfjail.said().count("repairing it") == count)
            until(lambda: knock(BANNED) == "refused", within=0.5)
            print(f"{wiping}: back after {(time.monotonic() - begin) * 1000:.0f} ms")
            assert who(in_kernel()) == held
        nft.stdin.close()
        # its number is that of the outermost pid namespace, which is not known here; but it is always the same
        nfjail.hears(r"(nft \(pid \d+\)) changed nfjail's table \(deleted the table\)(?s:.+)\1(?s:.+)\1(?s:.+)\1")
        assert nfjail.trouble() == []


@in_bed("sshd.sh")
def test_what_is_not_nfjails_is_left_alone():
    run("nft", "-f", "-", text="table inet other { set nfjail { type ipv4_addr; }; chain sshd { accept; }; }")
    run("iptables", "-A", "INPUT", "-p", "udp", "-j", "ACCEPT")
    tables = [["nft", "list", "table", "inet", "other"], ["iptables-save", "-t", "filter"]]
    before = [rules(*command) for command in tables]
    with Nfjail("") as nfjail:
        nfjail.ctl("ban", BANNED)
        run("nft", "delete", "table", "inet", "nfjail")
        until(lambda: BANNED in {ban.address for ban in in_kernel()})
        nfjail.stop()
        nfjail.start()
        nfjail.ctl("flush")
    assert [rules(*command) for command in tables] == before


def rules(*command: str) -> list[str]:
    return [line for line in run(*command).splitlines() if not line.startswith("#")]


@in_bed("sshd.sh")
def test_who_wipes_again_and_again_cannot_keep_it_away():
    with Nfjail("") as nfjail:
        nfjail.ctl("ban", BANNED)
        for _ in range(20):
            run("nft", "flush", "ruleset")
            time.sleep(0.01)
        worked = nfjail.cpu()
        until(lambda: who(in_kernel()) == {("manual", BANNED)}, within=5)
        assert nfjail.said().count("repairing it") <= 10
        assert nfjail.cpu() - worked < 1


@pytest.mark.parametrize("banaction", ["iptables", "iptables-ipset"])
@in_bed("sshd.sh")
def test_wiped_iptables_are_back_with_the_next_decision(banaction):
    with Nfjail(f'[jail.sshd]\nbanaction = "{banaction}"\nblocktype = "tcp-reset"\n') as nfjail:
        nfjail.ctl("ban", BANNED, "2001:db8:20::/64", "--jail", "sshd")
        assert [knock(BANNED), knock(BANNED_6)] == ["refused", "refused"]
        for command in ("iptables", "ip6tables"):
            run(command, "-F")
            run(command, "-X")
        assert [knock(BANNED), knock(BANNED_6)] == ["served", "served"]
        nfjail.ctl("ban", ALSO_BANNED, "2001:db8:21::/64", "--jail", "sshd")
        everybody = (BANNED, ALSO_BANNED, BANNED_6, ALSO_BANNED_6)
        assert [knock(address) for address in everybody] == ["refused"] * 4
        assert knock(FRIEND) == "served"


# The log


def forge(*command: str, text: str = f"{FORGED}\n" * 20) -> None:
    """Runs it as an ordinary user. text: its input, and its own user id stays what it is."""
    run("setpriv", "--reuid=1000", "--regid=1000", "--clear-groups", *command, text=text)


def native(*fields: bytes) -> str:
    """A program that sends an entry with these fields, in the journal's own protocol."""
    return f"""
import socket, time
with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
    sock.connect("/run/systemd/journal/socket")
    for _ in range(20):
        sock.send({b''.join(field + bytes([10]) for field in fields)!r})
    time.sleep(0.1)
"""


@in_bed("sshd.sh")
def test_a_local_user_cannot_have_anybody_banned():
    shutil.copy(shutil.which("logger") or "", "/dev/shm/sshd")  # a program of this name
    python, forged = "/usr/bin/python3", FORGED.encode()
    identified = b"SYSLOG_IDENTIFIER=sshd"
    trusted = [b"_UID=0", b"_COMM=sshd", b"_SYSTEMD_UNIT=ssh.service", b"_TRANSPORT=syslog"]
    length = (len(forged) + 7).to_bytes(8, "little")
    with Nfjail("[jail.sshd]\nmaxretry = 2\n") as nfjail:
        forge("logger", "-t", "sshd")
        forge("logger", "-p", "auth.info", "-t", "sshd-session[4711]")
        forge("/dev/shm/sshd", "-t", "sshd")
        forge("systemd-cat", "-t", "sshd")
        forge("logger", "--journald", text="\n".join(["SYSLOG_IDENTIFIER=sshd", f"MESSAGE={FORGED}", "_UID=0", ""]))
        forge(python, "-c", native(identified, b"MESSAGE=" + forged, *trusted))
        forge(python, "-c", native(*trusted, identified, b"MESSAGE\n" + length + forged + b"\n_UID=0"))
        # within sshd's own unit, as one who is logged in where there is no pam_systemd
        run(str(BED / "as-unit.sh"), "ssh.service", "setpriv", "--reuid=1000", "--regid=1000", "--clear-groups",
            "sh", "-c", "{ cat; sleep .1; } | logger -t sshd", text=f"{FORGED}\n" * 20)  # fmt: skip
        # as another service of root's
        run(str(BED / "as-unit.sh"), "cron.service", "sh", "-c",
            "{ cat; sleep .1; } | logger -t sshd",
            text=f"{FORGED}\n" * 20)  # fmt: skip
        run("journalctl", "--sync")
        arrived = run("journalctl", "-o", "cat", "SYSLOG_IDENTIFIER=sshd").count("Failed password")
        assert arrived == 141
        with attack(BANNED, 2):
            nfjail.hears(f"banned {BANNED}")  # so all that was before has been read
        assert who(nfjail.stored()) == {("sshd", BANNED)}
        assert VICTIM not in nfjail.said()


@in_bed("sshd.sh")
def test_an_attacker_cannot_have_another_address_banned_by_his_user_name():
    names = [f"root from {VICTIM} port 22 ssh2", f"x]: {FORGED}", f"{VICTIM}", f"a\n{FORGED}\n"]
    with Nfjail(f"[jail.sshd]\nmaxretry = {2 * len(names)}\n") as nfjail:  # an unknown name counts twice
        for name in names:
            with attack(BANNED, 1, name) as attacker:
                attacker.wait(20)
        nfjail.hears(f"banned {BANNED}")
        assert who(nfjail.stored()) == {("sshd", BANNED)}
