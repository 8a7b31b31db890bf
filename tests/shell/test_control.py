"""The control socket: what its clients can ask, and what they cannot do to the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import selectors
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time

import pytest
from control_bed import MANY, START, Bed, FakeDesk, Peer, as_user, request, running

from nfjail.control import Control
from nfjail.interface import NFJAIL, SERVICE
from nfjail.varlink import MAX_REQUEST, misfit

NOBODY = 65534
GROUP_ID = 60999  # no group of this machine's


@pytest.fixture(scope="module")
def bed():
    with running() as bed:
        yield bed


@pytest.fixture
def peer(bed):
    with bed.connect() as peer:
        yield peer


def error(reply: dict) -> str:
    return reply["error"].rpartition(".")[2]


# What can be asked


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("Ping", {}),
        ("Status", {}),
        ("Status", {"jail": "sshd"}),
        ("Status", {"jail": None}),
        ("Why", {"address": "192.0.2.66"}),
        ("Ban", {"addresses": ["192.0.2.7", "192.0.2.0/24"], "jail": "x", "seconds": 7200, "reason": "why not"}),
        ("Ban", {"addresses": ["192.0.2.7"], "forever": True}),
        ("Unban", {"addresses": ["192.0.2.7", "192.0.2.8"]}),
        ("IgnoreAdd", {"addresses": ["192.0.2.7"], "seconds": 0.5}),
        ("IgnoreList", {}),
        ("IgnoreDelete", {"addresses": ["192.0.2.7", "192.0.2.8"]}),
        ("Unban", {"jail": "x"}),
        ("Settings", {"jail": "sshd"}),
        ("Set", {"jail": "sshd", "bantime": 7200, "maxretry": 3, "ignore": ["192.0.2.0/24", "friend.example"]}),
        ("Set", {"jail": "sshd", "forever": True, "findtime": 60.5, "maxmatches": 0, "ignoreself": False}),
        ("Attempt", {"jail": "sshd", "address": "192.0.2.7", "messages": ["once", "twice"]}),
        ("FlushLogs", {}),
        ("Flush", {}),
        ("org.varlink.service.GetInfo", {}),
        ("org.varlink.service.GetInterfaceDescription", {"interface": "io.nfjail"}),
    ],
)
def test_each_method_answers_as_described(peer, method, parameters):
    if method == "Flush":
        peer.ask("Ban", addresses=["192.0.2.9"])
    reply = peer.ask(method, **parameters)
    interface = SERVICE if method.startswith(SERVICE.name) else NFJAIL
    described = interface.methods[method.rpartition(".")[2]].reply
    assert "error" not in reply
    assert misfit(described, reply["parameters"], interface.types) is None


def test_list_gives_one_ban_in_each_reply_and_an_empty_one_at_the_end(peer):
    peer.ask("Ban", addresses=["192.0.2.7", "192.0.2.8"], jail="sshd")
    peer.send("List", more=True)
    first, second, end = peer.reply(), peer.reply(), peer.reply()
    assert [reply["parameters"]["ban"]["address"] for reply in (first, second)] == ["192.0.2.7", "192.0.2.8"]
    assert first["continues"]
    assert misfit(NFJAIL.methods["List"].reply, first["parameters"], NFJAIL.types) is None
    assert end == {"parameters": {}}
    peer.ask("Unban", all=True)


def test_watch_begins_with_ready_and_tells_what_happens(bed, peer):
    peer.send("Watch", more=True)
    assert peer.reply() == {"parameters": {"ready": True}, "continues": True}
    with bed.connect() as other:
        other.ask("Ban", addresses=["192.0.2.7"], seconds=60)
    reply = peer.reply()
    assert reply["continues"]
    assert reply["parameters"]["event"]["address"] == "192.0.2.7"
    assert misfit(NFJAIL.methods["Watch"].reply, reply["parameters"], NFJAIL.types) is None


def test_what_a_watcher_still_asks_is_never_answered(bed, peer):
    peer.sock.sendall(request("Watch", more=True) + request("Ping") * 3)
    peer.send("Ping")
    assert peer.reply()["parameters"] == {"ready": True}
    time.sleep(0.05)
    before = cpu_of(bed)
    time.sleep(0.2)
    assert cpu_of(bed) - before < 0.05  # and it keeps nobody awake
    with bed.connect() as other:
        other.ask("Ban", addresses=["192.0.2.8"])
    assert peer.reply()["parameters"]["event"]["address"] == "192.0.2.8"


def test_several_requests_in_one_packet_are_answered_in_order(peer):
    peer.sock.sendall(request("Status") + request("List", more=True) + request("Nonsense") + request("Ping"))
    assert "jails" in peer.reply()["parameters"]
    while peer.reply().get("continues"):
        pass
    assert error(peer.reply()) == "MethodNotFound"
    assert "pid" in peer.reply()["parameters"]


def test_one_request_in_many_packets_is_answered(peer):
    for byte in request("Ban", {"addresses": ["2001:db8::7"], "reason": "žluťoučký"}):
        peer.sock.sendall(bytes([byte]))
    assert peer.reply()["parameters"]["banned"][0]["ban"]["reason"] == "žluťoučký"


def test_a_client_that_is_done_sending_still_gets_all_its_answers(peer):
    peer.sock.sendall(request("List", {"jail": "many"}, more=True) + request("Ping"))
    peer.sock.shutdown(socket.SHUT_WR)
    replies = list(iter(peer.reply, None))
    assert len(replies) == MANY + 2
    assert "pid" in replies[-1]["parameters"]


def test_oneway_is_carried_out_and_not_answered(peer):
    peer.send("IgnoreAdd", {"addresses": ["192.0.2.50"]}, oneway=True)
    peer.send("Nonsense", oneway=True)
    reply = peer.ask("IgnoreList")
    assert "192.0.2.50" in [entry["address"] for entry in reply["parameters"]["ignored"]]


# What is described


def test_get_info_names_the_interfaces(peer):
    assert peer.ask("org.varlink.service.GetInfo")["parameters"]["interfaces"] == ["io.nfjail", "org.varlink.service"]


@pytest.mark.parametrize("interface", [NFJAIL, SERVICE], ids=lambda interface: interface.name)
def test_the_description_obeys_varlinks_grammar(peer, interface):
    reply = peer.ask("org.varlink.service.GetInterfaceDescription", interface=interface.name)
    members = read_interface(reply["parameters"]["description"])
    assert members["method"] == set(interface.methods)
    assert members["type"] == set(interface.types)
    assert members["error"] == set(interface.errors)


def read_interface(text: str) -> dict[str, set[str]]:
    """The members of a Varlink interface by kind; fails for what varlink.org's grammar has not, or is there twice."""
    tokens = re.findall(r"#[^\n]*\n|->|\[\]|[\w.]+|[?():,]|\n|\S", text)
    tokens = [token for token in tokens if token != "\n" and not token.startswith("#")]
    assert tokens.pop(0) == "interface"
    assert re.fullmatch(r"[A-Za-z](-*[A-Za-z0-9])*(\.[A-Za-z0-9](-*[A-Za-z0-9])*)+", tokens.pop(0))
    members: dict[str, set[str]] = {"type": set(), "method": set(), "error": set()}
    used: set[str] = set()
    while tokens:
        kind, name = tokens.pop(0), tokens.pop(0)
        assert re.fullmatch("[A-Z][A-Za-z0-9]*", name)
        assert not any(name in names for names in members.values())
        members[kind].add(name)
        used |= read_struct(tokens)
        if kind == "method":
            assert tokens.pop(0) == "->"
            used |= read_struct(tokens)
    assert used <= members["type"] | {"bool", "int", "float", "string"}
    return members


