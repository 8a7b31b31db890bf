"""Every kind of mistake in the configuration, with the words in which nfjail says it (test_config_mistakes.txt)."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from config_bed import VENDOR, Bed

from nfjail.config.settings import FOREIGN, SETTINGS, Setting

_TABLE = Path(__file__).with_suffix(".txt").read_text().split("\n\n")[1:]


def _cases() -> list[object]:
    cases = []
    for block in _TABLE:
        lines = block.strip("\n").split("\n")
        told = [line.removeprefix("=> ") for line in lines if line.startswith("=> ")]
        written = "\n".join(line for line in lines if not line.startswith("=> ")) + "\n"
        cases.append(pytest.param(written, told, id=" ".join(written.split())[:60]))
    return cases


@pytest.mark.parametrize(("written", "told"), _cases())
def test_a_mistake_is_told_with_file_key_and_advice(tmp_path: Path, written: str, told: list[str]) -> None:
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    lines = bed.problems(written)
    patterns = [re.sub("<the[^>]*words>", ".+", re.escape(line).replace(r"\ ", " ")) for line in told]
    assert len(lines) == len(told), lines
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


def test_problems_of_all_files_come_in_one_answer(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    (bed.vendor / "a.toml").write_text("[jail.a]\nmaxretry = 0\n")
    (bed.runtime / "b.toml").write_text("[jail.b\n")
    (bed.local / "c.toml").write_text("[jail.c]\nport = 0\n")
    assert [line.split(": ")[0] for line in bed.problems()] == ["run/b.toml", "vendor/a.toml", "c.toml"]


def test_a_folder_given_with_config_must_exist(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    bed.local.rmdir()
    bed.etc.rmdir()
    assert bed.problems() == ["etc: there is no such folder; make it, or give another one with --config DIR"]


def test_folders_that_are_not_there_are_no_mistake(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    for folder in (bed.vendor, bed.runtime, bed.local):
        folder.rmdir()
    assert bed.load().jails == ()


def test_a_file_beside_conf_d_is_not_passed_over_in_silence(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    bed.local.rmdir()
    (bed.etc / "jail.toml").write_text("[jail.demo]\nenabled = true\n")
    assert bed.problems() == ["etc/jail.toml: files are read only from the folder conf.d; move it to etc/conf.d/jail.toml"]


def test_invalid_utf8_is_told_with_its_line(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    (bed.local / "x.toml").write_bytes(b'[jail.demo]\nlogpath = "/var/log/\xe4"\n')
    assert bed.problems() == ["x.toml: line 2: it is not valid UTF-8; save it as UTF-8"]


def test_what_is_no_file_is_told(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    (bed.local / "folder.toml").mkdir()
    (bed.local / "link.toml").symlink_to("nowhere")
    os.mkfifo(bed.local / "pipe.toml")
    assert bed.problems() == [
        f"{name}.toml: it is not a file; remove it, or mend the link" for name in ("folder", "link", "pipe")
    ]


def test_an_unreadable_file_is_told(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    (bed.local / "x.toml").symlink_to("/proc/self/mem")  # a regular file whose first byte nobody can read, root included
    (said,) = bed.problems()
    assert re.fullmatch(r"x\.toml: it cannot be read: .+; check its mode and owner", said)


def test_thousands_of_brackets_are_told(tmp_path: Path) -> None:
    said = Bed(tmp_path).problems("a = " + 10_000 * "[")
    assert len(said) == 1
    assert said[0].startswith("x.toml: ")


def test_a_number_of_thousands_of_digits_is_told(tmp_path: Path) -> None:
    said = "x.toml: it has a number that does not fit into 64 bits; write a smaller one"
    assert Bed(tmp_path).problems("a = " + 10_000 * "9") == [said]


def test_a_byte_order_mark_is_no_mistake(tmp_path: Path) -> None:
    assert Bed(tmp_path).load('\ufefftable = "own"\n').table == "own"


def test_line_ends_of_windows_are_no_mistake(tmp_path: Path) -> None:
    assert Bed(tmp_path).load('[firewall]\r\nhook = "input"\r\n').hook == "input"


def test_bad_patterns_of_what_is_not_in_use_are_told_by_check_only(tmp_path: Path) -> None:
    bed = Bed(tmp_path)
    written = "[filter.spare]\nfailregex = ['^(<HOST>$']\n[jail.off]\nfailregex = ['^no address$']\n"
    assert bed.load(written).enabled == ()
    assert [line.split(": ")[1] for line in bed.problems()] == ["jail.off.failregex[0]", "filter.spare.failregex[0]"]


def test_wrong_values_of_what_is_not_in_use_are_told_always(tmp_path: Path) -> None:
    said = Bed(tmp_path).problems("[jail.off]\nmaxretry = 0\n", check_all=False)
    assert said == ["x.toml: jail.off.maxretry: 0 cannot be used; write a whole number from 1 to 10000"]


_ODD = (
    "true", "0", "-1", "1e308", "nan", "-inf", "9223372036854775807", '""', '" "', '"a\\u0000b"', '"\\U0001F600"',
    '"../.."', "'(((('", "'(?P<x>'", "'%s{}'", "[]", "[[]]", '["", 1, {}]', "{}", '{"a.b" = [1]}', "07:32:00", "1979-05-27",
    '"' + 3000 * "1+" + '1"', '"' + 3000 * "(" + '"', '"9**9**9**9"', "'" + 3000 * "a?" + "<HOST>'",
)  # fmt: skip


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_no_value_of_a_setting_leads_to_anything_but_problems(tmp_path: Path, setting: Setting) -> None:
    bed = Bed(tmp_path)
    (bed.vendor / "demo.toml").write_text(VENDOR)
    key = setting.name.replace("NAME", "demo").replace("MODE", "aggressive")
    if setting.name.startswith(FOREIGN):
        (bed.vendor / "demo.toml").write_text(VENDOR.partition("[filter.demo.mode")[0].replace("identifier", "#"))
        key = f'filter.demo.language = "fail2ban"\nfilter.demo.{setting.key}'
    good = [value for value in _ODD if not bed.problems(f"{key} = {value}\n")]
    good += [value for value in _ODD if not bed.problems(f"{key} = [{value}]\n")]
    assert len(good) < 2 * len(_ODD)
