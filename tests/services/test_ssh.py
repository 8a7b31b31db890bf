"""Who guesses passwords at an SSH server is cut off."""

from __future__ import annotations

from tests.services.clients import ssh
from tests.services.estate import Estate


def test_sshd(estate: Estate) -> None:
    with estate.jail("sshd"), estate.serving("ssh", 22):
        estate.see_cut_off("sshd", 22, "192.0.2.10", lambda source: ssh(source, "root"), "Authentication failed")


def test_dropbear(estate: Estate) -> None:
    estate.run("systemctl stop ssh")
    with estate.jail("dropbear"), estate.serving("dropbear", 22):
        estate.see_cut_off("dropbear", 22, "192.0.2.11", lambda source: ssh(source, "root"), "Authentication failed")
