"""`nfjail import`: turns fail2ban's configuration into nfjail's, and tells of each jail what could not be carried over."""

from __future__ import annotations

import argparse
import glob
import os
import sys
from collections.abc import Iterator, Mapping

from nfjail.cli.importing_bans import take_over
from nfjail.cli.importing_text import texts_of
from nfjail.config.adopt import Adopted, adopt
from nfjail.config.problem import Problems
from nfjail.config.read import read as read_files
from nfjail.config.read import vendor_folder
from nfjail.errors import NfjailError
from nfjail.fail2ban.convert import better_backend
from nfjail.fail2ban.filters import ETC
from nfjail.fail2ban.jails import Jails, read_jails
from nfjail.fail2ban.server import read_server
from nfjail.text import printable

HELP = "turn fail2ban's configuration into nfjail's"
EXAMPLES = """\
  nfjail import                         print what /etc/fail2ban becomes
  nfjail import -o /etc/nfjail          write that, a file for each jail
  nfjail import ./fail2ban -o ./nfjail
  nfjail check --config ./nfjail        for a try elsewhere
  nfjail import --bans                  go on with fail2ban's running bans,
                                        once nfjail runs with its jails"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    folder = f"where fail2ban's configuration is (default: {ETC})"
    parser.add_argument("folder", metavar="FOLDER", nargs="?", default=ETC, help=folder)
    parser.add_argument("-o", "--output", metavar="DIR", help="write to DIR/conf.d/*.toml instead of printing")
    parser.add_argument("--force", action="store_true", help="replace files that are there already")
    bans = "take over the bans that are running, from fail2ban's database (default: where fail2ban.conf says)"
    parser.add_argument("--bans", metavar="FILE", nargs="?", const="", help=bans)
    where = "with --bans: where the daemon's control socket is (default: /run/nfjail)"
    parser.add_argument("--runtime", metavar="DIR", default="/run/nfjail", help=where)


def main(args: argparse.Namespace) -> int:
    """Exit code 0; 78 when something in fail2ban's own files is wrong."""
    if args.bans is not None:
        return take_over(args)
    read = read_jails(args.folder, prefer=better_backend)
    shipped = read_files([vendor_folder()], Problems())
    adopted = adopt(read, read_server(args.folder), shipped)
    texts = texts_of(adopted, read, shipped, args.folder)
    if args.output is None:
        sys.stdout.write("\n".join(texts.values()))
        sys.stdout.flush()
    else:
        _write(texts, args.output, args.force)
    for line in (*_report(read, adopted), *_left(texts, args.output), *_next(args.output)):
        print(printable(line), file=sys.stderr if args.output is None else sys.stdout)
    return 78 if read.problems or any(jail.problems for jail in read.jails) else 0


def _write(texts: Mapping[str, str], output: str, force: bool) -> None:
    folder = os.path.join(_config_dir(output), "conf.d")
    there = [path for name in texts if os.path.lexists(path := os.path.join(folder, name))]
    if there and not force:
        raise NfjailError(f"{there[0]} is there already", "remove it, or give --force to replace what is there")
    try:
        os.makedirs(folder, exist_ok=True)
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as stream:
                stream.write(text)
    except OSError as error:
        what = f"{error.filename}: it cannot be written: {error.strerror}"
        raise NfjailError(what, "choose another folder with -o") from None


def _config_dir(output: str) -> str:
    """The folder with conf.d, which may have been named itself."""
    return os.path.dirname(os.path.abspath(output)) if os.path.basename(os.path.abspath(output)) == "conf.d" else output


def _report(read: Jails, adopted: Adopted) -> Iterator[str]:
    yield from map(str, read.problems)
    yield from (f"note: {note}" for note in adopted.notes)
    jails = adopted.jails
    for jail in jails:
        if jail.reason:
            yield f"{jail.name}: not carried over: {jail.reason}"
        else:
            yield f"{jail.name}: carried over{', but:' if jail.lost else ''}"
            yield from (f"  {what}" for what in jail.lost)
    carried = sum(not jail.reason for jail in jails)
    yield f"{carried} of {len(jails)} jails carried over; {len(read.jails) - len(jails)} more are not enabled"


def _left(texts: Mapping[str, str], output: str | None) -> Iterator[str]:
    """What an earlier import wrote and this one did not: it would stay in force."""
    if output is not None:
        folder = os.path.join(_config_dir(output), "conf.d")
        for path in sorted(glob.glob(f"{glob.escape(folder)}/fail2ban*.toml")):
            if os.path.basename(path) not in texts:
                yield f"{path} is left from an earlier import: remove it, unless it is to stay"


def _next(output: str | None) -> Iterator[str]:
    if output is not None:
        check = f"nfjail check --config {_config_dir(output)}"
        yield f"next: {check}; then start nfjail, and: nfjail import --bans; then stop fail2ban"
