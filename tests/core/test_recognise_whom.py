"""Whom a failure is about: the tags for addresses, networks, names and other ids, and what becomes of what they capture."""

from __future__ import annotations

import pytest

from nfjail.core.recognise import Recogniser
from nfjail.core.sight import Sight
from nfjail.core.spec import FilterSpec
from nfjail.core.tags import expand

NOW = 1_795_312_984.0
NOBODY = None


def see(line: str, failregex: str, **more: object) -> Sight:
    spec = FilterSpec("test", (failregex,), logtype="journal")
    return Recogniser(spec._replace(**more)).feed(line, NOW)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("[192.0.2.1]", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[2001:DB8:0:0:0:0:0:1]", "2001:db8::1"),
        ("::", "::"),
        ("999.1.1.1", NOBODY),
        ("12:34", NOBODY),
        ("aa:bb:cc:dd:ee:ff", NOBODY),
        ("1::2::3", NOBODY),
    ],
)
def test_addr_is_one_address_and_nothing_that_looks_like_one(text, host):
    sight = see(f"from {text} x", "^from <ADDR> x$")
    assert (sight.host, sight.result) == (host, "failure" if host else "missed")
    assert sight.subject == host or str(sight.subject) == host


def test_numbers_with_zeros_before_them_are_told_but_ban_nobody():
    sight = see("from 192.030.0.6", "^from <HOST>$")
    assert (sight.result, sight.host, sight.subject) == ("failure", "192.030.0.6", None)


@pytest.mark.parametrize(
    ("tags", "fits"),
    [
        ("IP4 F-IP4/", "4"),
        ("IP6 F-IP6/", "6"),
        ("ADDR F-ADDR/ SUBNET F-SUBNET/", "46"),
        ("DNS F-DNS/", "4n"),
        ("HOST F-ID/", "46n"),
    ],
)
def test_which_tag_is_for_what(tags, fits):
    texts = {"4": "192.0.2.1", "6": "2001:db8::1", "n": "host.example.com"}
    for tag in tags.split():
        assert "".join(kind for kind, text in texts.items() if see(f"from {text}", f"^from <{tag}>$").host == text) == fits


@pytest.mark.parametrize(("usedns", "result", "lookup"), [("no", "missed", False), ("warn", "failure", True),
                                                          ("yes", "failure", True), ("raw", "failure", False)])  # fmt: skip
def test_names_are_looked_up_as_usedns_says(usedns, result, lookup):
    sight = see("from host.example.com", "^from <HOST>$", usedns=usedns)
    assert (sight.result, sight.lookup, sight.subject) == (result, lookup, None)
    assert see("from 192.0.2.1", "^from <HOST>$", usedns=usedns).host == "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("192.0.2.77/24", "192.0.2.0/24"),
        ("[2001:db8:1::7/32]", "2001:db8::/32"),
        ("::ffff:192.0.2.77/24", "192.0.2.0/24"),
        ("192.0.2.77", "192.0.2.77"),
        ("192.0.2.77/33", "192.0.2.77"),
        ("192.0.2.77/4000", "192.0.2.77"),
    ],
)
def test_subnet_is_an_address_with_or_without_a_prefix_length(text, host):
    sight = see(f"from {text}", "^from (?:<SUBNET>|<F-REST>.*</F-REST>)$")
    assert sight.host == host
    assert str(sight.subject) == host


def test_a_prefix_length_can_stand_behind_the_brackets():
    assert see("from [2001:db8:1::7]/32", "^from <ADDR>/<CIDR>$").host == "2001:db8::/32"


def test_a_line_cannot_ban_everybody():
    sight = see("from 192.0.2.77/0", "^from <SUBNET>$")
    assert (sight.host, sight.subject) == ("0.0.0.0/0", None)
    assert see("id 0.0.0.0/0", "^id <F-ID/>$").subject is None


@pytest.mark.parametrize(
    ("text", "host", "subject"),
    [
        ("abc", "abc", None),
        ("192.0.2.1", "192.0.2.1", "192.0.2.1"),
        ("[2001:DB8::1]", "2001:db8::1", "2001:db8::1"),
        ("192.0.2.77/24", "192.0.2.0/24", "192.0.2.0/24"),
        ("192.0.2.77/255.255.255.0", "192.0.2.0/24", "192.0.2.0/24"),
    ],
)
def test_an_id_is_any_text_and_may_be_an_address(text, host, subject):
    sight = see(f"id {text}", "^id <F-ID/>$")
    assert (sight.host, sight.subject and str(sight.subject)) == (host, subject)


def test_with_usedns_raw_an_id_is_shown_as_it_is_written():
    sight = see("id 192.0.2.77/24", "^id <F-ID/>$", usedns="raw")
    assert (sight.host, str(sight.subject)) == ("192.0.2.77/24", "192.0.2.0/24")


def test_with_an_id_the_address_is_still_what_is_banned():
    sight = see("session abc from 192.0.2.1", "^session <F-ID>\\w+</F-ID> from <HOST>$")
    assert (sight.host, str(sight.subject)) == ("abc", "192.0.2.1")


def test_an_id_of_several_parts():
    sight = see("x by y from 192.0.2.1", "^<F-ID>\\w+</F-ID> by <F-TUPLE_ID>\\w+</F-TUPLE_ID> from <ADDR>$")
    assert (sight.host, sight.fields["fid"], str(sight.subject)) == ("('x', 'y')", ("x", "y"), "192.0.2.1")


def test_the_first_alternative_that_captured_something_stands_in():
    user, name = "(?:user=<F-USER>\\w*</F-USER>)?", "(?: name=<F-ALT_USER_1>\\w*</F-ALT_USER_1>)?"
    pattern = f"^{user}{name}(?: as <F-ALT_USER_2>\\w+</F-ALT_USER_2>)? <HOST>"
    lines = ("user=a name=b 192.0.2.1", "user= name=b 192.0.2.1", " as c 192.0.2.1", "user= name= as c 192.0.2.1")
    assert [see(line, pattern).fields["user"] for line in lines] == ["a", "b", "c", "c"]


def test_any_other_capture_is_kept_under_its_name_in_lower_case():
    assert see("a b [22] 192.0.2.1", "^<F-X>\\w</F-X> <F-Y_Z>\\w</F-Y_Z> \\[<F-PORT/>\\] <HOST>").fields == {
        "x": "a", "y_z": "b", "fport": "22", "ip4": "192.0.2.1",
    }  # fmt: skip


@pytest.mark.parametrize("text", ["<foo>", "</F-USER>", "<f-user>", "<>", "<F->"])
def test_what_is_no_tag_means_itself(text):
    assert expand(f"x{text}y") == f"x{text}y"
