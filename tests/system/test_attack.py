"""Real password guessing at a real sshd: the attacker is cut off, others are served, and he again when his time is over."""

from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from tests.system.house import Nfjail, attack, connect, in_bed, knock, until

ATTACKERS = {"192.0.2.20": "192.0.2.20", "2001:db8:20::1": "2001:db8:20::/64"}  # and what is banned for him
FRIENDS = ("192.0.2.40", "2001:db8:40::1")
LASTING = 4.0  # seconds; a refusal over IPv6 takes one of them to be heard
JAIL = """
[jail.sshd]
maxretry = 3
findtime = "1m"
"""


def is_cut_off_until_his_time_is_over(nfjail: Nfjail) -> None:
    """The scenario. Both attackers have 20 passwords to try, and nfjail allows 3."""
    first, second = ATTACKERS
    with attack(first, 20), attack(second, 20):
        for banned in ATTACKERS.values():
            nfjail.hears(rf"^sshd: banned {banned} for 4s \(3 failures in .*\)$")
    assert [knock(address) for address in (*ATTACKERS, *FRIENDS)] == ["refused", "refused", "served", "served"]
    ends = {ban.address: ban.until for ban in nfjail.stored()}
    assert sorted(ends) == sorted(ATTACKERS.values())
    for address, banned in ATTACKERS.items():
        until(lambda address=address: knock(address) == "served", 15)
        assert time.time() >= ends[banned]
        nfjail.hears(rf"^sshd: unbanned {banned} \(expired\)$")
    assert nfjail.stored() == []
    assert {ban.address: ban.until for ban in nfjail.stored("past")} == ends


@pytest.mark.parametrize(
    ("banaction", "command"),
    [
        ("nftables", "iptables"),
        ("iptables", "iptables"),
        ("iptables", "iptables-legacy"),
        ("iptables-ipset", "iptables"),
        ("iptables-ipset", "iptables-legacy"),
    ],
)
@in_bed("sshd.sh")
def test_an_attack_seen_in_the_journal(banaction, command):
    settings = f'[firewall]\niptables = "{command}"\n{JAIL}banaction = "{banaction}"\nbantime = {LASTING}\n'
    with Nfjail(settings) as nfjail:
        nfjail.hears("sshd: watching journal:")
        is_cut_off_until_his_time_is_over(nfjail)


@pytest.mark.parametrize("backend", ["file", "auto"])
@in_bed("sshd.sh", LOGD="rsyslog")
def test_an_attack_seen_in_auth_log(backend):
    for folder in ("/var/log/journal", "/run/log/journal"):  # the bed's, of a journald that runs no more
        shutil.rmtree(folder, ignore_errors=True)
    with Nfjail(f'{JAIL}backend = "{backend}"\nbantime = {LASTING}\n') as nfjail:
        nfjail.hears("sshd: watching /var/log/auth.log")
        is_cut_off_until_his_time_is_over(nfjail)


@in_bed("sshd.sh")
def test_a_whole_64_is_banned_for_one_of_its_addresses():
    with Nfjail(JAIL) as nfjail:
        with attack("2001:db8:20::1", 3):
            nfjail.hears("banned 2001:db8:20::/64")
        assert knock("2001:db8:20::2") == "refused"
        assert knock("2001:db8:21::1") == "served"


@pytest.mark.parametrize("banaction", ["nftables", "iptables", "iptables-ipset"])
@in_bed("sshd.sh")
def test_an_open_connection_is_cut_too(banaction):
    """One jail for each blocktype, all on port 22; what a new connection hears depends on it."""
    answers = {"reject": "refused", "tcp-reset": "refused", "drop": "silent"}
    jail = '[jail.by-{0}]\nenabled = true\nfilter = "sshd"\nport = [22]\nblocktype = "{0}"\nbanaction = "{1}"\n'
    jails = "".join(jail.format(blocktype, banaction) for blocktype in answers)
    with Nfjail(jails) as nfjail, connect(FRIENDS[0]) as his:
        anothers = {blocktype: connect(f"192.0.2.2{n}") for n, blocktype in enumerate(answers)}
        for connection in (his, *anothers.values()):
            assert connection.recv(100).startswith(b"SSH-2.0")
        for n, blocktype in enumerate(answers):
            nfjail.ctl("ban", f"192.0.2.2{n}", "--jail", f"by-{blocktype}")
        for connection in (his, *anothers.values()):
            connection.settimeout(0.7)
            connection.sendall(b"SSH-2.0-test\r\n")  # sshd answers with its list of algorithms
        assert his.recv(100)
        for n, (blocktype, answer) in enumerate(answers.items()):
            with pytest.raises((TimeoutError, ConnectionError)), anothers[blocktype] as connection:
                connection.recv(100)
            begin = time.monotonic()
            assert knock(f"192.0.2.2{n}", timeout=1.5) == answer
            assert (time.monotonic() - begin < 0.5) == (answer == "refused")
        assert knock(FRIENDS[0]) == "served"


@in_bed("sshd.sh")
def test_unbanned_in_one_jail_he_stays_blocked_in_the_other():
    """sshd's jail closes port 22, another one port 2222; the jail of bans by hand closes both."""
    server = ["/usr/sbin/sshd", "-D", "-f", "/dev/null", "-h", "/run/sshd.key", "-p", "2222", "-o", "PidFile=none"]
    second = subprocess.Popen([*server, "-o", "UsePAM=yes"], stderr=subprocess.DEVNULL)
    other = '[jail.other]\nenabled = true\nfilter = "sshd"\nport = [2222]\nmaxretry = 100\n'
    address = "192.0.2.20"
    try:
        until(lambda: knock(address, 2222) == "served")
        with Nfjail(JAIL + other) as nfjail:
            with attack(address, 3):
                nfjail.hears(f"sshd: banned {address}")
            nfjail.ctl("ban", address, "--jail", "other")
            assert (knock(address, 22), knock(address, 2222)) == ("refused", "refused")
            nfjail.ctl("unban", address, "--jail", "sshd")
            assert (knock(address, 22), knock(address, 2222)) == ("served", "refused")
            nfjail.ctl("ban", address)
            nfjail.ctl("unban", address, "--jail", "other")
            assert (knock(address, 22), knock(address, 2222)) == ("refused", "refused")
            nfjail.ctl("unban", address)
            assert (knock(address, 22), knock(address, 2222)) == ("served", "served")
    finally:
        second.terminate()
        second.wait(10)
