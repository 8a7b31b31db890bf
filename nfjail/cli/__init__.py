"""The command nfjail: finds the verb and hands over to its module, and prints expected trouble.

A verb's module has HELP (what it does, in a phrase), EXAMPLES, add_arguments(parser) and main(args) -> exit code.
It is imported only when needed: `nfjail ctl` must start quickly.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from types import ModuleType
from typing import Any, NoReturn

from nfjail import __version__
from nfjail.errors import NfjailError
from nfjail.text import printable

VERBS = ("run", "check", "doctor", "test", "import", "ctl")
_MODULES = {"import": "importing"}  # `import` is a word of Python's own

EXAMPLES = """\
  nfjail ctl status                   what is watched, and how much it found
  nfjail ctl --help                   each verb has more examples"""
EXIT_CODES = """\
exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 the daemon is not
running, 78 mistakes in the configuration. Manual: nfjail(1), nfjail.toml(5)"""


def main(argv: list[str] | None = None) -> int:
    """Runs a command line (default: the process's own). Returns its exit code; argparse may raise SystemExit."""
    arguments = sys.argv[1:] if argv is None else argv
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # no locale makes a message fail
    try:
        code = _run(arguments[0], arguments[1:]) if arguments and arguments[0] in VERBS else _explain(arguments)
        sys.stdout.flush()
        return code
    except NfjailError as error:
        report(error)
        return error.exit_code
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # or Python complains when it flushes at the end
        return 141
    except KeyboardInterrupt:
        return 130


def _run(verb: str, arguments: list[str]) -> int:
    code: int = _module(verb).main(verb_parser(verb).parse_args(arguments))
    return code


def _explain(arguments: list[str]) -> NoReturn:
    """What to do with a command line that does not begin with a verb: --help, --version, or an error."""
    parser = top_parser()
    parser.parse_args(arguments)
    parser.error("the verb comes first")


def top_parser() -> argparse.ArgumentParser:
    """What stands before a verb, and the verbs by name. The manual and the completions are made from it, too."""
    parser = described_parser("nfjail", "keeps attackers out of this machine", EXAMPLES)
    parser.add_argument("--version", action="version", version=f"nfjail {__version__}")
    parser.epilog = f"{parser.epilog}\n\n{EXIT_CODES}"
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    for verb in VERBS:
        verbs.add_parser(verb, help=_module(verb).HELP)
    return parser


def verb_parser(verb: str) -> argparse.ArgumentParser:
    """What stands behind a verb."""
    module = _module(verb)
    parser = described_parser(f"nfjail {verb}", module.HELP, module.EXAMPLES)
    module.add_arguments(parser)
    return parser


def _module(verb: str) -> ModuleType:
    return importlib.import_module(f"nfjail.cli.{_MODULES.get(verb, verb)}")


def described_parser(prog: str, summary: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose --help shows the summary first and the examples last, as they are written."""
    return argparse.ArgumentParser(**description(summary, examples), prog=prog)


def description(summary: str, examples: str) -> dict[str, Any]:
    """What any parser of nfjail's is made with."""
    return {
        "description": f"{summary[:1].upper()}{summary[1:]}.",
        "epilog": f"examples:\n{examples}" if examples else None,
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def report(error: NfjailError) -> None:
    """Prints expected trouble on stderr, with its advice below."""
    print("nfjail: " + printable(error.what, "\n"), file=sys.stderr)
    if error.advice:
        print("  " + printable(error.advice, "\n"), file=sys.stderr)
