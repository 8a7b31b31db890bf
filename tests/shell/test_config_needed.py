"""A daemon reads only those shipped files that make a difference, and they do make it."""

from __future__ import annotations

from pathlib import Path

import pytest
from config_bed import Bed

from nfjail.config import ConfigError, load

CONF_D = Path(__file__).resolve().parents[2] / "conf.d"


def both(tmp_path: Path, text: str):
    """The configuration from some files, and from all."""
    (tmp_path / "conf.d").mkdir(exist_ok=True)
    (tmp_path / "conf.d/x.toml").write_text(text)
    options = {"vendor": str(CONF_D), "runtime": str(tmp_path / "none")}
    return load(str(tmp_path), some=True, **options), load(str(tmp_path), **options)


def test_each_shipped_jail_is_the_same(tmp_path: Path) -> None:
    for jail in load(None, vendor=str(CONF_D), runtime=str(tmp_path), check_all=True).jails:
        usual = jail.filter.failregex or jail.backend == "history"
        mode = "" if usual else 'mode = "forgeable"\n'
        some, every = both(tmp_path, f'[jail."{jail.name}"]\nenabled = true\n{mode}')
        assert some.enabled == every.enabled
        assert [one.filter.failregex for one in some.enabled] == [one.filter.failregex for one in every.enabled]
        assert len(some.jails) < 30 < len(every.jails)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[jail.mine]\nenabled = true\nfilter = \"dovecot\"\nport = 1\n",
        "[filter.dovecot]\nidentifier = [\"other\"]\n[jail.dovecot]\nenabled = true\n",
        "[jail.sshd]\nenabled = false\n",
        "[default]\nmaxretry = 9\n",
        "[default]\nenabled = \"auto\"\n",
    ],
)
def test_whatever_is_written(tmp_path: Path, text: str) -> None:
    some, every = both(tmp_path, text)
    assert some.enabled == every.enabled
    assert (some.table, some.dbpurgeage) == (every.table, every.dbpurgeage)


def test_a_mistake_is_told_as_if_all_had_been_read(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/x.toml").write_text("[jail.mine]\nenabled = true\nfilter = \"dovecott\"\n")
    said = []
    for some in (True, False):
        with pytest.raises(ConfigError) as error:
            load(str(tmp_path), vendor=str(CONF_D), runtime=str(tmp_path / "none"), some=some)
        said.append(str(error.value))
    assert said[0] == said[1]
    assert 'did you mean "dovecot"?' in said[0]


def test_a_shipped_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    (bed.vendor / "bad.toml").write_text("[jail.sshd]\nenabled = true\nx = \n")
    with pytest.raises(ConfigError, match=r"bad\.toml"):
        load(str(bed.etc), vendor=str(bed.vendor), runtime=str(bed.runtime), some=True)
