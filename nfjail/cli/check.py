"""`nfjail check`: is the configuration good? Every problem is printed, or what is in force."""

from __future__ import annotations

import argparse
import sys

from nfjail.cli.check_service import UNIT, service, troubles
from nfjail.config import Config, ConfigError, load, show
from nfjail.text import printable

HELP = "check the configuration, or show what is in force"
EXAMPLES = """\
  nfjail check                        is the configuration of this machine good?
  nfjail check --config ./etc         that in ./etc/conf.d instead
  nfjail check --show                 every setting with its value, as TOML"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="read DIR/conf.d/*.toml (default: /etc/nfjail)")
    parser.add_argument("--show", action="store_true", help="print what is in force, as TOML")


def main(args: argparse.Namespace) -> int:
    """Exit code 0; 78 when there are mistakes, 1 when nfjail.service cannot do all of it: told on stderr, a line each."""
    try:
        config = load(args.config, check_all=True)
    except ConfigError as error:
        print(printable(str(error), "\n"), file=sys.stderr)
        return error.exit_code
    if args.show:
        sys.stdout.write(show(config))
        return 0
    for note in config.notes:
        print(printable(f"note: {note}"))
    unit = service() if args.config is None else None  # another folder is not what the service reads
    found = troubles(config, unit) if unit else []
    for trouble in found:
        print(printable(trouble), file=sys.stderr)
    print(_verdict(config) + (f"; {UNIT} cannot do all of it" if found else ""))
    return 1 if found else 0


def _verdict(config: Config) -> str:
    names = ", ".join(jail.name for jail in config.enabled) or "none"
    return f"configuration is good: {len(config.enabled)} of {len(config.jails)} jails enabled ({names})"
