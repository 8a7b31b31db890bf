"""fail2ban's configuration at work in nfjail: as `nfjail import` writes it, and as the folder that it is."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from tests.system.house import Nfjail, in_bed, in_kernel, run, until, who

BASE, LOG = Path("/run/fail2ban"), Path("/run/house/shop.log")
FILES = {
    "jail.conf": f"""
[DEFAULT]
bantime = 2s
findtime = 10m
maxretry = 2
action = iptables-multiport[port="%(port)s"]
[shop]
enabled = true
filter = shop[mode=strict]
port = http,https
logpath = {LOG}
[recidive]
enabled = true
filter = recidive
port = 0:65535
bantime = 1w
findtime = 1d
logpath = /run/house/fail2ban.log
[hand]
enabled = true
port = 22
[sshd]
""",
    "filter.d/shop.conf": """
[Definition]
failregex = <re-<mode>>
re-normal = nothing from <HOST>
re-strict = ^ shop: wrong password for <F-USER>\\S+</F-USER> from <HOST>$
datepattern = ^EPOCH
""",
    "filter.d/recidive.conf": """
[Definition]
failregex = ^ fail2ban\\.actions\\s+\\[\\d+\\]: NOTICE\\s+\\[(?!recidive\\])[^]]+\\] Ban <HOST>
datepattern = ^%%Y-%%m-%%d %%H:%%M:%%S(?:,%%f)?
""",
    "action.d/iptables-multiport.conf": "[Definition]\nactionban = iptables\nactionunban = iptables\n",
}


def write() -> None:
    for name, text in FILES.items():
        (BASE / name).parent.mkdir(parents=True, exist_ok=True)
        (BASE / name).write_text(text.lstrip("\n"))


def fail(address: str, times: int) -> None:
    with LOG.open("a") as log:
        log.write(f"{time.time():.0f} shop: wrong password for bob from {address}\n" * times)


def works(nfjail: Nfjail) -> None:
    """Two failures are a ban by shop, two bans are one by recidive, and bans by hand go to the jail that is for them."""
    fail("198.51.100.1", 1)
    fail("198.51.100.2", 2)
    until(lambda: ("shop", "198.51.100.2") in who(in_kernel()))
    until(lambda: ("shop", "198.51.100.2") not in who(in_kernel()))
    assert "recidive" not in {jail for jail, _ in who(in_kernel())}
    fail("198.51.100.2", 2)
    until(lambda: ("recidive", "198.51.100.2") in who(in_kernel()))
    nfjail.ctl("ban", "198.51.100.3", "--jail", "hand")
    assert ("hand", "198.51.100.3") in who(in_kernel())
    assert not [ban for ban in nfjail.list() if ban["address"] == "198.51.100.1"]
    assert "sshd" not in [line.split()[0] for line in nfjail.ctl("status").splitlines() if line.strip()]


@in_bed("sshd.sh")
def test_what_import_writes_runs():
    write()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.touch()
    nfjail = Nfjail("")
    said = run(sys.executable, "-m", "nfjail", "import", str(BASE), "-o", str(nfjail.folder / "etc"))
    assert "3 of 3 jails carried over" in said
    with nfjail:
        works(nfjail)


@in_bed("sshd.sh")
def test_the_folder_itself_runs():
    write()
    LOG.parent.mkdir(parents=True, exist_ok=True)
    LOG.touch()
    with Nfjail(f"fail2ban = '{BASE}'\n") as nfjail:
        works(nfjail)
        (BASE / "filter.d/shop.conf").write_text("[Definition]\nfailregex = (<HOST>\n")
        told = nfjail.ctl("reload", status=1)
        assert f"{BASE}/filter.d/shop.conf:2: failregex '(<HOST>': missing ), unterminated subpattern" in told
        fail("198.51.100.4", 2)
        until(lambda: ("shop", "198.51.100.4") in who(in_kernel()))
