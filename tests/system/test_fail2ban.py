"""fail2ban's own filters and jails in the running daemon: real attacks, and the same failures as fail2ban finds."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import datetime, timezone
from pathlib import Path

import pytest

from nfjail.core.ignore import NEVER
from nfjail.core.model import parse_address
from tests.shell.dns_bed import NameServer, ask_here
from tests.system.house import BED, Nfjail, attack, in_bed, in_kernel, knock, until, who
from tests.zone import in_zone

sys.path.append(str(Path(__file__).resolve().parents[1] / "conformance"))  # its modules import each other by bare names

from packages import SUITES, environment, sample_logs, unpacked

ATTACKER, FRIEND = "192.0.2.20", "192.0.2.40"
HOUSE = Path("/run/house")
LOG = HOUSE / "app.log"
# Since OpenSSH 9.8 this serves the clients, and logs under this name, which the older package's filter does not know.
KNOWS_SSHD = ["trixie"] if Path("/usr/lib/openssh/sshd-session").exists() else list(SUITES)
NO_SSHD = "[jail.sshd]\nenabled = false\n"


@pytest.fixture(autouse=True)
def _packages():
    """Before the bed closes behind the test: there is no network in there."""
    for suite in SUITES:
        unpacked(suite)


def etc(suite: str, jails: str) -> Path:
    """A copy of the package's /etc/fail2ban with a jail.local."""
    folder = HOUSE / "fail2ban"
    shutil.copytree(unpacked(suite) / "etc/fail2ban", folder)
    (folder / "jail.local").write_text(jails)
    return folder


def is_cut_off(nfjail: Nfjail, jail: str = "sshd") -> None:
    with attack(ATTACKER, 20):
        nfjail.hears(rf"^{jail}: banned {ATTACKER} for 10m \(3 failures in ")
    assert (jail, ATTACKER) in who(in_kernel())
    assert [knock(address) for address in (ATTACKER, FRIEND)] == ["refused", "served"]


@pytest.mark.parametrize("suite", KNOWS_SSHD)
@in_bed("sshd.sh")
def test_a_whole_fail2ban_folder_guards_sshd_by_the_journal(suite):
    HOUSE.mkdir()
    folder = etc(suite, "[sshd]\nenabled = true\nbackend = systemd\nmaxretry = 3\nmode = aggressive\n")
    with Nfjail(f'fail2ban = "{folder}"\n') as nfjail:
        nfjail.hears("^sshd: watching journal: a ban after 3 failures in 10m")
        is_cut_off(nfjail)


@pytest.mark.parametrize("suite", KNOWS_SSHD)
@in_bed("sshd.sh", LOGD="rsyslog")
def test_a_whole_fail2ban_folder_guards_sshd_by_auth_log(suite):
    HOUSE.mkdir()
    jail = "[sshd]\nenabled = true\nbackend = auto\nlogpath = /var/log/auth.log\nmaxretry = 3\n"
    with Nfjail(f'fail2ban = "{etc(suite, jail)}"\n') as nfjail:
        nfjail.hears("^sshd: watching /var/log/auth.log: a ban after 3 failures in 10m")
        is_cut_off(nfjail)


@in_bed("journald.sh")
def test_what_is_lost_of_a_fail2ban_folder_is_said_at_every_start_and_reload():
    HOUSE.mkdir()
    folder = etc("trixie", "[sshd]\nenabled = true\nbackend = systemd\naction = %(action_mw)s\n")
    lost = "sshd: action sendmail-whois: it sends mail, and nfjail runs no actions yet"
    with Nfjail(f'fail2ban = "{folder}"\n') as nfjail:
        assert nfjail.said().count(lost) == 1
        nfjail.ctl("reload")
        assert nfjail.said().count(lost) == 2


@in_bed("sshd.sh")
def test_jails_of_both_languages_on_one_journal():
    HOUSE.mkdir()
    filters = etc("trixie", "") / "filter.d"
    settings = f"""
    [jail.sshd]
    maxretry = 100
    [jail.theirs]
    enabled = true
    maxretry = 3
    bantime = "10m"
    port = [22]
    filter = "fail2ban:{filters}/sshd.conf[mode=aggressive]"
    """
    with Nfjail(settings) as nfjail:
        nfjail.hears("^theirs: watching journal")
        is_cut_off(nfjail, "theirs")
        nfjail.hears(rf"^sshd: failure of {ATTACKER} as root \(2 of 100\)")


