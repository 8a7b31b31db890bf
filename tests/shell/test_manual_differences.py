"""nfjail-migration(7) tells of every difference from fail2ban that the conformance tests know."""

from __future__ import annotations

import pytest
from manual_bed import make_pages, shown
from test_dates import DEFECTS
from test_filters_beside import REASONS

#: what the tests call the difference, and words of the page that tell of it
FILTERS = {
    "999.1.1.1 and 12:34 are no addresses, so nobody can be banned": "999.1.1.1 and 12:34",
    "what is like a network without being one is shown as it is": "192.0.2.1/0",
    "192.0.2.1/0 is everybody: fail2ban makes 0.0.0.0 of it": "192.0.2.1/0",
    "the digits of an address or prefix length are 0 to 9": "digits other than 0 to 9",
    "an address that <F-DNS> captured, in brackets or not, need not be looked up as a name": "<F-DNS>",
    "the zone of fe80::1%eth0 is no part of the address": "fe80::1%eth0",
    "ignoreregex sees the whole line and the content; in fail2ban it depends on how many failregexes there are": "ignoreregex",
}
DATES = {
    "{DEFAULT} behind another pattern adds nothing": "{DEFAULT} behind",
    "an empty line without a date is one, too": "empty line",
    "a word that is no zone leaves it without a time": '"Warn"',
    "a word in capitals that is no zone makes it fail": '"ERROR"',
    "a zone in small letters, found where case does not count, leaves it without a time": "Zones in small letters",
    "the year is guessed by comparing a date in UTC with the local clock": "in the zone of the log",
    "and so is the day": "The year and the day",
    "29 February without a year is in no year but a leap year": "29 February",
    "the day of the year, without a year, is taken from the wrong year": "day of the year",
    "AM or PM that need not be there": "%p",
    "a month without a day": "a month without a day",
    "the weeks of ISO 8601 are read as today": "the weeks of ISO 8601",
    "an escaped $ at the end": r"\$ at the end",
    "flags of one's own, with names": "(?i)",
    "a blank for a missing digit at the beginning": "%k",
    "a parenthesis in a set is no group": "a parenthesis in a set",
    "{^LN-BEG} before {EPOCH} inside an expression": "{EPOCH} behind {^LN-BEG}",
    "the date of this line ends where that of the last one did": "whatever stood in the line before",
    "a second date wins for standing nearer than the date in the last line": "nearest to its beginning",
    "what the last of several patterns finds wins over what is nearer": "nearest to its beginning",
    "a time of day of this very second is yesterday's, if the clock was read before it began": "yesterday's",
    "a place is no zone": "Europe/Paris",
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    return " ".join(shown(make_pages(tmp_path_factory.mktemp("man")) / "nfjail-migration.7").split())


def test_differences_of_filters(text):
    assert FILTERS.keys() == {reason for reason, _ in REASONS}
    assert [words for words in FILTERS.values() if words not in text] == []


def test_differences_of_dates(text):
    assert DATES.keys() == DEFECTS.keys()
    assert [words for words in DATES.values() if words not in text] == []
