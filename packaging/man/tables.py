"""What manual pages take from the program: options, verbs, settings. Each directive of a page is a function here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Union

from commands import Argument, Command, arguments_of, commands
from page import Block, Blocks, Code, Directive, Heading, Page, PageError, Terms, Text

from nfjail.compat import regex, serve, usage
from nfjail.config.settings import Setting, section
from nfjail.config.toml import value_text

Entries = dict[str, tuple[str, Blocks]]  # by what a page calls it that adds to it: term and description


def fill(page: Page) -> Page:
    """The page with what its directives ask for. Raises PageError for additions to what does not exist."""
    blocks: list[Block] = []
    at = 0
    while at < len(page.blocks):
        block = page.blocks[at]
        at += 1
        if not isinstance(block, Directive):
            blocks.append(block)
            continue
        made = _made(block)
        if not isinstance(made, dict):
            blocks += made
            continue
        following = page.blocks[at] if at < len(page.blocks) else None
        more = following.items if isinstance(following, Terms) else ()
        at += bool(more)
        blocks += _added(made, dict(more))
    return page._replace(blocks=tuple(blocks))


def _made(directive: Directive) -> Blocks | Entries:
    name, *words = directive.words
    try:
        return DIRECTIVES[name](*words)
    except (KeyError, TypeError):
        raise PageError(f"there is no @{' '.join(directive.words)}") from None


def _added(entries: Entries, more: Mapping[str, Blocks]) -> Blocks:
    unknown = {key.strip("`") for key in more} - set(entries)
    if unknown:
        raise PageError(f"there is no {', '.join(sorted(unknown))} among {', '.join(entries)}")
    items = tuple((term, _together(body, more.get(f"`{key}`", ()))) for key, (term, body) in entries.items())
    return (Terms(items),) if items else ()


def _together(body: Blocks, more: Blocks) -> Blocks:
    """What the page adds goes on in the same paragraph."""
    if more and isinstance(body[-1], Text) and isinstance(more[0], Text):
        return (*body[:-1], Text(f"{body[-1].text} {more[0].text}"), *more[1:])
    return (*body, *more)


def synopsis(*words: str) -> Blocks:
    """A command with all that may follow it."""
    command = commands()[words]
    parts = [f"`{' '.join(('nfjail', *words))}`"]
    parts += [f"[{_option(each, '|')}]" for each in _own(command)]
    parts += map(_positional, command.positionals)
    return (Text(" ".join(parts)),)


def _own(command: Command) -> Sequence[Argument]:
    """The options that are not those of every command, or of all verbs beside it."""
    known: set[tuple[str, ...]] = {("-h", "--help")}
    if len(command.words) > 1:
        known |= {each.names for each in commands()[command.words[:-1]].options}
    return [each for each in command.options if each.names not in known or not command.words]


def _described_options(arguments: Iterable[Argument]) -> Entries:
    """Options, with what they are for; of those that every program has, in words of our own."""
    usual = {"--help": "show the help and exit", "--version": "show the version and exit"}
    return {
        each.names[-1]: (_option(each, ", "), (Text(_sentence(usual.get(each.names[-1], each.help))),)) for each in arguments
    }


def _option(each: Argument, between: str) -> str:
    text = between.join(f"`{name}`" for name in each.names)
    if not each.value:
        return text
    value = "|".join(f"`{choice}`" for choice in each.choices) or f"*{_literal(each.value)}*"
    value += " ..." if each.many else ""
    return f"{text} {value if each.must else f'[{value}]'}"


def _positional(each: Argument) -> str:
    value = "|".join(f"`{choice}`" for choice in each.choices) or f"*{_literal(each.value)}*"
    value += " ..." if each.many else ""
    return value if each.must else f"[{value}]"


def options(*words: str) -> Entries:
    """The arguments of a command: those without a name, then its options."""
    command = commands()[words]
    found: Entries = {}
    for each in command.positionals:
        if not each.choices:  # else its help says no more than the synopsis
            found[each.value] = (f"*{_literal(each.value)}*", (Text(_sentence(each.help)),))
    return found | _described_options(_own(command))


def verb(*words: str) -> Blocks:
    """The head of a verb's section: its name, how it is called, what it does."""
    return (Heading(2, words[-1]), *synopsis(*words), Text(_sentence(commands()[words].summary)))


def examples(*words: str) -> Blocks:
    """Those that --help shows."""
    return (Code(tuple(_example_lines(commands()[words]))),)


def _example_lines(command: Command) -> Iterator[str]:
    for line in command.examples.partition("\n\n")[0].removeprefix("examples:\n").splitlines():
        yield line.removeprefix("  ")


def settings(name: str = "") -> Entries:
    """The settings of one table of the configuration, with their defaults."""
    return {key: (_with_default(each), (Text(_described(each)),)) for key, each in section(name).items()}


def _with_default(each: Setting) -> str:
    return f"`{each.key}`" if each.default is None else f"`{each.key} = {value_text(each.default)}`"


def _described(each: Setting) -> str:
    words = f" One of {', '.join(f'`{word}`' for word in each.kind.words)}." if each.kind.words else ""
    return _sentence(each.doc) + words


def client() -> Blocks:
    """The help of fail2ban-client, without the title."""
    return (Code(tuple(usage.usage().partition("Options:\n")[2].splitlines())),)


def regex_options() -> Entries:
    found = {}
    for each in regex.parser().option_list:
        names = (*each._short_opts, *each._long_opts)
        value = (each.metavar or (each.dest or "").upper()) if each.takes_value() else ""
        found[names[-1]] = Argument(names, value, each.help or "", (), False, True)
    return _described_options(found.values())


def socket_options() -> Entries:
    return _described_options(arguments_of(serve.parser()))


def socket_synopsis() -> Blocks:
    wanted = [each for each in arguments_of(serve.parser()) if "--help" not in each.names]
    return (Text(" ".join(("`nfjail-fail2ban-socket`", *(f"[{_option(each, '|')}]" for each in wanted)))),)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{_literal(text[1:])}."


def _literal(text: str) -> str:
    """Text that says what it says, whatever the page's language takes for a mark."""
    return re.sub(r"([\\*`])", r"\\\1", text)


DIRECTIVES: Mapping[str, Callable[..., Union[Blocks, Entries]]] = {
    "synopsis": synopsis,
    "options": options,
    "verb": verb,
    "examples": examples,
    "settings": settings,
    "fail2ban-client": client,
    "fail2ban-regex": regex_options,
    "fail2ban-socket": socket_options,
    "fail2ban-socket-synopsis": socket_synopsis,
}