def read_struct(tokens: list[str]) -> set[str]:
    assert tokens.pop(0) == "("
    used: set[str] = set()
    while tokens[0] != ")":
        assert re.fullmatch("[A-Za-z](_?[A-Za-z0-9])*", tokens.pop(0))
        assert tokens.pop(0) == ":"
        while tokens[0] in ("?", "[]"):
            tokens.pop(0)
        used.add(tokens.pop(0))
        if tokens[0] == ",":
            tokens.pop(0)
            assert tokens[0] != ")"
    tokens.pop(0)
    return used


# What is refused, while the connection goes on


@pytest.mark.parametrize(
    ("method", "parameters", "name", "detail"),
    [
        ("io.nfjail.Nonsense", {}, "MethodNotFound", {"method": "io.nfjail.Nonsense"}),
        ("io.other.Ping", {}, "InterfaceNotFound", {"interface": "io.other"}),
        ("Ping", {"extra": 1}, "InvalidParameter", {"parameter": "extra"}),
        ("Ban", {}, "InvalidParameter", {"parameter": "addresses"}),
        ("Ban", {"addresses": "192.0.2.7"}, "InvalidParameter", {"parameter": "addresses"}),
        ("Ban", {"addresses": [7]}, "InvalidParameter", {"parameter": "addresses"}),
        ("Ban", {"addresses": ["\ud800"]}, "InvalidParameter", {"parameter": "addresses"}),
        ("Ban", {"addresses": [], "seconds": True}, "InvalidParameter", {"parameter": "seconds"}),
        ("Ban", {"addresses": [], "seconds": 10**400}, "InvalidParameter", {"parameter": "seconds"}),
        ("Ban", {"addresses": [], "forever": 1}, "InvalidParameter", {"parameter": "forever"}),
        ("Ban", {"addresses": [], "jail": {}}, "InvalidParameter", {"parameter": "jail"}),
        ("List", {}, "ExpectedMore", {}),
        ("Watch", {}, "ExpectedMore", {}),
        ("org.varlink.service.GetInterfaceDescription", {"interface": "x"}, "InterfaceNotFound", {"interface": "x"}),
        ("Status", {"jail": "none"}, "Refused", {"what": "there is no jail 'none'", "advice": "jails: sshd"}),
    ],
)
def test_wrong_requests_get_their_error_and_the_connection_goes_on(peer, method, parameters, name, detail):
    reply = peer.ask(method, **parameters)
    assert (error(reply), reply["parameters"]) == (name, detail)
    assert "pid" in peer.ask("Ping")["parameters"]


