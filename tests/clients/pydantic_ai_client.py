"""pydantic-ai with its defaults, over chat completions and over Responses: python pydantic_ai_client.py URL."""

import asyncio

from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


async def main() -> None:
    """Two turns, a stream, a tool, and an output type: by the usual tool, and a native one."""
    for chosen in (f"openai-chat:{MODEL}", f"openai-responses:{MODEL}"):
        agent = Agent(chosen, instructions="Be brief.")
        first = await agent.run("think of tea")
        assert first.output == "1 messages, the last: think of tea", first
        second = await agent.run("more", message_history=first.all_messages())
        assert second.output == "3 messages, the last: more", second
        async with agent.run_stream("tea") as stream:
            assert await stream.get_output() == "1 messages, the last: tea"
        agent.tool_plain(weather)
        called = await agent.run("call weather")
        assert called.output == "3 messages, the last: 18 degrees in Paris", called
        for output in (City, NativeOutput(City)):
            typed = await Agent(chosen, output_type=output).run("Paris")
            assert typed.output == City(name="Paris", population=7), typed


asyncio.run(main())
