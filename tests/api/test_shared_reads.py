"""Reads of a whole, as for `GET /v1/status`: who asks before one begins shares it, and no project
keeps another one waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import httpx
import pytest

from api.access.turns import ASKING
from api.callers.caller import Caller
from api.services import Services
from api.shared_reads import SharedReads
from api.status_report import report_status
from tests.api.callers import blue, closed_api, red, secrets
from tests.api.watching import PATIENCE_SECONDS

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures


class Reads:
    """Reads that are shared, and what of them has begun. One of `red` takes until it may end."""

    def __init__(self, most: int = 2) -> None:
        self.begun: list[str] = []
        self.may_end = Event()
        self._loop = asyncio.get_running_loop()
        self._begins = asyncio.Event()
        self._shared = SharedReads[str](most)

    async def ask(self, project: str, what: str | None = None, *, seconds: float = PATIENCE_SECONDS) -> str:
        """Read this as this project; what was read."""
        ASKING.set(project)
        return await self._shared.read(seconds, lambda: self._read(what or project))

    def _read(self, project: str) -> str:
        self.begun.append(project)
        count = len(self.begun)
        self._loop.call_soon_threadsafe(self._begins.set)
        if project.startswith("red"):
            assert self.may_end.wait(PATIENCE_SECONDS)
        return f"{project} {count}"

    async def begin(self, project: str) -> asyncio.Task[str]:
        """Who asks as this project, once the read has begun."""
        self._begins.clear()
        asking = asyncio.create_task(self.ask(project))
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self._begins.wait()
        assert self.begun[-1] == project
        return asking


def run(scenario: Callable[[Reads], Awaitable[None]], most: int = 2) -> None:
    async def go() -> None:
        reads = Reads(most)
        try:
            await scenario(reads)
        finally:
            reads.may_end.set()

    asyncio.run(go())


def test_those_who_ask_while_a_read_is_under_way_share_the_next_one() -> None:
    async def scenario(reads: Reads) -> None:
        first = await reads.begin("red")
        later = [asyncio.create_task(reads.ask("red")) for _ in range(50)]
        await asyncio.sleep(0)
        reads.may_end.set()
        assert await first == "red 1"
        assert set(await asyncio.gather(*later)) == {"red 2"}, "what began before they asked may be old"

    run(scenario)


def test_a_shared_read_gives_what_the_last_one_of_them_asks_for() -> None:
    """Who asked first may have looked at something else seconds ago, to put it beside what is read."""

    async def scenario(reads: Reads) -> None:
        first = await reads.begin("red")
        later = [asyncio.create_task(reads.ask("red", f"red that looked {number}")) for number in range(3)]
        await asyncio.sleep(0)
        reads.may_end.set()
        assert await first == "red 1"
        assert set(await asyncio.gather(*later)) == {"red that looked 2 2"}

    run(scenario)


def test_a_project_that_asks_without_end_leaves_another_a_thread() -> None:
    async def scenario(reads: Reads) -> None:
        first = await reads.begin("red")
        asking = [asyncio.create_task(reads.ask("red")) for _ in range(50)]
        await asyncio.sleep(0)
        assert await reads.ask("blue") == "blue 2"
        reads.may_end.set()
        await asyncio.gather(first, *asking)

    run(scenario)


def test_what_nobody_waits_for_any_more_is_not_read() -> None:
    async def scenario(reads: Reads) -> None:
        first = await reads.begin("red")
        for project in ("red", "blue"):
            with pytest.raises(TimeoutError):
                await reads.ask(project, seconds=0.01)
        gone = asyncio.create_task(reads.ask("green"))
        await asyncio.sleep(0)
        gone.cancel()
        reads.may_end.set()
        assert await first == "red 1"
        assert await reads.ask("blue") == "blue 2"

    run(scenario, most=1)


def test_one_that_waits_on_keeps_the_read_that_another_has_given_up() -> None:
    async def scenario(reads: Reads) -> None:
        first = await reads.begin("red")
        patient = asyncio.create_task(reads.ask("blue"))
        with pytest.raises(TimeoutError):
            await reads.ask("blue", seconds=0.01)
        reads.may_end.set()
        assert await patient == "blue 2"
        await first

    run(scenario, most=1)


def test_a_read_that_has_begun_keeps_its_place_although_nobody_waits() -> None:
    """Threads that hang must not become many."""

    async def scenario(reads: Reads) -> None:
        for number in range(2):
            (await reads.begin(f"red {number}")).cancel()
        assert reads.begun == ["red 0", "red 1"]
        with pytest.raises(TimeoutError):
            await reads.ask("blue", seconds=0.01)
        reads.may_end.set()
        assert await reads.ask("blue") == "blue 3"

    run(scenario)


def test_what_a_read_raises_is_told_to_all_who_share_it() -> None:
    async def go() -> None:
        shared = SharedReads[str](1)

        def fail() -> str:
            raise LookupError

        asked = [shared.read(PATIENCE_SECONDS, fail) for _ in range(3)]
        failed = await asyncio.gather(*asked, return_exceptions=True)
        assert list(map(type, failed)) == [LookupError] * 3

    asyncio.run(go())


def test_who_asks_for_the_status_again_and_again_leaves_that_of_others_its_rows(
    red: httpx.Client, blue: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_end, begun = Event(), Event()
    read: list[str] = []

    def slowly(services: Services, caller: Caller, redis: Any, *, with_rows: bool) -> dict[str, Any]:
        if with_rows:
            read.append(caller.project)
            if caller.project == "red":
                begun.set()
                assert may_end.wait(PATIENCE_SECONDS)
        return report_status(services, caller, redis, with_rows=with_rows)

    def queue(client: httpx.Client) -> Any:
        return client.get("/v1/status").raise_for_status().json()["queue"]

    monkeypatch.setattr("api.endpoints.status.report_status", slowly)
    with ThreadPoolExecutor(8) as asking:
        waiting = [asking.submit(queue, red) for _ in range(8)]
        try:
            assert begun.wait(PATIENCE_SECONDS)
            assert queue(blue) == []
            given_up = [one.result() for one in waiting]
        finally:
            may_end.set()
    assert given_up == [None] * 8, "the rows took longer than anybody waits"
    assert (queue(blue), queue(red)) == ([], [])
    assert read == ["red", "blue", "blue", "red"], "nobody waited for the others any more"
