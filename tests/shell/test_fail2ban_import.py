"""`nfjail import`: fail2ban's jails as TOML that a person could have written, and what could not be carried over."""

from __future__ import annotations

import argparse
import sys
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nfjail.cli import importing
from nfjail.cli.importing_text import _lines
from nfjail.config import Increment, load
from nfjail.errors import NfjailError
from nfjail.fail2ban.actions import Action
from nfjail.fail2ban.banactions import Block, InverseError, recognise
from nfjail.fail2ban.jails import read_jails

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BLOCK = "[Definition]\nactionban = iptables -s <ip> --dport <port>\n[Init]\nblocktype = REJECT\nport = ssh\nprotocol = tcp\n"
FILES = {
    "jail.conf": """
        [DEFAULT]
        bantime = 1h
        findtime = 2*5m
        ignoreip = 127.0.0.1/8 192.0.2.0/255.255.255.0 home.example.org
        filter = %(__name__)s[mode=%(mode)s]
        mode = normal
        port = 0:65535
        block = iptables-multiport[port="%(port)s", protocol="tcp"]
        action = %(block)s
        [shop]
        port = http,8000:8080
        logpath = {log}
        [mail]
        backend = systemd
        [off]
        """,
    "jail.local": """
        [DEFAULT]
        bantime.increment = true
        bantime.maxtime = 5w
        [shop]
        enabled = true
        maxretry = 2
        [mail]
        enabled = true
        bantime = -1
        mode = strict
        action = %(block)s
                 tell[to=root]
        """,
    "filter.d/shop.conf": """
        [Definition]
        failregex = ^no entry for "<F-USER>.*</F-USER>" from <HOST>$
                    ^it's (?:bad|worse) from <HOST>\\s*$
        datepattern = {{^LN-BEG}}
        """,
    "filter.d/mail.conf": """
        [Definition]
        prefregex = ^mail\\[\\d+\\]: <F-CONTENT>.*</F-CONTENT>$
        failregex = <re-<mode>>
        re-normal = ^no <HOST>
        re-strict = ^(?:no|never) <HOST>
        ignoreregex = ^no 192\\.
        journalmatch = _SYSTEMD_UNIT=mail.service + _COMM=mail
        """,
    "filter.d/recidive.conf": "[Definition]\nfailregex = Ban <HOST>\n",
    "action.d/iptables-multiport.conf": BLOCK,
    "action.d/tell.conf": "[Definition]\nactionban = mail <to>\n",
}


@pytest.fixture
def base(tmp_path):
    (tmp_path / "log").touch()
    for name, text in FILES.items():
        path = tmp_path / "fail2ban" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text.format(log=tmp_path / "log")).lstrip("\n"))
    return tmp_path / "fail2ban"


def run(*arguments) -> int:
    parser = argparse.ArgumentParser()
    importing.add_arguments(parser)
    return importing.main(parser.parse_args(list(map(str, arguments))))


