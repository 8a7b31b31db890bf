"""One client of the control socket: its bytes in and out. Requests are answered one after the other."""

from __future__ import annotations

import logging
import selectors
import socket
import struct
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple, Protocol, Union

from nfjail.errors import NfjailError
from nfjail.interface import NFJAIL
from nfjail.varlink import MAX_REQUEST, Inbox, Request, TooLongError, VarlinkError, frame, parse_request

log = logging.getLogger("nfjail")

READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
CHUNK = 65536  # bytes read in one wake-up; and while more than this waits to be sent, nothing new is prepared
MAX_BEHIND = 1 << 20  # bytes that a watcher may be behind

_PEERCRED = struct.Struct("iII")  # struct ucred of unix(7): pid, uid, gid


class Caller(NamedTuple):
    """Who is at the other end, in the kernel's words (SO_PEERCRED: as of when it connected)."""

    uid: int
    gid: int
    pid: int


class Server(Protocol):
    """What a connection needs of the server it belongs to."""

    def answer(
        self, request: Request, client: Connection, now: float
    ) -> Union[dict[str, Any], Iterator[dict[str, Any]]]: ...
    def forget(self, client: Connection) -> None: ...


class Connection:
    """Registered with the selector as long as it is open; drops itself when the other side is gone."""

    def __init__(self, sock: socket.socket, server: Server, selector: selectors.BaseSelector, now: float) -> None:
        sock.setblocking(False)
        pid, uid, gid = _PEERCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEERCRED.size))
        self.caller = Caller(uid, gid, pid)
        self.active = now  # when bytes last came or went
        self.watching = False
        self._sock = sock
        self._server = server
        self._selector = selector
        self._inbox = Inbox(MAX_REQUEST)
        self._requests: deque[bytes] = deque()
        self._stream: Iterator[dict[str, Any]] | None = None
        self._out = bytearray()
        self._ending = False  # to be closed when all is sent
        self._interest = READ
        selector.register(sock, READ, self._wake)

    @property
    def is_streaming(self) -> bool:
        return self.watching or self._stream is not None

    def close(self) -> None:
        if self._sock.fileno() < 0:
            return
        self._selector.unregister(self._sock)
        self._sock.close()
        self._stream = None
        self._server.forget(self)

    def push(self, data: bytes, now: float) -> None:
        """Sends data soon. Closes the connection if its owner is too far behind with reading."""
        self._out += data
        if len(self._out) > CHUNK:  # in the middle of a great batch: do not leave it all to the loop's next turn
            self._guarded_send(now)
        if len(self._out) > MAX_BEHIND and self._sock.fileno() >= 0:
            log.warning("control: a watcher (pid %d) does not read: cut off", self.caller.pid)
            self.close()
        self._set_interest()

    def _wake(self, mask: int, now: float) -> None:
        if self._sock.fileno() < 0:
            return  # closed by another one's turn, after the selector had found both ready
        if mask & READ:
            self._receive(now)
        self._work(now)
        self._guarded_send(now)
        self._set_interest()

    def _receive(self, now: float) -> None:
        try:
            data = self._sock.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.active = now
        if not data:
            self._ending = True
            return
        if self.watching:
            return  # its one request never ends: those behind it are never answered
        try:
            self._requests.extend(self._inbox.feed(data))
        except TooLongError:
            self._reject(f"a request has at most {MAX_REQUEST} bytes")

    def _work(self, now: float) -> None:
        """Answers one request, or takes the stream on, unless the client has still much to read."""
        if self._requests and self._stream is None and not self._ending and len(self._out) < CHUNK:
            self._answer(self._requests.popleft(), now)
        while self._stream is not None and len(self._out) < CHUNK:
            self._next_of(self._stream)

    def _answer(self, raw: bytes, now: float) -> None:
        try:
            request = parse_request(raw)
        except ValueError as error:
            self._reject(str(error))
            return
        try:
            reply = self._server.answer(request, self, now)
            if isinstance(reply, Iterator):
                self._stream = reply
                return
            data = frame({"parameters": reply, "continues": True} if self.watching else {"parameters": reply})
        except Exception as error:
            data = _error_frame(error)
        if self.watching:
            self._requests.clear()
        if not request.oneway:
            self._out += data

    def _next_of(self, stream: Iterator[dict[str, Any]]) -> None:
        try:
            self._out += frame({"parameters": next(stream), "continues": True})
        except StopIteration:
            self._stream = None
            self._out += frame({"parameters": {}})
        except Exception as error:
            self._stream = None
            self._out += _error_frame(error)

    def _reject(self, what: str) -> None:
        """Not Varlink: what follows cannot be trusted to begin with a request."""
        self._out += frame({"error": f"{NFJAIL.name}.BadRequest", "parameters": {"what": what}})
        self._ending = True

    def _guarded_send(self, now: float) -> None:
        try:
            if self._out:
                del self._out[: self._sock.send(self._out)]
                self.active = now
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if self._ending and not self._out:
            self.close()

    def _set_interest(self) -> None:
        if self._sock.fileno() < 0:
            return
        writing = bool(self._out) or self._ending or self._stream is not None or bool(self._requests)
        reading = not (self._ending or self._stream is not None or self._requests)
        interest = (WRITE if writing else 0) | (READ if reading else 0)
        if interest != self._interest:
            self._selector.modify(self._sock, interest, self._wake)
            self._interest = interest


def _error_frame(error: Exception) -> bytes:
    if isinstance(error, VarlinkError):
        return frame({"error": error.name, "parameters": error.parameters})
    if isinstance(error, NfjailError):
        parameters = {"what": error.what, "advice": error.advice}
        return frame({"error": f"{NFJAIL.name}.Refused", "parameters": parameters})
    log.error("control: a bug in answering a request", exc_info=error)
    return frame({"error": f"{NFJAIL.name}.Failed", "parameters": {"what": f"{type(error).__name__}: {error}"}})
