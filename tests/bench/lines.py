"""What the benchmarks write into logs: an sshd's lines under attack, the same ones every time."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

FAILURES = 0.55  # the share of lines that count as failures
_FAILED = (
    "Failed password for root from {ip} port {port} ssh2",
    "Failed password for root from {ip} port {port} ssh2",
    "Failed password for invalid user admin{number} from {ip} port {port} ssh2",
    "Invalid user test{number} from {ip} port {port}",
)
_OTHERS = (
    "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost={ip}  user=root",
    "Received disconnect from {ip} port {port}:11: Bye Bye [preauth]",
    "Disconnected from authenticating user root {ip} port {port} [preauth]",
    "Connection closed by {ip} port {port} [preauth]",
    "pam_unix(sshd:auth): check pass; user unknown",
    "Accepted publickey for deploy from 192.0.2.77 port {port} ssh2: ED25519 SHA256:0123456789abcdef0123456789abcdef01234",
    "pam_unix(sshd:session): session opened for user deploy(uid=1000) by (uid=0)",
)


def addresses(count: int, first: int = 0) -> list[str]:
    """IPv4 addresses of 198.18.0.0/15, which RFC 2544 keeps for benchmarks."""
    base = int.from_bytes(socket.inet_aton("198.18.0.1"), "big") + first
    return [socket.inet_ntoa((base + n).to_bytes(4, "big")) for n in range(count)]


def mixed_addresses(count: int) -> list[str]:
    """The same, but every fifth is an IPv6 address in a /64 of its own."""
    return [f"2001:db8:{n:x}::7" if n % 5 == 4 else ip for n, ip in enumerate(addresses(count))]


def failure(ip: str, port: int = 40000) -> str:
    """sshd's own words for one wrong password."""
    return f"Failed password for root from {ip} port {port} ssh2"


def as_line(message: str, when: float, pid: int = 4711) -> str:
    """As rsyslog writes it to auth.log on Debian 12 and 13."""
    stamp = datetime.fromtimestamp(when, timezone.utc).isoformat(timespec="microseconds")
    return f"{stamp} server sshd[{pid}]: {message}\n"


def auth_log(count: int, attackers: Sequence[str], begin: float, step: float) -> Iterator[str]:
    """So many lines, step seconds between two in the mean; each attacker fails equally often."""
    rnd = random.Random(7)
    failed = 0
    for n in range(count):
        counts = rnd.random() < FAILURES
        message = rnd.choice(_FAILED if counts else _OTHERS)
        ip = attackers[failed % len(attackers)] if counts else rnd.choice(attackers)
        failed += counts
        words = message.format(ip=ip, port=rnd.randrange(1024, 65535), number=n % 97)
        yield as_line(words, begin + (n + rnd.random()) * step, 1000 + n // 3 % 30000)


def access_log(count: int) -> list[str]:
    """Lines of a web server's access log (combined, 200 characters), 2 % of them searches for holes."""
    agent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
    lines = []
    for n in range(count):
        path, status = (f"/.env.{n}", 404) if n % 50 == 7 else (f"/articles/{n % 977}/index.html", 200)
        stamp = f"22/Nov/2026:{n // 36000 % 24:02}:{n // 600 % 60:02}:{n // 10 % 60:02} +0000"
        client = f"198.18.{n % 199}.{n % 251}"
        lines.append(f'{client} - - [{stamp}] "GET {path} HTTP/1.1" {status} {n % 9999} "https://www.example.com/" "{agent}"')
    return lines
