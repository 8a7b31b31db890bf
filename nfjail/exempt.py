"""Who must not be banned now: own addresses, names in ignoreip, `ctl ignore add`; and word of when that changes."""

from __future__ import annotations

import selectors
from collections.abc import Iterable

from nfjail.addresses import AddressWatch, own_addresses
from nfjail.assembly import Ignored
from nfjail.names import Names
from nfjail.store import Store


class Exempt:
    """Changes are noticed through the selector and collected; the daemon asks changed() once a turn."""

    def __init__(self, store: Store, selector: selectors.BaseSelector) -> None:
        self._store = store
        self._selector = selector
        self._watch = AddressWatch()
        self._names = Names()
        self._own = tuple(own_addresses())
        self._added = store.ignored()
        self._touched = False
        selector.register(self._watch, selectors.EVENT_READ, self._addresses_changed)
        selector.register(self._names, selectors.EVENT_READ, self._names_changed)

    def now(self) -> Ignored:
        """Who is exempt at the moment."""
        return Ignored(self._own, self._names.known, tuple(subject for subject, _, _ in self._added))

    def want_names(self, names: Iterable[str], now: float) -> None:
        """Which host names stand in ignoreip lists."""
        self._names.want(names, now)

    def touch(self) -> None:
        """Something was added to the store's list or taken away."""
        self._added = self._store.ignored()
        self._touched = True

    def due(self) -> float | None:
        """When changed() will have something to do by itself; None: never."""
        ends = [until for _, until, _ in self._added if until is not None]
        lookup = self._names.due()
        return min(ends if lookup is None else [*ends, lookup], default=None)

    def changed(self, now: float) -> bool:
        """Whether somebody else is exempt than at the last call. Ends what is over, and looks names up in time."""
        self._names.run(now)
        for subject, until, _ in self._added:
            if until is not None and until <= now:
                self._store.ignore_delete(subject)
                self.touch()
        touched, self._touched = self._touched, False
        return touched

    def close(self) -> None:
        for source in (self._watch, self._names):
            self._selector.unregister(source)
            source.close()

    def _addresses_changed(self, _mask: int, _now: float) -> None:
        self._watch.drain()
        own = tuple(own_addresses())
        self._touched |= own != self._own
        self._own = own

    def _names_changed(self, _mask: int, _now: float) -> None:
        self._names.drain()
        self._touched = True
