"""Who guesses passwords at a database is cut off."""

from __future__ import annotations

from tests.services.clients import mysql, postgres
from tests.services.estate import Estate


def test_mariadb(estate: Estate) -> None:
    estate.write("/etc/mysql/mariadb.conf.d/99-everywhere.cnf", "[mariadbd]\nbind-address=*\nskip-name-resolve\n")
    with estate.jail("mysqld-auth", 'mode = "forgeable"'), estate.serving("mariadb", 3306):
        estate.run("mariadb -e \"CREATE USER IF NOT EXISTS guest@'%' IDENTIFIED BY 'right'\"")
        estate.see_cut_off("mysqld-auth", 3306, "192.0.2.23", lambda source: mysql(source, "guest"), "Access denied")


def test_postgresql(estate: Estate) -> None:
    settings = "listen_addresses = '*'\\nlog_line_prefix = '%m [%p] %r '"
    everybody = "host all all all scram-sha-256"
    estate.run(f"cd /etc/postgresql/*/main && echo \"{settings}\" >conf.d/here.conf && echo {everybody} >>pg_hba.conf")
    with estate.jail("postgresql"), estate.serving("postgresql", 5432):
        estate.see_cut_off("postgresql", 5432, "192.0.2.24", lambda source: postgres(source, "postgres"), "28P01")
