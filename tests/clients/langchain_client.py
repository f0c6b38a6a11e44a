"""LangChain with its defaults, over chat completions and over Responses: python langchain_client.py URL."""

from langchain_core.messages import ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


def weather(city: str) -> str:
    """The weather of a city."""
    return f"18 degrees in {city}"


for chosen in (ChatOpenAI(model=MODEL), ChatOpenAI(model=MODEL, use_responses_api=True)):
    first = chosen.invoke("think of tea")
    assert first.text == "1 messages, the last: think of tea", first
    second = chosen.invoke([("user", "think of tea"), first, ("user", "more")])
    assert second.text == "3 messages, the last: more", second
    assert second.usage_metadata is not None
    told = "".join(piece.text for piece in chosen.stream("tea"))
    assert told == "1 messages, the last: tea", told
    bound = chosen.bind_tools([weather])
    called = bound.invoke("call weather")
    assert [(call["name"], call["args"]) for call in called.tool_calls] == [("weather", {"city": "Paris"})], called
    given = ToolMessage("18 degrees", tool_call_id=called.tool_calls[0]["id"])
    answered = bound.invoke([("user", "call weather"), called, given])
    assert answered.text == "3 messages, the last: 18 degrees", answered
    streamed = sum(list(bound.stream("call weather"))[1:], next(bound.stream("call weather")))
    assert [call["args"] for call in streamed.tool_calls] == [{"city": "Paris"}], streamed
    made = chosen.with_structured_output(City).invoke("Paris")
    assert made == City(name="Paris", population=7), made
