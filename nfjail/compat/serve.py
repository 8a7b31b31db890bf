"""fail2ban's own socket, for programs that speak to it without fail2ban-client (the Prometheus exporter, for one).

A process beside the daemon, which asks that for each command: nothing of pickle comes near the one who bans. Who may
connect is said by the socket's mode: root alone, as with fail2ban.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from nfjail.cli.ctl_client import Client
from nfjail.compat.answers import answer
from nfjail.compat.client import RUNTIME
from nfjail.compat.error import CommandError, refused
from nfjail.compat.house import House
from nfjail.compat.pickled import CLOSE, END, UnreadableError, answered, failed, read
from nfjail.errors import NfjailError
from nfjail.notify import notify

SOCKET = "/run/fail2ban/fail2ban.sock"
_MAX_CLIENTS = 32
_MAX_REQUEST = 8 << 20  # bytes: fail2ban-client reload sends the whole configuration, which is not looked at
_PATIENCE = 600.0  # seconds that a client may be idle


def main(arguments: Sequence[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT. Returns the exit code."""
    options = parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        listener = _listen(options.socket)
    except OSError as error:
        print(f"nfjail-fail2ban-socket: cannot listen at {options.socket}: {error.strerror or error}", file=sys.stderr)
        return 1
    notify("READY=1")
    try:
        _serve(listener, options.runtime)
    except KeyboardInterrupt:
        return 130
    finally:
        os.unlink(options.socket)


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="nfjail-fail2ban-socket", description=__doc__, allow_abbrev=False)
    made.add_argument("--socket", metavar="FILE", default=SOCKET, help=f"where to listen (default: {SOCKET})")
    where = f"where the daemon's control socket is (default: {RUNTIME})"
    made.add_argument("--runtime", metavar="DIR", default=RUNTIME, help=where)
    return made


def _listen(path: str) -> socket.socket:
    """The listening socket; one that nobody listens at any more is replaced. Raises OSError."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with socket.socket(socket.AF_UNIX) as other:
        try:
            other.connect(path)
        except OSError:
            pass
        else:
            raise OSError("fail2ban's server is running there: stop it first (systemctl stop fail2ban)")
    listener = socket.socket(socket.AF_UNIX)
    if os.path.exists(path):
        os.unlink(path)
    before = os.umask(0o177)
    try:
        listener.bind(path)
    finally:
        os.umask(before)
    listener.listen(_MAX_CLIENTS)
    return listener


def _serve(listener: socket.socket, runtime: str) -> NoReturn:
    room = threading.BoundedSemaphore(_MAX_CLIENTS)
    while True:
        room.acquire()  # a client that comes when all places are taken waits in the kernel's queue
        client, _ = listener.accept()
        client.settimeout(_PATIENCE)
        threading.Thread(target=_attend, args=(client, runtime, room), daemon=True).start()


def _attend(client: socket.socket, runtime: str, room: threading.BoundedSemaphore) -> None:
    """Answers one client's commands until it goes."""
    waiting = b""
    try:
        with client:
            while data := client.recv(1 << 16):
                waiting += data
                while END in waiting:
                    request, _, waiting = waiting.partition(END)
                    if request == CLOSE:
                        return
                    client.sendall(_reply(request, runtime))
                if len(waiting) > _MAX_REQUEST:
                    return
    except OSError:
        return  # it went without a word, or did nothing for too long
    finally:
        room.release()


def _reply(request: bytes, runtime: str) -> bytes:
    try:
        command = read(request)
        if not isinstance(command, (list, tuple)) or not command:
            raise UnreadableError("no command")
        if command[0] == "reload" and len(command) == 4:  # with the options as a list, and with the configuration
            command = [*command[:2], *command[2]]
        with Client(runtime) as daemon:
            return answered(answer(House(daemon), [str(word) for word in command]))
    except (UnreadableError, TypeError) as error:
        return failed(CommandError(str(error)))
    except CommandError as error:
        return failed(error)
    except NfjailError as error:
        return failed(refused(error))


if __name__ == "__main__":
    sys.exit(main())
