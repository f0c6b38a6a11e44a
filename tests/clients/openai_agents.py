"""openai-agents with its defaults, which ask /v1/responses: python openai_agents.py URL."""

import asyncio

from agents import Agent, Runner, function_tool
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


async def use_tools() -> None:
    """A tool, streamed and not, and a handoff to another agent."""
    agent = Agent(name="Guide", instructions="Be brief.", model=MODEL, tools=[function_tool(weather)])
    called = await Runner.run(agent, "call weather")
    assert called.final_output == "3 messages, the last: 18 degrees in Paris", called.final_output
    stream = Runner.run_streamed(agent, "call weather")
    kinds = {event.type async for event in stream.stream_events()}
    assert "run_item_stream_event" in kinds
    assert stream.final_output == "3 messages, the last: 18 degrees in Paris"
    desk = Agent(name="Desk", model=MODEL, handoffs=[agent])
    handed = await Runner.run(desk, "call transfer")
    assert handed.last_agent is agent


async def main() -> None:
    """Two runs in one conversation, a stream, an output type, and tools."""
    await use_tools()
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
