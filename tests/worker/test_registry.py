"""A worker's upstreams follow the file, and no running stream is cut by a change of it."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from jobs.upstreams import UpstreamSource, UpstreamSpec
from tests.upstreams.files import GOOD, settings_of
from worker.registry import UpstreamRegistry
from worker.upstream import Clocks, Upstream

TWO = GOOD + '[[upstream]]\nname = "two"\nurl = "http://two.example/v1"\n'


class Noted(Upstream):
    """An upstream that notes its end."""

    def __init__(self, spec: UpstreamSpec, closed: list[str]) -> None:
        super().__init__(spec.url, None, Clocks())
        self._note = f"{spec.name} {spec.tier}"
        self._closed = closed

    async def aclose(self) -> None:
        self._closed.append(self._note)
        await super().aclose()


class Worker:
    """A registry over a file, with a clock that stands until the file is to be read again."""

    def __init__(self, folder: Path, text: str) -> None:
        self.file = folder / "upstreams.toml"
        self.file.write_text(text)
        self.now = 0.0
        self.source = UpstreamSource(settings_of(upstreams=self.file), clock=lambda: self.now)
        self.closed: list[str] = []
        self.registry = UpstreamRegistry(self.source, lambda spec: Noted(spec, self.closed))

    def spec(self, name: str) -> UpstreamSpec:
        """What the file says of this upstream now."""
        found = self.source.current().find(name)
        assert found is not None
        return found

    def change(self, text: str) -> None:
        """Change the file, and let it be noticed."""
        self.file.write_text(text)
        for _ in range(2):
            self.now += 1
            self.source.current()


def test_an_unchanged_upstream_stays_open_when_another_one_changes(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(tmp_path, TWO)
        async with worker.registry.use(worker.spec("one")) as first:
            pass
        worker.change(TWO + "tier = 1\n")
        async with worker.registry.use(worker.spec("one")) as second:
            assert second is first
        assert worker.closed == []

    asyncio.run(run())


def test_a_running_stream_ends_on_the_upstream_it_began_with_which_is_then_closed(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(tmp_path, GOOD)
        async with AsyncExitStack() as running:
            old = await running.enter_async_context(worker.registry.use(worker.spec("one")))
            worker.change(GOOD + "tier = 1\n")
            async with worker.registry.use(worker.spec("one")) as new:
                assert new is not old
            assert worker.closed == []
        assert worker.closed == ["one 0"]
        async with worker.registry.use(worker.spec("one")) as same:
            assert same is new

    asyncio.run(run())


def test_an_upstream_that_is_no_longer_in_the_file_is_closed_once_nobody_uses_it(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(tmp_path, TWO)
        for name in ("one", "two"):
            async with worker.registry.use(worker.spec(name)):
                pass
        worker.change(GOOD)
        async with worker.registry.use(worker.spec("one")):
            pass
        assert worker.closed == ["two 0"]

    asyncio.run(run())


def test_a_job_that_was_claimed_before_the_change_still_runs_as_it_was_claimed(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(tmp_path, TWO)
        claimed = worker.spec("two")
        worker.change(GOOD)
        async with worker.registry.use(claimed):
            assert worker.closed == []
        assert worker.closed == ["two 0"]

    asyncio.run(run())


def test_the_end_closes_all(tmp_path: Path) -> None:
    async def run() -> None:
        worker = Worker(tmp_path, TWO)
        for name in ("one", "two"):
            async with worker.registry.use(worker.spec(name)):
                pass
        await worker.registry.aclose()
        assert worker.closed == ["one 0", "two 0"]

    asyncio.run(run())
