"""Host names in logs are looked up beside the loop: with a real name server, also one that says nothing."""

from __future__ import annotations

import logging
import select
import threading
import time

from nfjail.core.model import parse_subject
from nfjail.resolver import CAUSES, KNOWN_FOR, UNKNOWN_FOR, WAITING, WORKERS, Resolver
from tests.shell.dns_bed import NameServer, in_own_network

NOW = 1_700_000_000.0


def resolvers() -> int:
    """How many threads look names up."""
    return sum(thread.name == "resolver" for thread in threading.enumerate())


def answers(resolver: Resolver[str], now: float = NOW, within: float = 3.0) -> dict[str, list[str]]:
    """What comes when it becomes readable."""
    readable, _, _ = select.select([resolver], [], [], within)
    assert readable
    return {cause: list(map(str, addresses)) for cause, addresses in resolver.answers(now)}


@in_own_network
def test_a_name_becomes_all_its_addresses():
    NameServer({"two.example": ["192.0.2.7", "2001:db8::7"]})
    resolver: Resolver[str] = Resolver()
    assert resolver.ask("Two.Example.", "he", NOW) is None
    assert answers(resolver) == {"he": ["192.0.2.7", "2001:db8::7"]}
    assert select.select([resolver], [], [], 0)[0] == []
    assert resolver.due() is None


@in_own_network
def test_an_answer_holds_a_while_and_so_does_none():
    server = NameServer({"known.example": ["192.0.2.7"]})
    resolver: Resolver[str] = Resolver()
    for name in ("known.example", "unknown.example"):
        resolver.ask(name, name, NOW)
        answers(resolver)
    times = len(server.asked)
    assert resolver.ask("known.example", "again", NOW + KNOWN_FOR - 1) == (parse_subject("192.0.2.7"),)
    assert resolver.ask("unknown.example", "again", NOW + UNKNOWN_FOR - 1) == ()
    assert len(server.asked) == times
    assert resolver.ask("known.example", "later", NOW + KNOWN_FOR) is None
    assert answers(resolver) == {"later": ["192.0.2.7"]}
    assert resolver.ask("unknown.example", "later", NOW + UNKNOWN_FOR) is None
    assert answers(resolver) == {"later": []}


@in_own_network
def test_a_name_is_asked_for_once_however_many_fail_under_it():
    server = NameServer({"host.example": ["192.0.2.7"]})
    resolver: Resolver[int] = Resolver()
    for cause in range(100):
        assert resolver.ask("host.example", cause, NOW) is None
    select.select([resolver], [], [], 3)
    assert [cause for cause, _ in resolver.answers(NOW)] == list(range(100))
    assert server.asked.count("host.example") == 2  # for IPv4 and IPv6


@in_own_network
def test_a_name_server_that_says_nothing_holds_up_nobody():
    names = {f"quiet{i}.example": None for i in range(WORKERS - 1)}
    NameServer({**names, "host.example": ["192.0.2.7"]})
    resolver: Resolver[str] = Resolver(patience=5.0)
    begin = time.monotonic()
    for name in (*names, "host.example"):
        assert resolver.ask(name, name, NOW) is None
    assert time.monotonic() - begin < 0.5
    assert answers(resolver) == {"host.example": ["192.0.2.7"]}
    assert resolver.due() == NOW + 5.0
    assert resolver.answers(NOW + 4.9) == []
    assert resolver.answers(NOW + 5.0) == [(name, ()) for name in names]
    assert resolver.due() is None
    assert resolver.ask("quiet0.example", "again", NOW + 6) == ()
    begin = time.monotonic()
    resolver.close()
    assert time.monotonic() - begin < 0.5


@in_own_network
def test_there_are_no_threads_when_there_is_nothing_to_look_up():
    NameServer({"host.example": ["192.0.2.7"]})
    resolver: Resolver[str] = Resolver()
    assert resolvers() == 0
    resolver.ask("host.example", "he", NOW)
    answers(resolver)
    end = time.monotonic() + 2
    while resolvers() and time.monotonic() < end:
        time.sleep(0.001)
    assert resolvers() == 0


@in_own_network
def test_names_and_threads_are_bounded_and_what_is_dropped_is_said(caplog):
    server = NameServer({f"quiet{i}.example": None for i in range(WAITING + 10)})
    resolver: Resolver[int] = Resolver()
    told = [resolver.ask(f"quiet{i}.example", i, NOW) for i in range(WAITING + 10)]
    assert told == [None] * WAITING + [()] * 10
    assert resolvers() <= WORKERS
    for i in range(CAUSES - WAITING + 5):
        resolver.ask("quiet0.example", i, NOW)
    assert len(set(server.asked)) <= WORKERS
    with caplog.at_level(logging.ERROR, "nfjail"):
        assert len(resolver.answers(NOW + 5)) == CAUSES
    assert "15 failures did not count" in caplog.text
    caplog.clear()
    resolver.answers(NOW + 6)
    assert caplog.text == ""


def test_numbers_are_no_names():
    """getaddrinfo(3) takes these for addresses: 1.2.3 would be 1.2.0.3."""
    resolver: Resolver[str] = Resolver()
    for name in ("1.2.3", "12345", "0x7f.1", "0x7f000001", "999.1.1.1", "host.0x1", "."):
        assert resolver.ask(name, "he", NOW) == ()
    assert resolvers() == 0
