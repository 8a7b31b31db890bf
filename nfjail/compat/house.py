"""The running nfjail as fail2ban's commands see it: jails with their figures, settings and bans."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from typing import Any, NamedTuple

from nfjail.cli.ctl_client import Client
from nfjail.compat.error import no_such_jail, refused
from nfjail.core.jail import MANUAL
from nfjail.errors import NfjailError

Info = Mapping[str, Any]  # a struct of interface.py

#: what reads the logs, in fail2ban's words
BACKENDS = {"journal": "systemd", "file": "pyinotify"}


class Held(NamedTuple):
    """A ban in force."""

    address: str
    since: float
    until: float | None  # None: for ever


class House:
    """A connection to the daemon. Its methods raise CommandError for what the daemon refuses."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        try:
            return self._client.call(method, **parameters)
        except NfjailError as error:
            raise refused(error) from None

    def jails(self) -> dict[str, Info]:
        """The figures of each jail; the one for bans by hand only while it holds some: fail2ban has none such."""
        found = self.ask("Status")["jails"]
        return {one["name"]: one for one in found if one["name"] != MANUAL or one["banned"]}

    def figures(self, name: str) -> Info:
        """Those of one jail."""
        found = {one["name"]: one for one in self.ask("Status")["jails"]}
        if name not in found:
            raise no_such_jail(name)
        figures: Info = found[name]
        return figures

    def settings(self, name: str) -> Info:
        """Those in force of one jail."""
        self.figures(name)
        found: Info = self.ask("Settings", jail=name)["jails"][0]
        return found

    def change(self, name: str, **values: Any) -> Info:
        """Sets them until the next reload; the settings that are then in force."""
        self.figures(name)
        found: Info = self.ask("Set", jail=name, **values)["settings"]
        return found

    def sources(self, name: str) -> tuple[bool, list[str]]:
        """Whether it reads the journal; and for that its matches, else the files that are there."""
        if name == MANUAL:
            return False, []
        settings = self.settings(name)
        if settings["backend"] == "journal":
            return True, settings["journalmatch"]
        return False, [path for one in settings["logpath"] for path in sorted(glob.glob(one))]

    def bans(self, name: str) -> list[Held]:
        """In the order of their ends."""
        bans = [reply["ban"] for reply in self._stream("List", name) if reply.get("ban")]
        held = (Held(ban["address"], ban["since"], ban["until"]) for ban in bans)
        return sorted(held, key=lambda ban: float("inf") if ban.until is None else ban.until)

    def banned(self, name: str, *, by_end: bool = False) -> list[str]:
        """Who, in the order of the bans or of their ends. Much quicker than bans()."""
        replies = self._stream("Addresses", name, by_end=by_end)
        return [address for reply in replies for address in reply.get("addresses", ())]

    def _stream(self, method: str, jail: str, **parameters: Any) -> list[dict[str, Any]]:
        self.figures(jail)
        try:
            return list(self._client.stream(method, jail=jail, **parameters))
        except NfjailError as error:
            raise refused(error) from None