def test_a_length_of_time_that_is_infinite_is_refused(peer):
    peer.sock.sendall(b'{"method":"io.nfjail.Ban","parameters":{"addresses":[],"seconds":1e999}}\0')
    assert error(peer.reply()) == "InvalidParameter"


def test_a_bug_behind_it_is_told_and_the_daemon_goes_on(peer):
    peer.ask("Unban", all=True)
    reply = peer.ask("Flush")
    assert reply == {"error": "io.nfjail.Failed", "parameters": {"what": "ZeroDivisionError: a bug"}}
    assert "pid" in peer.ask("Ping")["parameters"]


# What ends the connection


@pytest.mark.parametrize(
    "garbage",
    [
        b"\0",
        b"GET / HTTP/1.0\r\n\r\n\0",
        b"\xff\xfe\0",
        b"[1]\0",
        b'{"method": 7}\0',
        b'{"method": "io.nfjail.Ping", "parameters": []}\0',
        b'{"method": "io.nfjail.Ban", "parameters": {"seconds": NaN}}\0',
        b'{"method": "io.nfjail.Ping", "upgrade": true}\0',
        b"[" * 500_000 + b"\0",
        b'{"a":' * 150_000 + b"\0",
        b"9" * 500_000 + b"\0",
        random.Random(1).randbytes(3000).replace(b"\0", b"\xff") + b"\0",
    ],
    ids=lambda garbage: ascii(garbage[:30]),
)
def test_garbage_gets_an_error_and_the_connection_ends(bed, peer, garbage):
    peer.sock.sendall(garbage + request("Ping"))
    reply = peer.reply()
    assert error(reply) == "BadRequest"
    assert reply["parameters"]["what"]
    assert hung_up(peer)
    assert is_alive(bed)


def test_half_a_request_waits_and_disturbs_nobody(bed, peer):
    half, rest = request("Ping")[:20], request("Ping")[20:]
    peer.sock.sendall(half)
    assert is_alive(bed)
    peer.sock.sendall(rest)
    assert "pid" in peer.reply()["parameters"]


def test_half_a_request_and_gone(bed):
    with bed.connect() as peer:
        peer.sock.sendall(request("Ping")[:20])
    assert is_alive(bed)


def test_a_request_of_100_mb_is_refused_without_keeping_it_or_the_others_waiting(bed, peer):
    before = bed.memory()
    waits = []
    with bed.connect() as other, contextlib.suppress(ConnectionError):
        for _ in range(100):
            peer.sock.sendall(b"x" * 1_000_000)
            begin = time.monotonic()
            other.ask("Ping")
            waits.append(time.monotonic() - begin)
    assert len(waits) < 5  # it did not take more than it must
    reply = peer.reply()
    assert (error(reply), reply["parameters"]) == ("BadRequest", {"what": f"a request has at most {MAX_REQUEST} bytes"})
    assert hung_up(peer)
    assert bed.memory() - before < 8_000_000
    assert max(waits) < 1


