"""nfjail check tells what is configured well but cannot work under nfjail.service, and how to let it."""

from __future__ import annotations

import re

from tests.installed.machine import Machine

LOGS = """
fail2ban_log = "/var/log/fail2ban.log"
[jail.sshd]
backend = "file"
logpath = ["/root/a.log", "/tmp/b.log", "/var/log/c.log", "/var/log/d*.log"]
"""


def test_what_the_service_cannot_read_or_write(machine: Machine) -> None:
    machine.run("cd /var/log; touch /root/a.log /tmp/b.log c.log d1.log; chgrp adm c.log; chmod 640 c.log; chmod 600 d1.log")
    with machine.config(LOGS):
        said = machine.run("nfjail check", status=1).splitlines()
        said[-1] = re.sub(r"of \d+ jails", "of all jails", said[-1])
        assert [line.split(": see ")[0] for line in said] == [
            "jail sshd: nfjail.service does not see /root/a.log, as /root is hidden from it",
            "jail sshd: nfjail.service does not see /tmp/b.log, as /tmp is hidden from it",
            "fail2ban_log: nfjail.service cannot write /var/log/fail2ban.log",
            "jail sshd: nfjail.service (user nfjail) may not read /var/log/d1.log: let a group of its read it, or see "
            "/usr/share/doc/nfjail/examples/logs.conf",
            "configuration is good: 1 of all jails enabled (sshd); nfjail.service cannot do all of it",
        ]
        example = machine.run("cat /usr/share/doc/nfjail/examples/logs.conf").replace("#SupplementaryGroups", "")
        with machine.drop_in(re.sub("(?m)^#(?=[A-Z][A-Za-z]+=)", "", example) + "ReadWritePaths=/var/log\n"):
            assert "cannot" not in machine.run("nfjail check")
    machine.run("rm /root/a.log /tmp/b.log /var/log/c.log /var/log/d1.log")


def test_every_example_that_it_names_is_there(machine: Machine) -> None:
    assert machine.run("cd /usr/share/doc/nfjail/examples; ls *.conf").split() == [
        "actions.conf", "fail2ban-log.conf", "iptables.conf", "logs.conf",
    ]  # fmt: skip


def test_the_log_in_fail2bans_form_with_its_drop_in(machine: Machine) -> None:
    example = machine.run("cat /usr/share/doc/nfjail/examples/fail2ban-log.conf")
    with machine.config('fail2ban_log = "/var/log/nfjail/fail2ban.log"\n'), machine.drop_in(example):
        assert "cannot" not in machine.run("nfjail check")
        machine.run("nfjail ctl ban 192.0.2.47 --jail sshd; nfjail ctl unban 192.0.2.47")
        assert "NOTICE  [sshd] Ban 192.0.2.47" in machine.run("cat /var/log/nfjail/fail2ban.log")
    machine.run("rm -r /var/log/nfjail")


def test_a_banaction_that_the_service_lacks_a_capability_for(machine: Machine) -> None:
    with machine.config("[jail.sshd]\nbanaction = 'iptables-ipset'\n"):
        assert "jail sshd: banaction iptables-ipset needs CAP_NET_RAW" in machine.run("nfjail check", status=1)
    with machine.config("[firewall]\niptables = 'iptables-legacy'\n[jail.sshd]\nbanaction = 'iptables'\n"):
        assert "jail sshd: banaction iptables needs CAP_NET_RAW" in machine.run("nfjail check", status=1)
    with machine.config("[jail.sshd]\nbanaction = 'iptables'\n"):
        machine.run("nfjail check")


def test_a_file_of_the_configuration_that_the_service_may_not_read(machine: Machine) -> None:
    machine.write("/etc/nfjail/conf.d/secret.toml", "[jail.sshd]\nmaxretry = 3\n", mode=0o600)
    said = machine.run("nfjail check", status=1)
    assert "(user nfjail) will refuse the configuration: /etc/nfjail/conf.d/secret.toml: it cannot be read" in said
    machine.run("rm /etc/nfjail/conf.d/secret.toml; nfjail check")
