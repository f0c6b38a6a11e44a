"""Ways for tests to read a completion from an upstream, on the kind of loop that a worker runs."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from worker.upstream import Clocks, Upstream
from worker.upstream.ending import Ending

BODY = {"model": "m-1", "messages": [{"role": "user", "content": "Write."}]}


def read(
    url: str,
    pieces: list[str],
    *,
    body: dict[str, object] | None = None,
    api_key: str | None = None,
    clocks: Clocks | None = None,
    ask_for_usage: bool = True,
    max_text_bytes: int = 1 << 20,
    idempotency_key: str | None = None,
) -> Ending:
    """Read one completion on a loop of its own; its pieces go into `pieces`."""

    async def run() -> Ending:
        upstream = Upstream(
            url, api_key, clocks or Clocks(), ask_for_usage=ask_for_usage, max_text_bytes=max_text_bytes
        )
        try:
            return await upstream.stream(body or BODY, pieces.append, idempotency_key)
        finally:
            await upstream.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(run())


def run_with(url: str, clocks: Clocks, story: Callable[[Upstream], Awaitable[None]]) -> None:
    """Run `story` with an upstream at `url`."""

    async def run() -> None:
        upstream = Upstream(url, None, clocks)
        try:
            await story(upstream)
        finally:
            await upstream.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
