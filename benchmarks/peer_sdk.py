"""The official `openai` SDK reading streams in one process and doing nothing else: `peer_sdk.py URL STREAMS [fast]`.

`fast` is its aiohttp transport on uvloop. Needs `pip install 'openai[aiohttp]' uvloop`.
"""

import asyncio
import sys
from typing import Any

import openai


async def read(client: Any) -> None:
    """Read one stream until the upstream is gone."""
    stream = await client.chat.completions.create(
        model="simulator",
        messages=[{"role": "user", "content": "Write."}],
        max_tokens=10_000_000,
        stream=True,
        extra_body={"simulate": {"deltas_per_second": 50, "first_delta_seconds": 0}},
    )
    length = 0
    async for chunk in stream:
        if chunk.choices and chunk.choices[0].delta.content:
            length += len(chunk.choices[0].delta.content)


async def read_all(url: str, streams: int, fast: bool) -> None:
    """All streams at once, over one client."""
    client = openai.AsyncOpenAI(
        base_url=url, api_key="none", max_retries=0, **({"http_client": openai.DefaultAioHttpClient()} if fast else {})
    )
    await asyncio.gather(*(read(client) for _ in range(streams)))


if __name__ == "__main__":
    is_fast = "fast" in sys.argv
    if is_fast:
        import uvloop

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(read_all(sys.argv[1], int(sys.argv[2]), is_fast))
