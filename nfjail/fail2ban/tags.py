"""Fills in <name> in the options of a filter or an action with the values of other options.

What is no option stays: it may be a tag of a regular expression (<HOST>), one that an action fills in for each ban
(<ip>), or just text. Names may be put together from tags: <mdre-<mode>>.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

from nfjail.fail2ban.ini import Text
from nfjail.fail2ban.interpolate import InterpolationError
from nfjail.fail2ban.problem import Problem

_TAG = re.compile(r"<([^ <>]+)>")
_MOST = 25  # times that one tag is filled in within one option, as in fail2ban
_LONGEST = 1 << 20  # characters of a value; tags that double each other's text would fill the memory


def fill_in(
    options: Mapping[str, Text], find: Callable[[str], Text | None], keep: Container[str] = ()
) -> dict[str, Text]:
    """The options with all tags filled in that are other options, or that find() knows.

    keep: tags that stay, and options that stay as they are. Raises InterpolationError for one that contains itself.
    """
    filled = dict(options)
    counts: dict[str, dict[str, int]] = {name: {} for name in filled if name not in keep}
    waiting = list(counts)
    while waiting:  # again: what was filled in may have completed the name of another tag
        changed = [name for name in waiting if _fill_one(name, filled, counts[name], find, keep)]
        if not any(_TAG.search(filled[name].value) for name in changed):
            break
        waiting = [name for name in waiting if "<" in filled[name].value]
    return filled


def _fill_one(
    name: str,
    options: dict[str, Text],
    counts: dict[str, int],
    find: Callable[[str], Text | None],
    keep: Container[str],
) -> bool:
    """Fills in what stands in one option now; False: there was nothing."""
    original = options[name]
    value, at = original.value, 0
    while match := _TAG.search(value, at):
        tag, at = match[1], match.end()
        if tag in keep:
            continue
        if tag == name or counts.get(tag, 1) > _MOST:
            raise InterpolationError(_endless(name, tag, original))
        text = options.get(tag) or find(tag)
        if text is None:
            continue
        value = value.replace(match[0], text.value)
        if len(value) > _LONGEST:
            raise InterpolationError(_endless(name, tag, original))
        counts[tag] = counts.get(tag, 0) + 1
        at = match.start()
    options[name] = original.become(value)
    return value != original.value


def _endless(name: str, tag: str, text: Text) -> Problem:
    what = f"<{tag}> in {name} contains itself" if tag != name else f"{name} contains itself as <{tag}>"
    return text.problem(what, "break the loop")
