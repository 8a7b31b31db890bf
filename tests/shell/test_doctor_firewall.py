"""What nfjail doctor finds about the firewall: with the kernel's own answers where it can be had in a network namespace."""

from __future__ import annotations

import json
import subprocess

import pytest
from doctor_bed import World, config, keys, on, only

from nfjail.core.model import parse_subject
from nfjail.doctor import firewall, ruleset
from nfjail.doctor.others import others
from nfjail.errors import NfjailError
from nfjail.firewall import Gate, ipt_rules, nft_text

NFJAIL = "table inet nfjail { chain prerouting { type filter hook prerouting priority raw; iif lo return; }; }\n"
LISTED = "nft -j -t list ruleset"


def listed(text: str) -> str:
    """What nft lists after these rules, in a network namespace of its own."""
    script = f"nft -f - && {LISTED}"
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rules_in(tmp_path, text, settings="", used=("nftables",), running=True, files=()):
    world = World(tmp_path / "root", dict(files), {LISTED: text})
    return list(firewall.rules(config(tmp_path, settings), world.machine(), set(used), running))


def given(*things):
    return json.dumps({"nftables": things})


# Which firewall


def tried(automatic="nftables", nftables=None, iptables=None):
    def choose():
        if isinstance(automatic, NfjailError):
            raise automatic
        return automatic

    return firewall.Tried(choose, lambda: nftables, lambda: iptables)


def chosen(tmp_path, text="", files=(), uid=0, **answers):
    machine = World(tmp_path / "root", dict(files)).machine(uid)
    return firewall.banactions(config(tmp_path, text), machine, tried(**answers))


@pytest.mark.parametrize(("automatic", "mark"), [("nftables", "ok"), ("iptables", "note"), ("iptables-ipset", "note")])
def test_where_bans_go(automatic, mark, tmp_path):
    found, used = chosen(tmp_path, automatic=automatic)
    assert (only(found, "banaction").mark, used) == (mark, {automatic})
    assert automatic in found[0].what


@pytest.mark.parametrize(
    ("text", "answers", "said"),
    [
        ("", {"automatic": NfjailError("no firewall can be used")}, "banaction auto: no firewall can be used"),
        ("[default]\nbanaction = 'nftables'", {"nftables": "no nf_tables"}, "banaction nftables cannot be used: no nf_tables"),
        ("[default]\nbanaction = 'iptables'", {"iptables": "not there"}, "banaction iptables cannot be used: not there"),
    ],
)
def test_no_firewall(text, answers, said, tmp_path):
    found, used = chosen(tmp_path, text, **answers)
    assert (only(found, "banaction").mark, found[0].what, used) == ("problem", said, set())


def test_the_modules_of_the_running_kernel_are_gone(tmp_path):
    files = {"/proc/sys/kernel/osrelease": "6.1.0-1\n", "/lib/modules/6.1.0-2": None}
    found, _ = chosen(tmp_path, files=files, automatic=NfjailError("none"))
    assert "the modules of the running kernel (6.1.0-1) are gone, as after an update: reboot" in found[0].advice
    found, _ = chosen(tmp_path, files={**files, "/lib/modules/6.1.0-1": None}, automatic=NfjailError("none"))
    assert found[0].advice == ()


def test_an_ordinary_user_sees_no_firewall(tmp_path):
    found, _ = chosen(tmp_path, uid=1000)
    assert [(one.key, one.mark) for one in found] == [("firewall-unseen", "note")]
    world = World(tmp_path / "root", answers={LISTED: given()})
    assert list(firewall.rules(config(tmp_path), world.machine(1000), {"nftables"}, True)) == []
    assert list(firewall.iptables(config(tmp_path), world.machine(1000), {"iptables"}, True)) == []


# nfjail's own table


def test_the_table_is_there(tmp_path):
    found = rules_in(tmp_path, listed(NFJAIL))
    assert [(one.key, one.mark) for one in found] == [("table-there", "ok"), ("chain-before", "ok")]
    assert found[0].what == "nfjail's table is in the kernel: inet nfjail, at prerouting -300"


def test_the_table_as_nfjail_makes_it_is_known(tmp_path):
    names = nft_text.checked_names("own", "input", "filter - 5")
    plan = nft_text.Plan({"app": Gate("app")}, {"app": "app"}, ())
    text = nft_text.table(names, plan, nft_text.grouped([], ["app"], 0.0), {})
    settings = "table = 'own'\n[firewall]\nhook = 'input'\npriority = -5\n"
    assert only(rules_in(tmp_path, listed(text), settings), "table-there").mark == "ok"


