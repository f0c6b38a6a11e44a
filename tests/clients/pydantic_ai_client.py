"""pydantic-ai with its defaults, over chat completions and over Responses: python pydantic_ai_client.py URL."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


async def main() -> None:
    """Two turns, a stream, and a native output type; the usual one is a tool."""
    for chosen in (f"openai-chat:{MODEL}", f"openai-responses:{MODEL}"):
        agent = Agent(chosen, instructions="Be brief.")
        first = await agent.run("think of tea")
        assert first.output == "1 messages, the last: think of tea", first
        second = await agent.run("more", message_history=first.all_messages())
        assert second.output == "3 messages, the last: more", second
        async with agent.run_stream("tea") as stream:
            assert await stream.get_output() == "1 messages, the last: tea"
        typed = await Agent(chosen, output_type=NativeOutput(City)).run("Paris")
        assert typed.output == City(name="Paris", population=7), typed


asyncio.run(main())
