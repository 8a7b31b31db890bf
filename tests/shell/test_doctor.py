"""The command nfjail doctor: what it prints, how it ends, for whom, and that it changes nothing."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from control_bed import running

import nfjail
from nfjail.cli import doctor, main
from nfjail.cli.check_service import Service
from nfjail.doctor import FIREWALL, LOGS, SECTIONS, Finding, note, ok, problem, warning
from nfjail.doctor.journal import Journal

ROOT = Path(nfjail.__file__).parent.parent

_FROM = "192.0.2.7 1 192.0.2.1 22"
TOML = "[jail.sshd]\nenabled = true\nbackend = 'file'\nlogpath = ['{}/auth.log']\n"


class Bed:
    """An nfjail of its own: configuration, state and runtime in a folder that everybody may look into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("etc/conf.d", "state", "run"):
            (folder / name).mkdir(parents=True)
        (folder / "etc/conf.d/local.toml").write_text(TOML.format(folder))
        self.code = folder / "code"  # which other users may read, too, wherever the checkout is
        for part in ("nfjail", "conf.d"):
            shutil.copytree(ROOT / part, self.code / part, ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "auth.log").write_text("2026-11-22T23:19:00+00:00 host sshd[7]: hello\n")

    def options(self, runtime: str = "") -> list[str]:
        folder = self.folder
        return ["doctor", "--config", f"{folder}/etc", "--state", f"{folder}/state", "--runtime", runtime or f"{folder}/run"]

    def run(self, *wrapper: str, more: tuple[str, ...] = (), runtime: str = "") -> subprocess.CompletedProcess[str]:
        command = [*wrapper, "/usr/bin/python3", "-m", "nfjail", *self.options(runtime), *more]
        environment = {**os.environ, "PYTHONPATH": str(self.code), "COLUMNS": "1000", "SSH_CONNECTION": _FROM}
        return subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def state(self) -> dict[str, tuple[int, int]]:
        """All files, with size and time of change."""
        found = {str(path): path.stat() for path in self.folder.rglob("*")}
        return {path: (status.st_size, status.st_mtime_ns) for path, status in found.items()}


@pytest.fixture
def bed():
    folder = Path(tempfile.mkdtemp(prefix="nfjail-doctor-"))
    folder.chmod(0o755)
    yield Bed(folder)
    shutil.rmtree(folder)


def found_in(done: subprocess.CompletedProcess[str]) -> dict[str, dict]:
    assert done.stderr == ""
    return {one["key"]: one for one in json.loads(done.stdout)["findings"]}


def test_a_whole_look_without_a_daemon_changes_nothing(bed):
    before = bed.state()
    rules = "nft add table inet other; nft list ruleset >$0/before; \"$@\"; code=$?; nft list ruleset >$0/after; exit $code"
    with tempfile.TemporaryDirectory() as kept:
        done = bed.run("unshare", "-n", "sh", "-c", rules, kept, more=("--json",))
        assert Path(kept, "before").read_text() == Path(kept, "after").read_text()
    assert bed.state() == before
    assert done.returncode == 1
    found = found_in(done)
    assert found["stopped"]["mark"] == json.loads(done.stdout)["worst"] == "problem"
    assert "192.0.2.7" in found["own-address"]["what"]
    assert found["log-format"]["what"].endswith("the dates of 1 of its last 1 line are understood")
    assert {one["section"] for one in found.values()} == set(SECTIONS)


def test_an_ordinary_user_is_told_what_they_do_not_see(bed):
    done = bed.run("setpriv", "--reuid=65534", "--clear-groups")
    assert (done.returncode, done.stderr) == (1, "")
    assert "only root can try the firewall" in done.stdout
    assert done.stdout.endswith("seen with the rights of an ordinary user: root sees more (sudo nfjail doctor)\n")


def test_a_running_daemon(bed):
    with running() as there:
        found = found_in(bed.run(more=("--json",), runtime=there.runtime))
        assert found["running"]["what"].startswith("nfjail 0.1 runs (process 7)")  # as the bed's desk says
        assert found["version"]["mark"] == "warning"
        assert found["trouble"]["what"] == "the disk is full"
        assert "logpath of sshd" in found["not-reloaded"]["what"]
        assert "own-address" in found
        with there.connect() as peer:
            peer.ask("IgnoreAdd", addresses=["192.0.2.0/28"])
        assert "own-address" not in found_in(bed.run(more=("--json",), runtime=there.runtime))


