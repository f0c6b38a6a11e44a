"""Responses as clients ask for them by default: items referred to, no storing, formats, images."""

from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle import responses as stored_responses
from jobs.lifecycle.responses import erase_deleted
from jobs.store.database import Database
from tests.api.completing import Asking, only_job
from tests.api.responding import create, events_of, job_of, rows_of
from tests.api.watching import Writer, wait_until
from tests.sparing import on_sqlite

PIXEL = "data:image/png;base64,iVBORw0KGgo="


def write(database: Database, client: redis.Redis, response: dict[str, Any], text: str, thought: str = "") -> None:
    """Write the text of a Response to its end."""
    writer = Writer(database, client, job_of(response))
    if thought:
        writer.think(thought)
    writer.write(text)
    writer.finish()


def request_of(client: httpx.Client, response: dict[str, Any]) -> dict[str, Any]:
    """The body that goes to the upstream for it."""
    request: dict[str, Any] = client.get(f"/v1/jobs/{job_of(response)}").json()["request"]
    return request


@on_sqlite
def test_an_item_reference_is_replaced_by_the_item_that_is_stored(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    first = create(client, input=[{"role": "user", "content": "One?"}], instructions="Be brief.")
    write(database, valkey_client, first, "One.", thought="Hm.")
    reasoning, message = client.get(f"/v1/responses/{first['id']}").json()["output"]
    asked = client.get(f"/v1/responses/{first['id']}/input_items").json()["data"][0]
    second = create(
        client,
        input=[
            {"type": "item_reference", "id": asked["id"]},
            {"type": "item_reference", "id": reasoning["id"]},
            {"id": message["id"]},
            {"role": "user", "content": "Two?"},
        ],
    )
    assert request_of(client, second)["messages"] == [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    # The items themselves do as well.
    third = create(client, input=[asked, reasoning, message, {"role": "user", "content": "Two?"}])
    assert request_of(client, third)["messages"] == request_of(client, second)["messages"]


@pytest.mark.parametrize(
    ("named", "status"), [("msg_00", 404), ("rs_00", 404), ("fc_00", 400), (None, 400), ("msg_00_in3", 404)]
)
def test_a_reference_to_what_is_not_stored_is_refused_by_its_place(
    sqlite_api: ApiServer, named: str | None, status: int
) -> None:
    items = [{"role": "user", "content": "x"}, {"type": "item_reference", "id": named}]
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/responses", json={"model": "m", "input": items})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (status, "item_not_found", "input[1].id")
    assert "send the item itself" in error["message"]


@on_sqlite
def test_an_item_that_is_not_written_yet_cannot_be_referred_to(client: httpx.Client) -> None:
    running = create(client)
    reference = {"type": "item_reference", "id": running["id"].replace("resp", "msg")}
    answer = client.post("/v1/responses", json={"model": "m", "input": [reference]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "item_not_found")


@on_sqlite
def test_the_input_items_are_listed_in_pages_with_those_before_them(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    first = create(client, input="One?", instructions="Be brief.")
    write(database, valkey_client, first, "One.")
    image = {"type": "input_image", "image_url": PIXEL, "detail": "low"}
    content = [{"type": "input_text", "text": "And this?"}, image]
    second = create(client, previous_response_id=first["id"], input=[{"role": "user", "content": content}])
    path = f"/v1/responses/{second['id']}/input_items"
    listed = client.get(path, params={"order": "asc", "include[]": "message.input_image.image_url"}).json()
    assert [(item["role"], item["content"]) for item in listed["data"]] == [
        ("user", [{"type": "input_text", "text": "One?"}]),
        ("assistant", [{"type": "output_text", "text": "One.", "annotations": []}]),
        ("user", content),
    ]
    assert (listed["object"], listed["has_more"]) == ("list", False)
    pages = []
    after = None
    while True:
        page = client.get(path, params={"limit": 2, **({"after": after} if after else {})}).json()
        pages.append([item["id"] for item in page["data"]])
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert [len(page) for page in pages] == [2, 1]
    assert [named for page in pages for named in page] == [item["id"] for item in reversed(listed["data"])]
    assert client.get(path, params={"after": "msg_00"}).status_code == 400
    assert client.get("/v1/responses/resp_00/input_items").status_code == 404


@on_sqlite
def test_an_image_reaches_the_upstream_in_the_form_of_chat_completions(client: httpx.Client) -> None:
    parts = [{"type": "input_image", "image_url": PIXEL, "detail": "auto"}, {"type": "input_image", "image_url": PIXEL}]
    made = create(client, input=[{"role": "user", "content": parts}])
    assert request_of(client, made)["messages"][0]["content"] == [
        {"type": "image_url", "image_url": {"url": PIXEL, "detail": "auto"}},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]


@on_sqlite
def test_a_format_of_the_text_is_asked_of_the_upstream_and_shown_again(client: httpx.Client) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    asked = {"type": "json_schema", "name": "answer", "schema": schema, "strict": True}
    made = create(client, text={"format": asked, "verbosity": "low"})
    request = request_of(client, made)
    assert request["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": schema, "strict": True},
    }
    assert (request["verbosity"], made["text"]) == ("low", {"format": asked, "verbosity": "low"})
    plain = create(client, text={"format": {"type": "text"}, "verbosity": "medium"})
    assert {"response_format", "verbosity"} & request_of(client, plain).keys() == set()
    broken = {"type": "json_schema", "name": "answer", "schema": {"type": "no such type"}}
    answer = client.post("/v1/responses", json={"model": "m", "input": "x", "text": {"format": broken}})
    error = answer.json()["error"]
    assert (error["code"], error["param"]) == ("invalid_json_schema", "text.format.schema.type")


@on_sqlite
def test_what_clients_send_by_default_is_taken(client: httpx.Client) -> None:
    sent = {
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "truncation": "auto",
        "max_tool_calls": 3,
        "service_tier": "flex",
        "reasoning": {"effort": "low", "summary": "auto"},
        "prompt_cache_retention": "24h",
        "tools": [],
        "tool_choice": "auto",
        "top_logprobs": 0,
        "parallel_tool_calls": False,
        "conversation": None,
        "stream_options": {"include_obfuscation": False},
    }
    made = create(client, **sent)
    shown = ("prompt_cache_key", "safety_identifier", "truncation", "max_tool_calls", "service_tier")
    assert {name: made[name] for name in shown} == {name: sent[name] for name in shown}
    request = request_of(client, made)
    passed = ("prompt_cache_key", "safety_identifier", "service_tier")
    assert {name: request[name] for name in passed} == {name: sent[name] for name in passed}
    assert request.keys() == {"model", "messages", "reasoning_effort", *passed}
    assert create(client, include=[], service_tier="auto").get("id")


@pytest.mark.parametrize(
    ("change", "way_out"),
    [
        ({"conversation": "conv_1"}, "previous_response_id"),
        ({"prompt": {"id": "pmpt_1"}}, "instructions"),
        ({"include": ["message.output_text.logprobs"]}, "leave message.output_text.logprobs out"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}]}, "input_text"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "image_url"),
        ({"input": [{"type": "computer_call", "id": "cu_1"}]}, "say it in a message"),
    ],
)
def test_what_stays_refused_says_the_way_out(sqlite_api: ApiServer, change: dict[str, Any], way_out: str) -> None:
    body = {"model": "m", "input": "x", **change}
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/responses", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "unsupported_parameter")
    assert way_out in error["message"]


