"""LangChain with its defaults, over chat completions and over Responses: python langchain_client.py URL."""

from langchain_openai import ChatOpenAI
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


for chosen in (ChatOpenAI(model=MODEL), ChatOpenAI(model=MODEL, use_responses_api=True)):
    first = chosen.invoke("think of tea")
    assert first.text == "1 messages, the last: think of tea", first
    second = chosen.invoke([("user", "think of tea"), first, ("user", "more")])
    assert second.text == "3 messages, the last: more", second
    assert second.usage_metadata is not None
    told = "".join(piece.text for piece in chosen.stream("tea"))
    assert told == "1 messages, the last: tea", told
    made = chosen.with_structured_output(City).invoke("Paris")
    assert made == City(name="Paris", population=7), made