TRUST = f"""{NO_SSHD}
[filter.theirs]
language = "fail2ban"
failregex = ['^\\S+ app\\[\\d+\\]: bad from <HOST>$']
journalmatch = ["SYSLOG_IDENTIFIER=app"]
[default]
backend = "journal"
maxretry = 2
[jail.theirs]
enabled = true
filter = "theirs"
[jail.of-unit]
enabled = true
filter = "theirs"
journalmatch = ["_SYSTEMD_UNIT=app.service"]
"""


@in_bed("journald.sh")
def test_what_any_local_user_could_write_counts_only_when_the_system_does():
    """`logger -t app` is for everybody; a unit's cgroup is not."""
    logger = ["logger", "--tag", "app", "--id=7"]
    as_user = ["setpriv", "--reuid=1000", "--clear-groups"]
    with Nfjail(TRUST) as nfjail:
        for _ in range(2):
            subprocess.run([*as_user, *logger, "bad from 192.0.2.66"], check=True)
        for _ in range(2):
            subprocess.run([*logger, "bad from 192.0.2.7"], check=True)
        nfjail.hears("^theirs: banned 192.0.2.7")
        # Not logger: journald cannot tell the unit of a writer that has ended before it looks.
        write = "import syslog, time; syslog.openlog('app', syslog.LOG_PID); syslog.syslog('bad from 192.0.2.8'); time.sleep(1)"
        service = [BED / "as-unit.sh", "app.service", *as_user, "/usr/bin/python3", "-c", write]
        with subprocess.Popen(service), subprocess.Popen(service):
            nfjail.hears("^of-unit: banned 192.0.2.8")
        assert "192.0.2.66" not in nfjail.said()
        assert "theirs: failure of 192.0.2.8" not in nfjail.said()


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def log(*messages: str) -> None:
    with LOG.open("a") as file:
        file.writelines(f"{now()} host {message}\n" for message in messages)


def on_file(filter_name: str, jail: str = "theirs", more: str = "maxretry = 3") -> str:
    return f"""{NO_SSHD}
    [jail.{jail}]
    enabled = true
    backend = "file"
    logpath = ["{LOG}"]
    findtime = "10m"
    filter = "{filter_name}"
    {more}
    """


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
@in_bed("journald.sh")
def test_a_session_that_a_restart_cuts_in_two_still_counts(ending):
    """Its first line tells of the failure, its second whose it was: without an address there is nobody to ban."""
    HOUSE.mkdir()
    LOG.touch()
    filters = etc("bookworm", "") / "filter.d"
    locked = "sshd[{0}]: User root not allowed because account is locked"
    closed = "sshd[{0}]: Connection closed by 192.0.2.7 port 4711 [preauth]"
    with Nfjail(on_file(f"fail2ban:{filters}/sshd.conf")) as nfjail:
        for pid in (1, 2):
            log(locked.format(pid), closed.format(pid))
        nfjail.hears(r"^theirs: failure of 192.0.2.7 as root \(2 of 3\)")
        log("sshd[4]: Failed password for root from 192.0.2.8 port 22 ssh2", locked.format(3))
        nfjail.hears("^theirs: failure of 192.0.2.8")
        nfjail.stop(ending)
        nfjail.start()
        log(closed.format(3))
        nfjail.hears("^theirs: banned 192.0.2.7")


@in_bed("journald.sh")
def test_a_reload_does_not_cut_a_session_in_two():
    HOUSE.mkdir()
    LOG.touch()
    filters = etc("bookworm", "") / "filter.d"
    with Nfjail(on_file(f"fail2ban:{filters}/sshd.conf", more="maxretry = 1")) as nfjail:
        log("sshd[3]: User root not allowed because account is locked")
        log("sshd[4]: Failed password for root from 192.0.2.8 port 22 ssh2")
        nfjail.hears("^theirs: banned 192.0.2.8")
        nfjail.ctl("reload")
        log("sshd[3]: Connection closed by 192.0.2.7 port 4711 [preauth]")
        nfjail.hears("^theirs: banned 192.0.2.7")