def test_a_file_for_each_jail_that_is_enabled(base, tmp_path, capsys):
    assert run(base, "-o", tmp_path / "out") == 0
    files = {path.name: path.read_text() for path in (tmp_path / "out/conf.d").iterdir()}
    expected = {
        "fail2ban.toml": f"""\
# What all jails of {base} have in common: [DEFAULT] in its files.

[default]
bantime = "1h"                                              # jail.conf:2
ignoreip = ["127.0.0.0/8", "192.0.2.0/24", "home.example.org"]  # jail.conf:4

[default.increment]
enabled = true                                              # jail.local:2
maxtime = "5w"                                              # jail.local:3
""",
        "fail2ban-shop.toml": f"""\
# From {base}: jail shop with filter shop[mode=normal].

[jail.shop]
enabled = true                                              # jail.local:5
filter = "fail2ban-shop"                                    # jail.conf:5
backend = "file"
{f'logpath = ["{tmp_path}/log"]':<58}  # jail.conf:12
maxretry = 2                                                # jail.local:6
maxmatches = 5
port = ["http", "8000-8080"]                                # jail.conf:11

# From filter.d/shop.conf.
[filter.fail2ban-shop]
language = "fail2ban"
datepattern = ["{{^LN-BEG}}"]
failregex = [
    "^no entry for \\"<F-USER>.*</F-USER>\\" from <HOST>$",
    '''^it's (?:bad|worse) from <HOST>\\s*$''',
]
""",
        "fail2ban-mail.toml": f"""\
# From {base}: jail mail with filter mail[mode=strict].
# Differs from fail2ban: action tell: it runs `mail root`, and nfjail runs no actions yet
# Note: _COMM=mail counts only if the system wrote it (_UID below 1000): any local user could log so

[jail.mail]
enabled = true                                              # jail.local:8
filter = "fail2ban-mail"                                    # jail.conf:5
backend = "journal"                                         # jail.conf:14
maxretry = 3
bantime = "forever"                                         # jail.local:9
maxmatches = 5

# From filter.d/mail.conf.
[filter.fail2ban-mail]
language = "fail2ban"
logtype = "journal"
journalmatch = ["_SYSTEMD_UNIT=mail.service + _COMM=mail"]
prefregex = '^mail\\[\\d+\\]: <F-CONTENT>.*</F-CONTENT>$'
failregex = ["^(?:no|never) <HOST>"]
ignoreregex = ['^no 192\\.']
""",
    }
    assert files.keys() == expected.keys()
    for name, text in expected.items():
        assert files[name].splitlines() == text.splitlines()
    assert capsys.readouterr().out == dedent(f"""\
        shop: carried over
        mail: carried over, but:
          action tell: it runs `mail root`, and nfjail runs no actions yet
        2 of 2 jails carried over; 1 more are not enabled
        next: nfjail check --config {tmp_path}/out; then start nfjail, and: nfjail import --bans; then stop fail2ban
        """)


@pytest.mark.parametrize(("name", "new"), [("my jäil", "jail-my-j-il-c9a0dce8"), ("-x", "jail--x"), ("manual", "jail-manual")])
def test_a_name_that_nfjail_cannot_use(name, new, base, tmp_path, capsys):
    (base / "jail.local").write_text(f"[{name}]\nenabled = true\nfilter = shop\nlogpath = {tmp_path}/log\n")
    assert run(base, "-o", tmp_path / "out") == 0
    assert f"{new}: carried over, but:\n  its name, which nfjail cannot use: it is called {new} here" in capsys.readouterr().out
    table = tomllib.loads((tmp_path / f"out/conf.d/fail2ban-{new}.toml").read_text())
    assert table["jail"][new]["filter"] in table["filter"]


def test_without_a_folder_it_is_printed_and_the_report_goes_to_stderr(base, capsys):
    assert run(base) == 0
    told = capsys.readouterr()
    assert tomllib.loads(told.out)["jail"].keys() == {"shop", "mail"}
    assert told.err.startswith("shop: carried over\n")


def test_what_is_there_already_is_not_replaced_without_force(base, tmp_path):
    own = tmp_path / "conf.d/fail2ban-shop.toml"
    own.parent.mkdir()
    own.write_text("mine")
    with pytest.raises(NfjailError, match="is there already: remove it, or give --force"):
        run(base, "-o", tmp_path / "conf.d")
    assert own.read_text() == "mine"
    assert [path.name for path in own.parent.iterdir()] == [own.name]
    assert run(base, "-o", tmp_path / "conf.d", "--force") == 0
    assert "jail.shop" in own.read_text()


@pytest.mark.parametrize(("written", "days"), [("1d", 30), ("90d", 90), ("1000y", 36525)])
def test_for_how_long_bans_are_remembered_if_that_is_longer_than_here(written, days, base, tmp_path):
    (base / "fail2ban.conf").write_text(f"[Definition]\ndbpurgeage = {written}\n")
    assert run(base, "-o", tmp_path / "out") == 0
    (tmp_path / "etc/conf.d").mkdir(parents=True)
    (tmp_path / "etc/conf.d/x.toml").write_text(f"fail2ban = '{base}'\n")
    assert [load(str(tmp_path / name)).dbpurgeage for name in ("out", "etc")] == [days * 86400.0] * 2


