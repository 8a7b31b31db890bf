"""The manual's pages: they tell all there is and nothing else, and the programs that show them do not complain."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from manual_bed import (
    MAN,
    NAMES,
    ROOT,
    Heading,
    PageError,
    Terms,
    arguments_of,
    codes,
    commands,
    every,
    fill,
    make_pages,
    page_of,
    read_page,
    shown,
    source_of,
)  # fmt: skip

from nfjail.compat import regex, serve
from nfjail.config.settings import SECTIONS, section
from nfjail.core import captures, date_tokens, filter, policy, tags
from nfjail.core.session import MARKS
from nfjail.interface import INTERFACES, SOCKET

PAGE_OF = {"": "nfjail.1", "ctl": "nfjail-ctl.1"}
COMPATIBLE = ("fail2ban-client.1", "fail2ban-regex.1", "nfjail-fail2ban-socket.8")


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    return make_pages(tmp_path_factory.mktemp("man"))


@pytest.fixture(scope="session")
def texts(made) -> dict[str, str]:
    """Each page as people read it, by name."""
    return {name: shown(made / name) for name in NAMES}


def one_line(text: str) -> str:
    return " ".join(text.split())


# All there is


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_command_is_described(words, texts):
    text = one_line(texts[PAGE_OF["ctl" if words[:1] == ("ctl",) else ""]])
    command = commands()[words]
    for each in command.options:
        described = ", ".join(each.names) + (f" {each.value}" if each.value and each.must and not each.choices else "")
        assert described in text or each.names == ("-h", "--help")
    if words:
        assert " ".join(("nfjail", *words)) in text
        assert command.summary in text or words == ("ctl",)
        for example in re.findall(r"^  (nfjail .*?)(?:  .*)?$", command.examples, re.MULTILINE):
            assert one_line(example) in text or words == ("ctl",)


@pytest.mark.parametrize("name", SECTIONS)
def test_each_setting_is_described_where_it_belongs(name):
    listed = [
        [term.split("`")[1].partition(" ")[0] for term, _ in block.items]
        for block in every(page_of("nfjail.toml.5").blocks)
        if isinstance(block, Terms)
    ]
    assert list(section(name)) in listed


def test_all_that_a_formula_knows_is_described(texts):
    text = texts["nfjail.toml.5"]
    for word in (*policy._CALLS, *policy._NAMES[3:], *policy._NAMES[1:2]):
        assert word in text


def test_each_tag_of_the_pattern_language_is_described(texts):
    text = texts["nfjail-filters.7"]
    own, foreign = text.split("FAIL2BAN'S LANGUAGE")
    for tag in filter._ADDRESS:
        assert f"<{tag}>" in own
    for tag in (*tags._MEANING, "HOST", "SKIPLINES", "F-CONTENT", "F-MLFID", *(f"F-{mark.upper()}" for mark in MARKS)):
        assert f"<{tag}>" in foreign
    for kind in captures._PART.pattern.partition(")")[0].strip("(").split("|"):
        assert f"<F-{kind.upper()}_NAME>" in foreign


def test_each_field_of_a_date_is_described(texts):
    fields = {*date_tokens._TOKENS, *date_tokens._COMPOSED, "ExY", "%"}
    assert set(re.findall(r"(?<![\w%])%(Ex.|[^(])", texts["nfjail-filters.7"].partition("Datepattern")[2])) == fields


def test_each_option_of_the_commands_for_fail2bans_users_is_described(texts):
    for each in regex.parser().option_list:
        assert ", ".join((*each._short_opts, *each._long_opts)) in texts["fail2ban-regex.1"]
    for each in arguments_of(serve.parser()):
        assert ", ".join(each.names) in texts["nfjail-fail2ban-socket.8"]


# And nothing else

#: options of other programs in the pages' examples
OF_OTHERS = {"--now", "-p", "-u", "-o", "-r"}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in COMPATIBLE])
def test_options_that_a_page_names_are_there(name, texts):
    known = {option for command in commands().values() for each in command.options for option in each.names}
    theirs = {"--all", "-t"} if name == "nfjail-migration.7" else set()  # fail2ban-client's
    found = set(re.findall(r"(?<![\w/.+-])--?[a-z][a-z-]*\b", texts[name]))
    assert found <= known | OF_OTHERS | theirs


@pytest.mark.parametrize("name", NAMES)
def test_verbs_that_a_page_names_are_there(name):
    spans = re.findall(r"`(nfjail [^`]+)`", (MAN / f"{name}.md").read_text())
    lines = [line for block in codes(page_of(name)) for line in block if line.startswith(("nfjail ", "$ nfjail "))]
    for words in (text.removeprefix("$ ").split() for text in (*spans, *lines)):
        verb = words[1]
        assert verb in commands()[()].verbs or verb == "--version"
        if verb == "ctl" and words[2:] and words[2].isalpha() and words[2].islower():
            assert words[2] in commands()["ctl",].verbs


@pytest.mark.parametrize("name", NAMES)
def test_settings_that_a_page_names_are_there(name):
    """What stands in a page as a key with a value, `maxretry = 5`; in its files `nfjail check` looks after that."""
    known = {key for each in SECTIONS for key in section(each)}
    short_form, theirs = {"increment = true"}, {"blocktype = ACCEPT", "ignoreip = file:", "logtimezone = Europe/Paris"}
    source = (MAN / f"{name}.md").read_text()
    for text in re.findall(r"(?<!\w)`(\w+ = [^`]*)`", source):
        assert text.partition(" ")[0] in known or text in short_form | theirs


def test_pages_that_a_page_names_are_there(texts):
    ours = {f"{name[:-2]}({name[-1]})" for name in NAMES}
    for text in texts.values():
        for page in re.findall(r"\b((?:nfjail|fail2ban)[\w.-]*\(\d\))", one_line(text)):
            assert page in ours


def test_the_socket_that_a_page_calls_is_there(texts):
    for method in re.findall(rf"{SOCKET}\.([A-Z]\w+)", texts["nfjail-ctl.1"]):
        assert method in INTERFACES[SOCKET].methods


def test_drop_ins_that_a_page_names_are_there_and_all_of_them(texts):
    there = {path.name for path in (ROOT / "packaging/systemd/examples").iterdir()}
    named = re.search(r"AS A SERVICE(.*?)\nFILES", texts["nfjail.1"], re.DOTALL)
    assert set(re.findall(r"[\w-]+\.conf\b", named[1])) == there
    assert (ROOT / "packaging/examples/local.toml").exists()


def test_a_page_cannot_add_to_what_is_not_there():
    page = read_page("# nfjail(1) 2026-11-22\n\n@options run\n`--colour`\n:   Of the sky.\n")
    with pytest.raises(PageError, match="--colour"):
        fill(page)


# As it should be


@pytest.mark.parametrize("name", NAMES)
def test_nobody_complains(name, made):
    for command in (
        ["mandoc", "-Tlint", "-Wstyle"],
        ["groff", "-man", "-ww", "-Tutf8", "-z"],
        ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z"],
    ):
        done = subprocess.run([*command, made / name], capture_output=True, text=True, env=os.environ | {"MANWIDTH": "80"})
        said = done.stderr + (done.stdout if "-Tlint" in command else "")
        assert (done.returncode, said) == (0, "")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_is_as_pages_are(name):
    page = source_of(name)
    assert f"{page.name}.{page.section}" == name
    heads = [block.text for block in page.blocks if isinstance(block, Heading) and block.level == 1]
    assert heads[:2] in (["NAME", "SYNOPSIS"], ["NAME", "DESCRIPTION"])
    assert heads[-1] == "SEE ALSO"


def test_making_them_again_makes_the_same(made, tmp_path):
    again = make_pages(tmp_path / "again")
    assert sorted(path.name for path in again.iterdir()) == NAMES
    for name in NAMES:
        assert (again / name).read_bytes() == (made / name).read_bytes()


def test_making_them_leaves_nothing_in_the_checkout(made):
    assert not list(MAN.glob("__pycache__"))
    assert not list(MAN.parent.glob("__pycache__"))
