"""What can be asked of a running nfjail: the one table of the control socket's methods, with their types.

The description for `varlinkctl introspect`, the check of parameters, the permissions and the dispatch come from here.
Times are seconds since the epoch (UTC), lengths of time are seconds. Addresses may be networks ("192.0.2.0/24").
"""

from __future__ import annotations

from nfjail.varlink import Interface, Method, Struct

SOCKET = "io.nfjail"  # the socket's name in the runtime directory

_TYPES = {
    "BanInfo": Struct(
        "An address that is kept out, until then (null: for ever). nth: how often it has been banned by now.\n"
        "origin: who asked: filter, ctl, kernel (found there), import. reason: the arithmetic, or Ban's text.",
        {
            "jail": "string",
            "address": "string",
            "since": "float",
            "until": "?float",
            "nth": "int",
            "origin": "string",
            "reason": "string",
        },
    ),
    "Jail": Struct(
        "sources: what is watched, for people. failures: matched log lines since the start. failing: addresses that have\n"
        "failed within findtime. banned: now. total: bans since the start, and those in force then.\n"
        "refused: packets stopped, null where nothing counts them.",
        {
            "name": "string",
            "sources": "[]string",
            "failures": "int",
            "failing": "int",
            "banned": "int",
            "total": "int",
            "refused": "?int",
        },
    ),
    "JailSettings": Struct(
        "A jail's settings in force: as configured, or as Set changed them. bantime: null for ever. backend: journal or\n"
        "file. logpath: as configured. journalmatch: FIELD=value ..., any of these lines. ignoreip: networks and names.",
        {
            "jail": "string",
            "backend": "string",
            "logpath": "[]string",
            "journalmatch": "[]string",
            "bantime": "?float",
            "findtime": "float",
            "maxretry": "int",
            "maxmatches": "int",
            "ignoreip": "[]string",
            "ignoreself": "bool",
            "increment": "Increment",
            "banaction": "string",
            "filter": "Patterns",
        },
    ),
    "Increment": Struct(
        "How bans grow. multipliers: of bantime, instead of formula. maxtime: null for none.",
        {
            "enabled": "bool",
            "factor": "float",
            "multipliers": "[]float",
            "formula": "string",
            "maxtime": "?float",
            "rndtime": "float",
            "overalljails": "bool",
        },
    ),
    "Patterns": Struct(
        "A filter as written, with its tags. What its language does not have is empty, 1, or no.",
        {
            "name": "string",
            "failregex": "[]string",
            "ignoreregex": "[]string",
            "prefregex": "string",
            "datepattern": "string",
            "maxlines": "int",
            "usedns": "string",
            "logtimezone": "string",
        },
    ),
    "Evidence": Struct(
        "A log line that led to a ban. position: the journal's cursor, or the file. pattern: which failregex, from 0.",
        {"time": "float", "message": "string", "position": "string", "pattern": "int"},
    ),
    "Record": Struct(
        "A ban of now or of the past. ended, why: when and by what ('expired', or who asked); null while it lasts.",
        {"ban": "BanInfo", "ended": "?float", "why": "?string", "evidence": "[]Evidence"},
    ),
    "Banned": Struct(
        "What Ban did for one address. already: it was banned before, until `before` (null: for ever).",
        {"ban": "BanInfo", "already": "bool", "before": "?float"},
    ),
    "Place": Struct("An address in a jail.", {"jail": "string", "address": "string"}),
    "Ignored": Struct(
        "An address that is never banned, until then (null: for ever). origin: config or ctl.",
        {"address": "string", "until": "?float", "origin": "string", "reason": "string"},
    ),
    "Event": Struct(
        "event: failure, ban or unban.\n"
        "text: the log line of a failure, the reason of a ban, why it ended. until: null for a ban for ever.",
        {
            "event": "string",
            "time": "float",
            "jail": "?string",
            "address": "?string",
            "until": "?float",
            "nth": "?int",
            "origin": "?string",
            "text": "string",
        },
    ),
}

