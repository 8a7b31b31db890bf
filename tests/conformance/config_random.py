"""Configurations of fail2ban's by chance: few names, used by each other in every way that the language knows."""

from __future__ import annotations

from pathlib import Path
from random import Random

# Each may be built on those before it; once in a while on any, which makes endless loops.
NAMES = ("mode", "logtype", "foo", "one", "two", "three", "x", "y", "x-normal", "blocktype", "name",
         "ignoreregex", "failregex")  # fmt: skip
IN_JAIL = (*NAMES[2:], "maxretry", "maxlines", "datepattern", "journalmatch", "bantime", "ignoreip", "usedns", "logpath")
IN_FILTER = (*NAMES, "maxlines", "datepattern", "journalmatch")
IN_ACTION = ("actionban", "actionstart", "actioncheck", "actionunban", "norestored", "one", "two", "x", "y", "x-normal", "mode")
CHOICES = {
    "maxretry": ("1", "5", " 7 ; most", "9"),
    "datepattern": ("{^LN-BEG}", "%%Y-%%m-%%d\n  EPOCH", "^<mode> %%H:%%M:%%S"),
    "maxlines": ("1", "2", "3"),
    "bantime": ("5", "1h", "1d 2h", "-1"),
    "journalmatch": ("A=1 + B=2", "A=1\n  B=<mode>", "_X=<mode>", '"A=x y"'),
    "ignoreip": ("192.0.2.1, ::1 %(foo)s",),
    "usedns": ("no", "raw", "yes"),
    "logpath": ("/nowhere/x\n  /etc/passwd tail\n /etc/pass?d",),
    "mode": ("normal", "normal", "other", "%%"),
    "logtype": ("file", "journal"),
}
PLAIN = ("v1", "v2", "3", "^x.*$", "normal", "file", "#h", "[z]", '"q,]"', "%%", " ; comment", ";no comment", "\n   more",
         "\n# comment", "\n\n  after an empty line")  # fmt: skip


class Writer:
    """Writes one configuration after the other."""

    def __init__(self, seed: int) -> None:
        self.chance = Random(seed)

    def write(self, base: Path) -> None:
        """A jail "it" with a filter and up to two actions."""
        for folder in ("jail.d", "filter.d/f.d", "action.d"):
            (base / folder).mkdir(parents=True)
        self._jails(base)
        for name, odds in (("f.conf", 1), ("common.conf", 1), ("tail.local", 0.5), ("f.local", 0.5), ("f.d/more.conf", 0.3)):
            include = "[INCLUDES]\nbefore = common.conf\nafter = tail.local" if name == "f.conf" and self._maybe(0.5) else ""
            self._put(base / "filter.d" / name, odds, include, self._filter())
        for name in ("act1", "act2"):
            conditional = self._section("Init?family=inet6", ("one", "blocktype", "x")) if self._maybe(0.5) else ""
            init = self._section("Init", ("one", "two", "blocktype", "x", "y", "name", "timeout", "mode"))
            definition = (self._section("DEFAULT", NAMES[:10], 1), self._section("Definition", IN_ACTION, 0.6))
            self._put(base / f"action.d/{name}.conf", 1, *definition, init, conditional)

    def _jails(self, base: Path) -> None:
        include = "[INCLUDES]\nbefore = before.conf" if self._maybe(0.5) else ""
        calls = "\n  ".join(self._call(self.chance.choice(("act1", "act2"))) for _ in range(self.chance.randint(0, 2)))
        what = f"prefregex = ^<F-ID/>\nfilter = {self._call('f')}\naction = {calls}"
        default = self._section("DEFAULT", (*NAMES, "maxretry"), 1)
        self._put(base / "jail.conf", 1, include, default, self._section("it", IN_JAIL), what)
        self._put(base / "before.conf", 1, self._section("DEFAULT", NAMES, 1), self._section("it", IN_JAIL))
        for name in ("before.local", "jail.d/z.conf", "jail.local", "jail.d/y.local"):
            self._put(base / name, 0.5, self._section("DEFAULT", NAMES), self._section("it", IN_JAIL))

    def _filter(self) -> str:
        sections = [self._section("DEFAULT", NAMES[:10], 1), self._section("Definition", IN_FILTER)]
        for name in ("Init", "lt_file", "sec", "Init?family=inet6"):
            if self._maybe(0.4):
                sections.append(self._section(name, IN_FILTER if name == "Init" else NAMES[:10]))
        return "\n\n".join(sections)

    def _section(self, name: str, options: tuple[str, ...], share: float = 0.35) -> str:
        chosen = [option for option in options if self.chance.random() < share]
        lines = [f"{option}{self.chance.choice((' = ', '=', ': '))}{self._value(option, name)}" for option in chosen]
        return "\n".join((f"[{name}]", *lines))

    def _value(self, option: str, section: str) -> str:
        if option in CHOICES:
            return self.chance.choice(CHOICES[option])
        return "".join(self._part(option, section) for _ in range(self.chance.randint(0, 4)))

    def _part(self, option: str, section: str) -> str:
        choice, kind = self.chance.choice, self.chance.random()
        name = self._below(option)
        own = option if section != "DEFAULT" and option in NAMES else name
        if kind < 0.25:
            reference = choice((name, name, f"known/{own}", f"known/{name}", f"default/{name}", "__name__"))
            return f"%({reference})s"
        if kind < 0.5:
            tags = (name, f"known/{name}", f"known/{own}", f"lt_<logtype>/{name}", f"Init/{name}", f"sec/{name}", "x-<mode>",
                    f"default/{name}", "unknown", name.upper(), "bantime", "maxretry", "backend", f"Definition/{name}")
            return f"<{choice(tags)}>"  # fmt: skip
        return choice(PLAIN)

    def _below(self, option: str) -> str:
        at = NAMES.index(option) if option in NAMES else len(NAMES)
        return self.chance.choice(NAMES[: at or 1] if self._maybe(0.99) else NAMES)

    def _call(self, name: str) -> str:
        values = ("1", '"x, y"', "'p]q'", "%(one)s", '"%(foo)s"', "<x>", '"<foo>"', "normal", "", '"%(x)s"')
        given = [f"{self.chance.choice(NAMES[:10])}={self.chance.choice(values)}" for _ in range(self.chance.randint(0, 3))]
        if not given:
            return name
        separator = self.chance.choice((", ", ",", ",\n   ", "]["))
        return f"{name}[{separator.join(given)}]"

    def _maybe(self, odds: float) -> bool:
        return self.chance.random() < odds

    def _put(self, path: Path, odds: float, *parts: str) -> None:
        if self._maybe(odds):
            path.write_text("\n\n".join(parts) + "\n")
