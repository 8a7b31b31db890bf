"""Twists of fail2ban's configuration language: files, what each jail must have then, and which jails are refused and why.

Filter "one" (failregex = ^one <HOST>$) and action "none" are there in every case. Of a jail only those values are named
that matter; all of them are compared with fail2ban's.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Case(NamedTuple):
    files: dict[str, str]
    expected: dict[str, dict[str, Any]] = {}  # noqa: RUF012  # by jail
    refused: dict[str, str] = {}  # noqa: RUF012  # by jail: a part of what nfjail says; fail2ban has to refuse it, too


def with_filter(definition: str, call: str = "f", jail: str = "", **more: str) -> dict[str, str]:
    """A jail a with a filter f of its own."""
    return {"jail.conf": f"[a]\nfilter = {call}\n{jail}", "filter.d/f.conf": definition, **more}


def with_action(definition: str, call: str, jail: str = "") -> dict[str, str]:
    """A jail a with an action of its own."""
    return {"jail.conf": f"[a]\nfilter = one\naction = {call}\n{jail}", "action.d/act.conf": definition}


CASES = {
    "comments": Case(
        {
            "jail.conf": """
                # a comment
                ; another
                [a] ; behind a section
                filter = one ; behind a value
                   # within a value
                failregex : ^x;no comment, as no blank is before it <HOST>
                ignoreip = 192.0.2.1 #no comment
                           ; left out

                           192.0.2.2
                BanTime = 1h
                """,
        },
        {"a": {"bantime": "1h", "failregex": ["^x;no comment, as no blank is before it <HOST>"],
               "ignoreip": ["192.0.2.1", "#no", "comment", "192.0.2.2"]}},
    ),
    "a value over several lines": Case(
        {
            "jail.conf": "[a]\nfilter = one\n  \nlogpath = /no/1\n  /no/2\n\n \t/no/3\n# x\n /no/4\nusedns=no\n",
            "filter.d/one.local": "[Definition]\nfailregex =\n   ^x <HOST>$\n\n   ^y <HOST>\n    ^z<HOST>\nignoreregex =\n",
        },
        {"a": {"failregex": ["^x <HOST>$", "^y <HOST>", "^z<HOST>"], "usedns": "no"}},
    ),
    "the order of files": Case(
        {
            "jail.conf": "[DEFAULT]\nfilter = one\nmaxretry = 1\nfindtime = 1\nbantime = 1\nlogencoding = ascii\n[a]\n",
            "jail.d/2.conf": "[DEFAULT]\nfindtime = 3\nbantime = 3\nlogencoding = utf-8\n",
            "jail.d/1.conf": "[DEFAULT]\nfindtime = 2\nbantime = 2\n",
            "jail.local": "[DEFAULT]\nbantime = 4\nlogencoding = latin1\n[b]\nmaxretry = 9\n",
            "jail.d/0.local": "[DEFAULT]\nlogencoding = auto\n",
            "jail.d/ignored": "[c]\n",
        },
        {"a": {"maxretry": 1, "findtime": "3", "bantime": "4", "logencoding": "auto"}, "b": {"maxretry": 9}},
    ),
    "files that include others": Case(
        {
            "jail.conf": "[INCLUDES]\nbefore = b1.conf\n   sub/b2.conf\nafter = a.conf\n\n[a]\nmaxretry = 4\nbantime = 4\n",
            "b1.conf": "[DEFAULT]\nfilter = one\nmaxretry = 1\nbantime = 1\nfindtime = 1\n",
            "b1.local": "[DEFAULT]\nfindtime = 11\n",
            "sub/b2.conf": "[INCLUDES]\nbefore = b3.conf\n  missing.conf\n[a]\nbantime = 2\nusedns = raw\n",
            "sub/b3.conf": "[a]\nusedns = no\nmaxmatches = 3\n",
            "a.conf": "[a]\nbantime = 5\n",
        },
        {"a": {"maxretry": 4, "bantime": "5", "findtime": "11", "usedns": "raw", "maxmatches": 3}},
    ),
    "files that include each other": Case(
        {
            "jail.conf": "[INCLUDES]\nbefore = x.conf\n[a]\nfilter = one\nmaxretry = 3\n",
            "x.conf": "[INCLUDES]\nafter = y.conf\n[a]\nmaxretry = 1\nfindtime = 1\n",
            "y.conf": "[INCLUDES]\nbefore = x.conf\n jail.conf\n[a]\nmaxretry = 2\nfindtime = 2\n",
        },
        {"a": {"maxretry": 3, "findtime": "2"}},
    ),
    "references": Case(
        {
            "jail.conf": """
                [DEFAULT]
                x = default
                action = none
                [other]
                filter = one
                x = other
                bantime = 7
                [a]
                filter = %(fil)s
                fil = one
                x = mine
                failregex = ^%(x)s %(default/x)s %(other/x)s %(__name__)s 100%% <HOST>
                   ^%(X)s %(known/x)s %(other/bantime)s%%(x)s <HOST>
                bantime = %(other/bantime)s
                """,
        },
        {"a": {"bantime": "7", "failregex": ["^mine default other a 100% <HOST>", "^mine default 7%(x)s <HOST>"]}},
    ),
    "what was known before": Case(
        {
            "jail.conf": "[DEFAULT]\nfilter = one\nmaxretry = 2\n[a]\nfindtime = 1\nignoreip = ::1\nbantime = 1\n",
            "jail.local": "[a]\nignoreip = %(known/ignoreip)s ::2\nbantime = %(known/bantime)s0\nfindtime = 2\n",
            "jail.d/z.local": "[a]\nmaxretry = %(known/maxretry)s0\n",
        },
        {"a": {"bantime": "10", "maxretry": 20, "findtime": "2", "ignoreip": ["::1", "::2"]}},
    ),
    "a jail that extends its filter": Case(
        with_filter(
            "[Definition]\nfailregex = ^<x> <HOST>$\nignoreregex = ^i$\nx = %(y)s\ny = yes\njournalmatch = A=1\n",
            jail="failregex = %(known/failregex)s\n   ^%(known/y)s more <HOST>$\nignoreregex = ^j$\njournalmatch = B=2\n",
        ),
        {"a": {"failregex": ["^yes <HOST>$", "^yes more <HOST>$"], "ignoreregex": ["^j$"], "journalmatch": [["B=2"]]}},
    ),
    "a filter extended by its .local": Case(
        {
            **with_filter("[Definition]\nfailregex = ^a <HOST>$\nx = old\n[Init]\nmaxlines = 2\n"),
            "filter.d/f.local": "[Definition]\nfailregex = %(known/failregex)s\n   ^<known/x> <x> <HOST>$\nx = new\n",
            "filter.d/f.d/2.conf": "[Definition]\nignoreregex = ^2$\n",
            "filter.d/f.d/1.conf": "[Definition]\nignoreregex = ^1$\nusedns = no\n",
            "filter.d/f.d/3.local": "[Init]\nmaxlines = <known/maxlines>0\n",
        },
        refused={"a": "contains itself"},
    ),
    "a filter extended by its .local, with what was known": Case(
        {
            **with_filter("[Definition]\nfailregex = ^a <HOST>$\nx = old\n[Init]\nmaxlines = 2\n"),
            "filter.d/f.local": "[Definition]\nfailregex = %(known/failregex)s\n   ^<known/x> <x> <HOST>$\nx = new\n",
            "filter.d/f.d/2.conf": "[Definition]\nignoreregex = ^2$\n",
            "filter.d/f.d/1.conf": "[Definition]\nignoreregex = ^1$\nusedns = no\n",
            "filter.d/f.d/3.local": "[Init]\nmaxlines = %(known/maxlines)s0\n",
        },
        {"a": {"failregex": ["^a <HOST>$", "^old new <HOST>$"], "ignoreregex": ["^2$"], "usedns": "no", "maxlines": 20}},
    ),
    "tags, nested and put together": Case(
        with_filter(
            """
            [Definition]
            failregex = <mdre-<mode>>
                        ^<pre<n>> <lt_<logtype>/word> <Init/i> <default/d> <HOST> <F-USER>\\S+</F-USER> <unknown> <d>
            mdre-normal = ^normal <HOST>$
            mdre-extra = ^extra <HOST>$
                         <mdre-normal>
            mode = normal
            n = m
            prem = taken
            [lt_file]
            word = file
            [lt_journal]
            word = journal
            [DEFAULT]
            d = D
            [Init]
            i = I
            """,
            call="f[mode=extra]",
        ),
        {"a": {"failregex": ["^extra <HOST>$", "^normal <HOST>$",
                             "^taken file I D <HOST> <F-USER>\\S+</F-USER> <unknown> D"]}},
        {},
    ),
    "which value wins": Case(
        with_filter(
            "[DEFAULT]\na1 = default\nb1 = default\nc1 = default\n"
            "[Definition]\nb1 = definition\nc1 = definition\nd1 = definition\n"
            "failregex = ^<a1> <b1> <c1> <d1> <bantime> <HOST>\nmaxlines = 1\ndatepattern = definition\n"
            "[Init]\nc1 = init\nd1 = init\nusedns = no\n",
            call="f[d1=parameter, maxlines=2, datepattern=parameter]",
            jail="maxlines = 3\nusedns = raw\ndatepattern = jail\nprefregex = ^jail<F-CONTENT>.*</F-CONTENT>\nbantime = 77\n",
        ),
        {"a": {"failregex": ["^default definition init parameter <bantime> <HOST>"], "maxlines": 2, "usedns": "no",
               "datepattern": "jail", "prefregex": "^jail<F-CONTENT>.*</F-CONTENT>"}},
    ),
    "regular expressions of filter, parameter and jail together": Case(
        with_filter("[Definition]\nfailregex = ^f <HOST>", call='f[failregex="^p <HOST>"]', jail="failregex = ^j <HOST>"),
        {"a": {"failregex": ["^p <HOST>", "^j <HOST>"]}},
    ),
    "parameters": Case(
        with_filter(
            "[Definition]\nfailregex = ^<p1>|<p2>|<p3>|<p-5>|<p6>|<HOST>$\nignoreregex = <p4>\n",
            call="""f[p1="x, y]", p2='it "is"',p3= bare  value ,
               p4="several
                  lines", p-5=%(__name__)s][p6=]""",
        ),
        {"a": {"failregex": ['^x, y]|it "is"|bare  value|a||<HOST>$'], "ignoreregex": ["several", "lines"]}},
    ),
    "parameters that cannot be read": Case(
        {
            "jail.conf": "[a]\nfilter = one[x=1 y]\n[b]\nfilter = one[x]\n[c]\nfilter = one[x=\"1\n[d]\nfilter = one\n"
            "action = none[a=\"1\"b]\n[e]\nfilter=one\n",
        },
        {"e": {}},
        {"b": "'x' is not of the form PARAMETER=VALUE", "c": "is not of the form NAME[PARAMETER=VALUE, ...]",
         "d": "'b' after the parameter a"},
    ),
    "files that are not there": Case(
        {"jail.conf": "[a]\nfilter = on\n[b]\nfilter = one\naction = non\n[c]\nfilter = one\naction = none\n"},
        {"c": {}},
        {"a": "did you mean one?", "b": "did you mean none?"},
    ),
    "logtype": Case(
        {
            "jail.conf": "[a]\nfilter = f\n[b]\nfilter = f\nbackend = systemd\n"
            "[c]\nfilter = f[logtype=short]\nbackend = systemd[x=1]\n[d]\nfilter = g\nbackend = systemd\n"
            "[e]\nfilter = h\nbackend=systemd\n",
            "filter.d/f.conf": "[Definition]\nfailregex = ^<logtype> <HOST>\n",
            "filter.d/g.conf": "[Definition]\nfailregex = ^<logtype> <HOST>\nlogtype = own\n",
            "filter.d/h.conf": "[Definition]\nfailregex = ^<logtype> <known/logtype> <HOST>\n[Init]\nlogtype = init\n",
        },
        {"a": {"failregex": ["^file <HOST>"]}, "b": {"failregex": ["^journal <HOST>"]},
         "c": {"failregex": ["^short <HOST>"]}, "d": {"failregex": ["^own <HOST>"]},
         "e": {"failregex": ["^journal init <HOST>"]}},
    ),
    "several actions": Case(
        with_action(
            "[Definition]\nactionban = <cmd> <x> <ip> <port> <name> <maxretry> <bantime> <matches>\n"
            "actionstart = %(maxretry)s\nnorestored = true\nactionrepair_on_unban = no\n"
            "[Init]\ncmd = run <x>\nx = X\nport = 1\n",
            """act[x="a
                 b"]
              act[name=other, x='1, 2]', port="%(port)s"] none
              act[actname=third][x=<ip>]
              none[name=a-more]""",
            "port = 22,80\nmaxretry = 6\n",
        ),
        {"a": {"maxretry": 6}},
    ),
    "conditional sections": Case(
        with_action(
            "[Definition]\nactionban = <block> <ip>\nactionstart = <table>\nactionstop = <table?family=inet6>\n"
            "[Init]\nblock = four\ntable = t4\n[Init?family=inet6]\nblock = six\ntable = t6 <block>\n",
            "act[block=mine]",
        ),
        {"a": {}},
    ),
    "a comment within a command": Case(
        with_action("[Definition]\nactionban = one \\; two; three ; four\n   five\n   # six\n   seven <ip>\n", "act"),
        {"a": {"actions": {"act": {"actionban": "one \\; two; three\nfive\nseven <ip>", "name": "a", "actname": "act"}}}},
    ),
    "a program in Python as action": Case(
        {
            "jail.conf": '[a]\nfilter = one\naction = act.py[x="1, 2", y=3]\n  act.py[actname=again]\n',
            "action.d/act.py": "x = 1\n",
        },
        {"a": {}},
    ),
    "tags that contain themselves": Case(
        with_filter("[Definition]\nfailregex = ^<x> <HOST>\nx = <y>\ny = <x>\n"), refused={"a": "contains itself"}
    ),
    "references that contain themselves": Case(
        with_filter("[Definition]\nfailregex = ^%(x)s <HOST>\nx = %(y)s\ny = %(x)s\n"), refused={"a": "refers to itself"}
    ),
    "references that lead nowhere": Case(
        with_filter("[Definition]\nfailregex = ^%(x)s <HOST>\n"), refused={"a": "filter.d/f.conf:2: %(x)s is not defined"}
    ),
    "a filter may not refer to the jail": Case(
        with_filter("[Definition]\nfailregex = ^%(maxretry)s <HOST>\n", jail="maxretry = 3\n"),
        refused={"a": "%(maxretry)s is not defined"},
    ),
    "a percent sign that is none": Case(
        {"jail.conf": "[a]\nfilter = one\nfailregex = ^100% <HOST>\n"}, refused={"a": "jail.conf:3: '% <HOST>': a %"}
    ),
    "sections by their names": Case(
        {"jail.conf": "[Other]\nfilter = one\nbantime = 5\n[a]\nfilter = one\nbantime = %(Other/bantime)s\n"},
        refused={"a": "%(Other/bantime)s is not defined"},
    ),
    "no filter": Case({"jail.conf": "[a]\nfilter =\nbantime = 5\naction = none\n[b]\nfailregex = ^x <HOST>\n"}, {"a": {}}),
    "time, increment and all the rest": Case(
        {
            "jail.conf": """
                [a]
                filter = one
                enabled = TRUE
                bantime = 1d12h
                findtime = 2*30
                bantime.increment = yes
                bantime.factor = 2*1.5
                bantime.formula = ban.Time * 2
                bantime.multipliers = 1 2  4
                bantime.maxtime = 5w
                bantime.rndtime = 8m
                bantime.overalljails = maybe
                ignoreself = off
                ignorecommand = /bin/x <ip> %(bantime)s
                ignorecache = key="<ip>", max-count=5, max-time=1m
                ignoreip = 192.0.2.0/24, 2001:db8::1
                     example.org
                logtimezone = UTC+0200
                logencoding = utf-8
                maxmatches = 0
                usedns = raw
                backend = polling
                logpath = /nowhere/*.log tail
                     /nowhere/b head
                """,
        },
        {"a": {"bantime": "1d12h", "bantime.increment": True, "bantime.overalljails": False, "ignoreself": False,
               "ignoreip": ["192.0.2.0/24", "2001:db8::1", "example.org"], "backend": "polling", "maxmatches": 0}},
    ),
}  # fmt: skip
