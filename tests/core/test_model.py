"""Subjects: an address or a network, from text and back."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nfjail.core.model import Subject, masked, parse_address, parse_subject


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),  # IPv4 in IPv6 clothes is the same attacker
        ("::FFFF:c000:201", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::", "::"),
    ],
)
def test_addresses(written: str, told: str) -> None:
    assert str(parse_address(written)) == told


@pytest.mark.parametrize(
    "written",
    ["", " 192.0.2.1", "192.0.2", "192.0.2.256", "192.0.2.01", "0x7f.1", "192.0.2.1%eth0", "192.0.2.1\n", "192.0.2.1\0",
     "\u0661.1.1.1", "\ud800", "1::2::3", "12345::", "::1/64", "example.org", "[::1]", "2130706433"],
)  # fmt: skip
def test_no_addresses(written: str) -> None:
    assert parse_address(written) is None


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("192.0.2.1/32", "192.0.2.1"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("2001:db8::/64", "2001:db8::/64"),
        ("[2001:db8::1]", "2001:db8::1"),
        (" 192.0.2.1 ", "192.0.2.1"),
        ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
        ("::ffff:192.0.2.1/128", "192.0.2.1"),
    ],
)
def test_subjects(written: str, told: str) -> None:
    assert str(parse_subject(written)) == told


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("example.org", "'example.org' is no IP address or network"),
        ("", "'' is no IP address or network"),
        ("/24", "'/24' is no IP address or network"),
        ("192.0.2.1/", "'192.0.2.1/': the prefix length must be a number from 0 to 32"),
        ("192.0.2.1/33", "'192.0.2.1/33': the prefix length must be a number from 0 to 32"),
        ("192.0.2.1/-1", "'192.0.2.1/-1': the prefix length must be a number from 0 to 32"),
        ("2001:db8::/129", "'2001:db8::/129': the prefix length must be a number from 0 to 128"),
        ("::ffff:192.0.2.0/24", "'::ffff:192.0.2.0/24': the prefix length must be a number from 96 to 128"),
        ("192.0.2.1/24", "'192.0.2.1/24' has bits set behind the prefix: write 192.0.2.0/24"),
    ],
)
def test_no_subjects(written: str, why: str) -> None:
    with pytest.raises(ValueError) as error:
        parse_subject(written)
    assert str(error.value) == why


def test_widening_never_narrows() -> None:
    assert str(parse_subject("2001:db8:1:2:3::9").widened(64)) == "2001:db8:1:2::/64"
    assert str(parse_subject("2001:db8::/32").widened(64)) == "2001:db8::/32"


@pytest.mark.parametrize(
    ("wide", "narrow", "covers"),
    [
        ("192.0.2.0/24", "192.0.2.7", True),
        ("192.0.2.0/24", "192.0.3.7", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.0/24", False),
        ("0.0.0.0/0", "::1", False),
        ("::/0", "2001:db8::/32", True),
    ],
)
def test_covers(wide: str, narrow: str, covers: bool) -> None:
    assert parse_subject(wide).covers(parse_subject(narrow)) is covers


_addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6).filter(lambda address: address.ipv4_mapped is None))


@given(_addresses)
def test_address_to_subject_to_text_as_the_standard_library_does(address: ipaddress.IPv4Address) -> None:
    subject = parse_address(str(address))
    assert subject == Subject(address.version, address.packed, address.max_prefixlen)
    assert parse_subject(str(subject)) == subject
    assert ipaddress.ip_address(str(subject)) == address


@given(_addresses, st.data())
def test_networks_as_the_standard_library_has_them(address: ipaddress.IPv4Address, data: st.DataObject) -> None:
    length = data.draw(st.integers(0, address.max_prefixlen))
    network = ipaddress.ip_network((address, length), strict=False)
    subject = Subject(address.version, address.packed, address.max_prefixlen).widened(length)
    assert subject.packed == masked(address.packed, length) == network.network_address.packed
    assert subject.covers(Subject(address.version, address.packed, address.max_prefixlen))
    assert parse_subject(str(subject)) == subject


@given(st.text())
def test_any_text_is_a_subject_or_refused(text: str) -> None:
    try:
        subject = parse_subject(text)
    except ValueError:
        return
    assert parse_subject(str(subject)) == subject
