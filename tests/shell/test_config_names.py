"""The names that nfjail takes for tables and jails are names to nft as well."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

from nfjail.config.names import jail_trouble, table_trouble


def _words_of_nft() -> set[str]:
    """The words of nft's language, as this machine's library has them in its table of tokens."""
    ctypes.CDLL("libnftables.so.1")
    loaded = re.search(r"/\S*/libnftables\.so\S*", Path("/proc/self/maps").read_text())
    assert loaded
    return {word.decode() for word in re.findall(rb'\0"([a-z][a-z0-9-]*)"', Path(loaded[0]).read_bytes())}


def _refused(commands: list[str]) -> list[str]:
    """What nft says about them. Only parsed and checked, in a network namespace of its own."""
    text = "add table inet nfjail\n" + "\n".join(commands) + "\n"
    command = ["unshare", "-n", "nft", "-c", "-f", "-"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    return [line for line in done.stderr.splitlines() if "Error" in line]


def test_there_are_words_of_nft_to_try() -> None:
    assert {"table", "counter", "drop"} <= _words_of_nft()
    assert len(_refused(["add chain inet nfjail drop"])) == 1


def test_a_jail_never_has_a_name_that_nft_refuses() -> None:
    names = sorted(word for word in _words_of_nft() if jail_trouble(word) is None)
    assert _refused([f"add chain inet nfjail {name}" for name in names]) == []


def test_the_table_never_has_a_name_that_nft_refuses() -> None:
    names = sorted(word for word in _words_of_nft() if table_trouble(word) is None)
    assert _refused([f"add table inet {name}" for name in names]) == []
