"""Reads the drop-in folders and merges their TOML files key by key; remembers for each value where it was written."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container, Sequence
from typing import Any

from nfjail.config import advice
from nfjail.config.problem import Node, Problems
from nfjail.config.toml import joined

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ETC = "/etc/nfjail"
RUNTIME = "/run/nfjail/conf.d"
_INSTALLED = "/usr/share/nfjail/conf.d"
_DEEPEST = 16  # tables and lists in each other; filter.NAME.mode.MODE.failregex, the deepest with a meaning, has 6
_PLACE = re.compile(r" \(at (line (\d+), column \d+|end of document)\)$")


def vendor_folder() -> str:
    """The conf.d that comes with nfjail: beside the package in a checkout, else where it was installed."""
    beside = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    prefix = os.path.dirname(os.path.dirname(os.path.dirname(beside)))  # of PREFIX/lib/python3.N/site-packages
    for folder in (os.path.join(beside, "conf.d"), os.path.join(prefix, "share", "nfjail", "conf.d")):
        if os.path.isfile(os.path.join(folder, "00-nfjail.toml")):
            return folder
    return _INSTALLED


def read(folders: Sequence[str], problems: Problems, without: Container[str] = ()) -> Node:
    """All *.toml files of the folders, in order and by name, as one table; later values replace earlier ones.

    without: the names of files that are left out.
    """
    root = Node({}, "", "")
    for folder in folders:
        for name in (name for name in _names(folder, problems) if name not in without):
            root = merge(root, _read_file(os.path.join(folder, name), problems))
    return root


def find_local(config_dir: str | None, problems: Problems) -> str:
    """The administrator's conf.d in config_dir; notes it when a folder that was asked for is not as it must be."""
    folder = ETC if config_dir is None else config_dir
    conf_d = os.path.join(folder, "conf.d")
    if config_dir is not None and not os.path.isdir(folder):
        problems.add(folder, "", "there is no such folder", "make it, or give another one with --config DIR")
    elif not os.path.isdir(conf_d):
        for name in _names(folder, problems):
            file = os.path.join(folder, name)
            problems.add(file, "", "files are read only from the folder conf.d", f"move it to {conf_d}/{name}")
    return conf_d


def find_runtime(folder: str, problems: Problems) -> list[str]:
    """The folder of what holds until the next boot; none if another user could have put it there to tell root what to do."""
    try:
        owner = os.lstat(folder).st_uid
    except OSError:  # it is not there, mostly; else reading it tells
        return [folder]
    if owner in (0, os.geteuid()):
        return [folder]
    problems.add(folder, "", f"it belongs to user {owner}, not to root", f"see what is in it, then: chown root: {folder}")
    return []


def _names(folder: str, problems: Problems) -> list[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    except OSError as error:
        problems.add(folder, "", f"the folder cannot be read: {error.strerror}", "check its mode and owner")
        return []
    return sorted(name for name in names if name.endswith(".toml") and not name.startswith("."))


def _read_file(file: str, problems: Problems) -> Node:
    """One file as a table; an empty one after trouble."""
    empty = Node({}, file, "")
    text = ""
    try:
        if not os.path.isfile(file):
            problems.add(file, "", "it is not a file", "remove it, or mend the link")
            return empty
        with open(file, "rb") as stream:
            text = stream.read().decode("utf-8-sig")  # an editor's byte order mark is no mistake
        table = tomllib.loads(text)
        _check_sane(table, _DEEPEST)
        return _tree(table, file, ())
    except OSError as error:
        problems.add(file, "", f"it cannot be read: {error.strerror}", "check its mode and owner")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        problems.add(file, f"line {line}", "it is not valid UTF-8", "save it as UTF-8")
    except RecursionError:
        problems.add(file, "", "its tables or lists are nested too deeply", "see 00-nfjail.toml for what there is")
    except tomllib.TOMLDecodeError as error:
        _note_syntax_error(file, text, str(error), problems)
    except (OverflowError, ValueError):  # ValueError: of thousands of digits
        problems.add(file, "", "it has a number that does not fit into 64 bits", "write a smaller one")
    return empty


def _note_syntax_error(file: str, text: str, what: str, problems: Problems) -> None:
    place = _PLACE.search(what)
    lines = text.rstrip().splitlines()[: int(place[2]) if place and place[2] else None]
    what = what[: place.start()] if place else what
    hint = advice.for_syntax(what, lines[-1] if lines else "")
    problems.add(file, place[1] if place else "", f"no valid TOML: {what}", hint)


def _check_sane(value: Any, left: int) -> None:
    """Raises RecursionError for what is nested so deeply that it could exhaust the stack later on; OverflowError."""
    if left == 0:
        raise RecursionError
    if isinstance(value, int) and abs(value) >= 2**63:  # TOML's own limit; Python cannot even print some larger ones
        raise OverflowError
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            _check_sane(item, left - 1)


def _tree(value: Any, file: str, keys: tuple[str, ...]) -> Node:
    if keys and keys[-1] == "increment" and isinstance(value, bool):
        # The short form of a table, made long here, so that tables of other files are merged and not replaced.
        value = {"enabled": value}
    if isinstance(value, dict):
        value = {key: _tree(child, file, (*keys, key)) for key, child in value.items()}
    return Node(value, file, joined(*keys))


def merge(old: Node, new: Node) -> Node:
    """new over old: tables key by key, everything else replaced."""
    if not (isinstance(old.value, dict) and isinstance(new.value, dict)):
        return new
    table = dict(old.value)
    for key, child in new.value.items():
        table[key] = merge(table[key], child) if key in table else child
    return Node(table, new.file, new.key)
