"""The benchmarks of packaging/bench run, and tell what they measured; how fast it was is not judged here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "conformance"))  # its modules import each other by bare names

from packages import unpacked

BENCH = Path(__file__).resolve().parents[1] / "bench" / "bench.py"


def test_a_tiny_benchmark_prints_its_figures_and_writes_them_as_json(tmp_path):
    written = tmp_path / "figures.json"
    options = ["--quick", "--cache", tmp_path, "--json", written]
    done = subprocess.run([sys.executable, BENCH, *options, "file", "ctl"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    figures = json.loads(written.read_text())["figures"]
    assert [figure["benchmark"] for figure in figures] == ["file", "file", "ctl"]
    for figure in figures:
        assert figure["figure"] in done.stdout
        assert 0 < figure["nfjail"] < 5000  # ms
        assert figure["fail2ban"] is None


def test_the_one_beside_fail2ban_regex_finds_the_same_failures_with_both(tmp_path):
    package = unpacked("trixie")
    options = ["--quick", "--cache", tmp_path, "--fail2ban", package]
    done = subprocess.run([sys.executable, BENCH, *options, "filters"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    for service in ("sshd", "postfix", "dovecot", "nginx-http-auth", "apache-auth"):
        assert f"fail2ban's {service} (" in done.stdout


def test_what_cannot_be_measured_is_said_and_fails(tmp_path):
    done = subprocess.run([sys.executable, BENCH, "nothing"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert "'nothing'" in done.stderr
