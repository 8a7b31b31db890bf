"""The estate of these tests: booted once, with all servers installed; each test starts its own."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.services.estate import Estate, suite


@pytest.fixture(scope="session")
def estate() -> Iterator[Estate]:
    name = f"services-{os.getpid()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NFJAIL_SRV", f"srv-{name}")
        patch.setenv("NFJAIL_ATK", f"atk-{name}")
        there = Estate(suite(), name)
        try:
            there.boot()
            yield there
        finally:
            there.stop()
