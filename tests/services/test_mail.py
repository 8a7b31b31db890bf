"""Who guesses passwords at a mail server is cut off."""

from __future__ import annotations

from tests.services.clients import imap, pop, smtp
from tests.services.estate import Estate

_POSTFIX = {
    "myhostname": "server.example",
    "mydestination": "localhost",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_sasl_path": "private/auth",
}
_FOR_POSTFIX = """
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""


def _dovecot(estate: Estate, more: str = "") -> None:
    """It says no at once, and not after 2 s."""
    in_clear = "disable_plaintext_auth = no" if estate.suite == "bookworm" else "auth_allow_cleartext = yes"
    estate.write("/etc/dovecot/local.conf", f"{in_clear}\nauth_failure_delay = 0\n{more}")


def test_dovecot_imap(estate: Estate) -> None:
    _dovecot(estate)
    with estate.jail("dovecot"), estate.serving("dovecot", 143):
        estate.see_cut_off("dovecot", 143, "192.0.2.17", lambda source: imap(source, "root"), "AUTHENTICATIONFAILED")


def test_dovecot_pop3(estate: Estate) -> None:
    _dovecot(estate)
    with estate.jail("dovecot"), estate.serving("dovecot", 110):
        estate.see_cut_off("dovecot", 110, "192.0.2.18", lambda source: pop(source, "nobodyhere"), "Authentication failed")


def test_postfix(estate: Estate) -> None:
    _dovecot(estate, _FOR_POSTFIX)
    settings = " ".join(f"'{name}={value}'" for name, value in _POSTFIX.items())
    estate.run(f"[ -e /etc/postfix/main.cf ] || cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf; postconf {settings}")
    with estate.jail("postfix-sasl"), estate.serving("postfix", 25), estate.serving("dovecot", 143):
        estate.see_cut_off("postfix-sasl", 25, "192.0.2.19", lambda source: smtp(source, "root"), "535")
