"""`nfjail check`: is the configuration good? Every problem is printed, or what is in force."""

from __future__ import annotations

import argparse
import sys

from nfjail.config import Config, ConfigError, load, show
from nfjail.text import printable

HELP = "check the configuration: print every problem, or with --show what is in force"
EXAMPLES = """\
  nfjail check                        is the configuration of this machine good?
  nfjail check --config ./etc         that of ./etc/conf.d instead of /etc/nfjail/conf.d
  nfjail check --show                 every setting with its value, as TOML"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="read DIR/conf.d/*.toml (default: /etc/nfjail)")
    parser.add_argument("--show", action="store_true", help="print the effective configuration as TOML")


def main(args: argparse.Namespace) -> int:
    """Exit code 0, or 78 when there are problems: those are printed to stderr, a line each."""
    try:
        config = load(args.config, check_all=True)
    except ConfigError as error:
        print(printable(str(error), "\n"), file=sys.stderr)
        return error.exit_code
    if args.show:
        sys.stdout.write(show(config))
    else:
        for note in config.notes:
            print(printable(f"note: {note}"))
        print(_verdict(config))
    return 0


def _verdict(config: Config) -> str:
    names = ", ".join(jail.name for jail in config.enabled) or "none"
    return f"configuration is good: {len(config.enabled)} of {len(config.jails)} jails enabled ({names})"
