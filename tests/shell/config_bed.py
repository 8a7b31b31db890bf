"""Folders with configuration files, and what nfjail makes of them."""

from __future__ import annotations

from pathlib import Path

from nfjail.config import Config, ConfigError, load

VENDOR = """
[filter.demo]
identifier = ["demo"]
journalmatch = ["_SYSTEMD_UNIT=demo.service"]
failregex = ['^failure from <HOST>$']

[filter.demo.mode.aggressive]
failregex = ['^bad request from <HOST>$']

[jail.demo]
enabled = true
"""


class Bed:
    """The three folders of configuration, under tmp_path."""

    def __init__(self, tmp_path: Path) -> None:
        self.vendor, self.runtime, self.etc = tmp_path / "vendor", tmp_path / "run", tmp_path / "etc"
        self.local = self.etc / "conf.d"
        for folder in (self.vendor, self.runtime, self.local):
            folder.mkdir(parents=True)

    def load(self, local: str | None = None, check_all: bool = False) -> Config:
        """The configuration; local: the text of etc/conf.d/x.toml."""
        if local is not None:
            (self.local / "x.toml").write_text(local)
        return load(str(self.etc), vendor=str(self.vendor), runtime=str(self.runtime), check_all=check_all)

    def problems(self, local: str | None = None, check_all: bool = True) -> list[str]:
        """What is said about it, a line each, without the folders in front."""
        try:
            self.load(local, check_all)
        except ConfigError as error:
            text = str(error).replace(f"move it to {self.local}", "move it to etc/conf.d")
            return text.replace(f"{self.local}/", "").replace(f"{self.etc.parent}/", "").splitlines()
        return []
