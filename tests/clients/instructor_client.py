"""instructor with its defaults, which call a tool, and by a schema: python instructor_client.py URL."""

import instructor
from openai import OpenAI
from pydantic import BaseModel


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


for mode in (None, instructor.Mode.JSON_SCHEMA):
    client = instructor.from_openai(OpenAI(), **({"mode": mode} if mode else {}))
    made = client.chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Paris"}], response_model=City
    )
    assert made.model_dump() == {"name": "Paris", "population": 7}, made
