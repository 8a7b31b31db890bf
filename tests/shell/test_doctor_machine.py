"""What nfjail doctor finds about kernel, clock and nfjail itself; and how it looks at a machine."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from doctor_bed import NOW, World, config, keys, on, only

from nfjail import __version__
from nfjail.core.model import Ban, parse_subject
from nfjail.desk_settings import settings_info
from nfjail.doctor.clock import clock, newest_ban, synchronised
from nfjail.doctor.itself import Daemon, itself
from nfjail.doctor.kernel import kernel, limits, room, room_finding
from nfjail.doctor.machine import Machine, run_program
from nfjail.store import Store

RELEASE = "/proc/sys/kernel/osrelease"

# Kernel


def of_kernel(tmp_path, files, text="", used=("nftables",)):
    return list(kernel(config(tmp_path, text), World(tmp_path / "root", files).machine(), set(used)))


def test_kernels(tmp_path):
    assert only(of_kernel(tmp_path, {RELEASE: "6.1.0-28-amd64\n"}), "kernel").mark == "ok"
    assert only(of_kernel(tmp_path, {RELEASE: "5.9.0"}), "kernel").mark == "ok"
    old = only(of_kernel(tmp_path, {RELEASE: "5.4.0-200-generic"}), "kernel")
    assert old.mark == "problem"
    assert "cannot reject at the hook prerouting, which takes 5.9: app cannot ban" in old.what
    assert only(of_kernel(tmp_path, {RELEASE: "5.4.0"}, "\n".join(old.advice[1:])), "kernel").mark == "ok"
    assert only(of_kernel(tmp_path, {RELEASE: "5.4.0"}, "[firewall]\nhook = 'input'\n"), "kernel").mark == "ok"
    assert only(of_kernel(tmp_path, {RELEASE: "5.4.0"}, used=["iptables"]), "kernel").mark == "ok"


@pytest.mark.parametrize(("count", "there"), [("236000", True), ("200000", False)])
def test_a_full_table_of_connections(count, there, tmp_path):
    folder = "/proc/sys/net/netfilter/nf_conntrack_"
    found = of_kernel(tmp_path, {f"{folder}count": f"{count}\n", f"{folder}max": "262144\n"})
    assert [(one.key, one.mark) for one in found] == ([("conntrack", "warning")] if there else [])


def test_room_for_transactions_in_an_unprivileged_container(tmp_path):
    inside = {"/proc/self/uid_map": "         0     100000      65536\n"}
    small = {"/proc/sys/net/core/wmem_max": "212992\n"}
    assert only(of_kernel(tmp_path / "a", {**inside, **small}), "wmem").mark == "note"
    assert of_kernel(tmp_path / "b", {**inside, "/proc/sys/net/core/wmem_max": "4194304\n"}) == []
    assert of_kernel(tmp_path / "c", {"/proc/self/uid_map": "  0  0 4294967295\n", **small}) == []


# Limits

LOG = {"/var/log/web/a.log": "", "/var/log/web/b.log": "", "/var/log/plain.log": ""}
INOTIFY = "/proc/sys/fs/inotify/max_user_"


def of_limits(tmp_path, files, names=("web", "plain"), daemon=None):
    machine = World(tmp_path / "root", {**LOG, **files}).machine()
    return list(limits(config(tmp_path, on(*names)), machine, daemon))


@pytest.mark.parametrize(
    ("watches", "instances", "mark", "said"),
    [
        (4, 128, "warning", "inotify may watch 4 files and folders, and jails read 3 logs in 2 folders"),
        (5, 128, "ok", "all 3 logs"),
        (8192, 0, "warning", "max_user_instances is 0"),
    ],
)
def test_inotify(watches, instances, mark, said, tmp_path):
    found = only(of_limits(tmp_path, {f"{INOTIFY}watches": f"{watches}\n", f"{INOTIFY}instances": f"{instances}\n"}), "inotify")
    assert (found.mark, said in found.what) == (mark, True)


def test_inotify_is_not_asked_for_where_no_log_file_is_read(tmp_path):
    assert of_limits(tmp_path, {f"{INOTIFY}watches": "1\n", f"{INOTIFY}instances": "0\n"}, ["app"]) == []


def test_open_files(tmp_path):
    line = "Max open files            {}                 524288               files     \n"
    journals = {f"/var/log/journal/m/{number}.journal": "" for number in range(40)}
    files = {"/proc/77/limits": line.format(100), "/proc/self/limits": line.format(1024), **journals}
    few = only(of_limits(tmp_path, files, daemon=77), "open-files")
    assert (few.mark, "nfjail may open 100 files, and 3 logs and 40 files of the journal" in few.what) == ("warning", True)
    assert few.advice[-1] == "LimitNOFILE=4096"
    assert of_limits(tmp_path, files) == []
    assert of_limits(tmp_path / "b", {**files, "/proc/self/limits": line.format("unlimited")}) == []


def test_room_for_the_store(tmp_path):
    world = World(tmp_path)
    assert only(room("/var/lib/nfjail", world.machine()), "room").key == "room"
    assert only(room("/var/lib/nfjail", Machine(NOW, str(tmp_path / "none"))), "room").mark == "note"
    rooms = ((500, 9), (500, None), (100, 9), (10, 9), (500, 0))
    marks = [room_finding("/s", free << 20, files, 0).mark for free, files in rooms]
    assert marks == ["ok", "ok", "warning", "problem", "problem"]
    assert room_finding("/s", 500 << 20, 9, os.ST_RDONLY).mark == "problem"


# Clock


def of_clock(tmp_path, right, logged=None, banned=None, files=()):
    return list(clock(World(tmp_path / "root", dict(files)).machine(), lambda: right, logged, banned))


def test_a_clock_that_nobody_keeps(tmp_path):
    assert only(of_clock(tmp_path, False), "clock").mark == "warning"
    assert only(of_clock(tmp_path, True), "clock").mark == "ok"
    assert of_clock(tmp_path, None) == []
    assert only(of_clock(tmp_path, False, files={"/run/systemd/container": "lxc"}), "clock").mark == "note"


def test_the_kernel_is_asked_about_its_clock():
    shown = subprocess.run(["timedatectl", "show", "-P", "NTPSynchronized"], capture_output=True, text=True)
    assert synchronised() in ({"yes": (True,), "no": (False,)}.get(shown.stdout.strip(), (True, False)))


def test_a_clock_that_was_set_back(tmp_path):
    found = of_clock(tmp_path, None, NOW + 7200, NOW + 86_400)
    assert [(one.key, one.mark) for one in found] == [("clock-journal", "problem"), ("clock-store", "problem")]
    assert found[0].what.startswith("the clock is 2h before the newest entry in the journal")
    assert found[1].what.startswith("the clock is 1d before the newest ban in the store")
    assert of_clock(tmp_path, None, NOW + 30, NOW + 30) == []


def ban(since):
    return Ban("app", parse_subject("192.0.2.7"), since, None, 1, "filter", "")


def test_the_newest_ban(tmp_path):
    state = tmp_path / "root/var/lib/nfjail"
    machine = World(tmp_path / "root").machine()
    assert newest_ban("/var/lib/nfjail", machine) is None
    state.mkdir(parents=True)
    store = Store.open(str(state / "nfjail.db"), NOW)
    store.commit([ban(NOW - 9)], {}, NOW)
    store.close()
    before = {path.name: path.stat().st_mtime_ns for path in state.iterdir()}
    assert newest_ban("/var/lib/nfjail", machine) == NOW - 9
    assert {path.name: path.stat().st_mtime_ns for path in state.iterdir()} == before  # a -shm of root's would keep it out
    (state / "nfjail.db").write_bytes(b"rubbish" * 1000)
    assert newest_ban("/var/lib/nfjail", machine) is None


# nfjail itself

UNIT = {
    "LoadState": "loaded", "UnitFileState": "enabled", "ActiveState": "active", "NeedDaemonReload": "no", "NRestarts": "0",
    "StateChangeTimestamp": "Sun 2026-11-22 21:00:00 UTC",
}  # fmt: skip


def of_itself(tmp_path, daemon, unit=UNIT, troubles=(), settings=None):
    shown = "".join(f"{key}={value}\n" for key, value in unit.items())
    machine = World(tmp_path / "root", answers={"systemctl show nfjail.service": shown} if unit else {}).machine()
    return list(itself(settings or config(tmp_path), machine, daemon, troubles))


def running(tmp_path, trouble=(), version=__version__, text="", **change):
    status = {"version": version, "pid": 7, "since": NOW - 60, "trouble": list(trouble), "jails": []}
    jails = [settings_info(replace(jail, **change), None, "nftables") for jail in config(tmp_path, text).enabled]
    return Daemon(status=status, settings=jails)


def test_all_is_well(tmp_path):
    found = of_itself(tmp_path, running(tmp_path))
    assert [(one.key, one.mark) for one in found] == [("running", "ok"), ("enabled", "ok")]
    assert f"nfjail {__version__} runs (process 7) since 2026-" in found[0].what
    assert found[0].what.endswith("; last started or reloaded Sun 2026-11-22 21:00:00 UTC")


def test_it_does_not_run(tmp_path):
    stopped = Daemon(refused="nfjail is not running", stopped=True)
    found = of_itself(tmp_path, stopped)
    assert [(one.key, one.mark) for one in found] == [("stopped", "problem")]
    assert found[0].advice == ("systemctl start nfjail",)
    assert of_itself(tmp_path, stopped, {**UNIT, "ActiveState": "failed"})[0].advice == ("journalctl -u nfjail",)
    assert keys(of_itself(tmp_path, stopped, {})) == ["stopped", "no-service"]
    assert keys(of_itself(tmp_path, stopped, {"LoadState": "not-found"})) == ["stopped", "no-service"]


def test_it_may_not_be_asked(tmp_path):
    found = of_itself(tmp_path, Daemon(refused="you may not talk to the daemon"))
    assert only(found, "unasked").mark == "note"
    assert "stopped" not in keys(found)


def test_an_old_one_runs(tmp_path):
    found = only(of_itself(tmp_path, running(tmp_path, version="0.0.1")), "version")
    assert (found.mark, found.what) == ("warning", f"what runs is nfjail 0.0.1, what is installed is {__version__}")


def test_it_has_trouble(tmp_path):
    assert only(of_itself(tmp_path, running(tmp_path, ["the disk is full"])), "trouble").what == "the disk is full"


@pytest.mark.parametrize(
    ("text", "change", "said"),
    [
        (on("app", "plain"), {}, "plain runs, and is not enabled"),
        (on("plain"), {}, "app does not run, plain runs, and is not enabled"),
        ("", {"maxretry": 9, "bantime": None}, "bantime of app, maxretry of app"),
    ],
)
def test_what_runs_is_not_what_is_configured(text, change, said, tmp_path):
    daemon = running(tmp_path, text=text, **change)
    found = only(of_itself(tmp_path, daemon, settings=config(tmp_path)), "not-reloaded")
    assert (found.mark, found.what.endswith(f": {said}"), found.advice) == ("warning", True, ("systemctl reload nfjail",))


def test_what_the_service_cannot_do(tmp_path):
    found = of_itself(tmp_path, running(tmp_path), troubles=["jail app: nfjail.service may not read /x"])
    assert (only(found, "service-cannot").mark, found[-1].what) == ("problem", "jail app: nfjail.service may not read /x")


def test_the_unit(tmp_path):
    unit = {**UNIT, "UnitFileState": "disabled", "NRestarts": "3", "NeedDaemonReload": "yes"}
    found = of_itself(tmp_path, running(tmp_path), unit)
    assert (only(found, "not-enabled").mark, only(found, "daemon-reload").mark) == ("warning", "note")
    restarts = only(found, "restarts")
    assert (restarts.mark, restarts.what) == ("warning", "nfjail.service has died and been started again 3 times")


def test_notes_on_the_configuration(tmp_path):
    settings = replace(config(tmp_path), notes=("a", "b"))
    found = only(of_itself(tmp_path, running(tmp_path), settings=settings), "notes")
    assert (found.mark, found.what.startswith("2 notes")) == ("note", True)


# How it looks


def test_programs():
    assert run_program(["no-such-program"]) is None
    answer = run_program(["sh", "-c", "echo $LC_ALL; echo no >&2; exit 3"])
    assert answer == (3, "C\n", "no\n")


def test_a_machine(tmp_path):
    world = World(tmp_path / "[x]*", {"/a/1.log": "7 8\n", "/a/2.log": "", "/proc/9/comm": "sshd\n", "/proc/net/x": ""})
    machine = world.machine()
    assert machine.glob("/a/*.log") == ["/a/1.log", "/a/2.log"]
    assert (machine.number("/a/1.log"), machine.number("/a/2.log")) == (7, None)
    assert (machine.read("/b"), machine.names("/b")) == (None, [])
    assert machine.processes() == {"sshd": 9}
    assert not machine.in_container
    assert Machine(NOW).glob("/proc/self/stat") == ["/proc/self/stat"]


def test_each_finding_has_a_test():
    """By its key: whoever adds one has to show when it comes."""
    here = Path(__file__).parent
    probes = "".join(path.read_text() for path in (here.parent.parent / "nfjail/doctor").glob("*.py"))
    known = set(re.findall(r"\((?:SERVICES|LOGS|FIREWALL|KERNEL|ITSELF), \"([a-z-]+)\"", probes))
    tests = "".join(path.read_text() for path in here.glob("test_doctor*.py"))
    assert len(known) > 40
    assert {key for key in known if f'"{key}"' not in tests} == set()
