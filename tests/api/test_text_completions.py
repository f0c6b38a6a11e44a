"""Completions of a prompt over HTTP, with a worker that the test plays."""

import json
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.queries import read_job
from tests.api.completing import Asking, only_job
from tests.api.watching import Writer
from tests.sparing import on_sqlite

PATH = "/v1/completions"
ASK: dict[str, Any] = {
    "model": "played",
    "prompt": "Write.",
    "max_tokens": 9,
    "best_of": 1,
    "echo": False,
    "suffix": "",
}


@on_sqlite
@pytest.mark.parametrize("prompt", ["Write.", ["Write."]])
def test_a_prompt_is_completed_as_a_chat_with_one_message(
    api: ApiServer, database: Database, valkey_client: redis.Redis, prompt: Any
) -> None:
    asking = Asking(api.port, PATH, json={**ASK, "prompt": prompt})
    writer = Writer(database, valkey_client, only_job(database))
    writer.write("some text")
    writer.finish()
    answer = asking.join()
    assert (answer.status_code, answer.headers["x-job-id"]) == (200, writer.job_id)
    shown = answer.json()
    assert (shown["object"], shown["model"]) == ("text_completion", "played")
    assert shown["choices"] == [{"index": 0, "text": "some text", "logprobs": None, "finish_reason": "stop"}]
    job = read_job(database, writer.job_id, project=None)
    assert job is not None
    assert job.request == {"model": "played", "messages": [{"role": "user", "content": "Write."}], "max_tokens": 9}


@on_sqlite
def test_a_streamed_completion_is_the_text_in_pieces_then_its_end_and_its_usage(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    asking = Asking(api.port, PATH, json=body)
    writer = Writer(database, valkey_client, only_job(database))
    writer.write("some ", "text")
    writer.finish()
    events = [line.removeprefix("data: ") for line in asking.join().text.splitlines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    assert chunks.pop()["choices"] == []
    assert {(chunk["object"], chunk["id"]) for chunk in chunks} == {("text_completion", chunks[0]["id"])}
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == "some text"
    reasons = [chunk["choices"][0]["finish_reason"] for chunk in chunks]
    assert reasons == [None] * (len(chunks) - 1) + ["stop"]


@pytest.mark.parametrize(
    ("change", "param", "way_out"),
    [
        ({"prompt": ["a", "b"]}, "prompt", "batch"),
        ({"prompt": [1, 2, 3]}, "prompt", "send the text"),
        ({"prompt": [[1, 2]]}, "prompt", "send the text"),
        ({"prompt": ""}, "prompt", "not empty"),
        ({"prompt": None}, "prompt", "missing"),
        ({"best_of": 2}, "best_of", "one for each"),
        ({"echo": True}, "echo", "yourself"),
        ({"logprobs": 5}, "logprobs", "leave it out"),
        ({"suffix": "x"}, "suffix", "in the prompt"),
        ({"n": 2}, "n", "submit the same request n times"),
        ({"messages": []}, "messages", "/v1/chat/completions"),
    ],
)
def test_what_a_prompt_cannot_have_is_refused_by_name_with_a_way_out(
    sqlite_api: ApiServer, change: dict[str, Any], param: str, way_out: str
) -> None:
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}{PATH}", json={**ASK, **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param), error
    assert way_out in error["message"]


def test_the_version_that_azures_clients_send_is_taken_with_every_request(sqlite_api: ApiServer) -> None:
    url = f"http://127.0.0.1:{sqlite_api.port}/v1"
    assert httpx.get(f"{url}/jobs?api-version=2024-10-21").status_code == 200
    assert (
        httpx.post(f"{url}{PATH.removeprefix('/v1')}?api-version=x", json={"model": "m"}).json()["error"]["param"]
        == "prompt"
    )
    assert httpx.get(f"{url}/jobs?api_version=2024-10-21").status_code == 400
