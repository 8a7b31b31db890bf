"""Logs of five services, made of lines as they write them: some that fail2ban's filter takes for failures, more that not."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from lines import addresses

_BEGIN = datetime(2026, 11, 1)
_STEP = timedelta(seconds=0.4)  # 200,000 lines are a day's
_USERS = (
    "root",
    "admin",
    "test",
    "info@example.org",
    "oracle",
    "postgres",
    "webmaster",
    "jane.doe@example.org",
    "ubuntu",
    "git",
)


class Service(NamedTuple):
    """A log: its line's head, and what follows it."""

    share: float  # of the lines that are written about attackers
    head: str
    failures: Sequence[str]
    others: Sequence[str]


_SYSLOG = "{when:%b} {when.day:>2} {when:%H:%M:%S} mail {daemon}[{pid}]: "

SERVICES = {
    "sshd": Service(
        0.5,  # the Internet knocks day and night
        "{when:%b} {when.day:>2} {when:%H:%M:%S} server sshd[{pid}]: ",
        (
            "Failed password for {user} from {ip} port {port} ssh2",
            "Failed password for invalid user {user} from {ip} port {port} ssh2",
            "Invalid user {user} from {ip} port {port}",
            "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user={user}",
            "Connection closed by authenticating user {user} {ip} port {port} [preauth]",
            "Received disconnect from {ip} port {port}:11: Bye Bye [preauth]",
            "error: maximum authentication attempts exceeded for {user} from {ip} port {port} ssh2 [preauth]",
        ),
        (
            "Accepted publickey for deploy from 192.0.2.77 port {port} ssh2: ED25519 SHA256:0123456789abcdef0123456789abcdef01",
            "pam_unix(sshd:session): session opened for user deploy(uid=1000) by (uid=0)",
            "pam_unix(sshd:session): session closed for user deploy",
            "pam_unix(sshd:auth): check pass; user unknown",
            "Received disconnect from 192.0.2.77 port {port}:11: disconnected by user",
            "Disconnected from user deploy 192.0.2.77 port {port}",
            "Server listening on 0.0.0.0 port 22.",
            "subsystem request for sftp by user deploy",
        ),
    ),
    "postfix": Service(
        0.2,
        _SYSLOG,
        (
            "postfix/smtpd|NOQUEUE: reject: RCPT from unknown[{ip}]: 454 4.7.1 <{user}>: Relay access denied; "
            "from=<a@example.net> to=<{user}> proto=ESMTP helo=<host.example.net>",
            "postfix/smtpd|NOQUEUE: reject: RCPT from host{pid}.example.net[{ip}]: 550 5.1.1 <{user}>: Recipient address "
            "rejected: User unknown in local recipient table; from=<x@example.net> to=<{user}> proto=ESMTP helo=<example.net>",
            "postfix/smtpd|warning: unknown[{ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
            "postfix/submission/smtpd|warning: host.example.net[{ip}]: SASL PLAIN authentication failed: "
            "authentication failure",
            "postfix/smtpd|improper command pipelining after CONNECT from unknown[{ip}]: QUIT",
        ),
        (
            "postfix/smtpd|connect from host{pid}.example.net[{ip}]",
            "postfix/smtpd|disconnect from host{pid}.example.net[{ip}] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5",
            "postfix/smtpd|4F2AB{pid}: client=host{pid}.example.net[{ip}]",
            "postfix/cleanup|4F2AB{pid}: message-id=<{pid}.{port}@host.example.net>",
            "postfix/qmgr|4F2AB{pid}: from=<list@example.net>, size={port}, nrcpt=1 (queue active)",
            "postfix/local|4F2AB{pid}: to=<jane@example.org>, relay=local, delay=0.1, delays=0.05/0/0/0.05, "
            "dsn=2.0.0, status=sent "
            "(delivered to mailbox)",
            "postfix/qmgr|4F2AB{pid}: removed",
            "postfix/anvil|statistics: max connection rate 1/60s for (smtp:{ip}) at Nov 22 02:03:04",
        ),
    ),
    "dovecot": Service(
        0.2,
        _SYSLOG,
        (
            "dovecot|imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<{user}>, method=PLAIN, rip={ip}, "
            "lip=192.0.2.10, TLS, session=<{port}abcdef>",
            "dovecot|pop3-login: Aborted login (auth failed, 3 attempts in 16 secs): user=<{user}>, method=LOGIN, rip={ip}, "
            "lip=192.0.2.10, TLS: Disconnected, session=<{port}abcdef>",
            "dovecot|auth-worker({pid}): pam({user},{ip},<{port}abcdef>): pam_authenticate() failed: "
            "Authentication failure (password mismatch?)",
            "dovecot|auth: passwd-file({user},{ip},<{port}abcdef>): unknown user",
        ),
        (
            "dovecot|imap-login: Login: user=<jane>, method=PLAIN, rip=192.0.2.77, lip=192.0.2.10, mpid={pid}, "
            "TLS, session=<{port}a>",
            "dovecot|imap(jane)<{pid}><{port}abcdef>: Disconnected: Logged out in=71 out=1095 deleted=0 expunged=0 trashed=0",
            "dovecot|imap(jane)<{pid}><{port}abcdef>: Connection closed (IDLE running for 0.001 + waiting input "
            "for 180.1 secs)",
            "dovecot|lda(jane)<{pid}><{port}abcdef>: msgid=<{pid}.{port}@example.net>: saved mail to INBOX",
            "postfix/smtpd|connect from host{pid}.example.net[{ip}]",
            "postfix/qmgr|4F2AB{pid}: removed",
        ),
    ),
    "nginx-http-auth": Service(
        0.2,
        "{when:%Y/%m/%d %H:%M:%S} [{daemon}] {pid}#{pid}: *{port} ",
        (
            'error|user "{user}": password mismatch, client: {ip}, server: example.org, request: "GET /private/ HTTP/1.1", '
            'host: "example.org"',
            'error|user "{user}" was not found in "/etc/nginx/.htpasswd", client: {ip}, server: example.org, '
            'request: "GET /wp-login.php HTTP/1.1", host: "example.org", referrer: "https://example.org/"',
        ),
        (
            'error|open() "/var/www/html/favicon.ico" failed (2: No such file or directory), client: {ip}, '
            "server: example.org, "
            'request: "GET /favicon.ico HTTP/1.1", host: "example.org"',
            "error|connect() failed (111: Connection refused) while connecting to upstream, client: {ip}, "
            "server: example.org, "
            'request: "GET /api/items/{port} HTTP/1.1", upstream: "http://127.0.0.1:8080/api/items/{port}", '
            'host: "example.org"',
            'error|directory index of "/var/www/html/files/" is forbidden, client: {ip}, server: example.org, '
            'request: "GET /files/ HTTP/1.1", host: "example.org"',
            "warn|an upstream response is buffered to a temporary file /var/cache/nginx/proxy_temp/1/{pid} while "
            "reading upstream, "
            'client: {ip}, server: example.org, request: "GET /big/{port} HTTP/2.0", upstream: '
            '"http://127.0.0.1:8080/big/{port}"',
            "info|client {ip} closed keepalive connection",
            "info|recv() failed (104: Connection reset by peer) while sending to client, client: {ip}, server: example.org",
        ),
    ),
    "apache-auth": Service(
        0.2,
        "[{when:%a %b %d %H:%M:%S.%f %Y}] [{daemon}] [pid {pid}:tid 140{port}] [client {ip}:{port}] ",
        (
            'auth_basic:error|AH01617: user {user}: authentication failure for "/private/": Password Mismatch',
            "auth_basic:error|AH01618: user {user} not found: /wp-admin/",
            "authz_core:error|AH01630: client denied by server configuration: /var/www/html/.htaccess",
            "auth_digest:error|AH01790: user `{user}' in realm `private' not found: /digest/",
        ),
        (
            "core:info|AH00128: File does not exist: /var/www/html/favicon.ico",
            "php7:notice|PHP Notice:  Undefined index: page in /var/www/html/index.php on line {pid}",
            "proxy_fcgi:error|AH01071: Got error 'PHP message: PHP Warning:  Undefined array key {pid} in /var/www/html/a.php'",
            "proxy:error|AH00898: Error reading from remote server returned by /api/items/{port}",
            "ssl:info|AH01964: Connection to child {pid} established (server example.org:443)",
            "negotiation:error|AH00687: Negotiation: discovered file(s) matching request: /var/www/html/index "
            "(None could be negotiated).",
        ),
    ),
}


def log(service: str, count: int) -> Iterator[str]:
    """So many lines, the same ones every time."""
    share, head, failures, others = SERVICES[service]
    rnd = random.Random(service)
    ips = addresses(4000)
    for n in range(count):
        daemon, _, text = rnd.choice(failures if rnd.random() < share else others).rpartition("|")
        values = {
            "ip": rnd.choice(ips),
            "port": rnd.randrange(1024, 65535),
            "pid": 1000 + n // 3 % 30000,
            "user": rnd.choice(_USERS),
        }
        yield (head + text).format(when=_BEGIN + n * _STEP, daemon=daemon, **values) + "\n"


def write(service: str, count: int, folder: Path) -> Path:
    """The log as a file, which is kept."""
    path = folder / f"{service}-{count}.log"
    if not path.exists():
        half = path.with_suffix(".new")
        half.write_text("".join(log(service, count)))
        half.rename(path)
    return path
