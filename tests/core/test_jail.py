"""Whom a jail counts against, and what is paid for by a ban; ignore lists."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.filter import Filter
from nfjail.core.ignore import IgnoreList
from nfjail.core.jail import Jail, Rules
from nfjail.core.model import Failure, parse_subject
from nfjail.core.policy import Policy

FILTER = Filter("x", ["^bad <HOST>$"])


def jail(*ignored: str, prefix: int = 64) -> Jail:
    rules = Rules("x", FILTER, Policy(600.0), maxretry=3, findtime=60, ipv6_prefix=prefix)
    return Jail(rules, IgnoreList(parse_subject(text) for text in ignored))


@pytest.mark.parametrize(
    ("host", "subject"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:9::1", "2001:db8:9::/64"),
        ("2001:db8:5:5::9", "2001:db8:5:5::9"),  # shares its /64 with an ignored address: counts alone
        ("fe80::1%eth0", "fe80::1"),  # every neighbour has that network
    ],
)
def test_who_a_failure_counts_against(host: str, subject: str) -> None:
    found = jail("192.0.2.1", "2001:db8:5:5::1").subject_of(host)
    assert str(found) == subject


@pytest.mark.parametrize(
    "host",
    ["", "999.1.1.1", "12:34", "aa:bb", "1.2.3", "192.0.2.1", "10.9.8.7", "127.0.0.1", "::1", "0.0.0.0", "224.0.0.1",
     "255.255.255.255", "::", "ff02::1", "::ffff:127.0.0.1", "2001:db8:5:5::1", "name.example", "\u0661.2.3.4"],
)  # fmt: skip
def test_nobody_is_counted_for_what_is_no_address_or_ignored(host: str) -> None:
    assert jail("192.0.2.1", "10.0.0.0/8", "2001:db8:5:5::1").subject_of(host) is None


def test_a_jail_may_count_single_ipv6_addresses_or_wider_networks() -> None:
    assert str(jail(prefix=128).subject_of("2001:db8::7")) == "2001:db8::7"
    assert str(jail(prefix=48).subject_of("2001:db8:1:2::7")) == "2001:db8:1::/48"


def test_a_new_ignore_list_counts_at_once() -> None:
    tested = jail()
    assert tested.subject_of("192.0.2.7")
    tested.ignore = IgnoreList([parse_subject("192.0.2.7")])
    assert tested.subject_of("192.0.2.7") is None


def see(tested: Jail, *times: float) -> list[int]:
    return [tested.see(Failure(time, parse_subject("192.0.2.7"), "", "", 0, {})) for time in times]


def test_failures_before_the_end_of_a_ban_are_paid_for() -> None:
    tested = jail()
    tested.banned[parse_subject("192.0.2.7")] = 100.0
    assert see(tested, 50, 99.9, 100, 101) == [0, 0, 1, 2]


def test_also_when_they_are_read_after_it_has_ended() -> None:
    tested = jail()
    see(tested, 10, 20)
    tested.end(parse_subject("192.0.2.7"), 100.0)
    assert see(tested, 99, 100, 101) == [0, 1, 2]


def test_failures_after_the_end_of_a_ban_count_although_they_are_read_before_it_is_told() -> None:
    tested = jail()
    tested.banned[parse_subject("192.0.2.7")] = 100.0
    see(tested, 101, 102)
    tested.end(parse_subject("192.0.2.7"), 100.0)
    assert see(tested, 103) == [3]


def test_a_later_end_counts_whatever_the_order_in_which_they_are_told() -> None:
    tested = jail()
    tested.end(parse_subject("192.0.2.7"), 100.0)
    tested.end(parse_subject("192.0.2.7"), 50.0)
    assert see(tested, 75, 100) == [0, 1]


def test_ends_long_ago_are_forgotten() -> None:
    tested = jail()
    for number in range(5000):
        tested.end(parse_subject(f"10.0.{number // 250}.{number % 250}"), float(number))
    assert len(tested._ended) <= 2048


def test_reload_keeps_counters_and_bans_but_not_of_whom_is_ignored_now() -> None:
    old = jail()
    see(old, 1, 2)
    old.banned[parse_subject("192.0.2.99")] = 1000.0
    new = jail()
    new.inherit(old)
    assert see(new, 3) == [3]
    assert parse_subject("192.0.2.99") in new.banned
    ignoring = jail("192.0.2.0/24")
    ignoring.inherit(old)
    assert len(ignoring.window) == 0


not_mapped = st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None)
addresses = st.one_of(st.ip_addresses(v=4), not_mapped).map(str)


@given(st.lists(st.tuples(addresses, st.integers(0, 128))), addresses)
def test_ignore_lists_agree_with_python_ipaddress(networks: list[tuple[str, int]], address: str) -> None:
    nets = [ipaddress.ip_network(f"{text}/{min(n, 32 if '.' in text else 128)}", strict=False) for text, n in networks]
    subject = parse_subject(address)
    single = ipaddress.ip_address(address)
    ignore = IgnoreList(parse_subject(str(net)) for net in nets)
    plain = IgnoreList(())
    if not plain.covers(subject):
        assert ignore.covers(subject) == any(net.version == single.version and single in net for net in nets)