def test_what_an_earlier_import_left_is_told(base, tmp_path, capsys):
    assert run(base, "-o", tmp_path / "out") == 0
    (base / "jail.local").write_text("[shop]\nenabled = true\n")
    (base / "fail2ban.conf").write_text("[Definition]\ndbpurgeage = soon\n")
    capsys.readouterr()
    assert run(base, "-o", tmp_path / "out", "--force") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith(f"note: {base}/fail2ban.conf:2: dbpurgeage = soon: ")
    assert f"{tmp_path}/out/conf.d/fail2ban-mail.toml is left from an earlier import: remove it, unless it is to stay" in said


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",)) | st.sampled_from("'\\\"#\x7f\t")), max_size=5))
@example(["it's \\d", "'''\\", "'\\", "\\'", "\\''", "\x7f'", ""])
def test_every_text_comes_back_from_what_is_written(texts):
    written = "\n".join(("[a]", *_lines({"list": texts, **{f"t{i}": text for i, text in enumerate(texts)}}, {})))
    table = tomllib.loads(written)["a"]
    assert table.pop("list") == texts == list(table.values())


REASONS = {
    "action = tell": "it has no action that blocks, and nfjail would block (action tell: it runs `mail <to>`, and nfjail runs",
    "action =": "it has no action that blocks, and nfjail would block\n",
    "action = iptables-multiport[blocktype=RETURN]": "iptables-multiport with blocktype RETURN lets those in whom it finds",
    "filter = nothing": "fail2ban cannot use it either: ",
}


@pytest.mark.parametrize("line", ["filter =", "filter = mail[failregex=]", "logpath = relative/path"])
def test_a_jail_that_has_nothing_to_look_for_is_for_bans_by_hand(line, base, tmp_path, capsys):
    (base / "jail.d").mkdir()
    (base / "jail.d/z.local").write_text(f"[shop]\n{line}\n")
    assert run(base, "-o", tmp_path / "out") == 0
    table = tomllib.loads((tmp_path / "out/conf.d/fail2ban-shop.toml").read_text())
    assert (table["jail"]["shop"]["enabled"], table["jail"]["shop"]["filter"]) == (True, "")
    assert "bans by hand" in (tmp_path / "out/conf.d/fail2ban-shop.toml").read_text()
    assert load(str(tmp_path / "out")).enabled


@pytest.mark.parametrize("line", REASONS)
def test_jails_that_cannot_be_carried_over_are_told_with_the_reason(line, base, tmp_path, capsys):
    (base / "jail.d").mkdir()
    (base / "jail.d/z.local").write_text(f"[shop]\n{line}\n")
    assert run(base, "-o", tmp_path / "out") == (78 if "either" in REASONS[line] else 0)
    assert f"shop: not carried over: {REASONS[line]}" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "out/conf.d").iterdir()} == {"fail2ban.toml", "fail2ban-mail.toml"}


LOST = {
    "bantime = 0": ["bantime = 0: it is a second here"],
    "bantime = 1000y": ["bantime = 1000y: it is for ever here"],
    "findtime = 1000y": ["findtime = 1000y: it is 100 years here"],
    "maxretry = 100000": ["maxretry = 100000: 10000 is the most here"],
    "bantime.maxtime = -1": ["bantime.maxtime = -1: it is no limit here"],
    "bantime.rndtime = -1": ["bantime.rndtime = -1: it is nothing here"],
    "bantime.factor = 0\nbantime.multipliers = 0 2": ["factor 0: it is 1e-09 here"],
    "port = 100:1": ['port: "100-1" is no port'],
    "ignoreip = 192.0.2.1 file:/etc/hosts x/33": ["ignoreip file:/etc/hosts: the addresses", "ignoreip x/33 is no network"],
    "ignorecommand = /bin/true <ip>": [
        "ignorecommand /bin/true <ip>: nfjail starts no program for each failure, and would ban whom it spares: so this jail is"
    ],
    "logencoding = latin-1": ["logencoding latin-1: all is read as UTF-8"],
    "logpath = {log} tail\n  /nowhere": ["{log} tail: it is read from findtime ago on", "/nowhere: there is no such file now"],
    "port = http,no-such-service": ['port: "no-such-service": no service is known by this name'],
    'action = %(block)s\n  iptables-multiport[name=x, port="1", protocol=udp]': ["which of its ports are of which protocol"],
    "backend = systemd[journalflags=1]": ["backend parameter journalflags: see [journal] path"],
    "action = %(block)s\n  sendmail-whois": ["action sendmail-whois: it sends mail, and nfjail runs no actions yet"],
    "action = cloudflare[port=http]": ["action cloudflare: it blocks at Cloudflare, nfjail in this machine's firewall instead"],
    "action = mine": ["action mine: it runs `mine add <ip>`; nfjail blocks in this machine's firewall instead"],
    "banaction = quiet\naction = quiet": ["action quiet: it runs `quiet <ip>`; nfjail blocks in this"],
    "filter = recidive\nbackend = systemd\nlogpath =": ["it reads what fail2ban writes to the journal: with logpath = /var"],
    "action = iptables-multiport[chain=DOCKER-USER]": ["chain DOCKER-USER: nfjail's own comes before all of these"],
}


