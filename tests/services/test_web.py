"""Who guesses passwords at a web server or a proxy, or asks too much, is cut off."""

from __future__ import annotations

from tests.services.clients import http_basic, http_proxy
from tests.services.estate import Estate

_NGINX = """
limit_req_zone $binary_remote_addr zone=one:1m rate=1r/m;
server {
    listen 80; listen [::]:80;
    location /private/ { auth_basic "private"; auth_basic_user_file /etc/nginx/htpasswd; }
    location /slow/ { limit_req zone=one; limit_req_status 429; }
}
"""


def _nginx(estate: Estate) -> None:
    estate.write("/etc/nginx/sites-available/default", _NGINX)
    estate.write("/etc/nginx/htpasswd", "root:{PLAIN}right\n")


def test_nginx_passwords(estate: Estate) -> None:
    _nginx(estate)
    with estate.jail("nginx-http-auth"), estate.serving("nginx", 80):
        estate.see_cut_off("nginx-http-auth", 80, "192.0.2.12", lambda source: http_basic(source, "root"), "401")


def test_nginx_passwords_from_ipv6(estate: Estate) -> None:
    _nginx(estate)
    with estate.jail("nginx-http-auth"), estate.serving("nginx", 80):
        estate.see_cut_off("nginx-http-auth", 80, "2001:db8:12::1", lambda source: http_basic(source, "nobodyhere"), "401")


def test_nginx_too_many_requests(estate: Estate) -> None:
    _nginx(estate)
    with estate.jail("nginx-limit-req"), estate.serving("nginx", 80):
        http_basic("192.0.2.13", "", "/slow/")  # the one in a minute that is allowed
        estate.see_cut_off("nginx-limit-req", 80, "192.0.2.13", lambda source: http_basic(source, "", "/slow/"), "429", 20)


def test_apache(estate: Estate) -> None:
    private = "AuthType Basic\nAuthName private\nAuthUserFile /etc/apache2/htpasswd\nRequire valid-user\n"
    estate.write("/etc/apache2/conf-enabled/private.conf", f"<Location /private>\n{private}</Location>\n")
    estate.run("htpasswd -bc /etc/apache2/htpasswd root right")
    with estate.jail("apache-auth"), estate.serving("apache2", 80):
        estate.see_cut_off("apache-auth", 80, "192.0.2.14", lambda source: http_basic(source, "root"), "401")


_LIGHTTPD = """
server.modules += ( "mod_auth", "mod_authn_file" )
auth.backend = "htpasswd"
auth.backend.htpasswd.userfile = "/etc/lighttpd/htpasswd"
auth.require = ( "/private" => ( "method" => "basic", "realm" => "private", "require" => "valid-user" ) )
"""


def test_lighttpd(estate: Estate) -> None:
    estate.write("/etc/lighttpd/conf-enabled/90-private.conf", _LIGHTTPD)
    estate.run("htpasswd -bc /etc/lighttpd/htpasswd root right")
    with estate.may_read("www-data"), estate.jail("lighttpd-auth"), estate.serving("lighttpd", 80):
        estate.see_cut_off("lighttpd-auth", 80, "192.0.2.15", lambda source: http_basic(source, "root"), "401")


_SQUID = """
shutdown_lifetime 1 seconds
auth_param basic program /usr/lib/squid/basic_ncsa_auth /etc/squid/htpasswd
acl known proxy_auth REQUIRED
http_access allow known
"""


def test_squid(estate: Estate) -> None:
    estate.write("/etc/squid/conf.d/private.conf", _SQUID)
    estate.run("htpasswd -bc /etc/squid/htpasswd root right")
    with estate.may_read("proxy"), estate.jail("squid"), estate.serving("squid", 3128):
        estate.see_cut_off("squid", 3128, "192.0.2.16", lambda source: http_proxy(source, "root"), "407")
