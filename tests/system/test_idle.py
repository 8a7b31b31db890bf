"""Nothing happens: then the daemon does not even wake up."""

from __future__ import annotations

import re
import time
from pathlib import Path

from tests.system.house import Nfjail, in_bed, log_failures, until

LOG = "/run/house/auth.log"
SETTINGS = f"""
[jail.sshd]
backend = "journal"
[jail.second]
enabled = true
filter = "sshd"
backend = "file"
logpath = ["{LOG}", "/run/house/absent*.log"]
bantime = "1h"
maxretry = 3
[filter.third]
language = "fail2ban"
failregex = ["bad from <HOST>$"]
journalmatch = ["_SYSTEMD_UNIT=third.service"]
[jail.third]
enabled = true
backend = "journal"
[jail.fourth]
enabled = true
backend = "file"
filter = "third"
logpath = ["{LOG}"]
"""


@in_bed("journald.sh")
def test_it_sleeps_until_something_is_logged():
    """Beside journal and files it has a ban that will end, and somebody who is ignored for an hour; and once, a host name
    was looked up."""
    with Nfjail(SETTINGS) as nfjail:
        log_failures(LOG, "192.0.2.1", 3)
        nfjail.hears(r"banned 192\.0\.2\.1")
        with open(LOG, "a") as log:
            log.write("bad from localhost\n")
        nfjail.hears("fourth: the log names localhost")
        nfjail.ctl("ignore", "add", "192.0.2.2", "--for", "1h")
        status = Path(f"/proc/{nfjail.process.pid}/status")

        def wakeups() -> list[int]:
            return [int(count) for count in re.findall(r"ctxt_switches:\s+(\d+)", status.read_text())]

        until(lambda: wakeups() == (time.sleep(0.5), wakeups())[1])
        before = wakeups()
        time.sleep(10)  # the time is what is tested
        assert wakeups() == before
        log_failures(LOG, "192.0.2.3", 3)
        nfjail.hears(r"banned 192\.0\.2\.3")
