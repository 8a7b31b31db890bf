"""Whether a service is on a machine: by its unit, or by its log. enabled = "auto" goes by that."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from nfjail.core.jail import JournalMatch
from nfjail.presence import can_tell, present


class Watched(NamedTuple):
    journalmatch: JournalMatch = ()
    logpath: tuple[str, ...] = ()


UNIT = Watched(((("_SYSTEMD_UNIT", "dovecot.service"), ("_UID", "0")),))
INSTANCE = Watched(((("_SYSTEMD_UNIT", "postfix@-.service"),),))
CONTAINER = Watched(((("_SYSTEMD_UNIT", "docker.service"), ("CONTAINER_NAME", "gitea")),))
LOG = Watched((), ("/var/log/none.log", "/var/log/web/*.log"))


def unit(root: Path, path: str, text: str | None = "[Service]\n") -> None:
    """text None: masked."""
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.symlink_to("/dev/null") if text is None else file.write_text(text)


@pytest.mark.parametrize("folder", ["etc/systemd/system", "usr/lib/systemd/system", "run/systemd/generator"])
def test_a_unit_in_any_of_systemds_folders_shows_its_service(tmp_path: Path, folder: str) -> None:
    assert present(UNIT, str(tmp_path)) is None
    unit(tmp_path, f"{folder}/dovecot.service")
    assert present(UNIT, str(tmp_path)) == "dovecot.service"


@pytest.mark.parametrize("text", [None, ""])
def test_a_masked_unit_is_not_there(tmp_path: Path, text: str | None) -> None:
    unit(tmp_path, "usr/lib/systemd/system/dovecot.service")
    unit(tmp_path, "etc/systemd/system/dovecot.service", text)
    assert present(UNIT, str(tmp_path)) is None


def test_a_template_stands_for_its_instances(tmp_path: Path) -> None:
    unit(tmp_path, "usr/lib/systemd/system/postfix@.service")
    assert present(INSTANCE, str(tmp_path)) == "postfix@-.service"


def test_a_containers_engine_is_not_what_runs_in_it(tmp_path: Path) -> None:
    unit(tmp_path, "usr/lib/systemd/system/docker.service")
    assert present(CONTAINER, str(tmp_path)) is None


def test_a_log_shows_its_service(tmp_path: Path) -> None:
    assert present(LOG, str(tmp_path)) is None
    unit(tmp_path, "var/log/web/b.log", "")
    unit(tmp_path, "var/log/web/a.log", "")
    assert present(LOG, str(tmp_path)) == "/var/log/web/a.log"


def test_a_log_of_all_services_shows_none(tmp_path: Path) -> None:
    unit(tmp_path, "var/log/auth.log", "x")
    shared = Watched((), ("/var/log/auth.log", "/var/log/secure"))
    assert present(shared, str(tmp_path)) is None
    assert not can_tell(shared)


def test_what_has_neither_unit_nor_log_cannot_be_known() -> None:
    assert can_tell(UNIT)
    assert can_tell(LOG)
    assert not can_tell(Watched(((("_TRANSPORT", "kernel"),),)))
