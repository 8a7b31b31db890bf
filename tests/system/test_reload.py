"""Another configuration, while the daemon runs: a bad one changes nothing, a good one loses nothing."""

from __future__ import annotations

import signal

import pytest

from tests.system.house import Nfjail, in_bed, in_kernel, log_failures, run, until, who
from tests.system.oracle import decided, failures_in_journal, failures_in_ledger, has_decided, settings, writing

LOG = "/run/house/auth.log"
FIRST = f'[jail.sshd]\nbackend = "file"\nlogpath = ["{LOG}"]\nmaxretry = 3\n'
SECOND = f'[jail.second]\nenabled = true\nfilter = "sshd"\nbackend = "file"\nlogpath = ["{LOG}"]\nmaxretry = 1\n'
BAD = '[jail.sshd]\nmaxretri = 4\nbantime = "soon"\nport = ["nosuchport"]\n[jail.web]\nenabled = true\n'
PROBLEMS = ["maxretri", "maxretry", "bantime", "soon", "nosuchport", "jail.web"]


@in_bed("journald.sh")
def test_a_bad_configuration_is_refused_with_all_its_problems_and_the_old_one_goes_on():
    with Nfjail(FIRST) as nfjail:
        nfjail.ctl("ban", "192.0.2.1")
        log_failures(LOG, "192.0.2.7", 2)
        nfjail.hears(r"failure of 192\.0\.2\.7 .*2 of 3")
        nfjail.configure(BAD)
        said = nfjail.ctl("reload", status=1)
        assert all(problem in said for problem in PROBLEMS), said
        assert said.count("/run/house/etc/conf.d/test.toml") >= 4
        already = len(nfjail.said())
        nfjail.process.send_signal(signal.SIGHUP)
        until(lambda: all(problem in nfjail.said()[already:] for problem in PROBLEMS))
        assert "not reloaded, everything stays as it was" in nfjail.said()
        log_failures(LOG, "192.0.2.7", 1)
        nfjail.hears(r"banned 192\.0\.2\.7 for 10m \(3 failures")
        assert who(in_kernel()) == {("manual", "192.0.2.1"), ("sshd", "192.0.2.7")}


@in_bed("journald.sh")
def test_it_does_not_start_with_a_bad_configuration_and_leaves_the_bans_alone():
    with Nfjail(FIRST) as nfjail:
        nfjail.ctl("ban", "192.0.2.1")
        nfjail.stop()
        nfjail.configure(BAD)
        said = run(*nfjail.command, status=78)
        assert all(problem in said for problem in PROBLEMS), said
        assert "Traceback" not in said
        assert who(in_kernel()) == {("manual", "192.0.2.1")}


@in_bed("journald.sh")
def test_bans_and_counters_are_carried_over():
    with Nfjail(FIRST) as nfjail:
        log_failures(LOG, "192.0.2.1", 3)
        log_failures(LOG, "192.0.2.2", 2)
        nfjail.hears(r"failure of 192\.0\.2\.2 .*2 of 3")
        until(lambda: who(nfjail.stored()) == {("sshd", "192.0.2.1")})
        before = nfjail.stored()
        nfjail.configure(FIRST.replace("maxretry = 3", "maxretry = 5"))
        assert "sshd" in nfjail.ctl("reload")
        assert who(in_kernel()) == {("sshd", "192.0.2.1")}
        log_failures(LOG, "192.0.2.2", 2)
        nfjail.hears(r"failure of 192\.0\.2\.2 .*4 of 5")
        log_failures(LOG, "192.0.2.2", 1)
        nfjail.hears(r"banned 192\.0\.2\.2 for 10m \(5 failures")
        log_failures(LOG, "192.0.2.1", 9)  # he is banned already
        log_failures(LOG, "192.0.2.3", 5)
        until(lambda: who(nfjail.stored()) == {("sshd", f"192.0.2.{n}") for n in (1, 2, 3)})
        assert before[0] in nfjail.stored()


@in_bed("journald.sh")
def test_a_jail_comes_goes_and_comes_back_to_its_bans():
    with Nfjail(FIRST) as nfjail:
        log_failures(LOG, "192.0.2.1", 3)
        until(lambda: who(in_kernel()) == {("sshd", "192.0.2.1")})
        nfjail.configure(FIRST + SECOND)
        nfjail.ctl("reload")
        log_failures(LOG, "192.0.2.2", 1)
        until(lambda: who(in_kernel()) == {("sshd", "192.0.2.1"), ("second", "192.0.2.2")})
        bans = sorted(nfjail.stored())
        nfjail.configure(FIRST.replace("[jail.sshd]\n", "[jail.sshd]\nenabled = false\n") + SECOND)
        nfjail.ctl("reload")
        assert who(in_kernel()) == {("second", "192.0.2.2")}
        assert [ban["address"] for ban in nfjail.list()] == ["192.0.2.2"]
        nfjail.configure(FIRST + SECOND)
        nfjail.ctl("reload")
        assert who(in_kernel()) == {("sshd", "192.0.2.1"), ("second", "192.0.2.2")}
        assert sorted(nfjail.stored()) == bans
        nfjail.stop()
        nfjail.configure("[jail.sshd]\nenabled = false\n")
        nfjail.start()
        assert who(in_kernel()) == set()
        nfjail.stop()
        nfjail.configure(FIRST + SECOND)
        nfjail.start()
        assert who(in_kernel()) == {("sshd", "192.0.2.1"), ("second", "192.0.2.2")}
        assert sorted(nfjail.stored()) == bans


@in_bed("journald.sh")
def test_what_needs_a_restart_is_said():
    with Nfjail(FIRST) as nfjail:
        nfjail.configure(f'table = "other"\n{FIRST}')
        said = nfjail.ctl("reload", status=1)
        assert "restart nfjail" in said
        nfjail.ctl("ban", "192.0.2.1")
        assert who(in_kernel("nfjail")) == {("manual", "192.0.2.1")}
        assert who(in_kernel("other")) == set()


@pytest.mark.parametrize("backend", ["file", "journal"])
@in_bed("journald.sh")
def test_reloading_all_the_time_loses_and_doubles_nothing(backend):
    with Nfjail(settings(backend)) as nfjail:
        with writing(backend) as stop_writing:
            for number in range(30):
                loads = nfjail.said().count("bans go to")
                nfjail.configure(settings(backend) + f'[jail.third]\nmaxretry = {number + 1}\nfilter = "sshd"\n')
                nfjail.process.send_signal(signal.SIGHUP)
                until(lambda loads=loads: nfjail.said().count("bans go to") > loads)
            stop_writing()
            if backend == "journal":
                run("journalctl", "--sync")
        has_decided(nfjail, decided(failures_in_ledger() if backend == "file" else failures_in_journal()))
