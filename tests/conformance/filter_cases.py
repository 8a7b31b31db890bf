"""Filters written by hand, so that every part of the language is used, and lines that each of them is tried with."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from filter_lines import ADDRESSES, USERS

from nfjail.core.spec import FilterSpec

DATE = "2005-08-14 11:58:{:02} "


class Case(NamedTuple):
    spec: FilterSpec
    lines: tuple[str, ...]  # without a date


def case(failregex: str | tuple[str, ...], *lines: str, **more: object) -> Case:
    patterns = (failregex,) if isinstance(failregex, str) else failregex
    return Case(FilterSpec("case", patterns)._replace(**more), lines)  # type: ignore[arg-type]


FROM = tuple(f"fail from {address}" for address in ADDRESSES)
FAILS = (*FROM, *(f"fail for {user} from 192.0.2.5" for user in USERS), "fail from 192.0.2.1 port 22", "fail", "")
SUBNETS = tuple(
    f"fail from {text}"
    for text in (
        "192.0.2.77/24",
        "192.0.2.77",
        "192.0.2.77/",
        "192.0.2.77/33",
        "192.0.2.77/0",
        "192.0.2.77/032",
        "2001:db8::7/32",
        "[2001:db8::7]/32",
        "[2001:db8::7/64]",
        "2001:db8::7/129",
        "::ffff:192.0.2.7/24",
        "192.0.2.77/24/8",
        "192.0.2.77/٣",
        "192.0.2.77/255.255.255.0",
        "[192.0.2.7]/16",
        "2001:db8::/ffff::",
        "host/24",
        "999.0.2.1/8",
    )
)
IDS = (
    "id 192.0.2.1",
    "id [2001:DB8::1]",
    "id abc",
    "id a,b c",
    "id 192.0.2.77/24",
    "id 2001:db8::7/33",
    "id ",
    "id host.example",
    "id 192.0.2.77/255.255.255.0",
    "id ::ffff:192.0.2.1",
    "id 999.1.1.1",
    "id [x]",
    "id [192.0.2.1]",
)
NAMES = {"host.example.com": ["192.0.2.50", "2001:db8::50"], "other.example": ["192.0.2.51"], "six.example": ["2001:db8::52"]}
BY_NAME = (
    "fail from host.example.com",
    "fail from other.example",
    "fail from six.example",
    "fail from no.example",
    "fail from 192.0.2.1",
    "fail from [2001:db8::1]",
    "fail from 999.1.1.1",
    "fail from -.example",
    "fail from x_y.example",
    "fail from example.",
    "fail from ::ffff:192.0.2.1",
)
USERS_OF = tuple(f"fail {a} {b} from 192.0.2.8" for a in ("user=x", "user=", "-") for b in ("name=y", "name=", "login=z", "-"))

TAGS = (
    case("^fail from <HOST>$", *FAILS),
    case("^fail from <ADDR>$", *FAILS),
    case("fail from <IP4>", *FAILS),
    case("fail from <IP6>", *FAILS),
    case("fail from <DNS>", *FAILS),
    case("fail from (?:<IP4>|<IP6>|<DNS>)$", *FAILS),
    case(r"fail from \[?<F-IP4/>\]?$", *FAILS),
    case(r"fail from \[?<F-IP6/>\]?(?::\d+)?$", *FAILS),
    case("fail from <F-DNS/>(?: port <F-PORT/>)?$", *FAILS),
    case("fail from <F-ADDR/>(?: port <F-PORT>\\d+</F-PORT>)?$", *FAILS),
    case("fail from <F-IP4>[\\d.]+</F-IP4>$", *FAILS),
    case("fail from <F-IP6>[\\w:]+</F-IP6>$", *FAILS),
    case("fail from <F-DNS>\\S+</F-DNS>$", *FAILS),
    case("fail from <SUBNET>$", *FROM, *SUBNETS),
    case("fail from <F-SUBNET/>$", *FROM, *SUBNETS),
    case("fail from <ADDR>/<CIDR>$", *FROM, *SUBNETS),
    case("fail from <ADDR>/<F-CIDR/>$", *FROM, *SUBNETS),
    case("fail from <IP4>(?:/<F-CIDR>\\d\\d?</F-CIDR>)?", *FROM, *SUBNETS),
    case("fail from <HOST> port <F-PORT/>", *FAILS),
    case("fail from <HOST>:<F-PORT/>", *FAILS),
    case("^id <F-ID/>$", *IDS),
    case("^id <F-ID>.*</F-ID>$", *IDS),
    case("^id <F-ID>\\w+</F-ID>", *IDS),
    case("^id (?:<F-ID>a</F-ID>|<ADDR>)", *IDS),
    case("^<F-ID>fail</F-ID> from <ADDR>", *FAILS),
    case("^<F-ID>fail from <ADDR></F-ID>", *FAILS),
    case("^fail from <F-ID><ADDR></F-ID>", *FAILS),
    case("^fail from <F-ID>\\[?<IP4>\\]?</F-ID>", *FAILS),
    case("^fail <F-ID>\\S+</F-ID> <F-TUPLE_ID>\\S+</F-TUPLE_ID> from <ADDR>", *USERS_OF),
    case("^fail <F-ID>\\S+</F-ID> <F-TUPLE_ID_2>\\S+</F-TUPLE_ID_2> from <F-TUPLE_ID_1>\\S+</F-TUPLE_ID_1>", *USERS_OF),
    case("^fail <F-TUPLE_ID_1>\\S+</F-TUPLE_ID_1>(?: x)?(<F-TUPLE_ID_2>y</F-TUPLE_ID_2>)? \\S+ from <ADDR>", *USERS_OF),
    case("^fail user=<F-USER>\\w*</F-USER> (?:name=<F-ALT_USER>\\w*</F-ALT_USER>|\\S+) from <ADDR>", *USERS_OF),
    case(
        "^fail \\S+ (?:name=<F-ALT_USER_2>\\w*</F-ALT_USER_2>|login=<F-ALT_USER_1>\\w*</F-ALT_USER_1>|-) from <ADDR>", *USERS_OF
    ),
    case("^fail \\S+ (?:name=<F-ALT_USER1>\\w*</F-ALT_USER1>|-) from <ADDR>", *USERS_OF),
    case("^fail \\S+ (?:name=<F-ALT_ID>\\w*</F-ALT_ID>|-) from <ADDR>", *USERS_OF),
    case("^fail (?:user=<F-USER>\\w*</F-USER>|-) <F-TUPLE_USER>\\S+</F-TUPLE_USER> from <ADDR>", *USERS_OF),
    case("^fail(?: for <F-USER>.*</F-USER>)? from <ADDR>(?: port <F-PORT/>)?$", *FAILS),
    case("^fail(?: for <F-USER>.*?</F-USER>)? from <ADDR>", *FAILS),
    case("^fail(?: for <F-SOME_THING-2>.*</F-SOME_THING-2>)? from <ADDR>", *FAILS),
    case("^fail(?: for <F-SOME_THING>.*</F-SOME_THING>)? from <ADDR>", *FAILS),
    case("^fail </F-USER>from <ADDR>", *FAILS, "fail </F-USER>from 192.0.2.1"),
    case("^fail <foo>from <ADDR>", *FAILS, "fail <foo>from 192.0.2.1"),
    case("^fail <f-user>from <ADDR>", "fail <f-user>from 192.0.2.1"),
    case("<HOST>", *FAILS, *IDS),
    case("<ADDR>", *FAILS, *SUBNETS),
    case("<ADDR>.*<F-DNS/>", *FAILS),
    case(" <F-ID/>", *FAILS, *IDS),
)

EXPRESSIONS = (
    case("(?i)^FAIL FROM <HOST>$", *FAILS, "Fail From 192.0.2.1"),
    case("^(?i)FAIL FROM <HOST>$", *FAILS),
    case("^((?i)fAIL) FROM <HOST>$", *FAILS, "FAIL FROM 192.0.2.1", "fAil FROM 192.0.2.1"),
    case("^(?:(?i)fAIL) FROM <HOST>$", *FAILS, "FAIL FROM 192.0.2.1", "fAil from 192.0.2.1"),
    case("^(?i:fAIL) from <HOST>$", *FAILS, "FAIL from 192.0.2.1"),
    case("^fail (?-i:from) <HOST>$", *FAILS),
    case("(?x) ^ fail \\s from \\s <HOST> $ # a comment (with | brackets", *FAILS),
    case("(?xi) ^ FAIL \\s from \\s <HOST> $", *FAILS),
    case("(?s)fail.*<HOST>$", *FAILS),
    case("(?m)^fail from <HOST>$", *FAILS),
    case("(?a)^fail(?: for \\w+)? from <HOST>$", *FAILS),
    case(("^fail from <ADDR>$", "(?i)^FAIL for \\S+ from <ADDR>", "^never <ADDR>"), *FAILS, "FAIL FOR x FROM 192.0.2.1"),
    case("^fail from <HOST>|^id <HOST>", *FAILS, *IDS),
    case("fail from <IP4>$|id <IP6>|^<DNS>$", *FAILS, *IDS),
    case("^fail|from <HOST>", *FAILS),
    case("(?:^fail|^id)(?: from)? <HOST>", *FAILS, *IDS),
    case("(^fail|id) (from )?<HOST>", *FAILS, *IDS),
    case(r"^fail for (?P<q>['\"]?)(?P<user>\S+)(?P=q) from <HOST>$", *FAILS),
    case(r"^fail for (['\"]?)\S+\1 from <HOST>$", *FAILS),
    case((r"^fail for (['\"])\S+\1 from <HOST>$", "^fail from <HOST>$", r"^fail for (\S)\1* from <HOST>"), *FAILS),
    case(r"^fail(?P<has> for )?(?(has)\S+ from|(?: from)) <HOST>$", *FAILS),
    case(r"^fail( for )?(?(1)\S+ from| from) <HOST>$", *FAILS),
    case((r"^fail( for )?(?(1)\S+ from| from) <IP4>$", r"^fail(?P<has> for )?(?(has).* from| from) <HOST>$"), *FAILS),
    case(r"(?<=fail )from <HOST>(?! port)", *FAILS),
    case(r"(?<!fail )from <HOST>", *FAILS),
    case(r"^(?!fail for)\S+ from <HOST>$", *FAILS),
    case(r"^(?=.*192)fail.* from <HOST>", *FAILS),
    case(r"^\s*fail[^\S]from[ \t]<HOST>\s*$", *FAILS, "  fail\tfrom 192.0.2.1  "),
    case(r"^\S+ from <HOST>\Z", *FAILS),
    case(r"\Afail from <HOST>\b", *FAILS),
    case(r"^$|^fail from <HOST>", *FAILS),
    case(r"^fail.{0,20}? from (?:<IP4>|\[<IP6>\])", *FAILS),
    case(r"^[fF][a-z]{3} (?#comment)from <HOST>", *FAILS),
    case(r"\^fail from <HOST>", "^fail from 192.0.2.1", *FROM),
    case("^^fail from <HOST>$$", *FAILS),
    case("(^)fail from <HOST>($)", *FAILS),
    case(("^fail from <IP4>", "fail from <HOST>", "^fail", "from <HOST>$"), *FAILS),
    case(("^never <HOST>", "fail from <IP6>", "^fail from <HOST>", "<ADDR>"), *FAILS),
    case(("^(?P<ip4>192\\.0\\.2\\.1)$|from (?P<ip6>[:\\w]+)$", "^fail from <HOST>$"), *FAILS),
    case("^fail from (?P<fid>\\S+)", *FAILS),
    case("^fail from (?P<host>\\S+)", *FAILS),
    case("^fail", *FAILS),
    case("^fail <HOST> <HOST>", *FAILS),
    case("^fail (<HOST>", *FAILS),
    case("", *FAILS),
    case("^.* from <HOST>", *FAILS),
    case("^ü+ from <HOST>", "üü from 192.0.2.1", *FROM),
    case("fail.*\\x00.*<HOST>", *FAILS),
    case("^fail for \\S*\\ufffd\\S* from <HOST>", *FAILS),
)

PREFIXED = (
    "prog[1]: fail from 192.0.2.1",
    "prog[2]: fail for x from 192.0.2.2",
    "prog: fail from 192.0.2.3",
    "[::4] prog[3]: fail from ::5",
    "192.0.2.9 prog[4]: fail from 192.0.2.10",
    "prog[5]: ok from 192.0.2.11",
    "prog[6]: ",
    "prog[7]:",
    "fail from 192.0.2.12",
    "prog[8]: fail",
    "prog[9]: fail from host.example",
    "user=u prog[10]: fail from 192.0.2.13",
    "user=u prog[11]: fail for x from 192.0.2.14",
    "prog[1]: prog[2]: fail from 192.0.2.15",
)
PREFREGEX = (
    case("^fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$"),
    case("^\\s*fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog(?:\[\d+\])?:<F-CONTENT>.*</F-CONTENT>$"),
    case("fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog\[\d+\]:"),
    case("^fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog\[\d+\]:"),
    case("^\\s*prog\\S* fail from <HOST>", *PREFIXED, prefregex=r"prog\[\d+\]:"),
    case("^fail", *PREFIXED, prefregex=r"^\s*<HOST> prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$"),
    case(
        "^fail(?: from <IP4>)?",
        *PREFIXED,
        prefregex=r"^\s*\[?<F-IP6>[\w:]+</F-IP6>\]? prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case("^fail(?: from <HOST>)?", *PREFIXED, prefregex=r"^\s*<HOST> prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$"),
    case("^fail from", *PREFIXED, prefregex=r"^\s*prog(?:\[\d+\])?: <F-CONTENT>.+ from <HOST></F-CONTENT>$"),
    case(
        "^fail(?: for <F-USER>\\w+</F-USER>)? from <HOST>",
        *PREFIXED,
        prefregex=r"^\s*(?:user=<F-USER>\w+</F-USER> )?prog\S*: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case(
        "^fail(?: for <F-ALT_USER>\\w+</F-ALT_USER>)? from <HOST>",
        *PREFIXED,
        prefregex=r"^\s*(?:user=<F-USER>\w+</F-USER> )?prog\S*: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case(
        "^fail(?: for <F-USER>\\w+</F-USER>)? from <HOST>",
        *PREFIXED,
        prefregex=r"^\s*(?:user=<F-ALT_USER>\w+</F-ALT_USER> )?prog\S*: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case(
        "^fail(?: for <F-TUPLE_ID>\\w+</F-TUPLE_ID>)? from <ADDR>",
        *PREFIXED,
        prefregex=r"^\s*<F-ID>\S+</F-ID> prog\S*: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case("^fail", *PREFIXED, prefregex=r"^\s*prog(?:\[<F-ID>\d+</F-ID>\])?: <F-CONTENT>.+</F-CONTENT>$"),
    case("^fail from <HOST>", *PREFIXED, prefregex=r"prog(?:\[\d+\])?: <F-CONTENT>.+?</F-CONTENT>$"),
    case("^fail from <HOST>", *PREFIXED, prefregex=r"(?i)^\s*PROG(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$"),
    case("^fail from <HOST>", *PREFIXED, prefregex=r"^\s*(?:prog|other)\S*: <F-CONTENT>.+</F-CONTENT>$|^ fail"),
    case("fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog\S*:(?: <F-CONTENT>fail from.+</F-CONTENT>)?"),
    case(
        ("^fail from <IP4>", "^(?P<w>\\w)\\w+ from <HOST>", "(.)\\1"),
        *PREFIXED,
        prefregex=r"^\s*<F-MLFID>prog\S*</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$",
    ),
    case("^fail", *PREFIXED, prefregex="^ prog: x"),
)

IGNORES = (
    case("fail from <HOST>", *FAILS, ignoreregex=("192\\.0\\.2\\.1$",)),
    case("fail from <HOST>", *FAILS, ignoreregex=("^\\s*fail from 192", "port")),
    case("fail from <HOST>", *FAILS, ignoreregex=("(?i)FAIL from <IP6>",)),
    case("fail from <HOST>", *FAILS, ignoreregex=("from <HOST> port",)),
    case(
        ("^fail from <IP4>$", "^fail from <IP6>", "fail from <DNS>", "fail for \\S+ from <HOST>"),
        *FAILS,
        ignoreregex=("port|x",),
    ),
    case(("^fail from <IP4>$", "fail from <HOST>"), *FAILS, ignoreregex=("192\\.0\\.2\\.1$|^fail for", "::1", "-")),
    case(
        "^fail from <HOST>",
        *PREFIXED,
        prefregex=r"^\s*prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$",
        ignoreregex=("^fail from 192",),
    ),
    case(
        ("^fail from <HOST>", "^a<HOST>", "^b<HOST>", "^c<HOST>"),
        *PREFIXED,
        prefregex=r"^\s*prog(?:\[\d+\])?: <F-CONTENT>.+</F-CONTENT>$",
        ignoreregex=("prog\\[1\\]",),
    ),
    case(
        "^fail from <HOST>", *PREFIXED, prefregex=r"^\s*prog\S*: <F-CONTENT>.+</F-CONTENT>$", ignoreregex=("from .*\\.3$", "^x")
    ),
)

USEDNS = tuple(
    case(pattern, *BY_NAME, *IDS, usedns=usedns)
    for usedns in ("no", "warn", "yes", "raw")
    for pattern in (
        "^fail from <HOST>",
        "^fail from <DNS>$",
        "^fail from \\[?(?:<DNS>|<IP6>)\\]?$",
        "^<F-ID>fail</F-ID> from <HOST>",
        "^fail from <F-ID><HOST></F-ID>$",
        "^id <F-ID/>",
        "fail from <ADDR>",
        "^<F-ID>f</F-ID>ail from <F-DNS>\\S+</F-DNS>",
        "^<F-ID>f</F-ID><F-TUPLE_ID>ail</F-TUPLE_ID> from <HOST>",
    )
)

SESSION = r"^\s*<F-MLFID>prog\[\d+\]</F-MLFID>: <F-CONTENT>.+</F-CONTENT>$"
TALK = (
    "connect from <A>",
    "user u1",
    "user u2",
    "bad password",
    "bad password for u1",
    "bad password for u2 from <A>",
    "accepted u1",
    "accepted u1 from <A>",
    "accepted",
    "disconnect",
    "disconnect from <A>",
    "bye",
    "noise",
    "fail from <A>",
    "fail from nowhere",
    "error <A>",
)
SESSIONS = (
    case(
        (
            "^<F-NOFAIL>connect</F-NOFAIL> from <HOST>",
            "^<F-NOFAIL>user</F-NOFAIL> <F-USER>\\w+</F-USER>",
            "^bad password(?: for <F-USER>\\w+</F-USER>)?(?: from <HOST>)?",
            "^<F-MLFGAINED>accepted</F-MLFGAINED>(?: <F-USER>\\w+</F-USER>)?",
            "^<F-NOFAIL><F-MLFFORGET>disconnect</F-MLFFORGET></F-NOFAIL>(?: from <HOST>)?",
            "^<F-MLFFORGET>bye</F-MLFFORGET>",
            "^fail from <HOST>",
        ),
        prefregex=SESSION,
    ),
    case(
        (
            "^connect from <F-NOFAIL><HOST></F-NOFAIL>",
            "^bad password",
            "^<F-MLFFORGET><F-MLFGAINED>accepted</F-MLFGAINED></F-MLFFORGET> ",
            "^<F-MLFFORGET>disconnect</F-MLFFORGET> from <HOST>",
            "^user <F-USER>\\w+</F-USER>",
        ),
        prefregex=SESSION,
    ),
    case(
        (
            "^\\s*<F-MLFID>prog\\[\\d+\\]</F-MLFID>: <F-NOFAIL>connect</F-NOFAIL> from <HOST>$",
            "^\\s*<F-MLFID>prog\\[\\d+\\]</F-MLFID>: (?:bad|fail).*",
            "^\\s*<F-MLFID>prog\\[\\d+\\]</F-MLFID>: <F-MLFFORGET>dis</F-MLFFORGET>",
            "error <HOST>",
        )
    ),
    case(
        (
            "^connect from <HOST>",
            "^bad password for <F-USER>\\w+</F-USER>",
            "^bad",
            "^<F-NOFAIL>(?:user|noise)</F-NOFAIL>",
            "^<F-MLFGAINED>accepted</F-MLFGAINED>",
            "^<F-NOFAIL>dis</F-NOFAIL>connect",
        ),
        prefregex=SESSION,
        ignoreregex=("u2 from",),
    ),
    case(
        (
            "^<F-NOFAIL></F-NOFAIL>connect from <HOST>",
            "^bad <F-MLFGAINED></F-MLFGAINED>password",
            "^accepted<F-MLFFORGET></F-MLFFORGET>",
            "^user <F-ID>\\w+</F-ID>",
            "^fail from <F-ID>\\S+</F-ID>",
        ),
        prefregex=SESSION,
    ),
    case(
        (
            "^<F-NOFAIL>user</F-NOFAIL> <F-ALT_USER>\\w+</F-ALT_USER>",
            "^bad password(?: for <F-USER>\\w+</F-USER>)? from <HOST>",
            "^bad password",
            "^disconnect from <SUBNET>",
            "^accepted <F-MLFGAINED><F-USER>\\w+</F-USER></F-MLFGAINED>",
        ),
        prefregex=SESSION,
    ),
)

MULTILINE = (
    case("^\\s*prog\\[1\\]: connect from <HOST>\\n\\s*prog\\[1\\]: bad password", maxlines=2),
    case("^\\s*(?P<p>prog\\[\\d\\]): connect from <HOST><SKIPLINES>^\\s*(?P=p): bad password", maxlines=5),
    case(
        (
            "^\\s*(?P<p>prog\\[\\d\\]): connect from <HOST>$<SKIPLINES>^\\s*(?P=p): bad password$",
            "^\\s*prog\\[\\d\\]: fail from <HOST>$",
        ),
        maxlines=10,
    ),
    case(
        (
            "^\\s*(?P<p>prog\\[\\d\\]): user <F-USER>\\w+</F-USER><SKIPLINES>^\\s*(?P=p): bad"
            ".*<SKIPLINES>^\\s*(?P=p): disconnect from <HOST>",
            "^\\s*prog\\[\\d\\]: fail from <HOST>$",
        ),
        maxlines=8,
    ),
    case("connect from <HOST>", maxlines=3),
    case(("^\\s*prog\\[\\d\\]: fail from <HOST>$", "bad(?s:.*)error <HOST>"), maxlines=4),
    case("^connect from <HOST>", maxlines=3, prefregex=r"^\s*prog\[\d+\]: <F-CONTENT>.+</F-CONTENT>$"),
    case("connect from <HOST>", maxlines=3, prefregex=r"prog\[1\]"),
    case(
        (
            "^\\s*<F-MLFID>prog\\[\\d\\]</F-MLFID>: <F-NOFAIL>connect</F-NOFAIL> from <HOST>",
            "^\\s*<F-MLFID>prog\\[\\d\\]</F-MLFID>: bad<SKIPLINES>.*disconnect",
        ),
        maxlines=4,
    ),
    case("^\\s*prog\\[\\d\\]: (?:bad.*|noise)$\\n?<SKIPLINES>.*from <HOST>$", maxlines=6),
)

SINGLE = (*TAGS, *EXPRESSIONS, *PREFREGEX, *IGNORES)


def talk(chance: Random, count: int) -> Iterator[str]:
    """What a program with some connections at a time writes."""
    addresses = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "999.1.1.1", "::ffff:192.0.2.3", "host.example"]
    for _ in range(count):
        yield f"prog[{chance.randrange(1, 4)}]: {chance.choice(TALK).replace('<A>', chance.choice(addresses))}"


# What the lines say of time, if anything; the clock stands at 2005-08-14 12:00:00 in central Europe.
STAMPS = (
    "2005-08-14 11:59:30 ",
    "2005-08-14 11:59:55 ",
    "[14/Aug/2005:11:59:40 +0200] ",
    "Aug 14 11:59:50 ",
    "",
    "",
    "no date ",
    "2005-02-31 11:59:30 ",
    "0000-00-00 00:00:00 ",
    "1124013550 ",
    "1124013560.250 ",
    "[1124013570] ",
    "@40000000430e9f300ee6b280 ",
    "11:59:58 ",
    "2005-08-14T09:59:45Z ",
    "14.08.2005 11:59:20 ",
    "2005-08-14 11:59:30.123 ",
    "12:00:30 ",
    "x 2005-08-14 11:59:35 ",
    "2005-08-14 12:30:00 ",
    "2004-01-01 00:00:00 ",
    "Mon, 08/15/05 ",
    "2005-08-14 11:59:30",
)
DATED = ("fail from 192.0.2.1", "fail from 192.0.2.2 at 2005-08-14 11:58:00", "2005-08-14 11:57:00 fail from 192.0.2.3", "ok")
DATEPATTERNS = (
    "",
    "{NONE}",
    "{DEFAULT}",
    "{^LN-BEG}",
    "%%Y-%%m-%%d %%H:%%M:%%S",
    "^%%Y-%%m-%%d %%H:%%M:%%S",
    "{^LN-BEG}%%Y-%%m-%%d %%H:%%M:%%S",
    "EPOCH",
    "LEPOCH",
    "^EPOCH",
    "{^LN-BEG}EPOCH",
    r"^\[?{EPOCH}\]?",
    "TAI64N",
    "%%b %%d %%H:%%M:%%S",
    "{^LN-BEG}%%H:%%M:%%S",
    "%%d\\.%%m\\.%%Y %%H:%%M:%%S\n%%Y-%%m-%%d %%H:%%M:%%S",
    "EPOCH\n%%Y-%%m-%%d %%H:%%M:%%S",
    "%%Y-%%m-%%d %%H:%%M:%%S\n{NONE}",
    r"^[^\[]*\[({DATE})",
    r"\[({DATE})\]",
    "{UNB}%%Y-%%m-%%d %%H:%%M:%%S",
    "%%ExY-%%Exm-%%Exd %%ExH:%%ExM:%%ExS",
    "** %%H:%%M:%%S **",
    "^()",
    "x (%%Y-%%m-%%d %%H:%%M:%%S)",
    "%%Y-%%m-%%d[T ]%%H:%%M:%%S(?:[.,]%%f)?(?:\\s*%%z)?",
    "^%%Y",
    "%%A",
    "(?i)at %%Y-%%m-%%d %%H:%%M:%%S",
)
DATES = tuple(
    case(pattern, *(stamp + line for stamp in STAMPS for line in DATED), datepattern=form.replace("%%", "%"), logtimezone=zone)
    for form in DATEPATTERNS
    for pattern in (r"^\s*fail from <HOST>", r"fail from <HOST>(?: at )?\s*$")
    for zone in ("", "UTC+0300")
)