CUSTOM = {
    "cloudflare": "actionban = curl\nactionunban = curl",
    "sendmail-whois": "actionban = sendmail",
    "mine": "actionban = mine add <ip>\nactionunban = mine del <ip>",
    "quiet": "actionban = quiet <ip>",
}


@pytest.mark.parametrize("lines", LOST)
def test_what_is_lost_of_a_jail_is_told_there_and_in_the_report(lines, base, tmp_path, capsys):
    for name, text in CUSTOM.items():
        (base / f"action.d/{name}.conf").write_text(f"[Definition]\n{text}\n")
    (base / "jail.d").mkdir()
    (base / "jail.d/z.local").write_text(f"[shop]\n{lines.format(log=tmp_path / 'log')}\n")
    assert run(base, "-o", tmp_path / "out") == 0
    report, written = capsys.readouterr().out, (tmp_path / "out/conf.d/fail2ban-shop.toml").read_text()
    for expected in LOST[lines]:
        assert expected.format(log=tmp_path / "log") in report
        assert expected.format(log=tmp_path / "log") in written
    on = "ignorecommand" not in lines  # whom that spares shall not be banned
    assert tomllib.loads(written)["jail"]["shop"]["enabled"] is on
    assert {jail.name for jail in load(str(tmp_path / "out")).enabled} >= ({"shop", "mail"} if on else {"mail"})


def action(call: str, tmp_path) -> Action:
    for name in ("iptables", "nftables", "iptables-allports", "ufw", "route", "csf", "cloudflare", "iptables-new", "pf"):
        path = tmp_path / f"action.d/{name}.conf"
        path.parent.mkdir(exist_ok=True)
        path.write_text("[Definition]\nactionban = dport <port> <blocktype>\n[Init]\nblocktype = REJECT\n")
    path.with_name("ufw.conf").write_text("[Definition]\nactionban = ufw <blocktype>\n[Init]\nblocktype = deny\n")
    path.with_name("route.conf").write_text("[Definition]\nactionban = ip\n[Init]\nblocktype = blackhole\n")
    (tmp_path / "filter.d").mkdir(exist_ok=True)
    (tmp_path / "filter.d/it.conf").write_text("[Definition]\nfailregex = <HOST>\n")
    (tmp_path / "jail.conf").write_text(f"[it]\nenabled = 1\nfilter = it\naction = {call}\n")
    (jail,) = read_jails(str(tmp_path)).jails
    return jail.actions[0]


@pytest.mark.parametrize(
    ("call", "block"),
    [
        ('nftables[port="http,https"]', Block(("http", "https"))),
        ('nftables[type=allports, port="http"]', Block(())),
        ('iptables[type=multiport, port="22", blocktype=DROP]', Block(("22",), blocktype="drop")),
        ('iptables[port="0:65535"]', Block(())),
        ('iptables[port="53", protocol="tcp,udp"]', Block(("53",), ("tcp", "udp"))),
        ('iptables[port="53", protocol=all]', Block(("53",), ())),
        ('iptables[port="22", blocktype="REJECT --reject-with tcp-reset"]', Block(("22",), blocktype="tcp-reset")),
        ('iptables-allports[port="22", blocktype="REJECT --reject-with icmp-host-prohibited"]', Block(())),
        ('iptables-allports[protocol="all"]', Block((), ())),
        ('iptables-new[port="22"]', Block(("22",), lost=("open connections are cut, too",))),
        ('ufw[port="22", protocol=tcp]', Block((), (), "drop")),
        ("route", Block((), (), "drop")),
        ("csf", Block((), (), "drop")),
        ("cloudflare", None),
        ("pf", None),
    ],
)
def test_firewall_actions_are_recognised(call, block, tmp_path):
    assert recognise(action(call, tmp_path)) == block


