"""A loop with the official `openai` SDK, as users write it: `sdk_loop.py URL MODEL TASKS JOBS MAX_TOKENS`.

So many tasks, each of which asks for one text after another. The SDK repeats what is refused, with its own pauses.
"""

import asyncio
import sys
from collections.abc import Iterator

import openai


async def ask_in_turn(client: openai.AsyncOpenAI, model: str, numbers: Iterator[int], max_tokens: int) -> None:
    """Read text after text, until none is left to ask for."""
    for _ in numbers:
        stream = await client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": "Write."}], max_tokens=max_tokens, stream=True
        )
        async for _ in stream:
            pass


async def ask_all(url: str, model: str, tasks: int, jobs: int, max_tokens: int) -> None:
    """All tasks at once, over one client."""
    async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=50) as client:
        numbers = iter(range(jobs))
        await asyncio.gather(*(ask_in_turn(client, model, numbers, max_tokens) for _ in range(tasks)))


if __name__ == "__main__":
    asyncio.run(ask_all(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])))