def test_a_request_of_almost_1_mib_is_answered(peer):
    reply = peer.ask("Why", address="x" * (MAX_REQUEST - 100))
    assert reply["parameters"] == {"records": []}


# How many, and how slow


def test_500_idle_connections_do_not_keep_others_out():
    with running() as bed:
        idle = [bed.connect() for _ in range(500)]
        for peer in idle:
            peer.sock.setblocking(False)
        assert is_alive(bed)
        with bed.connect() as peer:
            assert "pid" in peer.ask("Ping")["parameters"]
            open_ones = [p for p in idle if not hung_up(p)]
            assert len(open_ones) == 255
            assert open_ones == idle[-255:]  # those idle for longest had to go
        for peer in idle:
            peer.sock.close()


def test_idle_ones_go_before_watchers():
    with running() as bed, bed.connect() as watcher:
        watcher.send("Watch", more=True)
        watcher.reply()
        idle = [bed.connect() for _ in range(300)]
        with bed.connect() as peer:
            peer.ask("Ban", addresses=["192.0.2.7"])
        assert watcher.reply()["parameters"]["event"]["address"] == "192.0.2.7"
        for peer in idle:
            peer.sock.close()


@pytest.mark.parametrize("room", [0, 1, 30])
def test_without_free_file_descriptors_it_goes_on(room):
    """The server has 7 open itself. Those idle for longest go, and who cannot be served is not left waiting."""
    with running("prlimit", f"--nofile={7 + room}") as bed:
        peers = [bed.connect() for _ in range(100)]
        if room:
            assert is_alive(bed)
        gone = peers[: 101 - room]
        assert all(hung_up(peer) for peer in gone)
        for peer in peers[len(gone) :]:
            assert "pid" in peer.ask("Ping")["parameters"]
        before = cpu_of(bed)
        time.sleep(0.3)
        assert cpu_of(bed) - before < 0.1  # it does not spin
        for peer in peers:
            peer.sock.close()


def test_a_slow_reader_of_100_000_bans_costs_no_memory_and_others_are_served():
    with running() as bed, bed.connect() as slow, bed.connect() as other:
        before = bed.memory()
        slow.send("List", {"jail": "many"}, more=True)
        assert "ban" in slow.reply()["parameters"]
        waits = []
        for _ in range(20):
            slow.sock.recv(1000)
            begin = time.monotonic()
            assert "pid" in other.ask("Ping")["parameters"]
            waits.append(time.monotonic() - begin)
        assert bed.memory() - before < 2_000_000
        assert max(waits) < 0.5


def test_a_list_that_nobody_reads_to_the_end_is_forgotten(bed):
    with bed.connect() as peer:
        peer.send("List", {"jail": "many"}, more=True)
        peer.reply()
    assert is_alive(bed)


def test_a_watcher_that_does_not_read_is_cut_and_another_sees_everything():
    with running() as bed, bed.connect() as deaf, bed.connect() as awake, bed.connect() as busy:
        for watcher in (deaf, awake):
            watcher.send("Watch", more=True)
            watcher.reply()
        before = bed.memory()
        seen = 0
        addresses = [f"10.0.0.{n}" for n in range(200)]
        for _ in range(100):
            busy.ask("Ban", addresses=addresses)
            for _ in addresses:
                seen += "event" in awake.reply()["parameters"]
        assert seen == 20_000
        assert bed.memory() - before < 8_000_000
        missed = 0
        while deaf.reply() is not None:
            missed += 1
        assert missed < 20_000


def test_a_watcher_gets_a_great_batch_at_once():
    with running() as bed, bed.connect() as watcher, bed.connect() as busy:
        watcher.send("Watch", more=True)
        watcher.reply()
        busy.ask("Ban", addresses=[f"10.0.{n >> 8}.{n & 255}" for n in range(4000)])
        events = [watcher.reply()["parameters"]["event"]["address"] for _ in range(4000)]
        assert (events[0], events[-1]) == ("10.0.0.0", "10.0.15.159")


# Who may