_METHODS = {
    "Ping": Method("Is it there?", {}, {"version": "string", "pid": "int"}, "ping"),
    "Status": Method(
        "How all jails or one are doing. since: the daemon's start. trouble: what is not as it should be, for people.",
        {"jail": "?string"},
        {"version": "string", "pid": "int", "since": "float", "trouble": "[]string", "jails": "[]Jail"},
        "status",
    ),
    "List": Method(
        "Who is banned now, one ban in each reply; the last reply has none.",
        {"jail": "?string"},
        {"ban": "?BanInfo"},
        "list_bans",
        stream=True,
    ),
    "Addresses": Method(
        "Only who is banned, many in each reply: in the order of the bans, or of their ends. The last reply has none.",
        {"jail": "string", "by_end": "?bool"},
        {"addresses": "?[]string"},
        "addresses",
        stream=True,
    ),
    "Why": Method(
        "The bans of an address, also past ones, and of networks around it, with their evidence, the newest first.",
        {"address": "string"},
        {"records": "[]Record"},
        "why",
    ),
    "Watch": Method(
        "What happens from now on. The first reply says that it has begun. Who is 1 MiB behind in reading is cut.",
        {},
        {"ready": "?bool", "event": "?Event"},
        "watch",
        stream=True,
    ),
    "Ban": Method(
        "Bans addresses, all or none, in a jail (default: manual, all ports), for seconds or forever (default: the\n"
        "jail's bantime).",
        {
            "addresses": "[]string",
            "jail": "?string",
            "seconds": "?float",
            "forever": "?bool",
            "reason": "?string",
        },
        {"banned": "[]Banned"},
        "ban",
        changing=True,
    ),
    "TakeOver": Method(
        "Goes on with bans that somebody else imposed. taken: how many; others are over, or somebody is banned for longer.\n"
        "ignored: who is not banned here.",
        {"bans": "[]BanInfo"},
        {"taken": "int", "ignored": "[]Place"},
        "take_over",
        changing=True,
    ),
    "Unban": Method(
        "Ends the bans of addresses in a jail or in all jails, or of a whole jail, or all.\n"
        "count: bans ended. bans: which, if addresses were given. missing: the addresses that were not banned.",
        {"addresses": "?[]string", "jail": "?string", "all": "?bool"},
        {"count": "int", "bans": "[]Place", "missing": "[]string"},
        "unban",
        changing=True,
    ),
    "IgnoreAdd": Method(
        "Never bans these addresses, for seconds (default: for ever).",
        {"addresses": "[]string", "seconds": "?float", "reason": "?string"},
        {"ignored": "[]Ignored"},
        "ignore_add",
        changing=True,
    ),
    "IgnoreDelete": Method(
        "Takes back IgnoreAdd. missing: the addresses that were not ignored.",
        {"addresses": "[]string"},
        {"deleted": "[]string", "missing": "[]string"},
        "ignore_delete",
        changing=True,
    ),
    "IgnoreList": Method("Who is never banned.", {}, {"ignored": "[]Ignored"}, "ignore_list"),
    "Settings": Method(
        "The settings in force, of all configured jails or one; and of the daemon: where the store is, after how many\n"
        "seconds it forgets ended bans, and the log in fail2ban's form (empty: none).",
        {"jail": "?string"},
        {"jails": "[]JailSettings", "store": "string", "dbpurgeage": "float", "fail2ban_log": "string"},
        "settings",
    ),
    "Set": Method(
        "Changes a jail until the next reload or restart. bantime: seconds of bans to come, or forever. ignore, unignore:\n"
        "addresses, networks or host names that are put into the jail's ignoreip or taken out of it.",
        {
            "jail": "string",
            "bantime": "?float",
            "forever": "?bool",
            "findtime": "?float",
            "maxretry": "?int",
            "maxmatches": "?int",
            "ignoreself": "?bool",
            "ignore": "?[]string",
            "unignore": "?[]string",
        },
        {"settings": "JailSettings"},
        "set",
        changing=True,
    ),
    "Attempt": Method(
        "Counts failures of an address, as if a jail had found each of these messages in its log (without one: a failure).\n"
        "failures: how many there are now within findtime; 0 when it is banned, or ignored.",
        {"jail": "string", "address": "string", "messages": "[]string"},
        {"failures": "int"},
        "attempt",
        changing=True,
    ),
    "FlushLogs": Method(
        "Opens the log in fail2ban's form anew, after a rotation. path: empty if there is none.",
        {},
        {"path": "string"},
        "flush_logs",
        changing=True,
    ),
    "Reload": Method(
        "Reads the configuration again; it counts only if all of it is good. jails: those that run now.",
        {},
        {"jails": "[]string"},
        "reload",
        changing=True,
    ),
    "Flush": Method(
        "Removes every ban and everything of nfjail's from the firewall. count: bans removed.",
        {},
        {"count": "int"},
        "flush",
        changing=True,
    ),
}

NFJAIL = Interface(
    "io.nfjail",
    "nfjail keeps attackers out of a Linux server. Reading is for everybody who can connect, changing for root.\n"
    "Times are seconds since the epoch (UTC), lengths of time are seconds. An address may be a network (192.0.2.0/24).",
    _TYPES,
    _METHODS,
    {
        "Refused": Struct("It was not done, and nothing changed.", {"what": "string", "advice": "string"}),
        "BadRequest": Struct("Not a request in Varlink's sense; the connection ends.", {"what": "string"}),
        "Failed": Struct("A bug of nfjail's, which the daemon's log describes.", {"what": "string"}),
    },
)

SERVICE = Interface(
    "org.varlink.service",
    "What every Varlink service answers about itself.",
    {},
    {
        "GetInfo": Method(
            "Who this is, and which interfaces there are.",
            {},
            {"vendor": "string", "product": "string", "version": "string", "url": "string", "interfaces": "[]string"},
            "get_info",
        ),
        "GetInterfaceDescription": Method(
            "An interface in Varlink's definition language.",
            {"interface": "string"},
            {"description": "string"},
            "get_interface_description",
        ),
    },
    {
        "InterfaceNotFound": Struct("There is no such interface.", {"interface": "string"}),
        "MethodNotFound": Struct("The interface has no such method.", {"method": "string"}),
        "MethodNotImplemented": Struct("The method is described, but not there.", {"method": "string"}),
        "InvalidParameter": Struct("A parameter is unknown, missing or of the wrong type.", {"parameter": "string"}),
        "PermissionDenied": Struct("The caller may not do this.", {}),
        "ExpectedMore": Struct("The method answers with many replies: call it with 'more'.", {}),
    },
)

INTERFACES = {interface.name: interface for interface in (NFJAIL, SERVICE)}
