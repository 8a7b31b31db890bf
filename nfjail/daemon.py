"""The daemon: the only event loop, and the only one to ask the clock. It puts parts together and decides nothing."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import random
import selectors
import signal
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from nfjail.assembly import settings_of
from nfjail.config import Config, JailConfig, load
from nfjail.control import Control
from nfjail.core.model import Ban, Decision
from nfjail.core.policy import Policy
from nfjail.desk import Answers
from nfjail.engine import Counted, Engine
from nfjail.errors import NfjailError
from nfjail.exempt import Exempt
from nfjail.fail2ban_log import Fail2banLog
from nfjail.firewall.choice import Firewalls
from nfjail.guard import Guard
from nfjail.intake import Reading
from nfjail.log import set_up_log
from nfjail.notify import notify, watchdog_interval
from nfjail.regime import Regime
from nfjail.store import Store, StoreDamaged
from nfjail.tell import ban_event, ban_sentence, failure_event, failure_sentence

log = logging.getLogger("nfjail")

_SAVE_AFTER = 10.0  # seconds that a position may be behind while nothing is banned: that much would be read again
_RETRY_AFTER = 5.0  # seconds until a store or firewall in trouble is tried again
_PURGE_EVERY = 3600.0  # seconds between two looks for old history; only while there is work anyway


class Options(NamedTuple):
    """What `nfjail run` was called with."""

    config: str | None
    state: str
    runtime: str
    verbose: bool


def run(options: Options) -> int:
    """Runs until told to stop by SIGTERM or SIGINT. Raises NfjailError when it cannot start."""
    set_up_log(sys.stderr, options.verbose)
    gc.set_threshold(50_000, 20, 50)  # failures and bans hold no cycles: look for some less often
    config = _load(options)
    with contextlib.ExitStack() as stack:
        Daemon(options, config, stack).loop()
    return 0


class Daemon:
    """Everything that runs. Its public names are what the control socket's desk asks for."""

    def __init__(self, options: Options, config: Config, stack: contextlib.ExitStack) -> None:
        now = time.time()
        self.options = options
        self.started = now
        self._stopping = self._reload_wanted = False
        self._saved_at = self._retried_at = self._purged_at = self._alive_at = now
        self._watchdog = watchdog_interval()
        self._selector = selectors.DefaultSelector()
        self.fail2ban_log = Fail2banLog(config.fail2ban_log or "")
        stack.callback(self.fail2ban_log.close)
        self._intake_fds: list[int] = []
        self._catch_signals()
        self.store = _open_store(options.state, now)
        stack.callback(self.store.close)
        self.firewalls = Firewalls(settings_of(config))
        self.engine = Engine(self.store, self.firewalls, random.random)
        self.exempt = Exempt(self.store, self._selector)
        stack.callback(self.exempt.close)
        self._guard = Guard(self._selector)
        stack.callback(self._guard.close)
        self.control = Control(options.runtime, Answers(self), self._selector)
        stack.callback(self.control.close)
        self._regime = Regime(config, self.engine, self.store, self.firewalls, self.exempt)
        self._regime.start(now)
        stack.callback(self._regime.close)
        stack.callback(lambda: self.engine.save(time.time()))
        self._watch_all()
        restored = ((name, subject) for name, jail in self.engine.jails.items() for subject in jail.banned)
        self.fail2ban_log.started(restored, self.sources, now)
        notify("READY=1", f"STATUS={self._status_line()}")

    @property
    def config(self) -> Config:
        """What is in force."""
        return self._regime.config

    @property
    def sources(self) -> Mapping[str, list[str]]:
        """What each jail watches, for people."""
        return self._regime.intake.sources

    def _status_line(self) -> str:
        banned = sum(len(jail.banned) for jail in self.engine.jails.values())
        return f"{len(self.sources)} jails, {banned} addresses banned"

    def _watch_all(self) -> None:
        """Follows the descriptors of sources and firewall, which change when these are made anew."""
        self._guard.watch(self.firewalls.monitor)
        for number in self._intake_fds:
            with contextlib.suppress(KeyError, ValueError, OSError):  # closed ones leave epoll by themselves
                self._selector.unregister(number)
        self._intake_fds = self._regime.intake.filenos()
        for number in self._intake_fds:
            # Readable or not, _turn() reads all sources: they also have something after a while, unasked.
            self._selector.register(number, selectors.EVENT_READ, lambda _mask, _now: None)

    def _catch_signals(self) -> None:
        wake_read, wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
        self._selector.register(wake_read, selectors.EVENT_READ, lambda _mask, _now: os.read(wake_read, 4096))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        signal.signal(signal.SIGHUP, self._want_reload)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _want_reload(self, *_: object) -> None:
        self._reload_wanted = True

    # The loop

    def loop(self) -> None:
        """Until stopped: wait, then do all that is due."""
        while not self._stopping:
            ready = self._selector.select(self._timeout())
            now = time.time()
            try:
                for key, mask in ready:
                    key.data(mask, now)
                self._turn(now)
            except StoreDamaged as error:
                log.error("%s", error)
                with contextlib.suppress(NfjailError):  # a full disk: whoever needs the store next comes here again
                    self.engine.mend_store(now)
            except NfjailError as error:
                log.error("%s", error)
            except Exception:
                log.exception("a bug in nfjail; please report it. Going on")
                time.sleep(0.1)  # whatever it is, it must not become a busy loop
            self.fail2ban_log.flush()
        self.fail2ban_log.stopped(self.sources, time.time())
        notify("STOPPING=1")

    def _turn(self, now: float) -> None:
        self._read(now)
        ended = self.engine.expire(now)
        if ended:
            self.decide(ended, now)
        self.ignore_anew(now)
        if self._guard.repair_due(now):
            self.engine.sync(now)
        if self._reload_wanted:
            self._reload_wanted = False
            with contextlib.suppress(NfjailError):  # it has been said
                self.reload(now)
        if self.engine.trouble and now - self._retried_at >= _RETRY_AFTER:
            self._retried_at = now
            self.engine.retry(now)
        if now - self._purged_at >= _PURGE_EVERY and not self._regime.intake.more:
            self._purge(now)
        if self._watchdog and now - self._alive_at >= self._watchdog:
            self._alive_at = now
            notify("WATCHDOG=1", f"STATUS={self._status_line()}")

    def _purge(self, now: float) -> None:
        """Forgets a piece of old history; the next turn, whenever that is, goes on if there is more."""
        if "store" in self.engine.trouble or not self.store.purge(now - self._regime.config.dbpurgeage):
            self._purged_at = now

    def _read(self, now: float) -> None:
        intake = self._regime.intake
        try:
            with contextlib.closing(self._regime.read(now)) as readings:
                for reading in readings:
                    self._digest(reading, now)
        finally:
            if self._regime.intake is not intake or intake.filenos() != self._intake_fds:
                self._watch_all()

    def _digest(self, reading: Reading, now: float) -> None:
        source, position, replayed, sightings = reading
        if position is not None and not replayed:
            self.engine.positions[source] = position
        heard = self.options.verbose or self.control.watched or bool(self.fail2ban_log.path)
        decisions = self.engine.digest(sightings, replayed, (lambda one: self._tell_failure(one, now)) if heard else None)
        if decisions:
            self.decide(decisions, now)
        elif position is not None and now - self._saved_at >= _SAVE_AFTER:
            self.engine.save(now)
        else:
            return
        self._saved_at = now

    def _timeout(self) -> float | None:
        """Seconds until something is due; None: only when a descriptor says so."""
        if self._regime.intake.more or self._reload_wanted or self._stopping:
            return 0.0
        now = time.time()
        dues = [self.engine.next_end(), self.exempt.due(), self._guard.due()]
        if self.engine.trouble:
            dues.append(self._retried_at + _RETRY_AFTER)
        if self._watchdog:
            dues.append(self._alive_at + self._watchdog)
        waits = [max(due - now, 0.0) for due in dues if due is not None]
        intake = self._regime.intake.wait(now)
        return min(waits if intake is None else [*waits, intake], default=None)

    # What the loop and the desk have done

    def decide(self, decisions: Sequence[Decision], now: float, again: Collection[Decision] = ()) -> None:
        """Carries decisions out, and tells those who want to know. again: bans of those who were banned already."""
        self.engine.carry_out(decisions, now)
        bantimes = {name: jail.rules.policy.bantime for name, jail in self.engine.jails.items()}
        self.fail2ban_log.decisions(decisions, bantimes, again, now)
        for decision in decisions:
            log.log(logging.WARNING if isinstance(decision, Ban) else logging.INFO, "%s", ban_sentence(decision))
            self.control.publish(ban_event(decision), now)

    def _tell_failure(self, counted: Counted, now: float) -> None:
        log.info("%s", failure_sentence(counted))
        self.fail2ban_log.failure(counted, now)
        self.control.publish(failure_event(counted), now)

    def ignore_anew(self, now: float) -> None:
        """If somebody else is exempt by now, jails and kernel learn it."""
        if self.exempt.changed(now):
            self._regime.ignore_anew(now)
            self._free_ignored(now)

    def _free_ignored(self, now: float) -> None:
        freed = self.engine.free_ignored(now)
        if freed:
            self.decide(freed, now)
        self.engine.sync(now)

    def change(self, jail: JailConfig, now: float) -> None:
        """Puts other settings of a jail in force, until the next reload."""
        jails = tuple(jail if one.name == jail.name else one for one in self.config.jails)
        self._regime.config = replace(self.config, jails=jails)
        held = self.engine.jails[jail.name]
        policy = Policy(jail.bantime, jail.increment)
        held.rules = held.rules._replace(
            policy=policy, maxretry=jail.maxretry, findtime=jail.findtime, maxmatches=jail.maxmatches
        )
        held.window.maxretry, held.window.findtime = jail.maxretry, jail.findtime
        self.exempt.touch()
        self.ignore_anew(now)

    def reload(self, now: float) -> list[str]:
        """Reads the configuration anew; returns the enabled jails. Raises NfjailError if it is not good: all stays."""
        notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        before = list(self.sources)
        try:
            self._regime.reload(_load(self.options), now)
            self._watch_all()
            self.fail2ban_log.use(self.config.fail2ban_log or "")
            self.fail2ban_log.reloaded(before, list(self.sources), now)
            self._free_ignored(now)
        except NfjailError as error:
            log.error("not reloaded, everything stays as it was: %s", error)
            raise
        finally:
            notify("READY=1", f"STATUS={self._status_line()}")
        return sorted(self.sources)


def _load(options: Options) -> Config:
    return load(options.config, runtime=os.path.join(options.runtime, "conf.d"), some=True)


def _open_store(state: str, now: float) -> Store:
    try:
        os.makedirs(state, mode=0o700, exist_ok=True)
    except OSError as error:
        raise NfjailError(f"{state}: {error.strerror}", "give another folder with --state, or run as root") from None
    return Store.open(os.path.join(state, "nfjail.db"), now)
