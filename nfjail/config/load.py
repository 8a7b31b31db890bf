"""From folders to Config: everything read, every problem found, then all or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from nfjail.config.filters import ReadFilter, compile_filter, read_filters
from nfjail.config.foreign import ReadForeign, check_spec
from nfjail.config.jails import read_jails
from nfjail.config.needed import needless
from nfjail.config.problem import ConfigError, Node, Problems
from nfjail.config.read import RUNTIME, find_local, find_runtime, merge, read, vendor_folder
from nfjail.config.settings import section
from nfjail.config.tables import inner_table, read_top, read_values
from nfjail.config.types import Config
from nfjail.source.journal import journal_is_kept

_IMPORTED = "fail2ban-"  # so do the names of imported jails' filters begin (nfjail.fail2ban.convert)
# What a jail says on behalf of its filter.
_OF_FILTER = ("mode", "failregex", "ignoreregex", "journalmatch")


def load(
    config_dir: str | None,
    *,
    vendor: str | None = None,
    runtime: str | None = None,
    check_all: bool = False,
    some: bool = False,
) -> Config:
    """The merged configuration of vendor, runtime (both folders of *.toml files) and config_dir/conf.d.

    None: the places of an installed nfjail; config_dir must exist only if it is given. check_all: also compiles the
    patterns of jails that are not enabled, and of filters that no jail uses. some: without vendor's files that make no
    difference, and so without most of the jails that are not enabled. Raises ConfigError with all problems.
    """
    problems = Problems()
    local = find_local(config_dir, problems)
    written = read([*find_runtime(runtime or RUNTIME, problems), local], problems)
    folder = vendor_folder() if vendor is None else vendor
    shipped = read([folder], problems, needless(folder, written) if some else ())
    notes: list[str] = []
    root = _with_fail2ban(shipped, written, notes, problems)
    values = read_top(root, problems)
    del values["fail2ban"]
    for name in ("journal", "store", "firewall"):
        settings = section(name)
        for key, value in read_values(inner_table(root, name, problems), name, problems).items():
            values[settings[key].field or key] = value
    filters = read_filters(root, problems)
    journal_kept = bool(values["journal_path"]) or journal_is_kept()
    jails = read_jails(root, filters, check_all, journal_kept, problems)
    if check_all:
        _check_patterns(filters, problems)
    if problems and some:  # what is said of them may depend on everything
        return load(config_dir, vendor=vendor, runtime=runtime, check_all=check_all)
    if problems:
        raise ConfigError(problems)
    configs = tuple(found.config for found in filters.values())
    return Config(filters=configs, jails=jails, notes=tuple(notes), **values)


def _with_fail2ban(shipped: Node, written: Node, notes: list[str], problems: Problems) -> Node:
    """All together. fail2ban's jails replace what is shipped, and what the administrator wrote replaces them."""
    root = merge_with_shipped(shipped, written)
    asked = root.value.get("fail2ban")
    folder = problems.attempt(asked, section("")["fail2ban"].kind.parse, None) if asked else None
    if asked is None or folder is None:
        return root
    from nfjail.config.adopt import read_folder  # only now: what reads fail2ban's files would cost every daemon 1 MB

    adopted = read_folder(folder, asked, shipped, notes, problems)
    return merge_with_shipped(merge_with_shipped(shipped, adopted), written)


def merge_with_shipped(shipped: Node, written: Node) -> Node:
    """What was written, over what is shipped. Where a jail is given another filter, it does not keep what the shipped jail
    of its name says for the one that it had; and one that comes from fail2ban keeps nothing of it.
    """
    ours, theirs = shipped.value.get("jail"), written.value.get("jail")
    if ours is None or theirs is None or not isinstance(theirs.value, dict):
        return merge(shipped, written)
    alone = {name: jail for name, jail in ours.value.items() if name not in theirs.value}
    both = {name: _fit_for(name, ours.value[name], theirs.value[name]) for name in theirs.value if name in ours.value}
    kept = {**alone, **both}  # in the order in which somebody has written them
    return merge(shipped._replace(value={**shipped.value, "jail": ours._replace(value=kept)}), written)


def _fit_for(name: str, ours: Node, theirs: Node) -> Node:
    asked = theirs.value.get("filter") if isinstance(theirs.value, dict) else None
    had = ours.value["filter"].value if "filter" in ours.value else name
    if asked is None or asked.value == had:
        return ours
    if str(asked.value).startswith(_IMPORTED):
        return ours._replace(value={})
    return ours._replace(value={key: node for key, node in ours.value.items() if key not in _OF_FILTER})


def _check_patterns(filters: Mapping[str, ReadFilter | ReadForeign], problems: Problems) -> None:
    for name, found in filters.items():
        if isinstance(found, ReadForeign):
            check_spec(found.config.spec("file"), (found.table,), problems)
            continue
        for patterns in found.modes.values():
            compile_filter(found, name, patterns, problems)
