"""The control socket, server half: lets `nfjail ctl` and other programs ask the running daemon, and tell it what to do.

It frames, limits, checks permissions and streams; what to answer is decided by the Desk behind it. It never waits: each
wake-up does a bounded piece of work for one client. The methods stand in interface.py, the protocol in varlink.py.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import logging
import os
import selectors
import socket
import stat
from collections.abc import Iterator
from typing import Any, Protocol, Union

from nfjail import __version__
from nfjail.connection import Caller, Connection
from nfjail.errors import NfjailError
from nfjail.interface import INTERFACES, NFJAIL, SERVICE, SOCKET
from nfjail.owned import open_owned
from nfjail.varlink import Request, VarlinkError, describe, frame, misfit

__all__ = ["Caller", "Control", "Desk"]

log = logging.getLogger("nfjail")

GROUP = "nfjail"  # whose members may read
MAX_CLIENTS = 256
SHORTAGE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

Parameters = dict[str, Any]
Answer = dict[str, Any]


class Desk(Protocol):
    """Who answers: one method for each of interface.py, with the parameters and the reply described there.

    NfjailError becomes the error Refused. A stream is an iterator of replies, whose next one is only asked for when the
    client has taken the ones before; a dict is a single reply.
    """

    def ping(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def status(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def list_bans(self, parameters: Parameters, caller: Caller, now: float) -> Iterator[Answer]: ...
    def addresses(self, parameters: Parameters, caller: Caller, now: float) -> Iterator[Answer]: ...
    def why(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def ban(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def unban(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def ignore_add(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def ignore_delete(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def ignore_list(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def settings(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def set(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def attempt(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def flush_logs(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def reload(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...
    def flush(self, parameters: Parameters, caller: Caller, now: float) -> Answer: ...


class Control:
    """The listening socket and its clients, driven by the selector's loop, which calls key.data(mask, now)."""

    def __init__(self, runtime: str, desk: Desk, selector: selectors.BaseSelector) -> None:
        """Listens in the directory runtime. Raises NfjailError, for instance when another nfjail uses it."""
        self._desk = desk
        self._selector = selector
        self._path = os.path.join(runtime, SOCKET)
        self._lock = _claim(runtime)
        try:
            self._listener = _listen(self._path)
        except NfjailError:
            os.close(self._lock)
            raise
        self._spare = os.open(os.devnull, os.O_RDONLY)  # given up for a moment to turn a client away when no fd is left
        self._clients: dict[Connection, None] = {}  # in the order of their coming
        self._watchers: set[Connection] = set()
        selector.register(self._listener, selectors.EVENT_READ, self._accept)

    def close(self) -> None:
        """Ends all connections and removes the socket."""
        for client in list(self._clients):
            client.close()
        self._selector.unregister(self._listener)
        self._listener.close()
        os.unlink(self._path)
        os.close(self._spare)
        os.close(self._lock)

    @property
    def watched(self) -> bool:
        """Whether anybody would see what is published."""
        return bool(self._watchers)

    def publish(self, event: dict[str, Any], now: float) -> None:
        """Sends an Event (interface.py) to all who watch."""
        if not self._watchers:
            return
        data = frame({"parameters": {"event": event}, "continues": True})
        for watcher in list(self._watchers):
            watcher.push(data, now)

    def _accept(self, _mask: int, now: float) -> None:
        """One client, as long as one is known to wait: without a free descriptor, accept() fails even if none does."""
        try:
            sock, _address = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            if error.errno not in SHORTAGE:
                raise
            if not self._evict():
                self._turn_away()
            return
        if len(self._clients) >= MAX_CLIENTS:
            self._evict()
        self._clients[Connection(sock, self, self._selector, now)] = None

    def _evict(self) -> bool:
        """Closes the client idle for longest; a streaming one only if all are. Whether there was one."""
        oldest = min(self._clients, key=lambda client: (client.is_streaming, client.active), default=None)
        if oldest is None:
            return False
        log.debug("control: too many clients: closing the one idle for longest (pid %d)", oldest.caller.pid)
        oldest.close()
        return True

    def _turn_away(self) -> None:
        """Accepts and closes one client, or the loop would be woken for it for ever."""
        os.close(self._spare)
        try:
            self._listener.accept()[0].close()
        except OSError:
            pass  # somebody else was quicker to take the descriptor: next time
        finally:
            self._spare = os.open(os.devnull, os.O_RDONLY)

    # What a Connection asks of it

    def forget(self, client: Connection) -> None:
        self._clients.pop(client, None)
        self._watchers.discard(client)

    def answer(self, request: Request, client: Connection, now: float) -> Union[Answer, Iterator[Answer]]:
        """Raises VarlinkError, NfjailError, or anything else if there is a bug behind the desk."""
        interface_name, _, name = request.method.rpartition(".")
        interface = INTERFACES.get(interface_name)
        if interface is None:
            raise VarlinkError(f"{SERVICE.name}.InterfaceNotFound", interface=interface_name)
        method = interface.methods.get(name)
        if method is None:
            raise VarlinkError(f"{SERVICE.name}.MethodNotFound", method=request.method)
        if method.changing and client.caller.uid not in (0, os.geteuid()):
            log.warning("control: %s refused to uid %d (pid %d)", name, client.caller.uid, client.caller.pid)
            raise VarlinkError(f"{SERVICE.name}.PermissionDenied")
        wrong = misfit(method.parameters, request.parameters, interface.types)
        if wrong is not None:
            raise VarlinkError(f"{SERVICE.name}.InvalidParameter", parameter=wrong)
        if method.stream and (request.oneway or not request.more):
            raise VarlinkError(f"{SERVICE.name}.ExpectedMore")
        if request.method == f"{NFJAIL.name}.Watch":
            return self._watch(client)
        handler = getattr(_Service if interface is SERVICE else self._desk, method.handler, None)
        if handler is None:
            raise VarlinkError(f"{SERVICE.name}.MethodNotImplemented", method=request.method)
        reply: Union[Answer, Iterator[Answer]] = handler(request.parameters, client.caller, now)
        return reply

    def _watch(self, client: Connection) -> Answer:
        self._watchers.add(client)
        client.watching = True
        return {"ready": True}


