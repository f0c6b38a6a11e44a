"""The simulator calls the tools that a request orders or requires."""

import json
from typing import Any

import httpx
import pytest

from longhand.simulator import Pace, serve_in_thread
from longhand.simulator.tool_calls import PIECE_CHARACTERS

ASK: dict[str, Any] = {"model": "simulator", "messages": [{"role": "user", "content": "Write."}]}
CALLS = [{"name": "a", "arguments": {"city": "Oslo, in the north"}}, {"name": "b", "arguments": "", "id": "mine"}]
SCHEMA = {
    "type": "object",
    "properties": {
        "n": {"type": "integer"},
        "of": {"type": "array", "items": {"enum": ["x"]}},
        "on": {"type": "boolean"},
    },
}
TOOLS = [{"type": "function", "function": {"name": name, "parameters": SCHEMA}} for name in ("first", "second")]


def ask(**fields: Any) -> httpx.Response:
    with serve_in_thread(Pace(deltas_per_second=0, first_delta_seconds=0)) as served:
        return httpx.post(f"{served.url}/chat/completions", json={**ASK, **fields}).raise_for_status()


def chunks_of(answer: httpx.Response) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    return [choice for line in lines for choice in json.loads(line)["choices"]]


def test_ordered_calls_come_in_pieces_and_whole_alike() -> None:
    (whole,) = ask(simulate={"tool_calls": CALLS}).json()["choices"]
    assert (whole["message"]["content"], whole["finish_reason"]) == (None, "tool_calls")
    chunks = chunks_of(ask(simulate={"tool_calls": CALLS}, stream=True))
    assert chunks[-1]["finish_reason"] == "tool_calls"
    pieces = [piece for chunk in chunks for piece in chunk["delta"].get("tool_calls", ())]
    for index, call in enumerate(whole["message"]["tool_calls"]):
        first, *rest = [piece for piece in pieces if piece["index"] == index]
        assert {**first, "function": call["function"]} == {**call, "index": index}
        assert "".join(piece["function"]["arguments"] for piece in rest) == call["function"]["arguments"]
        assert all(len(piece["function"]["arguments"]) <= PIECE_CHARACTERS for piece in rest)
    assert [call["id"] for call in whole["message"]["tool_calls"]] == ["call_1", "mine"]


@pytest.mark.parametrize(
    ("choice", "name"), [("required", "first"), ({"type": "function", "function": {"name": "second"}}, "second")]
)
def test_a_required_tool_is_called_with_arguments_that_fit_its_schema(choice: object, name: str) -> None:
    (whole,) = ask(tools=TOOLS, tool_choice=choice).json()["choices"]
    (call,) = whole["message"]["tool_calls"]
    assert call["function"]["name"] == name
    assert json.loads(call["function"]["arguments"]) == {"n": 1, "of": ["x"], "on": True}


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_tool_that_is_not_required_is_not_called(choice: object) -> None:
    (whole,) = ask(tools=TOOLS, tool_choice=choice).json()["choices"]
    assert "tool_calls" not in whole["message"]
    assert whole["message"]["content"]
