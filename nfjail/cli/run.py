"""nfjail run: the daemon, in the foreground."""

from __future__ import annotations

import argparse

HELP = "watch the logs and ban, in the foreground"
EXAMPLES = """\
  nfjail run                          what the service does
  nfjail run -v                       also tell each failure
  nfjail run --config ./etc --state ./state --runtime ./run
                                      a second one beside it (with another
                                      table in its configuration)"""

_STATE = "where bans are kept (default: /var/lib/nfjail)"
_RUNTIME = "where the control socket is (default: /run/nfjail)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", metavar="DIR", help="read DIR/conf.d/*.toml (default: /etc/nfjail)")
    parser.add_argument("--state", metavar="DIR", default="/var/lib/nfjail", help=_STATE)
    parser.add_argument("--runtime", metavar="DIR", default="/run/nfjail", help=_RUNTIME)
    parser.add_argument("-v", "--verbose", action="store_true", help="tell each failure, not only bans")


def main(args: argparse.Namespace) -> int:
    # Here, not above: the other verbs start much quicker without all of the daemon's modules.
    from nfjail.daemon import Options, run

    return run(Options(args.config, args.state, args.runtime, args.verbose))
