#!/usr/bin/python3
"""usage: genexport.py N > FILE

N journal entries of mixed services in the Journal Export Format, the same ones every time."""
import random
import sys

BOOT, MACHINE, SEQUENCE = "0123456789abcdef" * 2, "fedcba9876543210" * 2, f"{7:032x}"
SERVICES = [  # identifier, unit, share in percent
    ("sshd", "ssh.service", 45),
    ("postfix/smtpd", "postfix@-.service", 15),
    ("dovecot", "dovecot.service", 10),
    ("nginx", "nginx.service", 10),
    ("CRON", "cron.service", 5),
    ("kernel", None, 5),
    ("systemd", "init.scope", 10),
]
SHARES = [share for _, _, share in SERVICES]


def address(rnd):
    if rnd.random() < 0.8:
        return f"198.51.{rnd.randrange(100, 104)}.{rnd.randrange(1, 255)}"
    return f"2001:db8:{rnd.randrange(65536):x}::{rnd.randrange(65536):x}"


def message(rnd, identifier):
    ip, port = address(rnd), rnd.randrange(1024, 65535)
    if identifier == "sshd":
        return rnd.choice([
            f"Failed password for root from {ip} port {port} ssh2",
            f"Failed password for invalid user admin{rnd.randrange(99)} from {ip} port {port} ssh2",
            f"Invalid user test from {ip} port {port}",
            f"Connection closed by authenticating user root {ip} port {port} [preauth]",
            f"Accepted publickey for deploy from {ip} port {port} ssh2: ED25519 SHA256:abc",
            f"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=root",
        ])
    return {
        "postfix/smtpd": f"warning: unknown[{ip}]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
        "dovecot": f"imap-login: Disconnected: Connection closed (auth failed, 1 attempts in 2 secs): "
                   f"user=<u{port % 999}>, method=PLAIN, rip={ip}, lip=192.0.2.1, TLS",
        "nginx": f'{ip} - - "GET /wp-login.php HTTP/1.1" 404 {port}',
        "CRON": "pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    }.get(identifier, f"message number {port}")


def entry(rnd, n, now):
    identifier, unit, _ = rnd.choices(SERVICES, SHARES)[0]
    kernel, pid, clock = identifier == "kernel", rnd.randrange(300, 30000), 1_000_000 + 1000 * n
    fields = {
        "__CURSOR": f"s={SEQUENCE};i={n:x};b={BOOT};m={clock:x};t={now:x};x={n:x}",
        "__REALTIME_TIMESTAMP": now,
        "__MONOTONIC_TIMESTAMP": clock,
        "_BOOT_ID": BOOT,
        "_MACHINE_ID": MACHINE,
        "_HOSTNAME": "bed",
        "PRIORITY": 4 if kernel else 6,
        "SYSLOG_IDENTIFIER": identifier,
        "_TRANSPORT": "kernel" if kernel else "syslog",
        "_UID": 0,
        "_COMM": identifier.rsplit("/", 1)[-1].lower(),
        "_PID": pid,
        "SYSLOG_PID": pid,
        "_SYSTEMD_UNIT": unit,
        "_SOURCE_REALTIME_TIMESTAMP": now,
        "MESSAGE": message(rnd, identifier),
    }
    return "".join(f"{name}={value}\n" for name, value in fields.items() if value is not None) + "\n"


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    rnd, now = random.Random(7), 1_767_225_600_000_000  # 2026-01-01, in microseconds
    for n in range(1, int(sys.argv[1]) + 1):
        now += rnd.randrange(1000, 90000)
        sys.stdout.write(entry(rnd, n, now))


main()
