"""The configuration in force: its jails, the firewall's part of it, its sources; and how another one takes over."""

from __future__ import annotations

import contextlib
import gc
import logging
from collections.abc import Generator

from nfjail.assembly import (
    banactions,
    ignore_lists,
    ignored_by_all,
    longest_findtime,
    make_gates,
    make_jails,
    settings_of,
)
from nfjail.config import Config
from nfjail.core.duration import format_duration
from nfjail.core.jail import Jail
from nfjail.counsel import Counsel
from nfjail.engine import Engine
from nfjail.errors import NfjailError
from nfjail.exempt import Exempt
from nfjail.firewall.choice import Firewalls
from nfjail.intake import Intake, Reading
from nfjail.store import Store, StoreError

log = logging.getLogger("nfjail")

_KINDS = "firewalls"  # which ones were in use, kept among the logs' positions: changed with them, needed with them


class Regime:
    """start() first. Everything it is asked to change is either changed as a whole, or stays."""

    def __init__(self, config: Config, engine: Engine, store: Store, firewalls: Firewalls, exempt: Exempt) -> None:
        self._counsel = Counsel()
        self.config = config
        self._engine = engine
        self._store = store
        self._firewalls = firewalls
        self._exempt = exempt
        self.intake: Intake

    def start(self, now: float) -> None:
        """From the store to the kernel to the logs: whoever was banned before stays banned all the time."""
        jails = make_jails(self.config, self._exempt.now())
        chosen = self._firewalls.choose(banactions(self.config))
        self._engine.replace_jails(jails)
        self._use(self.config, now)
        self._restore(now)
        self._engine.sync(now)
        self._engine.positions |= self._store.positions()
        self._clear_left()
        self.intake = Intake(self.config, jails, self._counsel, self._engine.positions, now, replay=True)
        self._say_what_is_watched(chosen)
        gc.collect()
        gc.freeze()  # what is here now stays: no need to look through it again and again

    def _clear_left(self) -> None:
        """Rules in a firewall that is not in use any more; what cannot be removed is tried again at the next start."""
        before, kinds = self._engine.positions.get(_KINDS, ""), self._firewalls.kinds()
        try:
            self._firewalls.clear_left(before)
        except NfjailError as error:
            log.error("what was banned before with another banaction stays there: %s", error)
            kinds = " ".join(sorted({*before.split(), *kinds.split()}))
        self._engine.positions[_KINDS] = kinds

    def _restore(self, now: float) -> None:
        """The bans that the store holds, and if it was lost, those that the kernel holds."""
        if self._store.recovered:
            log.error("%s", self._store.recovered)
        if self._store.fresh:
            self._adopt(now)
        try:
            self._store.end_expired(now)
        except StoreError as error:  # a full disk: they end in the engine, and in the store when there is room
            log.error("%s; going on with what is stored", error)
        jails = self._engine.jails
        for name, subject, ended in self._store.ended_since(now - 2 * longest_findtime(jails.values())):
            if name in jails:
                jails[name].end(subject, ended)
        self._engine.restore(self._store.live())

    def _adopt(self, now: float) -> None:
        """The bans of a store that is lost live on in the kernel's sets."""
        with contextlib.suppress(NfjailError):
            found = [ban for ban in self._firewalls.adopt(now) if ban.jail in self._engine.jails]
            if found:
                self._store.commit(found, {}, now)
                log.warning("took over %d bans that were in the kernel but not in the store", len(found))

    def _use(self, config: Config, now: float) -> None:
        """The firewall's part of a configuration, to be followed by a sync."""
        self.config = config
        self._firewalls.configure(make_gates(config), ignored_by_all(config, self._exempt.now()))
        self._exempt.want_names((name for jail in config.enabled for name in jail.ignore_names), now)

    def reload(self, config: Config, now: float) -> None:
        """Puts another configuration in force. Raises NfjailError if that cannot be done: then nothing has changed."""
        if settings_of(config) != settings_of(self.config):
            raise NfjailError("table or firewall settings have changed", "restart nfjail for these; bans are kept")
        jails = make_jails(config, self._exempt.now())
        intake = Intake(config, jails, self._counsel, self._engine.positions, now, replay=False)
        try:
            chosen = self._firewalls.choose(banactions(config))
        except NfjailError:
            intake.close()
            raise
        self.intake.close()
        self.intake = intake
        self._swap(config, jails, now)
        self._say_what_is_watched(chosen)

    def _swap(self, config: Config, jails: dict[str, Jail], now: float) -> None:
        new = self._engine.replace_jails(jails)
        self._use(config, now)
        if new:  # a jail that was away for a while finds its bans again
            self._engine.restore(ban for ban in self._store.live() if ban.jail in new)
        self._engine.positions[_KINDS] = self._firewalls.kinds()

    def ignore_anew(self, now: float) -> None:
        """Somebody else is exempt now: jails and firewall learn it. free_ignored() and a sync are to follow."""
        for name, ignore in ignore_lists(self.config, self._exempt.now()).items():
            self._engine.jails[name].ignore = ignore
        self._use(self.config, now)

    def read(self, now: float) -> Generator[Reading, None, None]:
        """What is new. When whoever takes it breaks off, the next call goes on behind what was taken."""
        try:
            yield from self.intake.read(now)
        except GeneratorExit:
            # The sources have given more than was taken: open them anew where the engine stands.
            self.intake.close()
            positions = self._engine.positions
            self.intake = Intake(self.config, self._engine.jails, self._counsel, positions, now, replay=False)
            raise

    def _say_what_is_watched(self, banactions: set[str]) -> None:
        log.warning("bans go to %s, table %s", " and ".join(sorted(banactions)), self.config.table)
        for note in self.config.notes:
            log.warning("%s", note)
        for name, watched in self.intake.sources.items():
            rules = self._engine.jails[name].rules
            what = ", ".join(watched)
            span = format_duration(rules.findtime)
            log.warning("%s: watching %s: a ban after %d failures in %s", name, what, rules.maxretry, span)
        if not self.intake.sources:
            log.warning("no jail is enabled: only bans by hand (nfjail ctl ban ADDRESS)")

    def close(self) -> None:
        self.intake.close()
        self._counsel.close()
