"""The command fail2ban-client over a running nfjail: its options, its commands, its exit codes (0, or 255 for all else).

What it prints is what fail2ban-client 1.1.0 prints. Options about where fail2ban's own files are (-p, --pname, ...) are
taken and mean nothing; -s counts when it names nfjail's socket, and -c for -d and -t.
"""

from __future__ import annotations

import contextlib
import getopt
import os
import sys
import time
from collections.abc import Sequence

from nfjail.cli.ctl_client import Client, NotRunningError
from nfjail.compat import config
from nfjail.compat.answers import NoSectionError, answer
from nfjail.compat.error import ClientError, CommandError
from nfjail.compat.house import House
from nfjail.compat.usage import usage
from nfjail.compat.words import told
from nfjail.errors import NfjailError
from nfjail.fail2ban.seconds import parse_seconds
from nfjail.fail2ban_log import VERSION, line
from nfjail.interface import SOCKET

RUNTIME = "/run/nfjail"
FAILED = 255
_SHORT = "hc:s:p:xfbdtviqV"
_LONG = [
    "loglevel=", "logtarget=", "syslogsocket=", "test", "async", "conf=", "pidfile=", "pname=", "socket=", "timeout=",
    "str2sec=", "help", "version", "dp", "dump-pretty",
]  # fmt: skip
_RELOAD_OPTIONS = ("--restart", "--unban", "--if-exists")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command line (default: the process's own). Returns its exit code."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # no locale makes an answer fail
    try:
        done = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except ClientError as error:
        _note(str(error))
        return FAILED
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return FAILED
    except KeyboardInterrupt:
        return FAILED
    return 0 if done else FAILED


def _note(text: str) -> None:
    """On standard error, as fail2ban's client logs it."""
    print(line(time.time(), "fail2ban", "ERROR", text, os.getpid()), end="", file=sys.stderr)


def _run(arguments: list[str]) -> bool:
    try:
        options, words = getopt.getopt(arguments, _SHORT, _LONG)
    except getopt.GetoptError:
        print(usage())
        print("Init of command line failed", file=sys.stderr)
        return False
    given = dict(options)
    for name, value in options:
        if name == "--str2sec":
            print(f"{_str2sec(value):g}" if "." in value else int(_str2sec(value)))
            return True
        if name in ("-h", "--help"):
            print(usage())
            return True
        if name in ("-V", "--version"):
            print(VERSION if name == "-V" else f"Fail2Ban v{VERSION}")
            return True
    folder = given.get("-c", given.get("--conf", config.ETC))
    dumped = {"-d", "--dp", "--dump-pretty"} & given.keys()
    if dumped:
        return config.dump(folder, pretty="-d" not in given)
    if ("-t" in given or "--test" in given) and not words:
        return config.test(folder)
    if "-i" in given:
        raise ClientError("nfjail's fail2ban-client has no interactive mode: give one command at a time")
    if not words:
        print(usage())
        return False
    return _command(words, _runtime(given.get("-s", given.get("--socket", ""))))


def _str2sec(text: str) -> float:
    try:
        return parse_seconds(text)
    except ValueError as error:
        raise ClientError(str(error)) from None


def _runtime(path: str) -> str:
    """The folder of nfjail's socket. Scripts name fail2ban's, which is not there: then it is the usual one."""
    return os.path.dirname(os.path.abspath(path)) if os.path.basename(path) == SOCKET else RUNTIME


def _command(words: list[str], runtime: str) -> bool:
    if words[0] == "restart":
        words = ["reload", "--restart", *words[1:]]
    if words[0] == "ping" and len(words) > 1:  # how long to wait: nfjail answers at once, or is not there
        with contextlib.suppress(ValueError):
            float(words[1])
            words = words[:1]
        if len(words) > 1:
            raise ClientError(f"could not convert string to float: {words[1]!r}")
    try:
        with Client(runtime) as client:
            house = House(client)
            if words == ["start"]:
                raise ClientError("Server already running")
            sent = _reload(words[1:]) if words[0] == "reload" else words
            print(told(sent, answer(house, sent)))
    except NoSectionError as error:
        raise ClientError(f"Failed during configuration: No section: {error.name!r}") from None
    except CommandError as error:
        sys.stdout.write(f"{error.told}\n")
        _note(f"NOK: {error.args!r}")
        return False
    except NfjailError as error:
        raise _unreachable(error, os.path.join(runtime, SOCKET), words) from None
    return True


def _unreachable(error: NfjailError, path: str, words: Sequence[str]) -> ClientError:
    if words[0] == "start":
        return ClientError("nfjail is not started by fail2ban-client: systemctl start nfjail")
    if words[0] == "reload":
        return ClientError("Could not find server")
    if not isinstance(error, NotRunningError):
        return ClientError(f"Permission denied to socket: {path}, (you must be root)")
    if os.path.exists(path):
        return ClientError("[[Errno 111] Connection refused] Unable to contact server. Is it running?")
    return ClientError(f"Failed to access socket path: {path}. Is fail2ban running?")


def _reload(words: Sequence[str]) -> list[str]:
    """The words as the server gets them: of which jail, and the options."""
    options = [word for word in words if word in _RELOAD_OPTIONS]
    names = [word for word in words if word not in _RELOAD_OPTIONS]
    if len(names) > 1:
        raise ClientError(f"Unexpected argument(s) for reload: {names!r}")
    return ["reload", *(names or ["--all"]), *options]


if __name__ == "__main__":
    sys.exit(main())