@pytest.mark.parametrize(("running", "mark"), [(True, "problem"), (False, "note")])
def test_the_table_is_missing(running, mark, tmp_path):
    text = listed("table ip nfjail { }")  # another family's
    assert only(rules_in(tmp_path, text, running=running), "table-missing").mark == mark


def test_the_table_is_of_no_use(tmp_path):
    assert only(rules_in(tmp_path, listed("table inet nfjail { chain app { }; }")), "table-unhooked").mark == "problem"
    elsewhere = only(rules_in(tmp_path, listed(NFJAIL), "[firewall]\nhook = 'input'\n"), "table-elsewhere")
    assert elsewhere.what == "nfjail's chain is at prerouting -300, the configuration says input -300"


def test_priorities():
    assert [ruleset.priority_number(one) for one in ("raw", "mangle", "filter", "security", -7)] == [-300, -150, 0, 50, -7]


def test_rules_that_cannot_be_listed(tmp_path):
    for text in ("!Operation not permitted", "nonsense", "{}"):
        assert only(rules_in(tmp_path, text), "rules-unseen").mark == "note"
    no_nft = list(firewall.rules(config(tmp_path), World(tmp_path / "root").machine(), {"nftables"}, True))
    assert "apt install nftables" in only(no_nft, "rules-unseen").advice[0]


# Others' chains


def before(tmp_path, text, settings=""):
    return [one for one in rules_in(tmp_path, listed(NFJAIL + text), settings) if one.key == "chain-before"]


def chain(family, name, hook, rule, kind="filter", table="other"):
    return f"table {family} {table} {{ chain {name} {{ type {kind} hook {hook}; {rule}; }}; }}\n"


ACCEPTING = chain("inet", "pre", "prerouting priority -310", "tcp dport 22 accept; notrack; meta mark set 1")
FROM_CLIENT = chain("inet", "pre", "prerouting priority -310", "ip saddr set 192.0.2.9")
REDIRECT = chain("ip", "pre", "prerouting priority dstnat", "tcp dport 80 redirect to :8080", "nat")
AT_INGRESS = chain("netdev", "in", "ingress device lo priority 0", "ip saddr 192.0.2.9 fwd to lo")


def test_nothing_comes_before(tmp_path):
    later = chain("inet", "pre", "prerouting priority -299", "drop")
    later += chain("inet", "in", "input priority -400", "accept")
    for text in ("", later, REDIRECT, chain("inet", "out", "output priority -400", "accept")):
        assert [one.what for one in before(tmp_path, text)] == ["no rules of others come before nfjail's"]


def test_what_others_accept_before_lets_nobody_past(tmp_path):
    [found] = before(tmp_path, ACCEPTING)
    assert found.mark == "ok"
    assert "leave addresses and ports as they are: inet other pre (prerouting, -310). What they accept" in found.what


def test_accepting_before_really_lets_nobody_past():
    """What the finding above says, tried with packets."""
    rules = """
        table inet other { chain pre { type filter hook input priority -310; tcp dport 7777 notrack accept; }; }
        table inet nfjail { chain in { type filter hook input priority raw; tcp dport 7777 counter reject with tcp reset; }; }
    """
    client = "import socket\ntry: socket.create_connection(('127.0.0.1', 7777))\nexcept ConnectionRefusedError: pass"
    script = f"ip link set lo up; nft -f - && python3 -c \"{client}\" && nft list chain inet nfjail in"
    done = subprocess.run(["unshare", "-n", "sh", "-c", script], input=rules, capture_output=True, text=True, check=True)
    assert "counter packets 1 " in done.stdout


@pytest.mark.parametrize(
    ("text", "settings", "said", "advice"),
    [
        (FROM_CLIENT, "", "inet other pre (prerouting, -310) comes before nfjail's and changes", "priority = -320"),
        (REDIRECT, "priority = 'filter'", "(redirect)", 'priority = "raw"'),
        (REDIRECT, "priority = -100", "(redirect)", 'priority = "raw"'),  # the same: which is first is chance
        (REDIRECT, "hook = 'input'", "(redirect)", 'priority = "raw"'),
        (AT_INGRESS, "", "(fwd)", "see whether that is meant: nft list chain netdev other in"),
    ],
)
def test_what_others_change_before(text, settings, said, advice, tmp_path):
    found = rules_in(tmp_path, listed(NFJAIL + text), f"[firewall]\n{settings}\n")
    changing = only(found, "chain-before")
    assert changing.mark == "warning"
    assert said in changing.what
    assert advice in changing.advice


