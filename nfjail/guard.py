"""Notices when somebody else changes nfjail's table, says who it was, and asks for repair."""

from __future__ import annotations

import logging
import selectors

from nfjail.firewall.monitor import Monitor

log = logging.getLogger("nfjail")

_AT_ONCE = 5  # repairs without a pause; somebody who keeps deleting in a loop is answered once a second
_PAUSE = 1.0  # seconds


class Guard:
    """Watches the ruleset through a monitor; without one (iptables only) it has nothing to do."""

    def __init__(self, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._monitor: Monitor | None = None
        self._wanted_since: float | None = None  # a repair is wanted since then
        self._credit = float(_AT_ONCE)
        self._last = 0.0

    def watch(self, monitor: Monitor | None) -> None:
        """From now on it listens to this one. The same one again, or none, changes nothing."""
        if monitor is None or monitor is self._monitor:
            return
        self._monitor = monitor
        self._selector.register(monitor, selectors.EVENT_READ, self._read)

    def _read(self, _mask: int, now: float) -> None:
        if self._monitor is None:
            return
        for change in self._monitor.read():
            who = f"{change.command} (pid {change.pid})" if change.pid else "somebody"
            log.error("%s changed nfjail's table (%s): repairing it", who, change.what)
            self._wanted_since = self._wanted_since or now

    def due(self) -> float | None:
        """When the repair shall be made; None: nothing is broken."""
        if self._wanted_since is None:
            return None
        return self._wanted_since if self._credit >= 1 else self._last + _PAUSE

    def repair_due(self, now: float) -> bool:
        """Whether to repair now."""
        due = self.due()
        if due is None or now < due:
            return False
        self._credit = min(self._credit + (now - self._last) / _PAUSE, float(_AT_ONCE)) - 1
        self._last = now
        self._wanted_since = None
        return True

    def close(self) -> None:
        if self._monitor is not None:
            self._selector.unregister(self._monitor)
            self._monitor.close()
