"""The function calls of a Response: asked for, shown as items and events, answered, and continued."""

import json
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.completing import only_job
from tests.api.responding import create, follow, job_of
from tests.api.test_response_clients import request_of
from tests.api.watching import Writer
from tests.sparing import on_sqlite

PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL = {"type": "function", "name": "get_weather", "parameters": PARAMETERS, "strict": True}
CALLS: list[dict[str, Any]] = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Ōslo"}'}},
    {
        "id": "call_2",
        "type": "function",
        "function": {"name": "get_weather", "arguments": ""},
        "extra_content": {"s": 1},
    },
]
QUESTION = {"role": "user", "content": "Write."}
ANSWERS = [{"type": "function_call_output", "call_id": f"call_{n}", "output": f"Rain {n}."} for n in (1, 2)]
TOLD = [{"role": "tool", "tool_call_id": f"call_{n}", "content": f"Rain {n}."} for n in (1, 2)]


def call_tools(
    database: Database, client: redis.Redis, response: dict[str, Any], text: str = "", thought: str = "", **more: Any
) -> None:
    """Write a text, and then call the tool twice."""
    writer = Writer(database, client, job_of(response))
    if thought:
        writer.think(thought)
    if text:
        writer.write(text)
    writer.finish(**{"message": {"tool_calls": CALLS}, "finish_reason": "tool_calls", **more})


@on_sqlite
@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", "auto"),
        ("required", "required"),
        ("none", "none"),
        ({"type": "function", "name": "get_weather"}, {"type": "function", "function": {"name": "get_weather"}}),
    ],
)
def test_tools_go_to_the_upstream_in_the_form_of_chat_completions(
    client: httpx.Client, choice: object, sent: object
) -> None:
    created = create(client, tools=[TOOL], tool_choice=choice, parallel_tool_calls=False)
    request = request_of(client, created)
    function = {"name": "get_weather", "parameters": PARAMETERS, "strict": True}
    assert request["tools"] == [{"type": "function", "function": function}]
    assert (request["tool_choice"], request["parallel_tool_calls"]) == (sent, False)
    assert (created["tools"], created["tool_choice"]) == ([TOOL], choice)


@on_sqlite
def test_without_tools_nothing_is_said_of_a_choice(client: httpx.Client) -> None:
    request = request_of(client, create(client, tools=[], tool_choice="auto", parallel_tool_calls=True))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & set(request)


@on_sqlite
@pytest.mark.parametrize(("text", "thought"), [("", ""), ("Let me look.", ""), ("Let me look.", "Hm."), ("", "Hm.")])
def test_calls_are_items_and_events_from_any_number_on(
    client: httpx.Client, database: Database, valkey_client: redis.Redis, text: str, thought: str
) -> None:
    created = create(client, tools=[TOOL])
    call_tools(database, valkey_client, created, text, thought)
    events = follow(client, created["id"])
    output = client.get(f"/v1/responses/{created['id']}").json()["output"]
    assert [item["type"] for item in output] == (
        ["reasoning"] * bool(thought) + ["message"] * bool(text) + ["function_call"] * 2
    )
    first, second = output[-2:]
    assert {**first, "id": ""} == {
        "id": "", "type": "function_call", "status": "completed", "call_id": "call_1", "name": "get_weather",
        "arguments": '{"city": "Ōslo"}',
    }  # fmt: skip
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"] == output
    done = {event["output_index"]: event["item"] for event in events if event["type"] == "response.output_item.done"}
    assert done == dict(enumerate(output))
    written = [event["delta"] for event in events if event["type"] == "response.function_call_arguments.delta"]
    assert written == [first["arguments"], second["arguments"]]
    numbers = [event["sequence_number"] for event in events]
    assert numbers == sorted(set(numbers))
    for place, number in enumerate(numbers):
        assert follow(client, created["id"], number) == events[place + 1 :]


