"""A machine made of a folder and of programs' answers, for the tests of nfjail doctor, and a configuration for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from nfjail.config import Config, load
from nfjail.doctor import Finding
from nfjail.doctor.machine import Answer, Machine

NOW = 1_795_392_000.0  # 2026-11-23T00:00:00Z

SHIPPED = r"""
[jail.app]
enabled = true
backend = "journal"
[filter.app]
identifier = ["app"]
journalmatch = ["_SYSTEMD_UNIT=app.service"]
failregex = ['^failed from <HOST>$']

[jail.ssh]
backend = "journal"
logpath = ["/var/log/auth.log"]
[filter.ssh]
journalmatch = ["_SYSTEMD_UNIT=ssh.service _UID=0", "_COMM=sshd _UID=0"]
failregex = ['^failed from <HOST>$']

[jail.web]
backend = "file"
logpath = ["/var/log/web/*.log"]
[filter.web]
journalmatch = ["_SYSTEMD_UNIT=web.service"]
datepattern = ['^%Y/%m/%d %H:%M:%S ']
failregex = ['^failed from <HOST>$']

[jail.old]
backend = "file"
logpath = ["/var/log/old.log"]
[filter.old]
language = "fail2ban"
datepattern = ['^%Y-%m-%d %H:%M:%S']
failregex = ['^ failed from <HOST>$']

[jail.plain]
backend = "file"
logpath = ["/var/log/plain.log"]
[filter.plain]
failregex = ['^failed from <HOST>$']
"""


def config(folder: Path, text: str = "") -> Config:
    """SHIPPED, and text as the administrator's own."""
    for name, content in (("vendor", SHIPPED), ("etc/conf.d", text)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "it.toml").write_text(content)
    return load(str(folder / "etc"), vendor=str(folder / "vendor"), runtime=str(folder / "run"))


def on(*names: str) -> str:
    """These jails of SHIPPED switched on, and no others."""
    return "".join(f"[jail.{name}]\nenabled = {str(name in names).lower()}\n" for name in dict.fromkeys(("app", *names)))


class World:
    """files: path -> text (None: a folder). answers: beginning of a command line -> what it prints."""

    def __init__(self, root: Path, files: Mapping[str, str | None] = {}, answers: Mapping[str, str] = {}) -> None:
        self.root = root
        self.answers = dict(answers)
        self.asked: list[str] = []
        for path, text in files.items():
            self.write(path, text)

    def write(self, path: str, text: str | None, mtime: float = NOW) -> Path:
        file = self.root / path.lstrip("/")
        if text is None:
            file.mkdir(parents=True, exist_ok=True)
            return file
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        os.utime(file, (mtime, mtime))
        return file

    def process(self, name: str, pid: int) -> None:
        self.write(f"/proc/{pid}/comm", f"{name}\n")

    def run(self, argv: Sequence[str]) -> Answer | None:
        """The answer whose command fits best; a text that begins with "!" is said on stderr, with exit status 1."""
        line = " ".join(argv)
        self.asked.append(line)
        fitting = [command for command in self.answers if line.startswith(command)]
        if not fitting:
            return None
        text = self.answers[max(fitting, key=len)]
        return Answer(1, "", text[1:]) if text.startswith("!") else Answer(0, text, "")

    def machine(self, uid: int = 0) -> Machine:
        return Machine(NOW, str(self.root), uid, self.run)


def only(found: Iterable[Finding], key: str) -> Finding:
    """The one finding with that key."""
    all_of_it = list(found)
    wanted = [one for one in all_of_it if one.key == key]
    assert len(wanted) == 1, all_of_it
    return wanted[0]


def keys(found: Iterable[Finding]) -> list[str]:
    return [one.key for one in found]