def test_what_a_chain_jumps_to_counts(tmp_path):
    text = """table inet other {
        chain last { tcp dport set 8080; }
        chain more { ip daddr set 192.0.2.9; goto last; }
        chain pre { type filter hook prerouting priority -310; tcp dport vmap { 80 : jump more }; }
    }"""
    [found] = before(tmp_path, text)
    assert "(sets daddr, sets dport)" in found.what


def test_rules_of_iptables_that_change_packets():
    table = {"table": {"family": "ip", "name": "nat"}}
    pre = {"chain": {"family": "ip", "table": "nat", "name": "PRE", "hook": "prerouting", "prio": -100, "type": "nat"}}
    target = {"xt": {"type": "target", "name": "DNAT"}}
    rule = {"rule": {"family": "ip", "table": "nat", "chain": "PRE", "expr": [{"xt": None}, target]}}
    found = only(ruleset.foreign(ruleset.read(given(table, pre, rule)), "nfjail", "prerouting", 0), "chain-before")
    assert (found.mark, "(dnat)" in found.what) == ("warning", True)


def test_flowtables(tmp_path):
    flows = {"flowtable": {"family": "inet", "name": "f", "table": "router", "hook": "ingress", "prio": 0, "dev": ["eth0"]}}
    found = only(rules_in(tmp_path, given(flows)), "flowtable")
    assert (found.mark, "(inet router f)" in found.what) == ("note", True)


def test_a_transparent_proxy(tmp_path):
    pre = {"chain": {"family": "ip", "table": "squid", "name": "PRE", "hook": "prerouting", "prio": -150}}
    rule = {"rule": {"family": "ip", "table": "squid", "chain": "PRE", "expr": [{"tproxy": {"port": 3129}}]}}
    assert only(rules_in(tmp_path, given(pre, rule)), "tproxy").mark == "note"
    assert "tproxy" not in keys(rules_in(tmp_path, given(pre, rule), "[firewall]\nhook = 'input'\n"))


def test_iptables_legacy_beside(tmp_path):
    files = {"/proc/net/ip_tables_names": "filter\nnat\n"}
    foreign = given({"table": {"family": "inet", "name": "fw"}})
    found = only(rules_in(tmp_path, foreign, files=files), "legacy")
    assert "iptables-legacy (tables filter, nat) and nftables are in use side by side" in found.what
    own = given({"table": {"family": "inet", "name": "nfjail"}})
    assert "legacy" not in keys(rules_in(tmp_path, own, files=files))


# iptables

SAVED = """*filter
:INPUT ACCEPT [0:0]
:nfjail - [0:0]
{}
[0:0] -A nfjail -i lo -j RETURN
COMMIT
"""
JUMP = f"[0:0] -A INPUT {ipt_rules.Site('nfjail', 'INPUT', False).jump}"
OTHER = "[0:0] -A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"


def jumps(tmp_path, *rules, running=True, answers=None):
    saved = SAVED.format("\n".join(rules))
    answers = {"iptables-save": saved, "ip6tables-save": saved} if answers is None else answers
    world = World(tmp_path / "root", answers=answers)
    return list(firewall.iptables(config(tmp_path), world.machine(), {"iptables"}, running))


def test_the_first_rule_of_iptables(tmp_path):
    assert [(one.key, one.mark) for one in jumps(tmp_path, JUMP, OTHER)] == [("jump-first", "ok")] * 2


def test_others_rules_before_nfjails_in_iptables(tmp_path):
    found = jumps(tmp_path, OTHER, JUMP)
    assert [(one.key, one.mark) for one in found] == [("jump-late", "warning")] * 2
    assert "stands before nfjail's in INPUT (INPUT -p tcp -m tcp --dport 22 -j ACCEPT)" in found[0].what


@pytest.mark.parametrize(("running", "mark"), [(True, "problem"), (False, "note")])
def test_no_rule_of_iptables_leads_to_nfjails(running, mark, tmp_path):
    assert [(one.key, one.mark) for one in jumps(tmp_path, OTHER, running=running)] == [("jump-missing", mark)] * 2


def test_iptables_that_does_not_answer(tmp_path):
    found = jumps(tmp_path, answers={"iptables-save": SAVED.format(JUMP), "ip6tables-save": "!no"})
    assert keys(found) == ["jump-first", "iptables-unseen"]


