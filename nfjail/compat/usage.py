"""The help of fail2ban-client, with what nfjail's understands."""

from __future__ import annotations

from nfjail import __version__
from nfjail.fail2ban_log import VERSION

_USAGE = """\
Usage: fail2ban-client [OPTIONS] <COMMAND>

nfjail {ours} in the place of Fail2Ban v{theirs}: what scripts for fail2ban call, answered by the running nfjail.
People are better served by nfjail ctl, which can do more and says more (nfjail ctl --help).

Options:
    -s, --socket <FILE>     nfjail's control socket (/run/nfjail/io.nfjail); any other is not looked at
    -c, --conf <DIR>        configuration directory of fail2ban, for -d and -t (/etc/fail2ban)
    -d, --dp                dump the configuration; --dump-pretty for reading
    -t, --test              test the configuration
    --str2sec <STRING>      convert time abbreviation format to seconds
    -h, --help              display this help message
    -V, --version           print the version of fail2ban whose place this takes (-V: the bare number)
    -p, -v, -q, -x, -b, -f, --pname, --loglevel, --logtarget, --syslogsocket, --async, --timeout
                            accepted, and without effect

Commands:
    status [--all] [FLAVOR], status <JAIL> [basic|short], stats
    banned [<IP> ...], get <JAIL> banned [<IP> ...], get <JAIL> banip [<SEP>|--with-time]
    set <JAIL> banip <IP> ..., set <JAIL> unbanip [--report-absent] <IP> ..., set <JAIL> attempt <IP> [<LINE> ...]
    unban --all, unban <IP> ...
    get <JAIL> bantime|findtime|maxretry|maxmatches|maxlines|usedns|ignoreip|ignoreself|logpath|logencoding|
               journalmatch|failregex|ignoreregex|prefregex|datepattern|logtimezone|actions|bantime.<OPTION>
    set <JAIL> bantime|findtime|maxretry|maxmatches|ignoreself <VALUE>   until the next reload
    set <JAIL> addignoreip|delignoreip <IP> ...                          until the next reload
    reload [--unban] [--restart] [--if-exists] [<JAIL>], restart         bans stay; always all jails
    get loglevel|logtarget|syslogsocket|dbfile|dbpurgeage|dbmaxmatches, flushlogs, ping, version, echo

Not here: start and stop (systemctl), adding jails, actions, files or patterns at run time (/etc/nfjail/conf.d)."""


def usage() -> str:
    return _USAGE.format(ours=__version__, theirs=VERSION)
