"""The service is its own small user's: what it may do is enough for its work, and there is not much more that it can do."""

from __future__ import annotations

import json
import re

from tests.installed.machine import Machine, flood
from tests.system.house import knock, log_failures, until

# Tried in the service's place: by its user, with its capabilities, behind its walls.
PROBE = """
import json, os, smtplib, subprocess

def tried(work):
    try:
        return work()
    except (OSError, subprocess.SubprocessError) as error:
        return type(error).__name__

def told(*argv, text=""):
    return subprocess.run(argv, input=text, capture_output=True, text=True, check=True).stdout.strip()

def mailed():
    with smtplib.SMTP("127.0.0.1", 2525, timeout=5) as server:
        return server.sendmail("nfjail@localhost", "root@localhost", "Subject: a ban\\n\\nSomebody was banned.")

def read(path):
    with open(path) as file:
        return file.read()

def written(path):
    open(path, "w").close()
    os.unlink(path)
    return "written"

print(json.dumps({
    "command": tried(lambda: told("/bin/sh", "-c", "echo $((6 * 7)) as $(id -un)")),
    "sendmail": tried(lambda: told("/opt/sendmail", "-t", text="Subject: a ban")),
    "smtp": tried(mailed),
    "credential": tried(lambda: read(os.environ["CREDENTIALS_DIRECTORY"] + "/nfjail.smtp")),
    "nft": tried(lambda: told("/usr/sbin/nft", "list", "tables", "inet")),
    "route": tried(lambda: told("ip", "route", "add", "blackhole", "198.51.100.9")),
    "log": tried(lambda: read("/var/log/some.log")),
    "state": tried(lambda: written("/var/lib/nfjail/x")),
    "runtime": tried(lambda: written("/run/nfjail/x")),
    "etc": tried(lambda: written("/etc/nfjail/conf.d/x.toml")),
    "shadow": tried(lambda: read("/etc/shadow")),
    "home": tried(lambda: os.listdir("/root")),
    "others": tried(lambda: read("/proc/1/cmdline")),
    "group": tried(lambda: told("/opt/other-group", "-gn")),
    "namespace": tried(lambda: told("unshare", "-U", "true")),
    "device": tried(lambda: told("mknod", "/tmp/null", "c", "1", "3")),
}))
"""

# What there is for it on the machine: a mail server on loopback, a program of another group, a log file of group adm.
MAIL_SERVER = """
import socket
with socket.create_server(("127.0.0.1", 2525)) as server:
    client = server.accept()[0]
    with client, client.makefile("rw", newline="\\r\\n") as stream:
        for answer in ("220 hello", "250 ok", "250 ok", "250 ok", "354 go on"):
            stream.write(answer + "\\r\\n")
            stream.flush()
            stream.readline()
        while stream.readline() != ".\\r\\n":
            pass
        stream.write("250 taken\\r\\n")
        stream.flush()
        stream.readline()
        stream.write("221 bye\\r\\n")
"""
SETTING = """
printf 'secret' > /run/credstore/nfjail.smtp; chmod 600 /run/credstore/nfjail.smtp
install -m 640 -g adm /dev/null /var/log/some.log; echo line > /var/log/some.log
install -m 2755 -g daemon /usr/bin/id /opt/other-group
systemd-run -q --unit=mail-server python3 /opt/mail-server.py
"""
GONE = """
rm -r /run/credstore /var/log/some.log /run/systemd/system/probe.*; ip route del blackhole 198.51.100.9
systemctl stop mail-server; systemctl daemon-reload
"""


def probed(machine: Machine, more: str = "") -> dict[str, str]:
    """What the probe could do; more: a drop-in's text."""
    unit = machine.run("systemctl cat nfjail")
    unit = re.sub("(?m)^(ExecStart|Type|Restart|WatchdogSec)=.*\n", "", unit)
    own = "Type=oneshot\nExecStart=/usr/bin/python3 /opt/probe.py\nStandardOutput=truncate:/opt/told\n"
    unit = unit.replace("[Service]\n", f"[Service]\n{own}", 1)
    machine.write("/run/systemd/system/probe.service", unit)
    machine.write("/run/systemd/system/probe.service.d/more.conf", more)
    machine.write("/opt/probe.py", PROBE)
    machine.write("/opt/mail-server.py", MAIL_SERVER)
    machine.write("/opt/sendmail", "#!/bin/sh\ncat\n", 0o755)
    machine.run(f"mkdir -p /run/credstore; {SETTING} systemctl daemon-reload; systemctl start probe || journalctl -u probe")
    told: dict[str, str] = json.loads(machine.run("cat /opt/told"))
    machine.run(GONE)
    return told