def test_iptables_that_is_not_used_is_not_asked(tmp_path):
    world = World(tmp_path / "root")
    assert list(firewall.iptables(config(tmp_path), world.machine(), {"nftables"}, True)) == []
    assert world.asked == []


# What else


@pytest.mark.parametrize(("running", "said"), [(True, "puts it back at once"), (False, "the bans are gone until it starts")])
def test_flush_ruleset(running, said, tmp_path):
    files = {"/etc/nftables.conf": "#!/usr/sbin/nft -f\n\nflush ruleset\n"}
    world = World(tmp_path / "root", files)
    assert list(firewall.reloads(world.machine(), running)) == []  # the service is not enabled
    world.write("/etc/systemd/system/sysinit.target.wants/nftables.service", "")
    found = only(firewall.reloads(world.machine(), running), "flush-ruleset")
    assert (found.mark, said in found.what) == ("note", True)
    world.write("/etc/nftables.conf", "# flush ruleset\n")
    assert list(firewall.reloads(world.machine(), running)) == []


def test_xdp(tmp_path):
    links = [{"ifname": "lo"}, {"ifname": "eth0", "xdp": {"mode": 1, "prog": {"id": 3}}}]
    for answer, names in ((json.dumps(links), ["xdp"]), (json.dumps(links[:1]), []), ("broken", []), ("!no", [])):
        world = World(tmp_path / "root", answers={"ip -j link": answer})
        assert keys(firewall.xdp(world.machine())) == names


def test_own_address(tmp_path):
    client = parse_subject("192.0.2.7")

    def told(text, *ignored):
        return list(firewall.own_connection(config(tmp_path, text), [client], [parse_subject(one) for one in ignored]))

    found = only(told(on("app", "plain")), "own-address")
    assert "logged in from 192.0.2.7, which is in no ignoreip of app, plain" in found.what
    assert told("\n".join(found.advice[-2:])) == []
    assert told("[default]\nignoreip = ['192.0.2.0/24']\n") == []
    assert told("[default]\nignoreip = ['home.example']\n") == []  # it may be that name's
    assert told("", "192.0.2.4/30") == []
    assert told("", "198.51.100.1") != []


# Other programs


def beside(tmp_path, *processes, files=(), used="nftables", text=""):
    world = World(tmp_path / "root", dict(files))
    for number, process in enumerate(processes, 300):
        world.process(process, number)
    return list(others(config(tmp_path, text), world.machine(), {used}))


UFW = {"/etc/ufw/ufw.conf": "# ENABLED=no\nENABLED=yes\n"}
CHAIN = "[firewall]\nchain = 'DOCKER-USER'\n"


@pytest.mark.parametrize(
    ("key", "setup", "mark", "said"),
    [
        ("firewalld", {"processes": ["firewalld"]}, "ok", "its reload leaves nfjail's table alone"),
        ("firewalld", {"processes": ["firewalld"], "used": "iptables"}, "warning", "removes nfjail's rules until the next ban"),
        ("ufw", {"files": UFW}, "ok", "its reload leaves nfjail's table alone"),
        ("ufw", {"files": UFW, "used": "iptables"}, "note", "after `ufw reload`, see here"),
        ("docker", {"processes": ["dockerd"]}, "ok", "bans hold for published ports"),
        ("podman", {"processes": ["conmon"]}, "ok", "bans hold for published ports"),
        ("docker", {"processes": ["dockerd"], "text": "[firewall]\nhook = 'input'\n"}, "warning", "do not come by there"),
        ("docker", {"processes": ["dockerd"], "used": "iptables-ipset"}, "warning", "rules in INPUT: packets for published"),
        ("docker", {"processes": ["dockerd"], "used": "iptables", "text": CHAIN}, "warning", "own services are not"),
        ("fail2ban", {"processes": ["fail2ban-server"]}, "note", "fail2ban runs here, too (process 300)"),
        ("crowdsec", {"processes": ["crowdsec"]}, "note", "each lifts only its own bans"),
        ("sshguard", {"processes": ["sshguard"]}, "note", "each lifts only its own bans"),
        ("denyhosts", {"processes": ["denyhosts"]}, "note", "each lifts only its own bans"),
    ],
)
def test_other_programs(key, setup, mark, said, tmp_path):
    found = beside(tmp_path, *setup.pop("processes", ()), **setup)
    assert [(one.key, one.mark) for one in found] == [(key, mark)]
    assert said in found[0].what


def test_nobody_else(tmp_path):
    assert beside(tmp_path, "sshd", "bash", files={"/etc/ufw/ufw.conf": "ENABLED=no\n"}) == []
