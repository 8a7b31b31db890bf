"""bash, zsh and fish at a terminal, or as good as: what they offer when somebody types the beginning of a line and Tab."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from abc import abstractmethod
from pathlib import Path
from typing import Protocol

from manual_bed import MAN, ROOT

MAKE = MAN.parent / "completions" / "make"
_PATIENCE = 20.0  # seconds
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>78]|\x1b\][^\x07]*\x07|[\x00\x07\r]")
_SHOWN = r"\n\074\074%s\076\076\n"  # printf's way to show the line; not as the line that tells it looks at the terminal


class Shell(Protocol):
    @abstractmethod
    def offers(self, line: str) -> set[str]:
        """All words that it offers in the place of the line's last one."""

    @abstractmethod
    def completes(self, line: str) -> str:
        """The line after Tab, where there is but one thing to put in."""


def environment(home: Path) -> dict[str, str]:
    """One in which nfjail is the checkout's."""
    program = home / "bin" / "nfjail"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nfjail "$@"\n')
    program.chmod(0o755)
    return {
        "PATH": f"{program.parent}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), "PYTHONPATH": str(ROOT),
        "LANG": "C.UTF-8", "TERM": "vt100", "INPUTRC": "/dev/null", "XDG_CONFIG_HOME": str(home), "XDG_DATA_HOME": str(home),
    }  # fmt: skip


class Terminal:
    """A shell at a terminal. Its prompt is "READY> "; Ctrl-G shows the line between two marks, as lines of its own."""

    def __init__(self, command: list[str], setup: list[str], home: Path) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", 1000, 200, 0, 0))
        self._fd = ours
        self._shell = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(home) | {"PS1": "READY> "}, cwd=home,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        self._until("READY> ")
        for line in setup:
            self.tell(line)

    def tell(self, line: str) -> None:
        self._write(line + "\n")
        self._until("READY> ")

    def close(self) -> None:
        self._shell.kill()
        self._shell.wait()
        os.close(self._fd)

    def offers(self, line: str) -> set[str]:
        shown, _ = self._tab(line)
        listed = shown.split("\n")[1:-1]  # between the line as it was typed and as it stands below
        return {word for each in listed for word in each.partition(" -- ")[0].split()}

    def completes(self, line: str) -> str:
        return self._tab(line)[1]

    def _tab(self, line: str) -> tuple[str, str]:
        self._write(line + "\t")
        self._write("\x07")
        shown = self._until("<<", ">>")
        before, _, after = shown.rpartition("<<")
        self._write("\x15")
        return before.rstrip("\n"), after.partition(">>")[0]

    def _write(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def _until(self, *marks: str) -> str:
        """What it writes up to these marks, in their order, without what only moves the cursor."""
        read, end = "", time.monotonic() + _PATIENCE
        while True:
            plain, at = _CONTROL.sub("", read), 0
            for mark in marks:
                at = plain.find(mark, at) + 1
                if not at:
                    break
            else:
                return plain
            assert select.select([self._fd], [], [], max(0.0, end - time.monotonic()))[0], f"it is silent after {plain!r}"
            read += os.read(self._fd, 65536).decode(errors="replace")


def bash(made: Path, home: Path) -> Terminal:
    setup = [
        "bind 'set enable-bracketed-paste off'", "bind 'set show-all-if-ambiguous on'", "bind 'set page-completions off'",
        "bind 'set completion-query-items -1'", f"source {made}/nfjail.bash",
        rf"""bind -x '"\C-g": printf "{_SHOWN}" "$READLINE_LINE"'""",
    ]  # fmt: skip
    return Terminal(["bash", "--norc", "--noprofile", "-i"], setup, home)


def bash_with_completion(made: Path, home: Path) -> Terminal:
    """As distributions have it: everything is loaded when it is needed, and sudo completes the command behind it."""
    folder = home / "bash-completion/completions"
    folder.mkdir(parents=True)
    (folder / "nfjail").write_bytes((made / "nfjail.bash").read_bytes())
    it = bash(made, home)
    it.tell("complete -r nfjail; unset -f _nfjail; source /usr/share/bash-completion/bash_completion")
    return it


def zsh(made: Path, home: Path) -> Terminal:
    setup = [
        f"fpath=({made} $fpath); autoload -Uz compinit; compinit -D -u; LISTMAX=10000",
        "unsetopt always_last_prompt list_ambiguous auto_menu prompt_sp prompt_cr beep",
        "zstyle ':completion:*' verbose no",
        f'show() {{ printf "{_SHOWN}" "$BUFFER" }}; zle -N show; bindkey "^G" show',
    ]
    return Terminal(["zsh", "-f", "-i"], setup, home)


class Fish:
    """fish says what it would offer without a terminal."""

    def __init__(self, made: Path, home: Path) -> None:
        self._made, self._home = made, home

    def close(self) -> None:
        """It is gone already."""

    def offers(self, line: str) -> set[str]:
        script = f"source {self._made}/nfjail.fish; complete -C $argv[1]"
        done = subprocess.run(
            ["fish", "--no-config", "-c", script, line], env=environment(self._home), cwd=self._home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_PATIENCE,
        )  # fmt: skip
        assert done.stderr == ""
        return {each.partition("\t")[0] for each in done.stdout.splitlines()}

    def completes(self, line: str) -> str:
        (word,) = self.offers(line)
        return f"{line.rpartition(' ')[0]} {word} "
