"""Every action that fail2ban ships: what nfjail does in its place, or why it does not."""

from __future__ import annotations

import pytest
from packages import SUITES, unpacked

from nfjail.config import ConfigError, load
from nfjail.fail2ban.convert import convert
from nfjail.fail2ban.jails import read_jails

# What they close when a jail gives them port = "http" and protocol = "tcp".
FIREWALLS = {
    ("http", "tcp", "reject"): """
        firewallcmd-ipset firewallcmd-multiport firewallcmd-new firewallcmd-rich-logging firewallcmd-rich-rules iptables
        iptables-ipset iptables-ipset-proto4 iptables-ipset-proto6 iptables-multiport iptables-multiport-log iptables-new
        nftables nftables-multiport
        """,
    ("all", "tcp", "reject"): "iptables-allports iptables-ipset-proto6-allports nftables-allports",
    ("all", "all", "reject"): "firewallcmd-allports iptables-xt_recent-echo route shorewall ufw",
    ("all", "all", "drop"): "apf shorewall-ipset-proto6 symbiosis-blacklist-allports",
}
ELSEWHERE = {
    "at Cloudflare": "cloudflare cloudflare-token",
    "in a firewall of another system": "bsd-ipfw ipfilter ipfw npf osx-afctl osx-ipfw pf",
    "in a router": "mikrotik",
    "in a NetScaler": "netscaler",
    "in a name server's zone": "nsupdate",
    "in hosts.deny": "hostsdeny",
    "in nginx": "nginx-block-map",
}
TELL = {
    "it sends mail": """
        complain mail mail-buffered mail-whois mail-whois-lines sendmail sendmail-buffered sendmail-common sendmail-geoip-lines
        sendmail-whois sendmail-whois-ipjailmatches sendmail-whois-ipmatches sendmail-whois-lines sendmail-whois-matches
        smtp.py xarf-login-attack
        """,
    "it reports to AbuseIPDB": "abuseipdb",
    "it reports to blocklist.de": "blocklist_de",
    "it reports to DShield": "dshield",
    "it reports to IPThreat": "ipthreat",
    "it reports to myNetWatchman": "mynetwatchman",
    "it sends notifications": "apprise",
    "it only writes a file": "dummy",
}
INCLUDED = "firewallcmd-common helpers-common mail-whois-common"


def told(action: str) -> str:
    """What is said about a jail with this action, and what it closes."""
    for (port, protocol, answer), names in FIREWALLS.items():
        if action in names.split():
            return f"{port} {protocol} {answer}"
    for where, names in ELSEWHERE.items():
        if action in names.split():
            return f"http tcp reject, but action {action}: it blocks {where}, nfjail in this machine's firewall instead"
    for what, names in TELL.items():
        if action in names.split():
            why = f"(action {action}: {what}, and nfjail runs no actions yet)"
            return f"it has no action that blocks, and nfjail would block {why}"
    assert action in INCLUDED.split(), f"{action} is new"
    return f"fail2ban cannot use it either: {action}.conf: there is no [Definition]; this file is made to be included by others"


@pytest.mark.parametrize("suite", SUITES)
def test_every_shipped_action_is_replaced_or_refused_for_the_right_reason(suite, tmp_path):
    etc = unpacked(suite) / "etc/fail2ban"
    actions = sorted(path.name if path.suffix == ".py" else path.stem for path in etc.glob("action.d/*.*"))
    for folder in ("filter.d", "action.d"):
        (tmp_path / folder).symlink_to(etc / folder)
    common = "[DEFAULT]\nenabled = true\nfilter = vsftpd\nlogpath = /etc/hosts\n"
    jails = "".join(f'[j{i}]\naction = {name}[port="http", protocol="tcp"]\n' for i, name in enumerate(actions))
    (tmp_path / "jail.conf").write_text(common + jails)
    read = read_jails(str(tmp_path))
    assert len(read.jails) == len(actions) > 60
    for action, jail in zip(actions, read.jails, strict=True):
        found = convert(jail, read.default)
        said = found.reason.replace(f"{tmp_path}/action.d/", "")
        if not said:
            values = (found.jail[key] for key in ("port", "protocol", "blocktype"))
            closes = " ".join(value if isinstance(value, str) else value[0] for value in values)
            lost = [what for what in found.lost if what not in ("packets are not logged", "open connections are cut, too")]
            said = ", but ".join([closes, *lost])
        assert said == told(action)


@pytest.mark.parametrize("suite", SUITES)
def test_every_shipped_filter_can_be_named_in_a_jail_or_is_refused_for_the_right_reason(suite, tmp_path):
    etc = unpacked(suite) / "etc/fail2ban"
    refused = {}
    for path in sorted(etc.glob("filter.d/*.conf")):
        (tmp_path / "conf.d").mkdir(exist_ok=True)
        jail = f"[jail.it]\nenabled = true\nfilter = 'fail2ban:{path}'\nlogpath = '/x'\n"
        for backend in ("file", "journal"):
            (tmp_path / "conf.d/x.toml").write_text(f"{jail}backend = '{backend}'\n")
            try:
                config = load(str(tmp_path), runtime=str(tmp_path / "none"))
            except ConfigError as error:
                refused[path.stem] = str(error).replace(f"{path}", "")
                continue
            (found,) = (one for one in config.jails if one.name == "it")
            assert found.filter.failregex
            assert found.filter.logtype == backend
    included = {path.stem for path in etc.glob("filter.d/*-common.conf")} | {"common"}
    nothing = ": there is no [Definition]; this file is made to be included by others"
    reasons = {
        "exim-common": ": exim-common has no failregex; this file is made to be included by others, or a part of it is missing",
        "selinux-common": ":17: %(_type)s is not defined; define it in [Definition] or [DEFAULT], or correct its name",
    }
    assert refused == {name: reasons.get(name, nothing) for name in included}
