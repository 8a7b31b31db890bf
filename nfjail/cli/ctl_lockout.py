"""Keeps an administrator from banning the address that they are logged in from."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence

from nfjail.core.model import Subject, parse_address
from nfjail.errors import NfjailError

_VARIABLE = "SSH_CONNECTION"  # sshd(8) sets it for the session: client address, its port, server address, its port


def refuse_lockout(subjects: Sequence[Subject], environment: Mapping[str, str], parent: int) -> None:
    """Raises NfjailError if a ban of subjects would cut an SSH connection that this command hangs on.

    sudo, su and cron drop the variable: so the environments of parent (a process id) and its parents are asked, too.
    """
    for own in own_addresses(environment, parent):
        for subject in subjects:
            # An IPv6 address may be banned with its whole /64, as jails count them.
            if subject.covers(own) or (own.family == 6 and subject.widened(64).covers(own)):
                what = f"your own SSH connection comes from {own}: banning {subject} would cut it"
                raise NfjailError(what, "nothing was banned; add --force if you mean it")


def own_addresses(environment: Mapping[str, str], parent: int) -> Iterator[Subject]:
    """Where the SSH connections come from that this process or one of its parents runs in; tmux may make it several."""
    found = [environment.get(_VARIABLE, "")]
    while parent > 1:
        found.append(_variable_of(parent))
        parent = _parent_of(parent)
    for text in dict.fromkeys(found):
        address = parse_address(text.partition(" ")[0])
        if address is not None:
            yield address


def _variable_of(pid: int) -> str:
    """As it was when that program was started; empty for another user's process, unless we are root."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            variables = file.read().split(b"\0")
    except OSError:
        return ""
    prefix = f"{_VARIABLE}=".encode()
    return next((os.fsdecode(v[len(prefix) :]) for v in variables if v.startswith(prefix)), "")


def _parent_of(pid: int) -> int:
    """The parent's process id; 0 if there is none. proc(5): pid (comm) state ppid ..., and comm may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