class _Service:
    """Answers org.varlink.service."""

    @staticmethod
    def get_info(_parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        interfaces = sorted(INTERFACES)
        return {"vendor": "nfjail", "product": "nfjail", "version": __version__, "url": "", "interfaces": interfaces}

    @staticmethod
    def get_interface_description(parameters: Parameters, _caller: Caller, _now: float) -> Answer:
        interface = INTERFACES.get(parameters["interface"])
        if interface is None:
            raise VarlinkError(f"{SERVICE.name}.InterfaceNotFound", interface=parameters["interface"])
        return {"description": describe(interface)}


def _claim(runtime: str) -> int:
    """Makes the runtime directory if need be and locks it, as long as the returned file descriptor is open.

    A lock, because a socket file says nothing: after a crash it is still there, and two daemons that start at the same
    moment would each take the other's for a remnant.
    """
    try:
        if not os.path.isdir(runtime):
            os.makedirs(runtime)
            os.chmod(runtime, 0o755)  # whatever the umask: the group's members must get to the socket
        lock = open_owned(os.path.join(runtime, "lock"), 0)
    except OSError as error:
        advice = "run it as root, or give it another --runtime directory"
        raise NfjailError(f"cannot use the runtime directory {runtime}: {error.strerror}", advice) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pid = os.pread(lock, 20, 0).decode().strip()
        os.close(lock)
        advice = "stop that one first (systemctl stop nfjail), or give this one --runtime and --state of its own"
        raise NfjailError(f"another nfjail (pid {pid}) runs with the runtime directory {runtime}", advice) from None
    os.ftruncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


def _listen(path: str) -> socket.socket:
    """The listening socket at path; replaces one that is left from before. Only called with the directory locked."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if os.path.lexists(path) and stat.S_ISSOCK(os.lstat(path).st_mode):
            os.unlink(path)
        listener.bind(path)
        os.chmod(path, 0o600)
        _open_to_group(path)
        listener.listen(MAX_CLIENTS)  # nobody gets in before this line, whatever the mode was
    except OSError as error:
        listener.close()
        advice = "choose another --runtime directory: writable, and with a short name (107 bytes with the socket's)"
        raise NfjailError(f"cannot listen at {path}: {error.strerror or error}", advice) from None
    return listener


def _open_to_group(path: str) -> None:
    """Unless there is no such group, or this is another user's process: then it stays the owner's alone."""
    with contextlib.suppress(KeyError, PermissionError):
        group = grp.getgrnam(GROUP).gr_gid
        if os.stat(path).st_gid != group:  # the service has the group already, and may not change owners
            os.chown(path, -1, group)
        os.chmod(path, 0o660)
