"""The API's sweeps go on whatever one of them meets: nobody else would overwrite what was deleted."""

import asyncio
from typing import Any, cast

import pytest

from api import sweeping
from api.services import Services


class Writes:
    """Runs what it is given, as the threads that write do."""

    async def run(self, work: Any, *given: Any) -> Any:
        return work(*given)


class Given:
    """Of the services, what a sweep needs."""

    writes = Writes()


def test_a_sweep_that_fails_is_made_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Before, a full disk ended them all until the next start."""
    made: list[str] = []
    enough = asyncio.Event()

    def fail_at_first(_services: Services) -> None:
        made.append("scrub")
        if len(made) < 3:
            raise RuntimeError("the disk is full")
        enough.set()

    async def sweep_until_enough() -> None:
        sweeps = asyncio.create_task(sweeping.sweep_for_ever(cast("Services", Given())))
        await asyncio.wait_for(enough.wait(), 60)
        sweeps.cancel()

    monkeypatch.setattr(sweeping, "SCRUB_SECONDS", 0)
    monkeypatch.setattr(sweeping, "scrub", fail_at_first)
    asyncio.run(sweep_until_enough())
    assert made[:3] == ["scrub"] * 3
    assert caplog.text.count("a sweep failed, and is made again") == 2
