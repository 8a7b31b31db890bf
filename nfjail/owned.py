"""Files that belong to whoever owns their folder: what root makes by hand, the service of another user can go on with."""

from __future__ import annotations

import contextlib
import os


def open_owned(path: str, flags: int) -> int:
    """Opens or makes a file that only its owner may read and write. Raises OSError."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, 0o600)
    if os.geteuid() == 0:
        folder = os.stat(os.path.dirname(path) or ".")
        with contextlib.suppress(OSError):  # a file system without owners
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
    return descriptor
