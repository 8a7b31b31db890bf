"""Who guesses passwords at an FTP server is cut off."""

from __future__ import annotations

import pytest

from tests.services.clients import ftp
from tests.services.estate import Estate

_ATTACKER = {"vsftpd": "192.0.2.20", "proftpd": "192.0.2.21", "pure-ftpd": "192.0.2.22"}

@pytest.mark.parametrize("name", ["vsftpd", "proftpd", "pure-ftpd"])
def test_ftp(estate: Estate, name: str) -> None:
    for log in ("/var/log/vsftpd.log", "/var/log/proftpd/proftpd.log"):
        estate.run(f"rm -f {log}; install -m 640 -g adm /dev/null {log}")  # as logrotate leaves it; at first it is root's alone
    with estate.jail(name), estate.serving(name, 21):
        estate.see_cut_off(name, 21, _ATTACKER[name], lambda source: ftp(source, "nobodyhere"), "530")
