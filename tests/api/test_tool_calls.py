"""Tool calls as clients get them: of a job, in results, in a batch's output file and in chat completions."""

import json
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.completing import ASK, PATH, Asking, contents, newest, only_job
from tests.api.watching import Writer, wait_until
from tests.sparing import on_sqlite

pytestmark = on_sqlite

CALLS: list[dict[str, Any]] = [
    {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Ōslo\u2028"}'}},
    {"id": "call_2", "type": "function", "function": {"name": "get_time", "arguments": ""}, "extra_content": {"x": 1}},
]
LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}], "refusal": None}
MESSAGE = {"tool_calls": CALLS, "system_fingerprint": "fp_1", "logprobs": LOGPROBS}
TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}]
CALLED: dict[str, Any] = {"message": MESSAGE, "finish_reason": "tool_calls"}


def test_a_job_shows_its_calls_where_it_is_shown_whole(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = client.post("/v1/jobs", json={**ASK, "tools": TOOLS}).json()["id"]
    Writer(database, valkey_client, job_id).finish(**CALLED)
    shown = client.get(f"/v1/jobs/{job_id}").json()
    assert (shown["message"], shown["finish_reason"], shown["bytes"]) == (MESSAGE, "tool_calls", 0)
    assert client.get(f"/v1/jobs/{job_id}/text").text == ""
    (listed,) = client.get("/v1/jobs").json()["data"]
    assert "message" not in listed


def test_results_show_the_calls_of_each_job(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch = client.post("/v1/batches", json={"requests": [{"body": {**ASK, "tools": TOOLS}}]}).json()
    Writer(database, valkey_client, only_job(database)).finish(**CALLED)
    (line,) = client.get(f"/v1/batches/{batch['id']}/results?format=jsonl").text.splitlines()
    assert json.loads(line)["message"] == MESSAGE
    article = client.get(f"/v1/batches/{batch['id']}/results?format=md").text
    assert '*Called `get_weather`:*\n\n```\n{"city": "Ōslo\u2028"}\n```\n' in article


def test_an_output_file_has_the_message_that_the_provider_would_have_returned(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    line = {"custom_id": "a", "method": "POST", "url": PATH, "body": {**ASK, "tools": TOOLS}}
    files = {"file": ("in.jsonl", json.dumps(line).encode())}
    file = client.post("/v1/files", files=files, data={"purpose": "batch"}).json()
    order = {"input_file_id": file["id"], "endpoint": PATH, "completion_window": "24h"}
    batch = client.post("/v1/batches", json=order).json()
    writer = Writer(database, valkey_client, only_job(database))
    writer.think("They want weather.")
    writer.finish(**CALLED)
    output = client.get(f"/v1/batches/{batch['id']}").json()["output_file_id"]
    (written,) = client.get(f"/v1/files/{output}/content").text.splitlines()
    body = json.loads(written)["response"]["body"]
    assert body["system_fingerprint"] == "fp_1"
    assert body["choices"] == [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "annotations": [],
                "tool_calls": CALLS,
                "reasoning_content": "They want weather.",
            },
            "logprobs": LOGPROBS,
            "finish_reason": "tool_calls",
        }
    ]


@pytest.mark.parametrize("text", ["", "Let me look."])
def test_a_completion_that_is_waited_for_has_the_calls(
    api: ApiServer, database: Database, valkey_client: redis.Redis, text: str
) -> None:
    asking = Asking(api.port, json={**ASK, "tools": TOOLS})
    writer = Writer(database, valkey_client, only_job(database))
    writer.write(*([text] if text else []))
    writer.finish(**CALLED)
    (choice,) = asking.join().json()["choices"]
    assert (choice["message"]["content"], choice["message"]["tool_calls"]) == (text or None, CALLS)
    assert (choice["finish_reason"], choice["logprobs"]) == ("tool_calls", LOGPROBS)


@pytest.mark.parametrize("text", ["", "Let me look."])
def test_a_streamed_completion_ends_with_the_calls_and_their_finish_reason(
    api: ApiServer, database: Database, valkey_client: redis.Redis, text: str
) -> None:
    asking = Asking(api.port, json={**ASK, "tools": TOOLS, "stream": True})
    writer = Writer(database, valkey_client, only_job(database))
    writer.write(*([text] if text else []))
    writer.finish(**CALLED)
    *chunks, done = contents(iter(asking.join().text.splitlines()))
    choices = [chunk["choices"][0] for chunk in chunks]
    assert "".join(choice["delta"].get("content") or "" for choice in choices) == text
    called = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
    assert called == [{"index": index, **call} for index, call in enumerate(CALLS)]
    assert [choice["logprobs"] for choice in choices if choice["logprobs"]] == [LOGPROBS]
    assert [choice["finish_reason"] for choice in choices] == [None] * (len(choices) - 1) + ["tool_calls"]
    assert done == "[DONE]"


def test_the_older_function_call_is_shown_in_both_forms(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    call = {"name": "get_weather", "arguments": "{}"}
    for stream in (False, True):
        asking = Asking(api.port, json={**ASK, "functions": [{"name": "get_weather"}], "stream": stream})
        wait_until(lambda: bool(newest(database)))
        Writer(database, valkey_client, newest(database)).finish(
            message={"function_call": call}, finish_reason="function_call"
        )
        answer = asking.join()
        if stream:
            chunks = [chunk for chunk in contents(iter(answer.text.splitlines())) if chunk != "[DONE]"]
            deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
            assert [delta["function_call"] for delta in deltas if "function_call" in delta] == [call]
        else:
            assert answer.json()["choices"][0]["message"]["function_call"] == call


def test_several_answers_are_refused_with_the_way_to_get_them(client: httpx.Client) -> None:
    refused = client.post("/v1/jobs", json={**ASK, "n": 3})
    assert refused.status_code == 400
    assert "submit the same request n times" in refused.json()["error"]["message"]