def test_mistakes_in_the_configuration(bed):
    (bed.folder / "etc/conf.d/local.toml").write_text("[jail.sshd]\nmaxretry = 0\n")
    done = bed.run()
    assert (done.returncode, done.stdout) == (78, "")
    assert "jail.sshd.maxretry" in done.stderr


def told(findings, monkeypatch, capsys, *options, columns="80"):
    monkeypatch.setattr(doctor, "examine", lambda *_: iter(findings))
    monkeypatch.setenv("COLUMNS", columns)
    with tempfile.TemporaryDirectory() as folder:
        code = main(["doctor", "--config", folder, *options])
    return code, capsys.readouterr().out


@pytest.mark.parametrize(
    ("findings", "code", "verdict"),
    [
        ([], 0, "nothing is wrong"),
        ([ok(LOGS, "a", "b"), note(LOGS, "a", "b"), note(LOGS, "a", "b")], 0, "nothing is wrong: 2 notes"),
        ([ok(LOGS, "a", "b"), warning(LOGS, "a", "b")], 1, "something needs attention: 1 warning"),
        ([problem(LOGS, "a", "b"), note(LOGS, "a", "b")], 1, "something needs attention: 1 problem, 1 note"),
    ],
)
def test_the_verdict(findings, code, verdict, monkeypatch, capsys):
    status, said = told(findings, monkeypatch, capsys)
    assert status == code
    assert verdict in said.splitlines()


def test_how_findings_look(monkeypatch, capsys):
    long = "what is so " * 12
    command = "nft list chain inet other pre; " * 4
    findings = [warning(FIREWALL, "a", long.strip(), command), note(LOGS, "b", "evil \x1b[2J\u202e")]
    _, said = told(findings, monkeypatch, capsys)
    lines = said.splitlines()
    assert [line for line in lines if line in SECTIONS] == list(SECTIONS)
    at = lines.index("Firewall")
    assert lines[at + 1].startswith("  warning  what is so")
    assert lines[at + 2].startswith("           what is so")
    assert max(len(line) for line in lines[at + 1 : at + 3]) <= 80
    assert lines[at + 3] == " " * 15 + command  # can be copied
    assert lines[lines.index("Logs") + 1] == r"  note     evil \x1b[2J\u202e"
    assert lines[lines.index("Services") + 1] == "  ok       nothing to tell"


def test_json(monkeypatch, capsys):
    findings = [ok(LOGS, "a", "b"), warning(FIREWALL, "c", "d", "e", "f"), note(LOGS, "g", "h")]
    code, said = told(findings, monkeypatch, capsys, "--json")
    answer = json.loads(said)
    assert (code, answer["worst"], answer["version"], answer["uid"]) == (1, "warning", nfjail.__version__, os.geteuid())
    assert answer["findings"][1] == {"section": "Firewall", "mark": "warning", "key": "c", "what": "d", "advice": ["e", "f"]}
    assert [Finding(**{**one, "advice": tuple(one["advice"])}) for one in answer["findings"]] == findings


def test_a_service_that_may_not_read_the_journal(bed):
    file = bed.folder / "system.journal"
    file.touch(0o640)
    log = Journal(str(bed.folder), True, ("a jail",), None)
    nobody = pwd.getpwnam("nobody")
    unit = Service(nobody, (nobody.pw_gid,), frozenset(), (), None)
    assert doctor._deaf(unit, log) == [
        "nfjail.service (user nobody) may not read the journal: gpasswd -a nobody systemd-journal"
    ]
    os.chown(file, 0, nobody.pw_gid)
    assert doctor._deaf(unit, log) == []
    os.chown(file, 0, 0)
    assert doctor._deaf(unit, log._replace(readers=())) == []
    assert doctor._deaf(unit._replace(user=pwd.getpwuid(0)), log) == []
