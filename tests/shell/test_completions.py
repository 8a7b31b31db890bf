"""Completions as somebody at a shell meets them: bash, zsh and fish, each asked what it offers, with and without a daemon."""

from __future__ import annotations

import subprocess

import pytest
import shells_bed
from control_bed import running
from manual_bed import commands
from shells_bed import MAKE

SHELLS = {"bash": shells_bed.bash, "zsh": shells_bed.zsh, "fish": shells_bed.Fish}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("completions")
    subprocess.run([MAKE, folder], check=True, env={"PATH": "/usr/bin:/bin"})
    return folder


@pytest.fixture(scope="module", params=SHELLS)
def shell(request, made, tmp_path_factory):
    home = tmp_path_factory.mktemp(request.param)
    (home / "alpha.log").touch()
    (home / "alphabet").mkdir()
    it = SHELLS[request.param](made, home)
    yield it
    it.close()


@pytest.fixture(scope="module")
def runtime():
    """Of a daemon with three bans, and somebody who is ignored."""
    with running() as bed, bed.connect() as peer:
        peer.ask("Ban", addresses=["192.0.2.7", "192.0.2.77", "2001:db8:0:1::/64"])
        peer.ask("IgnoreAdd", addresses=["198.51.100.4"])
        yield bed.runtime


def names(command):
    return {name for each in command.options for name in each.names}


def test_verbs(shell):
    assert shell.offers("nfjail ") == {"run", "check", "doctor", "test", "import", "ctl"}
    assert shell.offers("nfjail ctl ") == set(commands()["ctl",].verbs)
    assert shell.completes("nfjail ch") == "nfjail check "
    assert shell.completes("nfjail ctl --json stat") == "nfjail ctl --json status "


@pytest.mark.parametrize("words", [("run",), ("test",), ("import",), ("ctl", "ban"), ("ctl", "set")], ids=" ".join)
def test_options(shell, words):
    long = {name for name in names(commands()[words]) if name.startswith("--")}
    assert shell.offers(f"nfjail {' '.join(words)} --") == long


def test_words_that_are_all_there_is(shell):
    assert shell.offers("nfjail test --usedns ") == {"yes", "warn", "no", "raw"}
    assert shell.offers("nfjail ctl ignore ") == {"add", "del", "list"}


def test_files_and_folders(shell):
    assert {word.rstrip("/") for word in shell.offers("nfjail test sshd alph")} == {"alpha.log", "alphabet"}
    assert "journal" in shell.offers("nfjail test sshd ")
    assert shell.completes("nfjail check --config alph").rstrip() == "nfjail check --config alphabet/"
    assert {word.rstrip("/") for word in shell.offers("nfjail import --bans alph")} == {"alpha.log", "alphabet"}


def test_a_name_with_a_blank(made, tmp_path):
    (tmp_path / "be ta.log").touch()
    for start in (shells_bed.bash, shells_bed.zsh):
        shell = start(made, tmp_path)
        try:
            assert shell.completes(r"nfjail test sshd be\ t") == r"nfjail test sshd be\ ta.log "
        finally:
            shell.close()


def test_jails(shell, runtime):
    assert shell.offers(f"nfjail ctl --runtime {runtime} status ") == {"sshd", "manual"}
    assert shell.completes(f"nfjail ctl unban --runtime {runtime} --jail ss").endswith("--jail sshd ")


def test_addresses_that_are_banned(shell, runtime):
    before = f"nfjail ctl --runtime {runtime}"
    assert shell.offers(f"{before} unban 192") == {"192.0.2.7", "192.0.2.77"}
    assert shell.completes(f"{before} unban 2001:db8").endswith(" unban 2001:db8:0:1::/64 ")
    assert shell.offers(f"{before} unban 203.0.113.1 192") == {"192.0.2.7", "192.0.2.77"}
    assert shell.offers(f"{before} why 192") == {"192.0.2.7", "192.0.2.77"}


def test_addresses_that_are_ignored(shell, runtime):
    assert shell.completes(f"nfjail ctl --runtime {runtime} ignore del 198").endswith(" del 198.51.100.4 ")


@pytest.mark.parametrize("line", ["status ", "unban ", "unban --jail ", "ignore del "])
def test_without_a_daemon_nothing_is_offered_and_nothing_said(shell, line, tmp_path):
    assert shell.offers(f"nfjail ctl --runtime {tmp_path} {line}") == set()


def test_bash_behind_sudo(made, runtime, tmp_path):
    bash = shells_bed.bash_with_completion(made, tmp_path)
    try:
        assert bash.completes("nfjail ctl stat") == "nfjail ctl status "
        assert bash.completes("sudo nfjail ctl stat") == "sudo nfjail ctl status "
        ended = bash.completes(f"sudo nfjail ctl --runtime {runtime} unban 2001:db8")
        assert ended.endswith(" unban 2001:db8:0:1::/64 ")
    finally:
        bash.close()


def test_what_nobody_can_guess(shell):
    assert shell.offers("nfjail ctl ban --reason ") == set()
    assert shell.offers("nfjail ctl ban 192.0.2.9 --for ") == set()


def test_making_them_again_makes_the_same(made, tmp_path):
    subprocess.run([MAKE, tmp_path], check=True)
    first, again = ({path.name: path.read_text() for path in folder.iterdir()} for folder in (made, tmp_path))
    assert first == again
    assert first.keys() == {"nfjail.bash", "_nfjail", "nfjail.fish"}


def test_the_shells_have_nothing_to_complain_about(made):
    for command in (
        ["shellcheck", "-s", "bash", made / "nfjail.bash"],
        ["bash", "-n", made / "nfjail.bash"],
        ["zsh", "-n", made / "_nfjail"],
        ["fish", "--no-config", "-n", made / "nfjail.fish"],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
