"""Time zones as logs and settings name them: an offset, an abbreviation, both, or a place such as Europe/Paris.

    "Z"  "UTC"  "+0100"  "-05:30"  "+02"  "CET"  "CEST"  "UTC+0300"  "CET+01"      fixed, in log lines and settings
    "Europe/Paris"                                                                  with its summer time, in settings

Abbreviations mean what they mean to fail2ban: each one offset, the whole year round, and added to an offset that
follows: "CET+01" is two hours east of Greenwich.
"""

from __future__ import annotations

import re
import time
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache

_HOURS_EAST = {
    -12: "Y", -11: "NUT SST X", -10: "CKT HAST HST TAHT TKT W", -9.5: "MART MIT", -9: "AKST GAMT GIT HADT HNY V",
    -8: "AKDT CIST HAY HNP PST PT U", -7: "HAP HNR MST PDT T", -6: "CST EAST GALT HAR HNC MDT S",
    -5: "CDT COT EASST ECT EST ET HAC HNE PET R", -4.5: "HLV VET",
    -4: "AST BOT CLT COST EDT FKT GYT HAE HNA PYT Q", -3.5: "HNT NST NT",
    -3: "ADT ART BRT CLST FKST GFT HAA P PMST PYST SRT UYT WGT", -2.5: "HAT NDT", -2: "BRST FNT O PMDT UYST WGST",
    -1: "AZOT CVT EGT N", 0: "EGST GMT UTC WET WT Z", 1: "A CET DFT WAT WEDT WEST", 2: "B CAT CEDT CEST EET SAST WAST",
    3: "C EAT EEDT EEST IDT MSK", 3.5: "IRST", 4: "AMT AZT D GET GST KUYT MSD MUT RET SAMT SCT", 4.5: "AFT IRDT",
    5: "AMST AQTT AZST E HMT MAWT MVT PKT TFT TJT TMT UZT YEKT", 5.5: "SLT", 5.75: "NPT",
    6: "ALMT BIOT BTT F IOT KGT NOVT OMST YEKST", 6.5: "CCT MMT", 7: "CXT DAVT G HOVT ICT KRAT NOVST OMSST THA WIB",
    8: "ACT AWST BDT BNT CAST H HKT IRKT KRAST MYT PHT SGT ULAT WITA WST",
    9: "AWDT I IRKST JST KST PWT TLT WDT WIT YAKT", 9.5: "ACST", 10: "AEST ChST K PGT VLAT YAKST YAPT",
    10.5: "ACDT LHST", 11: "AEDT L LHDT MAGT NCT PONT SBT VLAST VUT", 11.5: "NFT",
    12: "ANAST ANAT FJT GILT M MAGST MHT NZST PETST PETT TVT WFT", 13: "FJST NZDT",
}  # fmt: skip
OFFSETS = {name.upper(): timedelta(hours=east) for east, names in _HOURS_EAST.items() for name in names.split()}
_FIXED = re.compile(r"([A-Z]{1,5})?(?:([+-])([01][0-9])(?::?([0-9]{2}))?)?", re.ASCII)


@lru_cache(maxsize=256)
def fixed_zone(text: str) -> tzinfo | None:
    """A zone with one offset ("Z", "CET", "-0530", "UTC+03:00"), or None where the text names none. Case is all one."""
    found = _FIXED.fullmatch(text.upper())
    if not text or found is None:
        return None
    name, sign, hours, minutes = found.groups()
    if name and name not in OFFSETS:
        return None
    more = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    try:
        return timezone(OFFSETS.get(name, timedelta()) + (-more if sign == "-" else more))
    except ValueError:  # a day or more
        return None


def log_zone(text: str) -> tzinfo | None:
    """The zone of a logtimezone setting; "" is None, the process's own. Raises ValueError for a name nobody knows."""
    if not text:
        return None
    zone = fixed_zone(text)
    if zone is not None:
        return zone
    from zoneinfo import ZoneInfo  # the system's zone files are read for those who name a place only

    try:
        return ZoneInfo(text)
    except (LookupError, OSError, ValueError):
        known = "an offset such as +0100, an abbreviation such as CET, or a place such as Europe/Paris (package tzdata)"
        raise ValueError(f"{text!r} is no time zone known here: give {known}") from None


def local_time(now: float, zone: tzinfo | None) -> datetime:
    """What the clock on the wall shows at now (seconds since the epoch); zone None: the process's own."""
    return datetime.fromtimestamp(now, zone).replace(tzinfo=None)


def epoch(day: date, hour: int, minute: int, zone: tzinfo | None) -> float:
    """Seconds since the epoch when the clock on the wall shows that. Raises ValueError if it cannot be told.

    An hour that summer time skips or repeats is what mktime(3), or else the zone's file, makes of it.
    """
    when = datetime(day.year, day.month, day.day, hour, minute, tzinfo=zone)
    if zone is not None:
        return when.timestamp()
    try:
        return time.mktime((day.year, day.month, day.day, hour, minute, 0, 0, 0, -1))
    except OverflowError as error:
        raise ValueError(str(error)) from None