@pytest.mark.parametrize("blocktype", ["ACCEPT", "RETURN", "allow"])
def test_an_action_that_lets_in_is_no_ban(blocktype, tmp_path):
    with pytest.raises(InverseError, match="instead of keeping them out"):
        recognise(action(f"iptables[blocktype={blocktype}]", tmp_path))


INCREMENTS = {
    "bantime.increment = true": Increment(enabled=True),
    "bantime.increment = true\nbantime.multipliers = 1 5 30 60": Increment(enabled=True, multipliers=(1.0, 5.0, 30.0, 60.0)),
    "bantime.increment = true\nbantime.factor = 2*3\nbantime.maxtime = 1year-6mo\nbantime.rndtime = 10m": Increment(
        enabled=True, factor=6.0, maxtime=31_557_600 - 6 * 2_629_800, rndtime=600.0
    ),
    "bantime.increment = true\nbantime.formula = ban.Time * math.exp(ban.Count)\nbantime.overalljails = true": Increment(
        enabled=True, formula="ban.Time * math.exp(ban.Count)", overalljails=True
    ),
    "bantime.increment = false\nbantime.factor = 4": Increment(),
}


@pytest.mark.parametrize("lines", INCREMENTS)
@pytest.mark.parametrize("section", ["DEFAULT", "shop"])
def test_longer_bans_for_those_who_come_back(lines, section, base, tmp_path):
    sections = {"DEFAULT": "", "shop": "enabled = true\n", "mail": "enabled = true\n"}
    sections[section] += lines
    (base / "jail.local").write_text("".join(f"[{name}]\n{text}\n" for name, text in sections.items()))
    assert run(base, "-o", tmp_path / "out") == 0
    jails = {jail.name: jail for jail in load(str(tmp_path / "out")).jails}
    assert jails["shop"].increment == INCREMENTS[lines]
    assert jails["mail"].increment == (INCREMENTS[lines] if section == "DEFAULT" else Increment())


def test_a_jail_that_differs_from_what_most_have_keeps_its_own_values(base, tmp_path):
    """Also where these are nfjail's defaults, which [default] has replaced by then."""
    own = "bantime = 10m\nfindtime = 10m\nmaxretry = 5\nignoreip =\nbantime.increment = false\n"
    common = "bantime = 1d\nfindtime = 2d\nmaxretry = 9\nbantime.increment = true\n"
    (base / "jail.local").write_text(f"[DEFAULT]\nenabled = true\n{common}[shop]\n{own}[off]\nfilter = shop\nlogpath = /x\n")
    assert run(base, "-o", tmp_path / "out") == 0
    jails = {jail.name: jail for jail in load(str(tmp_path / "out")).jails}
    shop, mail = jails["shop"], jails["mail"]
    assert (shop.bantime, shop.findtime, shop.maxretry, shop.ignoreip, shop.increment.enabled) == (600, 600, 5, (), False)
    assert (mail.bantime, mail.findtime, mail.maxretry, len(mail.ignoreip)) == (86400, 172800, 9, 2)
    assert mail.increment.enabled


def test_a_jail_that_nfjail_ships_is_what_fail2ban_has_and_nothing_of_nfjails(base, tmp_path):
    """nfjail's own [jail.sshd] has ports and log files, and is enabled."""
    (base / "jail.local").write_text(f"[sshd]\nenabled = true\nfilter = shop\nlogpath = {tmp_path}/log\nport = 0:65535\n")
    assert run(base, "-o", tmp_path / "out") == 0
    (sshd,) = load(str(tmp_path / "out")).enabled
    assert (sshd.name, sshd.filter_name, sshd.port, sshd.logpath) == ("sshd", "fail2ban-sshd", (), (f"{tmp_path}/log",))
    (base / "jail.local").write_text("[sshd]\nenabled = false\n")
    assert run(base, "-o", tmp_path / "out", "--force") == 0
    assert not load(str(tmp_path / "out")).enabled