@in_bed("journald.sh")
def test_a_session_goes_on_in_the_next_file_after_a_rotation_but_not_in_another_log():
    HOUSE.mkdir()
    LOG.touch()
    (other := HOUSE / "app2.log").touch()
    filters = etc("bookworm", "") / "filter.d"
    settings = on_file(f"fail2ban:{filters}/sshd.conf", more="maxretry = 1").replace("app.log", "app*.log")
    with Nfjail(settings) as nfjail:
        log("sshd[3]: User root not allowed because account is locked")
        log("sshd[4]: Failed password for root from 192.0.2.8 port 22 ssh2")
        nfjail.hears("^theirs: banned 192.0.2.8")
        other.write_text(f"{now()} host sshd[3]: Connection closed by 192.0.2.9 port 4711 [preauth]\n")
        LOG.rename(HOUSE / "app.log.1")
        log("sshd[3]: Connection closed by 192.0.2.7 port 4711 [preauth]")
        nfjail.hears("^theirs: banned 192.0.2.7")
        assert "192.0.2.9" not in nfjail.said()


APACHE = "[{:%a %b %d %H:%M:%S.%f %Y}] [auth_basic:error] [pid 7] [client {}:5] AH01618: user x not found: /"


@in_bed("journald.sh")
@in_zone("Europe/Berlin")
def test_an_attack_on_a_service_with_its_own_form_of_date_goes_on_over_a_restart():
    """What was counted before the start is found again by the dates that the filter knows."""
    HOUSE.mkdir()
    LOG.write_text("".join(APACHE.format(datetime.fromtimestamp(n), "192.0.2.1") + "\n" for n in range(9_000)))
    filters = etc("bookworm", "") / "filter.d"
    with Nfjail(on_file(f"fail2ban:{filters}/apache-auth.conf")) as nfjail, LOG.open("a", buffering=1) as file:
        for number in (1, 2):
            print(APACHE.format(datetime.now(), "192.0.2.7"), file=file)
            nfjail.hears(rf"^theirs: failure of 192.0.2.7 as x \({number} of 3\)")
        nfjail.kill()
        nfjail.start()
        print(APACHE.format(datetime.now(), "192.0.2.7"), file=file)
        nfjail.hears("^theirs: banned 192.0.2.7")
        assert "192.0.2.1 " not in nfjail.said()


FILTER = f"""{NO_SSHD}
[filter.theirs]
language = "fail2ban"
failregex = ['bad from <HOST>$', '{{}}']
usedns = "warn"
[jail.theirs]
enabled = true
backend = "file"
logpath = ["{LOG}"]
maxretry = 2
[jail.other]
enabled = true
filter = "sshd"
backend = "file"
logpath = ["{LOG}"]
maxretry = 2
"""


@in_bed("journald.sh")
def test_a_pattern_that_needs_years_holds_up_nobody():
    HOUSE.mkdir()
    LOG.touch()
    with Nfjail(FILTER.format("(x+x+)+y <HOST>")) as nfjail:
        log("app: bad from 192.0.2.7", "sshd[7]: Failed password for root from 192.0.2.8 port 22 ssh2")
        nfjail.hears("^theirs: failure")
        before = nfjail.cpu()
        log(f"app: {'x' * 60}", "app: bad from 192.0.2.7", "sshd[7]: Failed password for root from 192.0.2.8 port 22 ssh2")
        nfjail.hears("^theirs: banned 192.0.2.7", 5)
        nfjail.hears("^other: banned 192.0.2.8", 5)
        assert nfjail.cpu() - before < 2
        what = r"theirs: failregex\[1\] '\(x\+x\+\)\+y <HOST>' takes too long for a line of \d+ characters: it is suspended"
        nfjail.hears(f"^{what}")
        (trouble,) = nfjail.trouble()
        assert re.match(what, trouble)
        nfjail.ctl("reload")
        assert nfjail.trouble() == []
        nfjail.configure(FILTER.format("^app: other"))
        assert "<HOST>" in nfjail.ctl("reload", status=1)


