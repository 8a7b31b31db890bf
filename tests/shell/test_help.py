"""What --help says: the whole command on one screen, each verb in lines that fit, with examples that are good commands."""

from __future__ import annotations

import io
import re
import shlex
from contextlib import redirect_stderr, redirect_stdout

import pytest
from manual_bed import commands

from nfjail.cli import main, verb_parser

SCREEN = (24, 80)


def help_of(words, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    with redirect_stdout(out), pytest.raises(SystemExit) as end:
        main([*words, "--help"])
    assert end.value.code == 0
    out.seek(0)
    return out.read().splitlines()


def test_the_command_itself_fits_a_screen(monkeypatch):
    lines = help_of((), monkeypatch)
    assert len(lines) <= SCREEN[0] - 1  # the prompt comes below
    assert max(map(len, lines)) <= SCREEN[1]


@pytest.mark.parametrize("words", commands(), ids=" ".join)
def test_each_has_examples_and_lines_that_fit(words, monkeypatch):
    lines = help_of(words, monkeypatch)
    assert [line for line in lines if len(line) > SCREEN[1]] == []
    assert "examples:" in lines
    assert any(line.startswith(f"  {' '.join(('nfjail', *words))}") for line in lines[lines.index("examples:") :])


def examples_of(text):
    """The commands in an example: without what is said beside them, what follows a pipe, and redirections."""
    for line in re.findall(r"^  (nfjail [^\n]*(?:(?<=\\)\n[^\n]*)*)", text, re.MULTILINE):
        command = re.split(r"(?<=\S) {2,}(?!')| [|<] | && ", line.replace("\\\n", ""))[0]
        yield shlex.split(command)[1:]


@pytest.mark.parametrize("words", [words for words in commands() if words], ids=" ".join)
def test_each_example_is_understood(words):
    examples = [example for example in examples_of(commands()[words].examples) if "--help" not in example]
    assert examples
    for verb, *arguments in examples:
        with redirect_stderr(io.StringIO()) as said:
            try:
                verb_parser(verb).parse_args(arguments)
            except SystemExit:
                pytest.fail(f"{' '.join((verb, *arguments))}: {said.getvalue()}")


def test_each_option_has_a_help():
    for command in commands().values():
        assert all(each.help for each in command.arguments), command.words