def test_without_a_group_nfjail_the_socket_is_the_owners_alone(bed):
    mode = os.stat(bed.path).st_mode
    assert stat.S_IMODE(mode) == 0o600
    assert as_user(NOBODY, NOBODY, lambda: str(Peer(bed.path))) == "PermissionError"
    assert stat.S_IMODE(os.stat(bed.runtime).st_mode) == 0o755


def test_the_group_may_read_and_not_change(tmp_path):
    (tmp_path / "group").write_text(f"root:x:0:\nnfjail:x:{GROUP_ID}:\n")
    swap = ("unshare", "-m", "sh", "-c", f'mount --bind {tmp_path}/group /etc/group; exec "$@"', "sh")
    with running(*swap) as bed:
        status = os.stat(bed.path)
        assert (stat.S_IMODE(status.st_mode), status.st_gid) == (0o660, GROUP_ID)

        def member() -> str:
            peer = Peer(bed.path)
            reading = [peer.ask("Status"), peer.ask("Why", address="192.0.2.7"), peer.ask("IgnoreList")]
            changing = [m for m in NFJAIL.methods if NFJAIL.methods[m].changing]
            refused = [method for method in changing if peer.ask(method).get("error", "").endswith("PermissionDenied")]
            return json.dumps([sum("error" in reply for reply in reading), refused, changing])

        errors, refused, changing = json.loads(as_user(NOBODY, GROUP_ID, member))
        assert errors == 0
        assert refused == changing
        assert " ".join(changing) == "Ban TakeOver Unban IgnoreAdd IgnoreDelete Set Attempt FlushLogs Reload Flush"
        assert as_user(NOBODY, NOBODY, lambda: str(Peer(bed.path))) == "PermissionError"


def test_the_user_that_the_daemon_runs_as_may_change():
    """The second instance of an ordinary user is that user's."""
    desk = FakeDesk()  # now, as that user may not be able to read where the tests are

    def own_daemon() -> str:
        with tempfile.TemporaryDirectory() as runtime, selectors.DefaultSelector() as selector:
            control = Control(runtime, desk, selector)
            with Peer(f"{runtime}/io.nfjail") as peer:
                peer.send("IgnoreAdd", {"addresses": ["192.0.2.7"]})
                for _ in range(2):  # the connection, the request
                    for key, mask in selector.select(1):
                        key.data(mask, START)
                reply = peer.reply()
            control.close()
            return reply["parameters"]["ignored"][0]["address"]

    assert as_user(NOBODY, NOBODY, own_daemon) == "192.0.2.7"


# Coming and going


def test_a_second_daemon_is_refused_and_the_first_goes_on(bed):
    command = [sys.executable, "-m", "control_bed", bed.runtime]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"another nfjail (pid {bed.process.pid}) runs with the runtime directory {bed.runtime}" in done.stderr
    assert "stop that one first" in done.stderr
    assert is_alive(bed)


def test_the_socket_of_a_killed_daemon_is_replaced(tmp_path):
    runtime = str(tmp_path / "run")
    with running(runtime=runtime) as bed:
        os.kill(bed.process.pid, signal.SIGKILL)
        bed.process.wait()
        assert os.path.exists(bed.path)
        with pytest.raises(ConnectionRefusedError):
            bed.connect()
    with running(runtime=runtime) as bed:
        assert is_alive(bed)


def test_a_daemon_that_ends_removes_its_socket(tmp_path):
    runtime = str(tmp_path / "run")
    with running(runtime=runtime) as bed:
        assert is_alive(bed)
    assert not os.path.exists(bed.path)


@pytest.mark.parametrize(
    ("runtime", "words"),
    [
        ("/proc/nfjail", "cannot use the runtime directory /proc/nfjail"),
        ("/dev/null", "cannot use the runtime directory /dev/null"),
        ("{tmp}/" + "x" * 100, "cannot listen at"),
    ],
)
def test_a_directory_that_cannot_be_used_is_named(tmp_path, runtime, words):
    command = [sys.executable, "-m", "control_bed", runtime.format(tmp=tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert words in done.stderr
    assert "--runtime" in done.stderr
    assert "Traceback" not in done.stderr


def is_alive(bed: Bed) -> bool:
    with bed.connect() as peer:
        return "pid" in peer.ask("Ping")["parameters"]


def hung_up(peer: Peer) -> bool:
    try:
        return peer.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def cpu_of(bed: Bed) -> float:
    """Seconds of processor time that the server has used."""
    with open(f"/proc/{bed.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

