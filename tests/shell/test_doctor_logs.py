"""What nfjail doctor finds about services and logs: each finding on a machine that has just that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from doctor_bed import NOW, World, config, keys, on, only

from nfjail.doctor.files import files
from nfjail.doctor.journal import Journal, journal, journal_of, newest
from nfjail.doctor.journald import journald
from nfjail.doctor.machine import Machine
from nfjail.doctor.services import services
from nfjail.presence import present

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.system.house import BED, in_bed

ID = "0123456789abcdef0123456789abcdef"
HERE = {
    "/etc/machine-id": f"{ID}\n",
    "/run/systemd/journal/socket": "",
    f"/var/log/journal/{ID}/system.journal": "",
}
ENTRY = json.dumps({"MESSAGE": "hello", "__REALTIME_TIMESTAMP": str(int(NOW * 1e6))})
JOURNALCTL = "journalctl -q --no-pager -o json"


def dropped(count, unit):
    return json.dumps({"MESSAGE": f"Suppressed {count} messages from {unit}", "N_DROPPED": str(count)}) + "\n"


# Services


def looked_for(tmp_path, text, paths):
    world = World(tmp_path / "root", dict.fromkeys(paths, "x"))
    return list(services(config(tmp_path, text), lambda jail: present(jail, str(world.root))))


def test_services_that_are_here_with_the_line_that_switches_them_on(tmp_path):
    found = looked_for(tmp_path, "", ["/usr/lib/systemd/system/app.service", "/etc/systemd/system/ssh.service"])
    assert only(found, "jail-on").what == "app is on, for app.service; it reads the journal"
    off = only(found, "jail-off")
    assert (off.mark, off.what) == ("note", "ssh.service is here, and not protected")
    assert off.advice == ("in /etc/nfjail/conf.d/local.toml:", "[jail.ssh]", "enabled = true")
    assert only(found, "service-absent").what.endswith("for services that are not on this machine: web, old, plain")


def test_the_line_does_switch_it_on(tmp_path):
    off = only(looked_for(tmp_path, "", ["/etc/systemd/system/ssh.service"]), "jail-off")
    assert "ssh" in [jail.name for jail in config(tmp_path, "\n".join(off.advice[1:])).enabled]


def test_a_log_of_its_own_shows_a_service(tmp_path):
    off = only(looked_for(tmp_path, "", ["/var/log/web/access.log"]), "jail-off")
    assert off.what == "/var/log/web/access.log is here, and not protected"


def test_jails_of_one_service_are_told_together(tmp_path):
    more = '[jail.ssh-hard]\nfilter = "ssh"\n'
    off = only(looked_for(tmp_path, more, ["/etc/systemd/system/ssh.service"]), "jail-off")
    assert off.what == "ssh.service is here, and not protected (its jails: ssh, ssh-hard)"
    found = looked_for(tmp_path, more + "[jail.ssh]\nenabled = true\n", ["/etc/systemd/system/ssh.service"])
    assert only(found, "jail-off").what == "ssh.service is here; it also has jails that are off: ssh-hard"


def test_a_jail_that_is_on_for_nothing(tmp_path):
    missing = only(looked_for(tmp_path, "", []), "service-missing")
    assert "the jail app is on, but nothing of its service was found here" in missing.what
    assert config(tmp_path, "\n".join(missing.advice[2:])).enabled == ()


def test_jails_that_are_for_no_service_of_their_own(tmp_path):
    again = '[jail.again]\nenabled = {}\nfilter = ""\nbackend = "history"\n'
    off = only(looked_for(tmp_path, again.format("false"), []), "service-unknown")
    assert (off.mark, off.what.endswith(": again")) == ("ok", True)
    found = looked_for(tmp_path, on() + again.format("true"), [])
    assert only(found, "jail-on").what == "again is on; it reads what the other jails have done"


def test_nothing_is_on(tmp_path):
    assert only(looked_for(tmp_path, on(), []), "no-jail").mark == "note"


# The journal


def heard(tmp_path, world, text="", uid=0, here=True):
    return list(journal(config(tmp_path, text), world.machine(uid), lambda jail: "app.service" if here else None))


def world_of(tmp_path, answers=(), without=()):
    told = {f"{JOURNALCTL} -n 1": ENTRY, f"{JOURNALCTL} --since": "", **dict(answers)}
    return World(tmp_path / "root", {path: text for path, text in HERE.items() if path not in without}, told)


def set_to(tmp_path, text, name="/etc/systemd/journald.conf"):
    world = world_of(tmp_path)
    world.write(name, f"[Journal]\n{text}\n")
    return world


def test_all_is_well(tmp_path):
    found = heard(tmp_path, world_of(tmp_path))
    assert [(one.key, one.mark) for one in found] == [("journal-kept", "ok"), ("rate-limit", "ok"), ("suppressed", "ok")]
    assert "10000 messages in 30s" in found[1].what


def test_nobody_reads_the_journal(tmp_path):
    assert keys(heard(tmp_path, world_of(tmp_path), on("plain"))) == ["journal-unused"]


def test_no_journald(tmp_path):
    found = heard(tmp_path, world_of(tmp_path, without=["/run/systemd/journal/socket"]))
    assert only(found, "journal-missing").mark == "problem"


def test_no_journal_of_this_machine(tmp_path):
    world = world_of(tmp_path, without=[f"/var/log/journal/{ID}/system.journal"])
    world.write("/var/log/journal/ffff/system.journal", "")  # of another one
    missing = only(heard(tmp_path, world), "journal-missing")
    assert (missing.mark, "journalctl --flush" in missing.advice) == ("problem", True)


def test_no_journal_where_the_configuration_says(tmp_path):
    elsewhere = '[journal]\npath = "/srv/journal"\n'
    world = world_of(tmp_path)
    assert "/srv/journal" in only(heard(tmp_path, world, elsewhere), "journal-missing").what
    world.write("/srv/journal/system.journal", "")
    world.answers = {f"{JOURNALCTL} -D /srv/journal -n 1": ""}
    assert keys(heard(tmp_path, world, elsewhere)) == ["jail-silent"]


def test_nothing_is_kept(tmp_path):
    assert only(heard(tmp_path, set_to(tmp_path, "Storage=none")), "journal-none").mark == "problem"


def test_only_in_memory(tmp_path):
    world = world_of(tmp_path, without=[f"/var/log/journal/{ID}/system.journal"])
    world.write(f"/run/log/journal/{ID}/system.journal", "")
    volatile = only(heard(tmp_path, world), "journal-volatile")
    assert (volatile.mark, volatile.advice[0]) == ("warning", "mkdir -p /var/log/journal")
    world.write("/etc/systemd/journald.conf", "[Journal]\nStorage=volatile\n")
    assert only(heard(tmp_path, world), "journal-volatile").mark == "note"


@pytest.mark.parametrize("there", [True, False])
def test_who_may_not_read_it_hears_so_and_nothing_else(there, tmp_path):
    world = world_of(tmp_path, without=[] if there else [f"/var/log/journal/{ID}/system.journal"])
    machine = world.machine(uid=1000)
    found = list(journal(config(tmp_path), _blind(machine), lambda jail: None))
    assert "rate-limit" not in keys(found)
    assert only(found, "journal-unseen").mark == "note"


class _Blind(Machine):
    def readable(self, path: str) -> bool:
        return False


def _blind(machine):
    return _Blind(machine.now, machine.root, machine.uid, machine.run)


@pytest.mark.parametrize(
    ("text", "mark", "said"),
    [
        ("RateLimitIntervalSec=0", "ok", "no rate limit"),
        ("RateLimitBurst=0", "ok", "no rate limit"),
        ("RateLimitBurst=500", "note", "500 messages in 30s, which is less than its default"),
        ("RateLimitInterval=1min 30s", "note", "10000 messages in 1m 30s"),
        ("RateLimitIntervalSec=1s\nRateLimitBurst=1000", "ok", "1000 messages in 1s"),
        ("RateLimitIntervalSec=nonsense\n#RateLimitBurst=1", "ok", "10000 messages in 30s"),
        ("[Other]\nRateLimitBurst=1", "ok", "10000 messages in 30s"),
    ],
)
def test_how_much_journald_takes(text, mark, said, tmp_path):
    limit = only(heard(tmp_path, set_to(tmp_path, text)), "rate-limit")
    assert limit.mark == mark
    assert said in limit.what


def test_journalds_files_are_read_in_its_order(tmp_path):
    world = World(tmp_path)
    for path, burst in (
        ("/usr/lib/systemd/journald.conf", 1),
        ("/etc/systemd/journald.conf", 2),
        ("/usr/lib/systemd/journald.conf.d/90.conf", 3),
        ("/etc/systemd/journald.conf.d/10.conf", 4),
    ):
        world.write(path, f"[Journal]\nRateLimitBurst={burst}\n")
    assert journald(world.machine()).burst == 3
    world.write("/etc/systemd/journald.conf.d/90.conf", "")  # masks the one of that name
    assert journald(world.machine()).burst == 4


def test_what_journald_has_dropped(tmp_path):
    told = dropped(90, "app.service") + dropped(10, "app.service") + "{broken\n" + dropped(7, "cron.service")
    world = world_of(tmp_path, {f"{JOURNALCTL} --since": told})
    blind = only(heard(tmp_path, world), "suppressed")  # cron's are nobody's here
    assert blind.mark == "warning"
    assert "dropped 100 messages of app.service in the last day (2 times, rate limit)" in blind.what
    assert "never seen by app" in blind.what
    assert "LogRateLimitIntervalSec=0" in blind.advice
    since = f"--since=@{int(NOW) - 86400}"
    assert f"{JOURNALCTL} {since} MESSAGE_ID=a596d6fe7bfa4994828e72309e95d61e _TRANSPORT=driver" in world.asked


def test_what_journald_has_dropped_of_a_unit_that_may_be_a_jails(tmp_path):
    world = world_of(tmp_path, {f"{JOURNALCTL} --since": dropped(9, "sshd@1.service")})
    blind = only(heard(tmp_path, world, on("ssh")), "suppressed")
    assert blind.mark == "note"
    assert "perhaps failures for ssh" in blind.what


def test_nobody_knows_what_journald_has_dropped(tmp_path):
    world = world_of(tmp_path)
    del world.answers[f"{JOURNALCTL} --since"]
    assert only(heard(tmp_path, world), "suppressed-unseen").mark == "note"


def test_a_service_that_never_wrote_to_the_journal(tmp_path):
    world = world_of(tmp_path, {f"{JOURNALCTL} -n 1": ENTRY, f"{JOURNALCTL} -n 1 _SYSTEMD_UNIT=ssh": ""})
    silent = only(heard(tmp_path, world, on("app", "ssh")), "jail-silent")
    assert silent.mark == "warning"
    assert "jail ssh: the journal holds no entry at all" in silent.what
    assert "(_SYSTEMD_UNIT=ssh.service _UID=0 + _COMM=sshd _UID=0)" in silent.what
    assert silent.advice[-2:] == ("[jail.ssh]", 'backend = "file"')
    assert only(heard(tmp_path, world, on("app", "ssh"), here=False), "jail-silent").mark == "note"


def test_a_jail_that_reads_everything_is_never_silent(tmp_path):
    world = world_of(tmp_path, {f"{JOURNALCTL} -n 1": ""})
    every = '[jail.all]\nenabled = true\nfilter = "fail2ban-all"\nbackend = "journal"\n'
    every += "[filter.fail2ban-all]\nlanguage = 'fail2ban'\nfailregex = ['^ failed <HOST>$']\n"
    assert keys(heard(tmp_path, world, on() + every)).count("jail-silent") == 0


def test_the_newest_entry(tmp_path):
    world = world_of(tmp_path)
    assert newest(journal_of(config(tmp_path), world.machine()), world.machine()) == NOW
    world.answers[f"{JOURNALCTL} -n 1"] = "{}"
    assert newest(Journal("/x", True, (), None), world.machine()) is None


@in_bed("journald.sh", JOURNALD_CONF="RateLimitIntervalSec=1s\nRateLimitBurst=5", STORAGE="volatile")
def test_a_real_journald(tmp_path):
    # One process, that is still there when journald looks whose it is. It tells what it has dropped with the next message.
    write = "{ seq 2000; sleep 1.2; echo on; sleep 0.3; } | systemd-cat -t app"
    subprocess.run([f"{BED}/as-unit.sh", "app.service", "sh", "-c", write], check=True)
    subprocess.run(["journalctl", "--sync"], check=True)
    machine = Machine(os.stat("/run/log/journal").st_mtime)
    found = list(journal(config(tmp_path, on("app", "ssh")), machine, lambda jail: jail.name))
    assert only(found, "journal-volatile").mark == "note"
    assert "5 messages in 1s" in only(found, "rate-limit").what
    assert "messages of app.service in the last day" in only(found, "suppressed").what
    assert "jail ssh:" in only(found, "jail-silent").what


# Files

SYSLOG = "2026-11-22T23:19:00+00:00 host app[7]: hello\n"


def read(tmp_path, world, *names, text=""):
    return list(files(config(tmp_path, on(*names) + text), world.machine()))


@pytest.mark.parametrize(
    ("name", "path", "line"),
    [
        ("plain", "/var/log/plain.log", SYSLOG),
        ("web", "/var/log/web/a.log", "2026/11/22 23:19:00 hello\n"),
        ("web", "/var/log/web/a.log", SYSLOG),  # through syslog
        ("old", "/var/log/old.log", "2026-11-22 23:19:00 hello\n"),
    ],
)
def test_a_log_that_is_understood(name, path, line, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    found = read(tmp_path, World(tmp_path / "root", {path: line * 3}), name)
    assert [(one.key, one.mark) for one in found] == [("log-format", "ok")]
    assert found[0].what == f"jail {name}: {path}: the dates of 3 of its last 3 lines are understood"


def test_an_empty_log(tmp_path):
    found = read(tmp_path, World(tmp_path / "root", {"/var/log/plain.log": ""}), "plain")
    assert [(one.mark, one.what) for one in found] == [("ok", "jail plain: /var/log/plain.log is empty")]


@pytest.mark.parametrize(
    ("name", "path", "said"),
    [
        ("plain", "/var/log/plain.log", "it expects syslog's lines"),
        ("web", "/var/log/web/a.log", "have the service log with dates as the filter web expects them"),
        ("old", "/var/log/old.log", "datepattern = ['...']"),
    ],
)
def test_a_log_of_unknown_format(name, path, said, tmp_path):
    found = read(tmp_path, World(tmp_path / "root", {path: 30 * "<134>1 sometime \x1b[2J: hello\n"}), name)
    unknown = only(found, "log-format")
    assert unknown.mark == "problem"
    assert "no date is understood (0 of its last 30 lines)" in unknown.what
    assert any(said in line for line in unknown.advice)
    assert "<134>1 sometime" in unknown.advice[0]


def test_a_log_that_is_hardly_understood(tmp_path):
    world = World(tmp_path / "root", {"/var/log/plain.log": SYSLOG + 30 * "what\n"})
    assert only(read(tmp_path, world, "plain"), "log-format").mark == "warning"
    world.write("/var/log/plain.log", SYSLOG * 10 + 30 * "  at stack.trace\n")
    assert only(read(tmp_path, world, "plain"), "log-format").mark == "ok"


def test_only_the_end_of_a_log_is_looked_at(tmp_path):
    world = World(tmp_path / "root", {"/var/log/plain.log": 20_000 * "old form\n" + 2000 * SYSLOG})
    assert "the dates of 1456 of its last 1456 lines" in only(read(tmp_path, world, "plain"), "log-format").what


def test_logs_that_are_not_there(tmp_path):
    world = World(tmp_path / "root")
    missing = only(read(tmp_path, world, "web"), "log-missing")
    assert (missing.mark, "/var/log/web/*.log" in missing.what) == ("warning", True)
    world.write("/run/systemd/journal/socket", "")
    assert 'backend = "journal"' in only(read(tmp_path, world, "web"), "log-missing").advice
    assert 'logpath = ["/var/log/..."]' in only(read(tmp_path, world, "plain"), "log-missing").advice


def test_rotated_siblings_are_none(tmp_path):
    logs = ["/var/log/web/a.log", "/var/log/web/a-20261121.log"]
    world = World(tmp_path / "root", dict.fromkeys(logs, "2026/11/22 23:19:00 x\n"))
    assert len(read(tmp_path, world, "web")) == 1


def test_a_log_that_nobody_writes_any_more(tmp_path):
    world = World(tmp_path / "root")
    world.write("/var/log/web/a.log", "2026/10/12 23:19:00 x\n", NOW - 41 * 86_400)
    quiet = only(read(tmp_path, world, "web"), "log-quiet")
    assert quiet.mark == "note"
    assert "was last written 5w 6d ago" in quiet.what
    assert 'backend = "journal"' in quiet.advice


@pytest.mark.parametrize(
    ("ahead", "said"), [(7200, "2h ahead of"), (-19_800, "5h 30m behind"), (0, ""), (400, ""), (-200_000, "")]
)
def test_a_log_in_another_time_zone(ahead, said, tmp_path, monkeypatch):
    monkeypatch.setenv("TZ", "UTC")
    world = World(tmp_path / "root")
    for path, line in (("/var/log/web/a.log", "2026/11/23 00:00:00 x\n"), ("/var/log/old.log", "2026-11-23 00:00:00 x\n")):
        world.write(path, line, NOW - ahead)
    found = [one for one in read(tmp_path, world, "web", "old") if one.key == "log-zone"]
    assert len(found) == (2 if said else 0)
    for one in found:
        assert said in one.what
        assert one.mark == "warning"
    assert sum('logtimezone = "UTC"' in one.advice for one in found) == len(found) / 2


def test_a_log_that_may_not_be_read(tmp_path, monkeypatch):
    real = open

    def refuse(path, *arguments):
        if str(path).endswith("plain.log"):
            raise PermissionError(13, "Permission denied")
        return real(path, *arguments)

    monkeypatch.setattr("builtins.open", refuse)
    _unreadable(tmp_path)


def _unreadable(tmp_path):
    world = World(tmp_path / "root")
    world.write("/var/log/plain.log", SYSLOG).chmod(0)
    assert only(read(tmp_path, world, "plain"), "log-unseen").mark == "note"


def test_a_log_that_is_no_file(tmp_path):
    world = World(tmp_path / "root", {"/var/log/plain.log": None})
    unreadable = only(read(tmp_path, world, "plain"), "log-unreadable")
    assert (unreadable.mark, unreadable.what) == ("problem", "jail plain: /var/log/plain.log cannot be read: Is a directory")
