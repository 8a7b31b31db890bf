"""What the manual shows works: each file in an example is accepted, each command prints what the page says."""

from __future__ import annotations

import subprocess
import sys

import pytest
from manual_bed import NAMES, Stage, codes, commands_in, source_of, unpacked


def is_file(lines: tuple[str, ...]) -> bool:
    return lines[0].startswith(("# /etc/nfjail/conf.d/", "# DIR/conf.d/", "# ./filter.d/"))


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "nfjail-migration.7"])
def test_examples_of_a_page_one_after_the_other(name, stage):
    tried = 0
    for lines in codes(source_of(name)):
        if is_file(lines):
            stage.put(lines)
            done = stage.run("nfjail check")
            assert done.returncode == 0, done.stderr
            tried += 1
        elif lines[0].startswith("$ nfjail "):
            for command in commands_in(lines):
                done = stage.run(command.text)
                assert not done.stderr
                missing = not_in_order(command.output, done.stdout.splitlines())
                assert not missing, f"{command.text}\nprints no line {missing!r} there, but\n{done.stdout}"
                tried += 1
    assert tried >= {"nfjail.toml.5": 7, "nfjail-filters.7": 18}.get(name, 0)


def not_in_order(wanted, lines):
    """The first wanted line that does not follow the one before; "" if all do."""
    rest = iter(lines)
    return next((line for line in wanted if line not in rest), "")


@pytest.mark.parametrize("lines", [lines for lines in codes(source_of("nfjail.toml.5")) if is_file(lines)], ids=lambda x: x[0])
def test_each_file_of_the_configurations_page_is_good_by_itself(lines, stage):
    stage.put(lines)
    done = stage.run("nfjail check")
    assert done.returncode == 0, done.stderr


# Within a mount namespace: /etc is this machine's, with fail2ban's folder, and nothing that is written there stays.
ETC_OF_ITS_OWN = """
    set -e
    mount -t tmpfs none over; mkdir over/upper over/work
    mount -t overlay none -o lowerdir="$FAIL2BAN/etc":/etc,upperdir=over/upper,workdir=over/work /etc
    rm -rf /etc/nfjail; mkdir -p /etc/nfjail/conf.d
    nfjail() { "$PYTHON" -m nfjail "$@"; }
"""
WAYS = """
    for way in conf.d/*.toml; do
        cp "$way" /etc/nfjail/conf.d; nfjail check --config /etc/nfjail; rm /etc/nfjail/conf.d/*
    done
    nfjail import | grep -F '[jail.sshd]'
    nfjail import -o /etc/nfjail
    nfjail check --config /etc/nfjail
"""


def test_the_ways_from_fail2ban(stage):
    """As the page on migration shows them: each file is good, and so is what import writes."""
    files = [stage.put(lines) for lines in codes(source_of("nfjail-migration.7")) if is_file(lines)]
    (stage.folder / "over").mkdir()
    done = subprocess.run(
        ["unshare", "--mount", "bash", "-c", ETC_OF_ITS_OWN + WAYS], cwd=stage.folder, stdin=subprocess.DEVNULL,
        env=stage.environment | {"FAIL2BAN": str(unpacked("trixie")), "PYTHON": sys.executable},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("configuration is good") == len(files) + 1 == 5
