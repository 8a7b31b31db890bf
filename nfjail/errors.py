"""The errors that a user may see: each says what is wrong and what to do about it."""

from __future__ import annotations


class NfjailError(Exception):
    """Expected trouble: printed bare, without a traceback. `advice` says what to do next."""

    exit_code = 1

    def __init__(self, what: str, advice: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.what}: {self.advice}" if self.advice else self.what
