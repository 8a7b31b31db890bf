"""The test bed gives what the other tests build on: trusted fields, a real sshd's messages, journal files."""

from __future__ import annotations

import subprocess
from pathlib import Path


def output(*command: str | Path) -> str:
    """What the command prints when called from a folder that is not the checkout's."""
    done = subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0
    return done.stdout


def test_journald_says_which_service_wrote(bed):
    script = """
        { echo it was us; sleep .1; } | "$0/as-unit.sh" ssh.service logger -t sshd
        journalctl --sync
        journalctl -o cat _SYSTEMD_UNIT=ssh.service SYSLOG_IDENTIFIER=sshd
    """
    assert output(bed / "journald.sh", "sh", "-ec", script, bed) == "it was us\n"


def test_wrong_passwords_are_logged_by_a_real_sshd(bed):
    script = """
        ip netns exec "$NFJAIL_ATK" "$0/flood.py" 192.0.2.1 root 192.0.2.20 2
        ip netns exec "$NFJAIL_ATK" "$0/flood.py" 2001:db8::1 root 2001:db8:20::1 2
        journalctl --sync
        journalctl -o cat -u ssh.service
    """
    said = output(bed / "sshd.sh", "sh", "-ec", script, bed)
    assert said.count("Failed password for root from 192.0.2.20 port ") == 2
    assert said.count("Failed password for root from 2001:db8:20::1 port ") == 2


def test_rsyslog_can_take_journalds_place(bed, monkeypatch):
    script = """
        ip netns exec "$NFJAIL_ATK" "$0/flood.py" 192.0.2.1 root 192.0.2.20 1
        for n in $(seq 100); do grep 'Failed password' /var/log/auth.log && exit; sleep .05; done; exit 1
    """
    monkeypatch.setenv("LOGD", "rsyslog")
    assert "Failed password for root from 192.0.2.20 port " in output(bed / "sshd.sh", "sh", "-ec", script, bed)


def test_journal_files_are_made_without_journald(bed, tmp_path):
    output(bed / "make-journal.sh", "500", tmp_path / "journal")
    assert len(output("journalctl", "-D", tmp_path / "journal", "-o", "cat").splitlines()) == 500
