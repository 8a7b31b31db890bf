"""The shape of the house: which room may call which, what the core must not do, how large a room may be.

Every check reads source text, so each is itself tried on a few lines that it must refuse.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

# Imports go one way: a room may use those behind it in this list, never those before it. Within a room anything goes.
# A room NAME is the module NAME, or the folder NAME, or NAME and its NAME_*.py beside it.
ORDER = (
    "compat", "__main__", "cli", "doctor", "daemon", "desk", "regime", "intake", "counsel", "exempt", "guard", "assembly",
    "tell", "fail2ban_log", "control", "connection", "interface", "varlink", "engine", "config", "presence", "fail2ban",
    "store", "source", "firewall", "action", "watchdog", "addresses", "resolver", "names", "notify", "log", "owned", "text",
    "core", "errors",
)  # fmt: skip
MODULE_LINES = 300
FUNCTION_LINES = 40

# What core/ may import. None of it reads a file, a clock or a socket by being called in the ways that are left; but time
# and zoneinfo look into the zone database, which is as much a table as any in here.
PURE = {
    "__future__", "ast", "bisect", "calendar", "collections", "contextlib", "copy", "dataclasses", "datetime", "enum",
    "functools", "heapq", "ipaddress", "itertools", "math", "operator", "re", "socket", "string", "struct", "time",
    "types", "typing", "zoneinfo", "nfjail.core", "nfjail.errors",
}  # fmt: skip
SOCKET_NAMES = {"AF_INET", "AF_INET6", "inet_pton", "inet_ntop", "inet_aton", "inet_ntoa"}
TIME_NAMES = {"mktime", "localtime", "gmtime", "strftime", "strptime", "struct_time", "timezone", "altzone", "tzname"}
IMPURE_CALLS = {"open", "print", "input", "breakpoint", "__import__"}

CLOCK_ROOMS = ("compat", "cli", "daemon")  # only here is the time asked for; everywhere else `now` is an argument
CLOCK = re.compile(
    r"time\.(time|monotonic|perf_counter|clock_gettime|process_time|thread_time)(_ns)?|(datetime\.)?(datetime|date)\.(now|utcnow|today)"
)
CLOCK_WITHOUT_ARGUMENT = {"time.localtime": 1, "time.gmtime": 1, "time.ctime": 1, "time.asctime": 1, "time.strftime": 2}
SHELLS = {"eval", "exec", "os.system", "os.popen", "subprocess.getoutput", "subprocess.getstatusoutput"}

ROOT = Path(__file__).resolve().parent.parent
MODULES = sorted((ROOT / "nfjail").rglob("*.py"))
NOT_OURS = re.compile(r"\.git|\.venv|build|dist|\.hypothesis|__pycache__|.*_cache|.*\.egg-info")  # as .gitignore has it


def room_of(module: str) -> str:
    """nfjail.source.journal -> source, nfjail.store_rows -> store; "" for the package itself."""
    name = module.partition(".")[2].partition(".")[0]
    return name if name in ORDER else name.partition("_")[0] or name


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import; for `from nfjail import core` nfjail.core. Relative ones begin with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            if base == "nfjail":
                names = [alias.name for alias in node.names if alias.name != "__version__"]
                yield from ((node.lineno, f"nfjail.{name}") for name in names)
            else:
                yield node.lineno, base


def dotted(node: ast.expr) -> str:
    """`a.b.c` as written; "" where it begins with something else than a name."""
    if isinstance(node, ast.Attribute):
        base = dotted(node.value)
        return f"{base}.{node.attr}" if base else ""
    return node.id if isinstance(node, ast.Name) else ""


def spoken_names(tree: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """Every name that is used, dotted ones too, written out: after `from time import time as t`, `t` is time.time."""
    meaning: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            meaning |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            meaning |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            first, dot, rest = dotted(node).partition(".")
            if first:
                yield node, meaning.get(first, first) + dot + rest


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    full = {id(node): name for node, name in spoken_names(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, full.get(id(node.func), "")


# The checks. Each takes a module's name and syntax tree, and yields what is wrong with it.


def wrong_imports(module: str, tree: ast.AST) -> Iterator[str]:
    room = room_of(module)
    if room and room not in ORDER:
        yield f"{module}: which room is this? Put {room!r} into ORDER in test_layers.py, so that its imports go down"
        return
    for line, name in imported(tree):
        if name.startswith("."):
            yield f"{module}:{line} imports relatively: write the module's full name"
        if name.partition(".")[0] != "nfjail" or name == "nfjail":
            continue
        other = room_of(name)
        if other not in ORDER:
            yield f"{module}:{line} imports {name}, which has no place in ORDER"
        elif not room or ORDER.index(other) < ORDER.index(room):
            below = f"{room or 'the package'} stands below {other}"
            yield f"{module}:{line} imports {name}, but {below}: hand in as an argument what is needed of it"


def impure_core(module: str, tree: ast.AST) -> Iterator[str]:
    if room_of(module) != "core":
        return
    for line, name in imported(tree):
        if not any(name == pure or name.startswith(f"{pure}.") for pure in PURE):
            yield f"{module}:{line} imports {name}: core has no I/O, clock, chance or logging"
    for node, name in spoken_names(tree):
        head, _, rest = name.partition(".")
        allowed = {"socket": SOCKET_NAMES, "time": TIME_NAMES}.get(head)
        if allowed and rest and rest.partition(".")[0] not in allowed:
            yield f"{module}:{node.lineno} uses {name}: of {head} core has {', '.join(sorted(allowed))}"
    for call, name in calls(tree):
        if name in IMPURE_CALLS:
            yield f"{module}:{call.lineno} calls {name}(): core has no I/O"


def clock_reading(module: str, tree: ast.AST) -> Iterator[str]:
    if room_of(module) in CLOCK_ROOMS:
        return
    for node, name in spoken_names(tree):
        if CLOCK.fullmatch(name):
            yield f"{module}:{node.lineno} asks for the time ({name}): take `now` as an argument"
    for call, name in calls(tree):
        if name in CLOCK_WITHOUT_ARGUMENT and len(call.args) < CLOCK_WITHOUT_ARGUMENT[name]:
            yield f"{module}:{call.lineno} calls {name}() without a time, which asks the clock"


def text_as_code(module: str, tree: ast.AST) -> Iterator[str]:
    for call, name in calls(tree):
        if name in SHELLS:
            yield f"{module}:{call.lineno} calls {name}(): text must not become code"
        for keyword in call.keywords:
            if keyword.arg == "shell" and ast.unparse(keyword.value) != "False":
                yield f"{module}:{call.lineno} gives text to a shell (shell=): hand over a list of arguments"


def too_large(module: str, tree: ast.AST, lines: int = 0) -> Iterator[str]:
    if lines > MODULE_LINES:
        yield f"{module}: {lines} lines; a module has at most {MODULE_LINES}: which two things does it do?"
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            size = (node.end_lineno or node.lineno) - node.lineno + 1
            if size > FUNCTION_LINES:
                yield f"{module}:{node.lineno} {node.name}: {size} lines; a function has at most {FUNCTION_LINES}"


def undescribed(module: str, tree: ast.Module) -> Iterator[str]:
    if not ast.get_docstring(tree):
        yield f"{module}: begins without a docstring that says what it is"


CHECKS = (wrong_imports, impure_core, clock_reading, text_as_code, too_large, undescribed)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_house_is_in_order(check):
    faults = []
    for path in MODULES:
        source = path.read_text()
        more = {"lines": source.count("\n")} if check is too_large else {}
        faults += check(module_of(path), ast.parse(source), **more)
    assert not faults, "\n" + "\n".join(faults)


@pytest.mark.parametrize(
    ("check", "module", "source"),
    [
        (wrong_imports, "nfjail.core.x", "from nfjail.store import Store"),
        (wrong_imports, "nfjail.core.x", "from nfjail import store"),
        (wrong_imports, "nfjail.engine", "def f():\n import nfjail.daemon"),
        (wrong_imports, "nfjail.engine", "from .store import Store"),
        (wrong_imports, "nfjail.managers", ""),
        (wrong_imports, "nfjail.engine", "import nfjail.managers"),
        (wrong_imports, "nfjail", "from nfjail import errors"),
        (impure_core, "nfjail.core.x", "import os"),
        (impure_core, "nfjail.core.x", "from logging import getLogger"),
        (impure_core, "nfjail.core.x", "import random"),
        (impure_core, "nfjail.core.x", "import socket\nsocket.socket()"),
        (impure_core, "nfjail.core.x", "import time as t\nt.sleep(1)"),
        (impure_core, "nfjail.core.x", "open('/etc/passwd')"),
        (clock_reading, "nfjail.store", "import time\ntime.time()"),
        (clock_reading, "nfjail.store", "from time import monotonic as m\nf(clock=m)"),
        (clock_reading, "nfjail.store", "import datetime\ndatetime.datetime.now()"),
        (clock_reading, "nfjail.store", "from datetime import datetime\ndatetime.now()"),
        (clock_reading, "nfjail.store", "import time\ntime.strftime('%H')"),
        (text_as_code, "nfjail.action.x", "import subprocess\nsubprocess.run(x, shell=True)"),
        (text_as_code, "nfjail.action.x", "import os\nos.system('x')"),
        (text_as_code, "nfjail.action.x", "eval('x')"),
        (too_large, "nfjail.x", "def f():\n" + " x = 1\n" * 40),
        (undescribed, "nfjail.x", "x = 1"),
    ],
)
def test_each_fault_is_seen(check, module, source):
    assert len(list(check(module, ast.parse(source)))) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nfjail.engine", "import subprocess\nfrom nfjail import core\nfrom nfjail import __version__\nx.eval(y)"),
        ("nfjail.store_rows", "from nfjail.store import Store"),
        ("nfjail.core.x", "import time, socket\ntime.localtime(now)\nsocket.inet_pton(socket.AF_INET, x)\nx.open()"),
        ("nfjail.daemon", "import time\nfrom nfjail import engine\ntime.monotonic()"),
    ],
)
def test_what_is_right_passes(module, source):
    tree = ast.parse(f"'What it is.'\n{source}")
    assert [fault for check in CHECKS for fault in check(module, tree)] == []


def own_files() -> Iterator[Path]:
    """The project's files, whether or not this is a git checkout."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [f for f in folders if not NOT_OURS.fullmatch(f)]
        yield from (Path(folder, name) for name in names)


def test_the_checkout_stands_alone():
    """Nothing refers to a folder beside it, or to the place where it happens to lie."""
    beside = ["../" "shared", str(ROOT.parent / "shared"), *([str(ROOT)] if len(ROOT.parts) > 2 else [])]
    faults = []
    for path in own_files():
        text = path.read_bytes().decode(errors="replace")
        faults += [f"{path.relative_to(ROOT)} mentions {word}" for word in beside if word in text]
    assert not faults, "\n".join(faults)