@in_bed("journald.sh")
def test_host_names_are_looked_up_beside_the_loop():
    """A name server says nothing for one of them; meanwhile others are banned, and the daemon ends at once."""
    HOUSE.mkdir()
    LOG.touch()
    (folder := HOUSE / "dns").mkdir()
    subprocess.run(["sh", "-ec", "; ".join(ask_here(folder))], check=True)
    NameServer({"host.example": ["192.0.2.7", "2001:db8:7::1"], "again.example": ["192.0.2.9"], "quiet.example": None})
    with Nfjail(FILTER.format("never from <HOST>")) as nfjail:
        log("app: bad from quiet.example", "app: bad from host.example", "app: bad from unknown.example")
        nfjail.hears(r"^theirs: failure of 192.0.2.7 \(1 of 2\)", 3)
        log(*["sshd[7]: Failed password for root from 192.0.2.8 port 22 ssh2"] * 2)
        nfjail.hears("^other: banned 192.0.2.8", 3)
        log("app: bad from host.example", "app: bad from quiet.example")
        nfjail.hears("^theirs: banned 192.0.2.7", 3)
        nfjail.hears("^theirs: banned 2001:db8:7::/64", 3)
        assert nfjail.said().count("the log names host.example") == 1
        log("app: bad from again.example")
        nfjail.hears("^theirs: failure of 192.0.2.9")
        nfjail.kill()
        nfjail.start()
        log("app: bad from again.example")
        nfjail.hears("^theirs: banned 192.0.2.9", 3)
        begin = time.monotonic()
        nfjail.stop()
        assert time.monotonic() - begin < 2


SERVICES = {"sshd": "mode=aggressive", "dovecot": "mode=aggressive", "postfix": "mode=aggressive", "nginx-http-auth": "",
            "apache-auth": "", "exim": "mode=aggressive", "proftpd": "", "named-refused": "", "mysqld-auth": ""}  # fmt: skip


def failures_to_fail2ban(suite: str, service: str, lines: Path) -> Counter[str]:
    """By address, as fail2ban-regex finds them; without what is no address, and what nfjail never bans."""
    root = unpacked(suite)
    call = f"{service}[{SERVICES[service]}]" if SERVICES[service] else service
    options = ["-c", str(root / "etc/fail2ban"), "--usedns", "no", "-o", "<ip>", str(lines), call]
    command = [sys.executable, str(root / "usr/bin/fail2ban-regex"), *options]
    said = subprocess.run(command, env=environment(suite), capture_output=True, text=True, check=True).stdout
    subjects = [parse_address(line) for line in said.split()]
    kept = [one.widened(64) if one.family == 6 else one for one in subjects if one]
    return Counter(str(one) for one in kept if not any(never.covers(one) for never in NEVER))


@pytest.mark.parametrize("suite", SUITES)
@in_bed("journald.sh")
def test_the_same_failures_as_fail2bans(suite):
    """Of its own sample logs, all read by one daemon."""
    HOUSE.mkdir()
    filters, settings, wanted = etc(suite, "") / "filter.d", NO_SSHD, {}
    for service, parameters in SERVICES.items():
        text = (sample_logs(suite) / service).read_text(errors="replace")
        lines = HOUSE / f"{service}.sample"
        lines.write_text("".join(f"{line}\n" for line in text.splitlines() if line and not line.startswith("#")))
        wanted[service] = failures_to_fail2ban(suite, service, lines)
        settings += f"""
        [jail.as-{service}]
        enabled = true
        backend = "file"
        logpath = ["{HOUSE / service}.log"]
        maxretry = 10_000
        findtime = "30000d"
        usedns = "no"
        filter = "fail2ban:{filters}/{service}.conf{f'[{parameters}]' if parameters else ''}"
        """
    with Nfjail(settings) as nfjail:
        for service in SERVICES:
            os.rename(HOUSE / f"{service}.sample", HOUSE / f"{service}.log")

        def told() -> dict[str, Counter[str]]:
            counts = {service: Counter[str]() for service in SERVICES}
            for jail, address in re.findall(r"^as-([\w-]+): failure of (\S+) ", nfjail.said(), re.MULTILINE):
                counts[jail][address] += 1
            return counts

        until(lambda: sum(map(Counter.total, told().values())) >= sum(map(Counter.total, wanted.values())), 10)
        found = told()
        assert all(wanted.values())
        assert {name: (wanted[name] - found[name], found[name] - wanted[name]) for name in SERVICES} == {
            name: (Counter(), Counter()) for name in SERVICES
        }