def test_what_the_service_can_do_and_what_not(machine: Machine) -> None:
    told = probed(machine)
    possible = {name: told.pop(name) for name in ("command", "sendmail", "smtp", "credential", "nft", "route", "log", "state")}
    assert possible == {
        "command": "42 as nfjail",
        "sendmail": "Subject: a ban",
        "smtp": {},  # nobody who was refused
        "credential": "secret",
        "nft": "table inet nfjail",
        "route": "",
        "log": "line\n",
        "state": "written",
    }
    assert told.pop("runtime") == "written"
    assert told.pop("group") == "nfjail"  # programs of another user or group run as what called them
    assert set(told) == {"etc", "shadow", "home", "others", "namespace", "device"}
    assert set(told.values()) <= {"OSError", "PermissionError", "FileNotFoundError", "CalledProcessError"}


def test_the_drop_in_for_actions_lets_programs_become_another_group(machine: Machine) -> None:
    example = machine.run("cat /usr/share/doc/nfjail/examples/actions.conf")
    assert probed(machine, re.sub("(?m)^#(?=[A-Z][A-Za-z]+=)", "", example))["group"] == "daemon"


def test_it_is_exposed_little(machine: Machine) -> None:
    said = machine.run("systemd-analyze security --no-pager nfjail")
    assert float(re.findall(r"exposure level for \S+: ([\d.]+)", said)[0]) <= 1.5


def test_it_has_one_capability_and_no_other_rights(machine: Machine) -> None:
    status = machine.run(f"cat /proc/{machine.show('MainPID')}/status")
    user = machine.run("id -u nfjail").strip()
    assert re.findall(r"Uid:\t(\d+)", status) == [user]
    assert set(re.findall(r"Cap(?:Prm|Eff|Bnd|Amb):\t(\w+)", status)) == {f"{1 << 12:016x}"}  # CAP_NET_ADMIN
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status


def check_iptables(machine: Machine, attacker: str, config: str) -> None:
    """Somebody is banned with this configuration, and not by nftables."""
    with machine.config(config):
        machine.run("systemctl restart nfjail")
        assert flood(attacker, 20) <= 6
        assert knock(attacker) == "refused"
        machine.run("nft list table inet nfjail", status=1)
        machine.run("nfjail ctl flush; for family in ip ip6; do nft delete table $family filter; done; :")


def test_iptables_over_nf_tables_needs_no_drop_in(machine: Machine) -> None:
    check_iptables(machine, "192.0.2.35", "[jail.sshd]\nbanaction = 'iptables'\n")
    machine.run("systemctl restart nfjail")


def test_ipset_and_legacy_iptables_work_with_their_drop_in(machine: Machine) -> None:
    with machine.drop_in(machine.run("cat /usr/share/doc/nfjail/examples/iptables.conf")):
        check_iptables(machine, "192.0.2.36", "[jail.sshd]\nbanaction = 'iptables-ipset'\n")
        legacy = "[firewall]\niptables = 'iptables-legacy'\n[jail.sshd]\nbanaction = 'iptables'\n"
        check_iptables(machine, "192.0.2.37", legacy)
        assert machine.run("iptables-legacy-save | grep nfjail; ipset list -n") == ""


def test_it_reads_log_files_of_group_adm_and_looks_names_up(machine: Machine) -> None:
    machine.run("cp -p /etc/hosts /opt; echo 192.0.2.34 friend.example >>/etc/hosts")
    machine.run("install -m 640 -g adm /dev/null /var/log/auth.log")
    jail = "[jail.sshd]\nbackend = 'file'\nlogpath = '/var/log/auth.log'\nignoreip = ['friend.example']\n"
    with machine.config(jail):
        machine.run("systemctl restart nfjail")
        for address in ("192.0.2.33", "192.0.2.34"):
            log_failures(str(machine.root / "var/log/auth.log"), address, 5)
        until(lambda: "192.0.2.33" in machine.banned(), every=0.1)
        assert "192.0.2.34" not in machine.banned()
        assert "192.0.2.34" in machine.run("nft list set inet nfjail ignore-4")
    machine.run("nfjail ctl unban 192.0.2.33; cp -p /opt/hosts /etc/hosts; rm /var/log/auth.log; systemctl restart nfjail")


def test_what_root_has_begun_by_hand_the_service_goes_on_with(machine: Machine) -> None:
    machine.run("systemctl stop nfjail; rm -r /var/lib/nfjail /run/nfjail")
    by_hand = "(setsid nfjail run & echo $! >/opt/pid); until nfjail ctl ping; do sleep .1; done 2>/dev/null >&2;"
    ending = "; kill $(cat /opt/pid); while [ -e /proc/$(cat /opt/pid) ]; do sleep .05; done;"
    machine.run(f"{by_hand} nfjail ctl ban 192.0.2.38 --jail sshd{ending}")
    machine.run("systemctl start nfjail")  # all was root's
    assert "192.0.2.38" in machine.banned()
    machine.run("systemctl stop nfjail; rm /var/lib/nfjail/*; rm /run/nfjail/*")
    machine.run(f"{by_hand} nfjail ctl ban 192.0.2.39 --jail sshd{ending}")
    machine.run("systemctl start nfjail")  # the folders were the service's, and what root has made in them is, too
    assert {"192.0.2.38", "192.0.2.39"} <= machine.banned()  # the first one from the kernel
    machine.run("nfjail ctl unban --all")
