"""From folders to Config: everything read, every problem found, then all or nothing."""

from __future__ import annotations

from collections.abc import Mapping

from nfjail.config.filters import ReadFilter, compile_filter, read_filters
from nfjail.config.jails import read_jails
from nfjail.config.problem import ConfigError, Problems
from nfjail.config.read import RUNTIME, find_local, read, vendor_folder
from nfjail.config.settings import section
from nfjail.config.tables import inner_table, read_top, read_values
from nfjail.config.types import Config


def load(config_dir: str | None, *, vendor: str | None = None, runtime: str | None = None, check_all: bool = False) -> Config:
    """The merged configuration of vendor, runtime (both folders of *.toml files) and config_dir/conf.d.

    None: the places of an installed nfjail; config_dir must exist only if it is given. check_all: also compiles the
    patterns of jails that are not enabled, and of filters that no jail uses. Raises ConfigError with all problems.
    """
    problems = Problems()
    local = find_local(config_dir, problems)
    folders = [vendor_folder() if vendor is None else vendor, RUNTIME if runtime is None else runtime, local]
    root = read(folders, problems)
    values = read_top(root, problems)
    for name in ("journal", "store", "firewall"):
        settings = section(name)
        for key, value in read_values(inner_table(root, name, problems), name, problems).items():
            values[settings[key].field or key] = value
    filters = read_filters(root, problems)
    jails = read_jails(root, filters, check_all, problems)
    if check_all:
        _check_patterns(filters, problems)
    if problems:
        raise ConfigError(problems)
    return Config(filters=tuple(found.config for found in filters.values()), jails=jails, **values)


def _check_patterns(filters: Mapping[str, ReadFilter], problems: Problems) -> None:
    for name, found in filters.items():
        for patterns in found.modes.values():
            compile_filter(name, patterns, found.config.identifier, problems)
