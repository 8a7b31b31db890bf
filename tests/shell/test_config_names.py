"""The names that nfjail takes for tables and jails are names to nft as well."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

from config_bed import Bed

from nfjail.config.names import jail_trouble, table_trouble
from nfjail.firewall.nft_text import key_of


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


def test_a_jail_can_have_any_word_of_nft_for_a_name_and_begin_with_a_digit(tmp_path: Path) -> None:
    """What nft would not take as the name of a chain gets a _ before it in the kernel."""
    words = sorted(word for word in _words_of_nft() if jail_trouble(word) is None)
    assert {"tcp", "drop", "flush"} <= set(words)
    names = [*words, "3proxy", "0", "x" * 64]
    jails = "".join(f"[jail.{name}]\nenabled = true\nfilter = ''\n" for name in names)
    assert {jail.name for jail in Bed(tmp_path).load(jails).enabled} == set(names)
    assert _refused([f"add chain inet nfjail {key_of(name, reserved=True)}" for name in names]) == []


def test_the_table_never_has_a_name_that_nft_refuses() -> None:
    names = sorted(word for word in _words_of_nft() if table_trouble(word) is None)
    assert _refused([f"add table inet {name}" for name in names]) == []