@on_sqlite
@pytest.mark.parametrize("how", ["previous", "items", "references"])
def test_what_a_tool_gave_is_sent_after_the_call_however_the_client_goes_on(
    client: httpx.Client, database: Database, valkey_client: redis.Redis, how: str
) -> None:
    first = create(client, input=[QUESTION], tools=[TOOL])
    call_tools(database, valkey_client, first, "Let me look.")
    output = client.get(f"/v1/responses/{first['id']}").json()["output"]
    references = [{"type": "item_reference", "id": item["id"]} for item in output]
    sent: dict[str, Any] = {
        "previous": {"previous_response_id": first["id"], "input": ANSWERS},
        "items": {"input": [QUESTION, *output, *ANSWERS]},
        "references": {"input": [QUESTION, *references, *ANSWERS]},
    }[how]
    second = create(client, tools=[TOOL], **sent)
    calls = CALLS if how != "items" else [{name: call[name] for name in ("id", "type", "function")} for call in CALLS]
    called = {"role": "assistant", "content": "Let me look.", "tool_calls": calls}
    assert request_of(client, second)["messages"] == [QUESTION, called, *TOLD]
    items = client.get(f"/v1/responses/{second['id']}/input_items", params={"order": "asc"}).json()["data"]
    assert [item["type"] for item in items] == [
        "message", "message", "function_call", "function_call", "function_call_output", "function_call_output",
    ]  # fmt: skip
    assert len({item["id"] for item in items}) == 6


@on_sqlite
def test_a_call_that_was_cut_is_an_incomplete_item(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client, tools=[TOOL])
    cut = [{**CALLS[0], "function": {"name": "get_weather", "arguments": '{"ci'}}]
    limit = {"finish_reason": "length", "incomplete": "max_output_tokens"}
    call_tools(database, valkey_client, created, message={"tool_calls": cut}, **limit)
    shown = client.get(f"/v1/responses/{created['id']}").json()
    assert (shown["status"], shown["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})
    assert [item["status"] for item in shown["output"]] == ["incomplete"]


@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [TOOL, {"type": "function"}]}, "tools[1].name"),
        ({"tools": [{**TOOL, "parameters": "x"}]}, "tools[0].parameters"),
        ({"tools": {}}, "tools"),
        ({"tools": [TOOL], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        ({"input": [{"type": "function_call", "name": "f", "arguments": "{}"}]}, "input[0].call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "c"}]}, "input[0].output"),
        ({"input": [{"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image"}]}]},
         "input[0].output[0]"),
    ],
)  # fmt: skip
def test_what_is_no_function_is_refused_by_its_place(
    sqlite_api: ApiServer, changed: dict[str, Any], param: str
) -> None:
    asked = {"model": "m", "input": "Write.", "background": True, **changed}
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/responses", json=asked)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@on_sqlite
def test_the_output_file_of_a_batch_of_responses_has_the_calls(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    body = {"model": "played", "input": [QUESTION], "tools": [TOOL]}
    line = {"custom_id": "a", "method": "POST", "url": "/v1/responses", "body": body}
    files = {"file": ("in.jsonl", json.dumps(line).encode())}
    file = client.post("/v1/files", files=files, data={"purpose": "batch"}).json()
    order = {"input_file_id": file["id"], "endpoint": "/v1/responses", "completion_window": "24h"}
    batch = client.post("/v1/batches", json=order).json()
    writer = Writer(database, valkey_client, only_job(database))
    writer.finish(message={"tool_calls": CALLS}, finish_reason="tool_calls")
    output = client.get(f"/v1/batches/{batch['id']}").json()["output_file_id"]
    (written,) = client.get(f"/v1/files/{output}/content").text.splitlines()
    items = json.loads(written)["response"]["body"]["output"]
    assert [(item["type"], item["call_id"]) for item in items] == [
        ("function_call", "call_1"),
        ("function_call", "call_2"),
    ]
