"""The control socket, client half: asks the running daemon, and turns its refusals into errors that a user may see."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Iterator
from typing import Any

from nfjail.errors import NfjailError
from nfjail.interface import NFJAIL, SERVICE, SOCKET
from nfjail.varlink import Inbox, frame

PATIENCE = 60.0  # seconds: a reload with 100,000 bans takes a few
LONGEST = 1 << 30  # bytes of one reply


class NotRunningError(NfjailError):
    """There is no daemon at the other end."""

    exit_code = 3


class Client:
    """A connection to the daemon, to be used with `with`."""

    def __init__(self, runtime: str) -> None:
        """runtime: the socket's directory. Raises NotRunningError, or NfjailError if this user may not connect."""
        path = os.path.join(runtime, SOCKET)
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # Not settimeout(): with it, connect() fails at once when the daemon is busy and others wait (EAGAIN, unix(7)).
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(PATIENCE), 0))
        self._inbox = Inbox(LONGEST)
        try:
            self._sock.connect(path)
        except PermissionError:
            self._sock.close()
            advice = "run it as root (sudo), or as a member of the group nfjail to look only"
            raise NfjailError(f"you may not talk to the daemon at {path}", advice) from None
        except BlockingIOError:
            self._sock.close()
            raise _silent() from None
        except OSError as error:
            self._sock.close()
            advice = "start it (systemctl start nfjail), or name its runtime directory with --runtime DIR"
            what = f"nfjail is not running: nobody listens at {path} ({error.strerror or error})"
            raise NotRunningError(what, advice) from None
        self._sock.settimeout(PATIENCE)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_error: object) -> None:
        self._sock.close()

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The reply to one of interface.py's methods; parameters that are None are left out. Raises NfjailError."""
        self._send({"method": f"{NFJAIL.name}.{method}", "parameters": _given(parameters)})
        reply = next(self._replies(), None)
        if reply is None:
            raise _closed()
        return _parameters(reply)

    def stream(self, method: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The replies of a streaming method, as they come; waits for each as long as it takes. Raises NfjailError."""
        self._send({"method": f"{NFJAIL.name}.{method}", "parameters": _given(parameters), "more": True})
        self._sock.settimeout(None)
        for reply in self._replies():
            yield _parameters(reply)
            if not reply.get("continues"):
                return
        raise _closed()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._sock.sendall(frame(message))
        except ConnectionError:
            pass  # it did not want all of it: the reply says why
        except TimeoutError:
            raise _silent() from None

    def _replies(self) -> Iterator[dict[str, Any]]:
        while True:
            try:
                data = self._sock.recv(1 << 16)
            except TimeoutError:
                raise _silent() from None
            except ConnectionError:
                return
            if not data:
                return
            for raw in self._inbox.feed(data):
                try:
                    yield json.loads(raw)
                except ValueError:
                    raise NfjailError("what answers there is not nfjail", "see whether --runtime is right") from None


def _given(parameters: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in parameters.items() if value is not None}


def _parameters(reply: dict[str, Any]) -> dict[str, Any]:
    name, parameters = reply.get("error"), reply.get("parameters") or {}
    if name is None:
        return dict(parameters)
    what, advice = parameters.get("what", ""), parameters.get("advice", "")
    if name == f"{SERVICE.name}.PermissionDenied":
        what, advice = "only root may change something", "run it as root (sudo)"
    elif name == f"{NFJAIL.name}.Failed":
        what, advice = f"the daemon failed at this: {what}", "it is a bug, and its log has more: journalctl -u nfjail"
    elif not name.startswith(f"{NFJAIL.name}."):
        what = f"the daemon does not understand this ({name} {json.dumps(parameters)})"
        advice = "if it is of another version than this command, restart it: systemctl restart nfjail"
    raise NfjailError(what, advice)


def _closed() -> NotRunningError:
    advice = "it was stopped, or this reader was too slow for it: systemctl status nfjail"
    return NotRunningError("the daemon ended the connection", advice)


def _silent() -> NotRunningError:
    advice = "see what it is doing: systemctl status nfjail, journalctl -u nfjail"
    return NotRunningError(f"the daemon has not answered for {PATIENCE:.0f} seconds", advice)
