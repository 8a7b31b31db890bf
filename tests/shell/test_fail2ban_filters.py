"""A filter of fail2ban's by its name or by a path; where each part of it was written."""

from __future__ import annotations

import pytest

from nfjail.core.spec import FilterSpec
from nfjail.fail2ban.filters import load_filter, read_filter
from nfjail.fail2ban.problem import Fail2banError


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "fail2ban/filter.d"
    folder.mkdir(parents=True)
    (folder / "ftp.conf").write_text(
        "[Definition]\nfailregex =\n   ^<what> from <HOST>$\n\n   # more\n   ^<logtype> <HOST>$\nignoreregex =\n"
        "[Init]\nwhat = no\n"
    )
    return folder.parent


def test_by_name(base):
    assert read_filter("ftp", str(base)) == FilterSpec("ftp", ("^no from <HOST>$", "^file <HOST>$"))


def test_with_parameters(base):
    spec = read_filter("ftp", str(base), {"what": "never", "maxlines": "3", "usedns": "No", "datepattern": "%H:%M\n{NONE}"})
    assert spec.failregex[0] == "^never from <HOST>$"
    assert (spec.maxlines, spec.usedns, spec.datepattern) == (3, "no", "%H:%M\n{NONE}")


def test_for_the_journal(base):
    spec = read_filter("ftp", str(base), logtype="journal")
    assert (spec.failregex[1], spec.logtype) == ("^journal <HOST>$", "journal")
    assert read_filter("ftp", str(base), {"logtype": "journal"}) == spec
    short = read_filter("ftp", str(base), {"logtype": "short"}, "journal")
    assert (short.failregex[1], short.logtype) == ("^short <HOST>$", "journal")


@pytest.mark.parametrize("name", ["{base}/filter.d/ftp.conf", "{base}/filter.d/ftp", "filter.d/ftp"])
def test_a_path_into_filter_d_means_the_filter_with_all_its_files(base, name, monkeypatch):
    monkeypatch.chdir(base)
    (base / "filter.d/ftp.local").write_text("[Init]\nwhat = local\n")
    assert read_filter(name.format(base=base), "/nonexistent").failregex[0] == "^local from <HOST>$"


def test_a_path_to_any_other_file_means_that_file_with_what_it_includes(base, tmp_path, monkeypatch):
    (tmp_path / "mine.conf").write_text("[INCLUDES]\nbefore = fail2ban/filter.d/ftp.conf\n[Definition]\nwhat = mine\n")
    (tmp_path / "mine.local").write_text("[Init]\nwhat = local\n")
    monkeypatch.chdir(tmp_path)
    for name in ("./mine.conf", str(tmp_path / "mine.conf"), str(tmp_path / "mine")):
        assert read_filter(name, str(base)).failregex[0] == "^local from <HOST>$"


def test_every_part_is_known_with_its_place(base):
    (base / "filter.d/ftp.local").write_text("# mine\n[Definition]\nusedns = no\n")
    found = load_filter("ftp", str(base))
    assert found.files == (str(base / "filter.d/ftp.conf"), str(base / "filter.d/ftp.local"))
    places = {name: (text.file.rpartition("/")[2], text.line) for name, text in found.options.items()}
    assert places == {"failregex": ("ftp.conf", 3), "ignoreregex": ("ftp.conf", 7), "usedns": ("ftp.local", 3)}


@pytest.mark.parametrize("name", ["fpt", "{base}/filter.d/fpt.conf", "/nonexistent/x.conf", "", "a\0b"])
def test_what_is_not_there(base, name):
    with pytest.raises(Fail2banError, match="there is no filter"):
        read_filter(name.format(base=base), str(base))
