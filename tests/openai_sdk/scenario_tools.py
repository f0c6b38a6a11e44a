"""Tool calls in chat completions, Responses and files of batches: python scenario_tools.py URL."""

import io
import json
import sys
import time
from typing import Any

from openai import OpenAI

MODEL = "simulator"
QUESTION: Any = {"role": "user", "content": "What is the weather?"}
PARAMETERS: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
CHAT_TOOL: Any = {"type": "function", "function": {"name": "get_weather", "parameters": PARAMETERS, "strict": True}}
TOOL: Any = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": True}
MADE = {"city": "something", "days": 1}
"""What the simulator makes of the schema."""
CALLS: Any = [
    {"name": "get_weather", "arguments": {"city": "Ōslo 🙂", "days": 3}},
    {"name": "get_time", "arguments": '{"zone": null}', "id": "call_time"},
]
ORDERED: Any = {"simulate": {"text": "Let me look.", "tool_calls": CALLS}}


def run_chat(client: OpenAI) -> None:
    """Whole, streamed in chunks, streamed through the SDK's own accumulator; and the next turn."""
    create = client.chat.completions.create
    asked: Any = {"model": MODEL, "messages": [QUESTION], "tools": [CHAT_TOOL], "extra_body": ORDERED}
    whole = create(**asked).choices[0]
    assert (whole.finish_reason, whole.message.content) == ("tool_calls", "Let me look.")
    calls: Any = whole.message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    assert json.loads(calls[0].function.arguments) == CALLS[0]["arguments"]
    assert (calls[1].id, calls[1].type, calls[1].function.arguments) == ("call_time", "function", '{"zone": null}')

    chunks = [chunk.choices[0] for chunk in create(**asked, stream=True)]
    assert "".join(choice.delta.content or "" for choice in chunks) == "Let me look."
    streamed: Any = [call for choice in chunks for call in choice.delta.tool_calls or ()]
    assert [(call.index, call.id, call.function.arguments) for call in streamed] == [
        (index, call.id, call.function.arguments) for index, call in enumerate(calls)
    ]
    assert [choice.finish_reason for choice in chunks] == [None] * (len(chunks) - 1) + ["tool_calls"]

    with client.chat.completions.stream(
        model=MODEL, messages=[QUESTION], tools=[CHAT_TOOL], tool_choice="required"
    ) as stream:
        done: Any = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion().choices[0]
    called: Any = final.message.tool_calls
    assert (final.finish_reason, called[0].function.parsed_arguments) == ("tool_calls", MADE)
    assert [(event.name, event.parsed_arguments) for event in done] == [("get_weather", MADE)]

    answered: Any = [QUESTION, final.message, {"role": "tool", "tool_call_id": called[0].id, "content": "Rain."}]
    assert create(model=MODEL, messages=answered, tools=[CHAT_TOOL]).choices[0].message.content


def run_responses(client: OpenAI) -> None:
    """Whole and streamed, and the next turn by id and by items."""
    asked: Any = {"model": MODEL, "input": [QUESTION], "tools": [TOOL], "tool_choice": "required"}
    response = client.responses.create(**asked)
    (item,) = response.output
    assert item.type == "function_call"
    assert (item.name, json.loads(item.arguments), item.status) == ("get_weather", MADE, "completed")

    with client.responses.stream(**asked) as stream:
        kinds = [event.type for event in stream]
        parsed: Any = stream.get_final_response().output[0]
    assert (parsed.name, json.loads(parsed.arguments)) == ("get_weather", MADE)
    assert kinds[-5:] == [
        "response.output_item.added", "response.function_call_arguments.delta",
        "response.function_call_arguments.done", "response.output_item.done", "response.completed",
    ]  # fmt: skip

    output: Any = {"type": "function_call_output", "call_id": item.call_id, "output": "Rain."}
    by_id = client.responses.create(model=MODEL, input=[output], previous_response_id=response.id, tools=[TOOL])
    assert by_id.output_text
    by_items: Any = [QUESTION, *response.output, output]
    assert client.responses.create(model=MODEL, input=by_items, tools=[TOOL]).output_text


def run_batch(client: OpenAI) -> None:
    """A line whose answer is two calls."""
    body = {"model": MODEL, "messages": [QUESTION], "tools": [CHAT_TOOL], **ORDERED}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": body}
    content = io.BytesIO(json.dumps(line).encode())
    file = client.files.create(file=("in.jsonl", content), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    deadline = time.monotonic() + 60
    while batch.status != "completed":
        assert time.monotonic() < deadline, batch
        time.sleep(0.05)
        batch = client.batches.retrieve(batch.id)
    assert batch.output_file_id
    written = json.loads(client.files.content(batch.output_file_id).text)
    (choice,) = written["response"]["body"]["choices"]
    names = [call["function"]["name"] for call in choice["message"]["tool_calls"]]
    assert (choice["finish_reason"], names) == ("tool_calls", ["get_weather", "get_time"])


def main(url: str) -> None:
    """All of it."""
    with OpenAI(base_url=url, api_key="none", timeout=60) as client:
        run_chat(client)
        run_responses(client)
        run_batch(client)


if __name__ == "__main__":
    main(sys.argv[1])
