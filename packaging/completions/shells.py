"""The table of commands in the words of each shell: what stands in the completions for @TABLE@ and @VALUES@."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from commands import Argument, Command, commands

#: what completes a value, by what stands for it in --help
_KINDS = {
    "DIR": "folder", "FOLDER": "folder", "FILE": "file", "JAIL": "jail", "FILTER|REGEX": "filter",
    "LINE|FILE|journal": "input",
}  # fmt: skip
#: and what completes addresses, by the command that they are given to
_ADDRESSES = {"ctl unban": "banned", "ctl why": "banned", "ctl ignore": "ignored"}


def kind_of(command: Command, argument: Argument) -> str:
    """What completes it: a word of these, all that it may be ("a|b"), or "" for what nobody can guess."""
    if argument.choices:
        return "|".join(argument.choices)
    if argument.value == "ADDR" and not argument.names:
        return _ADDRESSES.get(" ".join(command.words), "")
    return _KINDS.get(argument.value, "")


def _phrase(text: str) -> str:
    """A sentence's beginning within another one."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _summary(command: Command, verb: str) -> str:
    words = (*command.words, verb)
    return _phrase(commands()[words].summary)


# bash: a line for each command in a case


def bash() -> Iterator[str]:
    for command in commands().values():
        sets = [
            ("verbs", " ".join(command.verbs)),
            ("options", " ".join(name for each in command.options for name in each.names)),
            ("values", " ".join(_bash_values(command))),
        ]
        parts = [f"{name}={shlex.quote(text)}" for name, text in sets if text]
        more = [shlex.quote(kind_of(command, each) + "*" * each.many) for each in command.positionals]
        parts += [f"more=({' '.join(more)})"] if more else []
        yield f"    {shlex.quote(' '.join(command.words))}) {' '.join(parts)} ;;"


def _bash_values(command: Command) -> Iterator[str]:
    for each in command.options:
        if each.value:
            yield from (f"{name}={kind_of(command, each) or '?'}" for name in each.names)


# zsh: a function for each command, the innermost first

_ONLY_BEFORE = "-C -A '-*' "  # what stands behind a verb is the verb's


def zsh() -> Iterator[str]:
    for command in reversed(commands().values()):
        name = "_".join(("_nfjail", *command.words))
        specs = [_zsh_option(command, each) for each in command.options]
        specs += [_zsh_positional(command, each, at) for at, each in enumerate(command.positionals, 1)]
        yield f"{name}() {{"
        if command.verbs:
            specs += ["'1: :->verb'", "'*:: :->rest'"]
            yield "  local curcontext=$curcontext state line"
            yield "  local -A opt_args"
        yield f"  _arguments {_ONLY_BEFORE if command.verbs else ''}-S \\"
        yield " \\\n".join(f"    {spec}" for spec in specs)
        if command.verbs:
            yield from _zsh_verbs(command, name)
        yield "}"


def _zsh_verbs(command: Command, name: str) -> Iterator[str]:
    yield "  case $state in"
    yield "    verb)"
    yield "      local -a verbs=("
    yield from (f"        {shlex.quote(f'{verb}:{_summary(command, verb)}')}" for verb in command.verbs)
    yield "      )"
    yield "      _describe verb verbs ;;"
    yield "    rest)"
    yield "      local _nfjail_runtime=${opt_args[--runtime]:-$_nfjail_runtime}"
    yield f"      (( $+functions[{name}_$words[1]] )) && {name}_$words[1] ;;"
    yield "  esac"


def _zsh_option(command: Command, each: Argument) -> str:
    text = each.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    rest = shlex.quote(f"[{text}]{_zsh_value(command, each) if each.value else ''}")
    if len(each.names) == 1:
        return f"{each.names[0]}{rest}"
    return f"'({' '.join(each.names)})'{{{','.join(each.names)}}}{rest}"


def _zsh_positional(command: Command, each: Argument, at: int) -> str:
    return shlex.quote(f"{'*' if each.many else at}{_zsh_value(command, each)}")


def _zsh_value(command: Command, each: Argument) -> str:
    kind = kind_of(command, each)
    actions = {"": " ", "folder": "_files -/", "file": "_files"}
    action = f"({kind.replace('|', ' ')})" if each.choices else actions.get(kind, f"_nfjail_{kind}")
    # Addresses may be left away behind an option that takes several of them.
    optional = not each.must and not each.many
    return f"{':' * optional}:{each.value.replace(':', ' ')}:{action}"


# fish: a line for each verb and option


def fish() -> Iterator[str]:
    for command in commands().values():
        verbs = " ".join(("", *command.words))
        for verb in command.verbs:
            yield _fish_line(f"0{verbs}", f"-a {verb} -d {_fish(_summary(command, verb))}")
        for each in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in each.names)
            value = _fish_option(kind_of(command, each)) if each.value else ""
            yield _fish_line(f"{0 if command.verbs else 'any'}{verbs}", f"{names}{value} -d {_fish(_phrase(each.help))}")
        for place, each in enumerate(command.positionals):
            values = _fish_values(kind_of(command, each))
            if values:
                yield _fish_line(f"{'from' if each.many else ''}{place}{verbs}", values)


def fish_options() -> str:
    """All options behind which a value may follow."""
    options = [each for command in commands().values() for each in command.options if each.value]
    return " ".join(dict.fromkeys(name for each in options for name in each.names))


def _fish_line(condition: str, rest: str) -> str:
    return f"complete -c nfjail -n {_fish(f'__nfjail_at {condition}')} {rest}"


def _fish_option(kind: str) -> str:
    return f" {'-r' if kind == 'file' else '-x'} {_fish_values(kind)}".rstrip()  # -x: and no files but these


def _fish_values(kind: str) -> str:
    if "|" in kind:
        return f"-a {_fish(kind.replace('|', ' '))}"
    if kind in ("file", "input"):
        return "-F" + " -a journal" * (kind == "input")
    if kind == "folder":
        return "-a '(__fish_complete_directories (commandline -ct))'"
    return f"-a '(__nfjail_{kind})'" if kind else ""


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
