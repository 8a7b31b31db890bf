"""The three ways in which a configuration runs fail2ban's filters: a table, the name of a file, a whole folder of jails."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from config_bed import VENDOR, Bed

from nfjail.config import Config, Fail2banFilter, JailConfig, show
from nfjail.config.network import tells_who
from nfjail.core.recognise import Recogniser
from nfjail.core.spec import FilterSpec

NOW = 1_795_356_901.0  # 2026-11-22T14:15:01Z

FILES = {
    "jail.conf": """
        [DEFAULT]
        filter = %(__name__)s[mode=%(mode)s]
        mode = normal
        bantime = 1h
        findtime = 5m
        maxretry = 4
        ignoreip = 192.0.2.9
        port = 0:65535
        action = iptables-multiport[port="%(port)s", protocol="tcp"]
        [shop]
        enabled = true
        port = http,https
        logpath = {log}
        [demo]
        """,
    "filter.d/shop.conf": """
        [Definition]
        prefregex = ^shop\\[\\d+\\]: <F-CONTENT>.*</F-CONTENT>$
        failregex = <re-<mode>>
        re-normal = ^no <F-USER>\\S+</F-USER> from <HOST>$
        re-strict = ^(?:no|never) <F-USER>\\S+</F-USER> from <HOST>$
        ignoreregex = ^no guest
        datepattern = ^EPOCH
        journalmatch = _SYSTEMD_UNIT=shop.service + _COMM=shop
        """,
    "action.d/iptables-multiport.conf": "[Definition]\nactionban = iptables\nactionunban = iptables\n",
}


@pytest.fixture
def bed(tmp_path: Path) -> Bed:
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    (tmp_path / "log").touch()
    for name, text in FILES.items():
        put(tmp_path / "fail2ban" / name, text.format(log=tmp_path / "log") if "{log}" in text else text)
    return bed


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(dedent(text).lstrip("\n"))


def folder(bed: Bed) -> Path:
    return bed.etc.parent / "fail2ban"


def jail(config: Config, name: str) -> JailConfig:
    return next(jail for jail in config.jails if jail.name == name)


def spec(config: Config, name: str) -> FilterSpec:
    found = jail(config, name).filter
    assert isinstance(found, FilterSpec)
    return found


TABLE = r"""
[filter.shop]
language = "fail2ban"
prefregex = '^\s*shop: <F-CONTENT>.*</F-CONTENT>$'
failregex = ['^no <F-USER>\S+</F-USER> from <HOST>$']
ignoreregex = ['^no guest']
datepattern = ["^EPOCH", "{^LN-BEG}"]
journalmatch = ["_SYSTEMD_UNIT=shop.service _SYSTEMD_UNIT=mail.service + _COMM=shop"]
[jail.shop]
enabled = true
"""


def test_a_table_in_fail2bans_language(bed: Bed) -> None:
    config = bed.load(TABLE + 'logpath = "/var/log/shop"\nbackend = "file"\n')
    assert spec(config, "shop") == FilterSpec(
        "shop",
        (r"^no <F-USER>\S+</F-USER> from <HOST>$",),
        ("^no guest",),
        r"^\s*shop: <F-CONTENT>.*</F-CONTENT>$",
        "^EPOCH\n{^LN-BEG}",
        1,
        ("_SYSTEMD_UNIT=shop.service _SYSTEMD_UNIT=mail.service + _COMM=shop",),
    )
    sight = Recogniser(spec(config, "shop")).feed("1795356901 shop: no bob from 192.0.2.1", NOW)
    assert (sight.result, sight.host, sight.time, sight.fields["user"]) == ("failure", "192.0.2.1", NOW, "bob")
    assert isinstance(next(one for one in config.filters if one.name == "shop"), Fail2banFilter)


def test_what_of_the_journal_such_a_filter_is_about(bed: Bed) -> None:
    config = bed.load(TABLE + 'backend = "systemd"\n')
    assert spec(config, "shop").logtype == "journal"
    groups = jail(config, "shop").journalmatch
    assert groups == (
        (("_SYSTEMD_UNIT", "shop.service"),),
        (("_SYSTEMD_UNIT", "mail.service"),),
        (("_COMM", "shop"),),
    )
    assert [tells_who(group) for group in groups] == [True, True, False]  # any local user can call a program "shop"


def test_without_journalmatch_it_is_the_whole_journal_but_only_when_that_is_asked_for(bed: Bed) -> None:
    table = TABLE.replace("journalmatch", "#")
    assert jail(bed.load(table + 'backend = "journal"\n'), "shop").journalmatch == ((),)
    assert not tells_who(())
    assert bed.problems(table) == [
        'x.toml: jail.shop: it is enabled, but has neither journalmatch nor logpath; write journalmatch = '
        '["_SYSTEMD_UNIT=NAME.service"] in the jail or its filter, or logpath = ["/var/log/..."]'
    ]


def test_a_jail_has_the_last_word_on_its_filter(bed: Bed) -> None:
    own = 'usedns = "no"\nlogtimezone = "CET"\ndatepattern = "TAI64N"\nmaxlines = 3\nfailregex = ["^ever <HOST>"]\n'
    found = spec(bed.load(f"{TABLE}backend = 'file'\nlogpath = '/x'\n{own}"), "shop")
    assert (found.usedns, found.logtimezone, found.datepattern, found.maxlines) == ("no", "CET", "TAI64N", 3)
    assert found.failregex[1:] == ("^ever <HOST>",)


@pytest.mark.parametrize(("backend", "logtype"), [("file", "file"), ("journal", "journal")])
def test_a_file_of_fail2bans_by_its_name(bed: Bed, backend: str, logtype: str) -> None:
    name = f"fail2ban:{folder(bed)}/filter.d/shop.conf[mode=strict]"
    found = spec(bed.load(f"[jail.it]\nenabled = true\nfilter = '{name}'\nbackend = '{backend}'\nlogpath = '/x'\n"), "it")
    assert (found.name, found.logtype, found.datepattern) == (name, logtype, "^EPOCH")
    assert found.failregex == (r"^(?:no|never) <F-USER>\S+</F-USER> from <HOST>$",)


def test_the_mode_of_a_jail_goes_to_its_filter_unless_that_names_one(bed: Bed) -> None:
    path, rest = f"fail2ban:{folder(bed)}/filter.d/shop.conf", "backend = 'file'\nlogpath = '/x'\nmode = 'strict'\n"
    assert "never" in spec(bed.load(f"[jail.it]\nenabled = true\nfilter = '{path}'\n{rest}"), "it").failregex[0]
    named = f"[jail.it]\nenabled = true\nfilter = '{path}[mode=normal]'\n{rest}"
    assert "never" not in spec(bed.load(named), "it").failregex[0]


def test_a_jail_without_a_filter_is_for_bans_by_hand(bed: Bed) -> None:
    found = jail(bed.load("[jail.hand]\nenabled = true\nfilter = ''\nport = 'ssh'\n"), "hand")
    assert (found.enabled, found.filter_name, found.port) == (True, "", ("22",))


def test_a_whole_folder(bed: Bed) -> None:
    config = bed.load(f"fail2ban = '{folder(bed)}'\n")
    shop = jail(config, "shop")
    assert (shop.bantime, shop.findtime, shop.maxretry, shop.port) == (3600.0, 300.0, 4, ("80", "443"))
    assert (shop.backend, shop.logpath) == ("file", (f"{bed.etc.parent}/log",))
    assert [str(subject) for subject in shop.ignoreip] == ["192.0.2.9"]
    assert spec(config, "shop").failregex == (r"^no <F-USER>\S+</F-USER> from <HOST>$",)
    assert config.notes == ()


def test_what_is_written_in_toml_wins_over_the_folder_key_by_key(bed: Bed) -> None:
    own = '[default]\nignoreip = ["198.51.100.1"]\n[jail.shop]\nmaxretry = 9\nport = "all"\nusedns = "no"\n'
    config = bed.load(f"fail2ban = '{folder(bed)}'\n{own}")
    shop = jail(config, "shop")
    assert (shop.maxretry, shop.port, shop.findtime) == (9, (), 300.0)
    assert [str(subject) for subject in shop.ignoreip] == ["198.51.100.1"]
    assert spec(config, "shop").usedns == "no"


def test_what_fail2ban_has_off_does_not_run_because_nfjail_ships_it(bed: Bed) -> None:
    assert jail(bed.load(""), "demo").enabled
    config = bed.load(f"fail2ban = '{folder(bed)}'\n")
    assert not jail(config, "demo").enabled
    assert jail(bed.load(f"fail2ban = '{folder(bed)}'\n[jail.demo]\nenabled = true\n"), "demo").enabled


def test_what_could_not_be_carried_over_is_noted(bed: Bed) -> None:
    put(folder(bed) / "action.d/mail.conf", "[Definition]\nactionban = mail root\n")
    shop = "[shop]\naction = %(known/action)s\n    mail\nlogpath = /nowhere\nbackend = polling\n"
    put(folder(bed) / "jail.local", f"{shop}[gone]\nenabled = true\n")
    put(folder(bed) / "filter.d/gone.conf", "[Definition]\nfailregex =\n")
    config = bed.load(f"fail2ban = '{folder(bed)}'\n")
    assert config.notes == (
        "shop: action mail: it sends mail, and nfjail runs no actions yet",
        "shop: logpath /nowhere: there is no such file now; it is read once there is one",
    )
    assert jail(config, "shop").logpath == ("/nowhere",)
    assert (jail(config, "gone").enabled, jail(config, "gone").filter_name) == (True, "")


def test_without_a_log_file_the_journal_is_read_if_the_filter_knows_what_of_it(bed: Bed) -> None:
    """As fail2ban does from 1.1.1 on for backend = auto; before, it did not start."""
    put(folder(bed) / "jail.local", "[shop]\nlogpath = /nowhere\n")
    shop = jail(bed.load(f"fail2ban = '{folder(bed)}'\n"), "shop")
    assert (shop.backend, shop.journalmatch) == ("journal", ((("_SYSTEMD_UNIT", "shop.service"),), (("_COMM", "shop"),)))
    put(folder(bed) / "jail.local", "[shop]\nlogpath = /nowhere\nsystemd_if_nologs = false\n")
    assert jail(bed.load(f"fail2ban = '{folder(bed)}'\n"), "shop").backend == "file"


def test_a_jail_that_reads_fail2bans_own_log_reads_nfjails(bed: Bed) -> None:
    recidive = "[recidive]\nenabled = true\nlogpath = /var/log/bans.log\nbackend = systemd\n"
    put(folder(bed) / "jail.local", recidive)
    put(folder(bed) / "filter.d/recidive.conf", "[Definition]\nfailregex = Ban <HOST>\njournalmatch = _COMM=fail2ban\n")
    config = bed.load(f"fail2ban = '{folder(bed)}'\n")
    assert (jail(config, "recidive").backend, jail(config, "recidive").logpath) == ("file", ("/var/log/bans.log",))
    assert config.fail2ban_log == "/var/log/bans.log"
    assert bed.load(f"fail2ban_log = '/other'\nfail2ban = '{folder(bed)}'\n").fail2ban_log == "/other"


@pytest.mark.parametrize("way", ["table", "name", "folder"])
def test_shown_and_read_again_it_is_the_same(bed: Bed, way: str) -> None:
    written = {
        "table": TABLE + "backend = 'file'\nlogpath = '/x'\nmaxlines = 2\n",
        "name": f"[jail.it]\nenabled = true\nfilter = 'fail2ban:{folder(bed)}/filter.d/shop.conf[mode=strict]'\n",
        "folder": f"fail2ban = '{folder(bed)}'\n",
    }
    config = bed.load(written[way], check_all=True)
    again = bed.load(show(config), check_all=True)
    assert again == config
    filters = [[one.filter for one in each.jails if isinstance(one.filter, FilterSpec)] for each in (config, again)]
    assert filters[0] == filters[1] != []


MISTAKES = {
    "[filter.x]\nlanguage = 'fail2bna'": ["x.toml: filter.x.language: \"fail2bna\" cannot be used; did you mean \"fail2ban\"?"],
    "[filter.x]\nlanguage = 'fail2ban'\nfailregx = []": [
        "x.toml: filter.x.failregx: this key is not known; did you mean failregex?"
    ],
    "[filter.x]\nlanguage = 'fail2ban'\nfailregex = ['^a <HOST>', '^(b <HOST>', '^c']": [
        "x.toml: filter.x.failregex[1]: the pattern \"^(b <HOST>\" cannot be used: missing ), unterminated subpattern; see the "
        "syntax of regular expressions: https://docs.python.org/3/library/re.html",
        'x.toml: filter.x.failregex[2]: the pattern "^c" cannot be used: it has no <HOST> or <F-ID>: nobody could be banned '
        "for it; put <HOST> where the address stands",
    ],
    "[filter.x]\nlanguage = 'fail2ban'\nprefregex = '['\nfailregex = ['a']\nignoreregex = ['*']": [
        "x.toml: filter.x.prefregex: the pattern \"[\" cannot be used: unterminated character set; "
        "see the syntax of regular expressions: https://docs.python.org/3/library/re.html",
        "x.toml: filter.x.ignoreregex[0]: the pattern \"*\" cannot be used: nothing to repeat; "
        "see the syntax of regular expressions: https://docs.python.org/3/library/re.html",
    ],
    "[filter.x]\nlanguage = 'fail2ban'\nfailregex = ['<HOST>']\ndatepattern = ['EPOCH', '%Q']": [
        "x.toml: filter.x.datepattern[1]: the pattern \"%Q\" cannot be used: '%Q' is no field of a date; "
        "a percent sign that means itself is written twice; correct it"
    ],
    "[filter.x]\nlanguage = 'fail2ban'\nlogtimezone = 'Mars/Olympus'": [
        'x.toml: filter.x.logtimezone: "Mars/Olympus" is no time zone known here; write "Europe/Paris", "CET" or "+0100"'
    ],
    "[jail.x]\nfilter = 'fail2ban:shop[mode'": [
        "x.toml: jail.x.filter: \"fail2ban:shop[mode\": 'shop[mode' is not of the form NAME[PARAMETER=VALUE, ...]; "
        'write for example "fail2ban:sshd[mode=aggressive]"'
    ],
    "[jail.x]\nenabled = true\nfilter = 'fail2ban:/nowhere/filter.d/shop.conf'": [
        "/nowhere/filter.d: there is no filter 'shop' in /nowhere/filter.d; "
        "the folder cannot be read: No such file or directory"
    ],
    "[jail.x]\nenabled = true\nfilter = 'fail2ban:{folder}/filter.d/shpo.conf'": [
        "fail2ban/filter.d: there is no filter 'shpo' in {folder}/filter.d; did you mean shop?"
    ],
    "[jail.x]\nenabled = true\nfilter = 'fail2ban:{folder}/filter.d/shop.conf[mode=stirct]'\nlogpath = '/x'": [
        "fail2ban/filter.d/shop.conf:3: failregex '<re-stirct>': it has no <HOST> or <F-ID>: nobody could be banned for it; "
        "<re-stirct> is no option here and no tag of a pattern; there is <re-normal>, <re-strict>"
    ],
    "[filter.y]\nlanguage = 'fail2ban'\nfailregex = ['<HOST>']\n[jail.x]\nfilter = 'y'\nmode = 'ddos'": [
        'x.toml: jail.x.mode: the filter y has no mode "ddos"; remove it: this filter has no modes'
    ],
    "[jail.demo]\nmaxlines = 2": [
        "x.toml: jail.demo.maxlines: only for filters in fail2ban's language, which \"demo\" is not; "
        "remove it: each line is looked at by itself; filters of fail2ban's are written filter = \"fail2ban:NAME\", "
        'or language = "fail2ban" in [filter.NAME]'
    ],
    "fail2ban = 'etc/fail2ban'": [
        'x.toml: fail2ban: "etc/fail2ban" is not absolute; write the whole path, or "" for none'
    ],
    "fail2ban = '/nowhere'": ["/nowhere: there is no such folder; name the folder with fail2ban's configuration"],
}  # fmt: skip


@pytest.mark.parametrize("written", MISTAKES)
def test_mistakes(bed: Bed, written: str) -> None:
    told = bed.problems(written.replace("{folder}", str(folder(bed))))
    assert told == [line.replace("{folder}", "fail2ban") for line in MISTAKES[written]]


def test_mistakes_in_the_folder_are_told_with_file_and_line_and_stop_all(bed: Bed) -> None:
    put(folder(bed) / "filter.d/bad.conf", "[Definition]\nfailregex = ^a <HOST>\n    ^(b <HOST>\n")
    put(folder(bed) / "jail.local", "[bad]\nenabled = true\nfilter = bad\nfindtime = soon\n[shop]\nfilter = shpo\n")
    put(folder(bed) / "jail.d/1.conf", "[DEFAULT]\nx = 1\nx = 2\n")
    assert bed.problems(f"fail2ban = '{folder(bed)}'\n") == [
        "fail2ban/jail.d/1.conf:3: x stands here a second time (first on line 2); remove one of them",
        "fail2ban/jail.local:6: there is no filter 'shpo' in fail2ban/filter.d; did you mean shop?",
        "fail2ban/filter.d/bad.conf:3: failregex '^(b <HOST>': missing ), unterminated subpattern; "
        "correct the regular expression",
        "fail2ban/jail.local:4: findtime = soon: 'soon' is no length of time: write for example 10m, 1d 12h, 3600 or -1; "
        "correct it",
    ]
