"""fail2ban's configuration files are read as fail2ban reads them: beside Debian's packages, value by value."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import dedent

import pytest
from config_cases import CASES
from fail2ban_bed import beside, dump, filter_values, ours, private_copy, theirs
from packages import SUITES, unpacked

from nfjail.fail2ban.actions import read_action
from nfjail.fail2ban.filters import load_filter
from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.jails import read_jails
from nfjail.fail2ban.problem import Fail2banError
from nfjail.fail2ban.server import read_server

suites = pytest.mark.parametrize("suite", SUITES)


@suites
def test_every_shipped_jail_has_the_values_that_fail2ban_client_dumps(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    wanted = theirs(dump(suite, base))
    read = read_jails(str(base))
    assert not read.problems
    assert len(read.jails) == len(wanted) > 90
    for jail in read.jails:
        assert not jail.problems, jail.name
        assert jail.enabled
        assert ours(jail, base) == wanted[jail.name], jail.name
    assert sum(len(values["logpath"]) for values in wanted.values()) > 60  # the logs were there to be found


@suites
def test_the_programs_own_options(suite, tmp_path):
    base = private_copy(suite, tmp_path)
    (base / "fail2ban.local").write_text("[DEFAULT]\nloglevel = DEBUG\n[Definition]\ndbpurgeage = 1w\n[Thread]\nstacksize=64\n")
    told = {command[1]: command[2] for command in dump(suite, base) if command[0] == "set" and len(command) == 3}
    server = read_server(str(base))
    assert (server.loglevel, server.logtarget, server.syslogsocket, server.allowipv6, server.dbfile, server.dbmaxmatches) == (
        told["loglevel"], told["logtarget"], told["syslogsocket"], told["allowipv6"], told["dbfile"], told["dbmaxmatches"],
    )  # fmt: skip
    assert (server.dbpurgeage, told["dbpurgeage"]) == (7 * 86400, "1w")
    assert told["thread"] == {"stacksize": server.stacksize} == {"stacksize": 64}


# Shared files that others include: what nfjail says of each when it is asked for by itself.
INCLUDED = {
    "apache-common": r"there is no \[Definition\]",
    "botsearch-common": r"there is no \[Definition\]",
    "common": r"there is no \[Definition\]",
    "exim-common": r"exim-common has no failregex",
    "nginx-error-common": r"there is no \[Definition\]",
    "selinux-common": r"selinux-common\.conf:17: %\(_type\)s is not defined",
}
PARAMETERS = (
    {}, {"mode": "normal"}, {"mode": "aggressive"}, {"mode": "ddos"}, {"mode": "extra"}, {"mode": "more"}, {"mode": "rbl"},
    {"mode": "auth"}, {"mode": "errors"}, {"mode": "fallback"}, {"logtype": "short"}, {"logtype": "journal"},
    {"logtype": "rfc5424"}, {"logging": "syslog"}, {"logging": "all"}, {"logging": "webapp"}, {"publickey": "invalid"},
    {"publickey": "any", "mode": "aggressive"}, {"_daemon": r"x\w+", "type": "y"}, {"_jailname": "it", "block": "/z"},
)  # fmt: skip


def attempt(read, *arguments):
    """What was read, or why not."""
    try:
        return read(*arguments)
    except Fail2banError as error:
        return error


def modes(text: str) -> set[str]:
    return set(re.findall(r"^(?:mdre|cmnfailre|cmnfailed)-([\w-]+)\s*=", text, re.MULTILINE))


@suites
def test_every_shipped_filter_with_every_mode_for_files_and_for_the_journal(suite):
    base = unpacked(suite) / "etc/fail2ban"
    texts = {path.stem: path.read_text() for path in sorted(base.glob("filter.d/*.conf"))}
    cases = [
        (name, parameters, logtype)
        for name, text in texts.items()
        for parameters in PARAMETERS
        for logtype in ("file", "journal")
        if all(option == "logtype" or option in text for option in parameters)
    ]
    backend = {"file": "auto", "journal": "systemd"}
    answers = beside(suite, (["filter", str(base), name, given, backend[logtype]] for name, given, logtype in cases))
    refused = set()
    for (name, parameters, logtype), answer in zip(cases, answers, strict=True):
        found = attempt(load_filter, name, str(base), parameters, logtype)
        if isinstance(found, Fail2banError):
            refused.add((name, parameters.get("mode") or parameters.get("logging")))
            # or the filter does not know this mode, and a reference to it was left
            assert re.search(INCLUDED.get(name, r"<(mdre-|L_)[\w/]+> is no option here"), str(found))
            continue
        wanted = theirs([["add", "it", "auto"], *answer])["it"]
        wanted = {k: v for k, v in wanted.items() if k not in ("backend", "logpath", "actions")}
        assert filter_values(found) == wanted, (name, parameters, logtype)
    assert {name for name, mode in refused if mode is None} == INCLUDED.keys() & texts.keys()
    assert not [(name, mode) for name, mode in refused if name not in INCLUDED and mode in modes(texts[name])]


@suites
def test_every_shipped_action_loads(suite):
    base = str(unpacked(suite) / "etc/fail2ban")
    paths = sorted(Path(base, "action.d").glob("*.conf"))
    included = {"firewallcmd-common", "helpers-common", "mail-whois-common"}  # they have no [Definition]
    for path in paths:
        action = attempt(read_action, path.stem, base, "it", {"logpath": Text("/log")}, Text(path.stem))
        if path.stem in included:
            assert "there is no [Definition]" in str(action)
        else:
            assert action.hooks["actionban"] or path.stem == "sendmail-common"
    assert len(paths) > 60


@suites
@pytest.mark.parametrize("name", CASES)
def test_every_twist_of_the_language_means_what_it_means_to_fail2ban(name, suite, tmp_path, answers):
    """The cases are in config_cases.py."""
    base, wanted, case = answers(suite)[name]
    read = read_jails(str(base), every=True)
    by_name = {jail.name: jail for jail in read.jails}
    for jail, values in case.expected.items():
        assert not by_name[jail].problems
        found = ours(by_name[jail], base)
        assert found == wanted[jail]
        for option, value in values.items():
            assert found[option] == value
    for jail, text in case.refused.items():
        assert text in "\n".join(map(str, by_name[jail].problems))
        assert isinstance(wanted, str) or isinstance(wanted.get(jail), str), "fail2ban takes it"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """fail2ban's answers to all cases, from one process a package."""
    known: dict[str, dict] = {}

    def of(suite):
        if suite not in known:
            folder = tmp_path_factory.mktemp(suite)
            bases = {name: written(folder / str(number), case.files) for number, (name, case) in enumerate(CASES.items())}
            told = beside(suite, (["jails", str(base)] for base in bases.values()))
            known[suite] = {
                name: (bases[name], answer if isinstance(answer, str) else theirs(answer), CASES[name])
                for name, answer in zip(CASES, told, strict=True)
            }
        return known[suite]

    return of


def written(base: Path, files: dict[str, str]) -> Path:
    """A folder with these files; action "none" and filter "one" are in each."""
    common = {
        "filter.d/one.conf": "[Definition]\nfailregex = ^one <HOST>$\n",
        "action.d/none.conf": "[Definition]\nactionban = none <ip>\n",
    }
    for name, text in {**common, **files}.items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
    return base


