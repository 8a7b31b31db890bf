"""Whatever is done in whatever order, the store holds what a dict would: one live ban of a subject in a jail."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from store_bed import NOW, number

from nfjail.core.model import Ban, Decision, Subject, Unban, parse_subject
from nfjail.store import Store

JAILS = st.sampled_from(["sshd", "nginx"])
SUBJECTS = st.sampled_from([parse_subject(text) for text in (number(1), number(2), "10.0.0.0/24", "2001:db8::/64")])
TIMES = st.integers(0, 50).map(lambda n: NOW + n)
PLAIN = {"origin": st.just("filter"), "reason": st.just(""), "evidence": st.just(())}
BANS = st.builds(Ban, JAILS, SUBJECTS, TIMES, st.none() | TIMES, st.integers(1, 5), **PLAIN)
UNBANS = st.builds(Unban, JAILS, SUBJECTS, TIMES, st.sampled_from(["expired", "by hand"]))


class StoreMachine(RuleBasedStateMachine):
    """The store and its model side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.mkdtemp(prefix="nfjail-store-")
        self.store = Store.open(f"{self.folder}/nfjail.db", NOW)
        self.live: dict[tuple[str, Subject], Ban] = {}
        self.past: list[tuple[Ban, float, str]] = []
        self.positions: dict[str, str] = {}

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    def end(self, key: tuple[str, Subject], at: float, why: str) -> None:
        if key in self.live:
            ended = self.live.pop(key)
            self.past.append((ended, max(ended.since, at), why))

    @rule(decisions=st.lists(BANS | UNBANS, max_size=8), position=st.integers(0, 9).map(str))
    def commit(self, decisions: list[Decision], position: str) -> None:
        self.store.commit(decisions, {"journal": position}, NOW)
        self.positions["journal"] = position
        for one in decisions:
            key = (one.jail, one.subject)
            if isinstance(one, Ban):
                self.end(key, one.since, "replaced")
                self.live[key] = one
            else:
                self.end(key, one.at, one.why)

    @rule(now=TIMES)
    def end_expired(self, now: float) -> None:
        over = [(key, one.until) for key, one in self.live.items() if one.until is not None and one.until <= now]
        assert sorted(self.store.end_expired(now)) == sorted((*key, until) for key, until in over)
        for key, until in over:
            ended = self.live.pop(key)
            self.past.append((ended, until, "expired"))

    @rule(before=TIMES)
    def purge(self, before: float) -> None:
        kept = [record for record in self.past if record[1] >= before]
        assert self.store.purge(before) == len(self.past) - len(kept)
        self.past = kept

    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = Store.open(self.store.path, NOW)
        assert self.store.recovered == ""

    @rule()
    def crash(self) -> None:
        """As kill -9 leaves the files: the -wal with everything in it."""
        copy = tempfile.mkdtemp(prefix="nfjail-store-")
        shutil.copytree(self.folder, copy, dirs_exist_ok=True)
        self.store.close()
        shutil.rmtree(self.folder)
        self.folder = copy
        self.store = Store.open(f"{copy}/nfjail.db", NOW)
        assert self.store.recovered == ""

    @rule()
    def replace(self) -> None:
        self.store.replace(self.live.values(), self.positions, NOW)
        self.past = []

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert sorted(map(repr, self.store.live())) == sorted(map(repr, self.live.values()))
        assert self.store.positions() == self.positions
        free = [(ban.jail, ban.subject, at) for ban, at, why in self.past if why != "replaced" and at > NOW + 9]
        assert sorted(self.store.ended_since(NOW + 9)) == sorted(free)
        known = Counter([*self.live] + [(ban.jail, ban.subject) for ban, _, _ in self.past])
        for (jail, subject), times in known.items():
            assert self.store.count(jail, subject) == times
            assert self.store.count(None, subject) == sum(known[name, subject] for name in ("sshd", "nginx"))
        bans = [*self.live.values(), *(ban for ban, _, _ in self.past)]
        for subject in {subject for _, subject in known}:
            recent = [ban for ban in bans if ban.subject == subject and ban.since >= NOW + 20]
            assert sorted(map(repr, self.store.recent(subject, NOW + 20))) == sorted(map(repr, recent))
        holding = Counter(jail for jail, _ in self.live)
        every = Counter(jail for jail, _ in known.elements())
        assert self.store.totals() == {jail: (holding[jail], every[jail]) for jail in every}

    @invariant()
    def tells_the_history_of_everybody(self) -> None:
        found = [tuple(record) for text in ("0.0.0.0/0", "::/0") for record in self.store.why(parse_subject(text), 999)]
        expected = [(ban, None, "") for ban in self.live.values()] + self.past
        assert sorted(map(repr, found)) == sorted(map(repr, expected))


StoreMachine.TestCase.settings = settings(
    max_examples=30, stateful_step_count=15, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestStore = StoreMachine.TestCase