@on_sqlite
def test_the_tokens_of_an_input_are_counted_without_storing_it(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    def count(**body: Any) -> int:
        answer = client.post("/v1/responses/input_tokens", json={"model": "gpt-4o-mini", **body})
        assert answer.status_code == 200, answer.text
        shown = answer.json()
        assert shown["object"] == "response.input_tokens"
        return int(shown["input_tokens"])

    # By OpenAI's rule: 3 for the reply, 3 for the message, 1 for the role.
    assert count(input="hello world") == 3 + 3 + 1 + 2
    assert count(input="hello world", instructions="Hi") == 3 + 2 * (3 + 1) + 2 + 1
    assert count(instructions="Hi") == 3 + 3 + 1 + 1
    assert client.get("/v1/jobs").json()["data"] == []
    first = create(client, input="hello world")
    write(database, valkey_client, first, "hello world")
    assert count(previous_response_id=first["id"], input="hello world") == 3 + 3 * (3 + 1 + 2)
    assert client.post("/v1/responses/input_tokens", json={"input": "x"}).json()["error"]["param"] == "model"


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_that_is_not_to_be_stored_is_erased_when_its_answer_was_sent(
    api: ApiServer, database: Database, valkey_client: redis.Redis, stream: bool
) -> None:
    body = {"model": "played", "input": "Write.", "store": False, "metadata": {"a": "b"}, "stream": stream}
    asking = Asking(api.port, "/v1/responses", json=body)
    job_id = only_job(database)
    writer = Writer(database, valkey_client, job_id)
    writer.write("the text")
    writer.finish()
    answer = asking.join()
    shown = events_of(answer.text)[-1]["response"] if stream else answer.json()
    assert (shown["status"], shown["store"]) == ("completed", False)
    assert shown["output"][0]["content"][0]["text"] == "the text"
    wait_until(lambda: rows_of(database, job_id) == 0)
    assert httpx.get(f"http://127.0.0.1:{api.port}/v1/responses/{shown['id']}").status_code == 404


def test_a_response_that_is_not_to_be_stored_and_that_nobody_fetched_is_erased_by_a_worker(
    client: httpx.Client, database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_responses, "UNSTORED_SECONDS", 600.0)
    unstored, stored = create(client, store=False), create(client)
    erase_deleted(database)
    assert client.get(f"/v1/responses/{unstored['id']}").json()["status"] == "queued"
    for response in (unstored, stored):
        write(database, valkey_client, response, "some text")
    erase_deleted(database)
    assert client.get(f"/v1/responses/{unstored['id']}").json()["status"] == "completed"  # its time is not over
    monkeypatch.setattr(stored_responses, "UNSTORED_SECONDS", -1.0)
    erase_deleted(database)
    assert rows_of(database, job_of(unstored)) == 0
    assert rows_of(database, job_of(stored)) > 0
