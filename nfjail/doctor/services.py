"""Which services are on this machine, whether their jails are on, and the line that switches each on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nfjail.assembly import source_of
from nfjail.config import Config, JailConfig
from nfjail.config.toml import joined
from nfjail.doctor import LOCAL, SERVICES, Finding, listed, note, ok, plural, setting
from nfjail.presence import can_tell

#: what of a jail's service is on this machine, "ssh.service" or "/var/log/vsftpd.log"; None: nothing
Present = Callable[[JailConfig], "str | None"]


def services(config: Config, present: Present) -> Iterator[Finding]:
    """A finding for each jail that is on, and one for each service that is here with jails that are off."""
    absent: list[str] = []
    unknown: list[str] = []
    off: dict[str, list[JailConfig]] = {}
    for jail in config.jails:
        found = present(jail)
        if jail.works:
            yield _on(jail, found, source_of(jail, config.journal_path))
        elif found is None:
            (absent if can_tell(jail) else unknown).append(jail.name)
        else:
            off.setdefault(found, []).append(jail)
    for found, jails in off.items():
        yield _off(found, jails, any(present(jail) == found for jail in config.enabled))
    if absent:
        what = f"{plural(len(absent), 'jail')} more would be there, for services that are not on this machine"
        yield ok(SERVICES, "service-absent", f"{what}: {listed(absent)}")
    if unknown:
        what = f"off, and for no unit or log by which it could be told whether they are needed: {listed(unknown, 40)}"
        yield ok(SERVICES, "service-unknown", what)
    if not config.enabled:
        yield note(SERVICES, "no-jail", "no jail is on: nobody is ever banned, but by hand")


def _on(jail: JailConfig, found: str | None, source: str) -> Finding:
    reads = {"journal": "the journal", "file": "log files"}.get(source, "what the other jails have done")
    if found is None and (jail.journalmatch or jail.logpath):
        what = f"the jail {jail.name} is on, but nothing of its service was found here (it reads {reads})"
        advice = setting(joined("jail", jail.name), "enabled = false")
        return note(SERVICES, "service-missing", what, "if there is no such service,", *advice)
    return ok(SERVICES, "jail-on", f"{jail.name} is on{f', for {found}' if found else ''}; it reads {reads}")


def _off(found: str, jails: list[JailConfig], some_on: bool) -> Finding:
    names = listed([jail.name for jail in jails], 40)
    what = f"{found} is here; it also has jails that are off: {names}" if some_on else f"{found} is here, and not protected"
    more = "" if some_on or len(jails) == 1 else f" (its jails: {names})"
    lines = [line for jail in jails for line in (f"[{joined('jail', jail.name)}]", "enabled = true")]
    return note(SERVICES, "jail-off", what + more, f"in {LOCAL}:", *lines)

