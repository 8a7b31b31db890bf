"""Runs iptables, ip6tables and ipset: arguments and text on stdin, never a shell; a refusal is a FirewallError."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence

from nfjail.firewall import FirewallError

TIMEOUT = 30.0  # seconds; a restore of 20,000 rules takes less than one
_SBIN = "/usr/sbin:/sbin"  # where these programs are, and what the PATH of an ordinary user lacks
_LINE = re.compile(r"\bline:? (\d+)")  # how iptables-restore and ipset restore say which line of their input was wrong
_NOISE = ("# Warning", "Try `", "Error occurred at line")


def find(program: str) -> str:
    """The program's full path. Raises FirewallError, naming the package, when it is not installed."""
    folders = (folder for folder in (os.environ.get("PATH"), _SBIN) if folder)  # "" would be the current folder
    path = shutil.which(program, path=os.pathsep.join(folders))
    if path is None:
        package = "ipset" if os.path.basename(program) == "ipset" else "iptables"
        raise FirewallError(f"{program} is not installed", f"install the package {package}")
    return path


def run(argv: Sequence[str], text: str = "") -> str:
    """What the program printed. text is its stdin. Raises FirewallError with its own words and the line it refused."""
    path = find(argv[0])
    environment = {**os.environ, "LC_ALL": "C"}  # messages are compared and quoted, so not in the user's language
    try:
        done = subprocess.run(
            [path, *argv[1:]],
            input=text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        advice = "see what else holds the lock /run/xtables.lock, or whether the machine is overloaded"
        raise FirewallError(f"{argv[0]} did not end within {TIMEOUT:.0f} s", advice) from None
    except OSError as error:
        raise FirewallError(f"{path} cannot be run: {error.strerror}") from error
    if done.returncode != 0:
        raise FirewallError(_refusal(argv[0], done.returncode, done.stderr, text), _advice(done.stderr))
    return done.stdout


def _refusal(program: str, status: int, stderr: str, text: str) -> str:
    words = "; ".join(line.strip() for line in stderr.splitlines() if line.strip() and not line.startswith(_NOISE))
    what = f"{os.path.basename(program)}: {words or f'exit status {status}'}"
    found, lines = _LINE.search(stderr), text.splitlines()
    if found and 0 < int(found[1]) <= len(lines):
        what += f" [{lines[int(found[1]) - 1]}]"
    return what


def _advice(stderr: str) -> str:
    """What to do about the refusals that have one known cause."""
    if "ermission denied" in stderr or "must be root" in stderr or "not permitted" in stderr:
        return "nfjail needs root, or CAP_NET_ADMIN and CAP_NET_RAW"
    if "same name already exists" in stderr:
        return "a set of another kind has this name: remove it (ipset destroy NAME), or set another table"
    return ""
