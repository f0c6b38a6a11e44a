"""openai-agents with its defaults, which ask /v1/responses: python openai_agents.py URL."""

import asyncio

from agents import Agent, Runner
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


async def main() -> None:
    """Two runs in one conversation, a stream, and an output type."""
    agent = Agent(name="Writer", instructions="Be brief.", model=MODEL)
    first = await Runner.run(agent, "think of tea")
    assert first.final_output == "1 messages, the last: think of tea"
    second = await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "more"}])
    assert second.final_output == "3 messages, the last: more"
    third = await Runner.run(agent, "again", previous_response_id=second.last_response_id)
    assert third.final_output == "5 messages, the last: again"
    stream = Runner.run_streamed(agent, "think of tea")
    kinds = {event.type async for event in stream.stream_events()}
    assert "raw_response_event" in kinds
    assert stream.final_output == "1 messages, the last: think of tea"
    typed = await Runner.run(Agent(name="Typed", model=MODEL, output_type=City), "Paris")
    assert typed.final_output == City(name="Paris", population=7)


asyncio.run(main())
