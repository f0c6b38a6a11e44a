"""instructor, in its mode without tools: python instructor_client.py URL."""

import instructor
from openai import OpenAI
from pydantic import BaseModel


class City(BaseModel):
    """What is asked for as JSON."""

    name: str
    population: int


client = instructor.from_openai(OpenAI(), mode=instructor.Mode.JSON_SCHEMA)
made = client.chat.completions.create(
    model="gpt-4o-mini", messages=[{"role": "user", "content": "Paris"}], response_model=City
)
assert made.model_dump() == {"name": "Paris", "population": 7}, made
