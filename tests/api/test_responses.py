"""Responses over HTTP, with a worker that the test plays: what is told, resumed, cancelled and refused."""

from typing import Any

import httpx
import pytest
import redis

from api.openai.response_numbers import PART_ADDED
from api.server import ApiServer
from jobs.lifecycle.transitions import fail
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.store.queries import read_job
from tests.api.responding import ASK, Reader, create, follow, job_of, told
from tests.api.watching import Writer, pieces
from tests.sparing import on_sqlite


@on_sqlite
def test_a_stream_resumed_anywhere_equals_the_whole_live_and_afterwards_and_without_redis(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    writer = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        live.until("response.in_progress")
        for piece in pieces(20, seed=3):
            writer.write(piece)
            live.until("response.output_text.delta")
        # Another one comes in the middle, with a number of the first one's.
        middle = live.events[12]["sequence_number"]
        with client.stream("GET", f"/v1/responses/{created['id']}?stream=true&starting_after={middle}") as second:
            resumed = Reader(second)
            resumed.until("response.output_text.delta")
            writer.write("the end")
            text = writer.finish()
            rest = resumed.rest()
        whole = live.rest()
    assert told(rest) == told([event for event in whole if event["sequence_number"] > middle])
    assert whole[-1]["response"]["output"][0]["content"][0]["text"] == text
    valkey_client.flushall()
    assert told(follow(client, created["id"])) == told(whole)
    for event in whole:
        after = event["sequence_number"]
        expected = [one for one in whole if one["sequence_number"] > after]
        assert told(follow(client, created["id"], after)) == told(expected)


@on_sqlite
def test_an_attempt_that_writes_anew_is_told_as_a_new_item(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    first = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        first.write("what is void ")
        old = live.until("response.output_text.delta")["sequence_number"]
        first.retry()
        second = Writer(database, valkey_client, job_of(created))
        second.write("what is ")
        live.until("response.output_text.delta")
        second.write("kept")
        second.finish()
        whole = live.rest()
    items = [event for event in whole if event["type"] == "response.output_item.done"]
    assert [(event["output_index"], event["item"]["status"]) for event in items] == [
        (0, "incomplete"),
        (1, "completed"),
    ]
    numbers = [event["sequence_number"] for event in whole]
    assert numbers == sorted(set(numbers))
    final = whole[-1]["response"]
    assert [item["content"][0]["text"] for item in final["output"]] == ["what is kept"]
    assert final == client.get(f"/v1/responses/{created['id']}").json()
    # A number of the void text leads to the new item; and a late comer is told of both, with the same numbers.
    assert told(follow(client, created["id"], old)) == told([one for one in whole if one["sequence_number"] > old])
    late = follow(client, created["id"])
    assert {event["sequence_number"] for event in late if "delta" not in event} == {
        event["sequence_number"] for event in whole if "delta" not in event and event["sequence_number"] != PART_ADDED
    }


@on_sqlite
def test_an_attempt_that_goes_on_is_seen_by_nobody(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    first = Writer(database, valkey_client, job_of(created))
    with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
        live = Reader(response)
        first.write("begun ")
        live.until("response.output_text.delta")
        first.retry()
        Writer(database, valkey_client, job_of(created), continued="begun ").write("and ended")
        live.until("response.output_text.delta")
        claimed = read_job(database, job_of(created), project=None)
        assert claimed is not None
        assert claimed.on_interrupt == "continue"
        response.close()
    second_writer_text = "begun and ended"
    events = live.events
    assert "".join(event.get("delta", "") for event in events) == second_writer_text
    assert [event["output_index"] for event in events if event["type"] == "response.output_item.added"] == [0]


@on_sqlite
def test_a_conversation_is_sent_whole_without_the_instructions_before(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    first = create(
        client,
        instructions="Be brief.",
        input=[{"role": "developer", "content": "Hm."}, {"role": "user", "content": "One?"}],
    )
    unfinished = client.post("/v1/responses", json={**ASK, "previous_response_id": first["id"]})
    assert (unfinished.status_code, unfinished.json()["error"]["code"]) == (400, "previous_response_not_completed")
    writer = Writer(database, valkey_client, job_of(first))
    writer.write("One.")
    writer.finish()
    item = client.get(f"/v1/responses/{first['id']}").json()["output"][0]
    second = create(client, previous_response_id=first["id"], input="Two?", max_output_tokens=7)
    request = client.get(f"/v1/jobs/{job_of(second)}").json()["request"]
    assert request["messages"] == [
        {"role": "system", "content": "Hm."},
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "One."},
        {"role": "user", "content": "Two?"},
    ]
    assert request["max_tokens"] == 7
    # The same by hand: an output item is taken back as it came.
    by_hand = create(client, input=[{"role": "user", "content": "One?"}, item], model="gpt-5-mini", max_output_tokens=9)
    request = client.get(f"/v1/jobs/{job_of(by_hand)}").json()["request"]
    assert request["messages"][1] == {"role": "assistant", "content": "One."}
    assert request["max_completion_tokens"] == 9


def test_a_cancel_ends_what_is_queued_and_leaves_what_has_ended(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    queued = create(client)
    for _ in range(2):
        assert client.post(f"/v1/responses/{queued['id']}/cancel").json()["status"] == "cancelled"
    assert [event["type"] for event in follow(client, queued["id"])] == ["response.created", "response.queued", "error"]
    done = create(client)
    writer = Writer(database, valkey_client, job_of(done))
    writer.write("whole")
    writer.finish()
    assert client.post(f"/v1/responses/{done['id']}/cancel").json()["status"] == "completed"


@on_sqlite
def test_a_failure_is_a_failed_response_and_an_error_where_somebody_waits(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    created = create(client)
    writer = Writer(database, valkey_client, job_of(created))
    assert fail(database, job_of(created), 1, writer.written(), JobError("upstream_rejected", "no such model", 404))
    shown = client.get(f"/v1/responses/{created['id']}").json()
    assert (shown["status"], shown["error"]["code"], shown["error"]["type"]) == (
        "failed", "invalid_prompt", "upstream_rejected",
    )  # fmt: skip
    assert follow(client, created["id"])[-1]["type"] == "response.failed"
    key = {"Idempotency-Key": "k"}
    again = client.post("/v1/responses", json=ASK, headers=key).json()
    assert again == client.post("/v1/responses", json=ASK, headers=key).json()
    other = client.post("/v1/responses", json={**ASK, "input": "Other."}, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


def test_who_waits_when_the_server_goes_down_is_told_how_to_come_back(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        created = create(client)
        writer = Writer(sqlite_database, valkey_client, job_of(created))
        with client.stream("GET", f"/v1/responses/{created['id']}?stream=true") as response:
            live = Reader(response)
            writer.write("begun")
            last = live.until("response.output_text.delta")["sequence_number"]
            sqlite_api.should_exit = True
            end = live.rest()[-1]["error"]
    assert end["code"] == "shutting_down"
    assert f"starting_after={last}" in end["message"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "input[0].content[0].image_url"),
        ({"input": [{"role": "user", "content": [{"type": "input_file"}]}]}, "input[0].content[0].type"),
        ({"input": [{"type": "function_call_output"}]}, "input[0].output"),
        ({"input": [{"role": "user", "content": "x", "name": "y"}]}, "input[0].name"),
        ({"model": None}, "model"),
        ({"background": 1}, "background"),
        ({"instructions": ["x"]}, "instructions"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"temperature": 3}, "temperature"),
        ({"reasoning": {"surprise": "auto"}}, "reasoning.surprise"),
        ({"text": {"verbosity": 1}}, "text.verbosity"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"stream_options": {"include_obfuscation": True}}, "stream_options.include_obfuscation"),
        ({"tool_choice": "any"}, "tool_choice"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(sqlite_api: ApiServer, change: dict[str, Any], param: str) -> None:
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}/v1/responses", json={**ASK, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@on_sqlite
def test_an_unknown_query_is_refused_and_unknown_ids_are_not_found(client: httpx.Client) -> None:
    created = create(client)
    for query in ("surprise=x", "starting_after=3", "stream=true&starting_after=-1", "include_obfuscation=true"):
        assert client.get(f"/v1/responses/{created['id']}?{query}").status_code == 400, query
    for unknown in ("resp_00", created["id"].replace("resp", "job"), "x", "resp_" + "0" * 200):
        assert client.get(f"/v1/responses/{unknown}").status_code == 404
        assert client.post(f"/v1/responses/{unknown}/cancel").status_code == 404
        assert client.delete(f"/v1/responses/{unknown}").status_code == 404
    plain = client.post("/v1/jobs", json={"model": "m", "messages": [{"role": "user", "content": "x"}]}).json()
    assert client.get(f"/v1/responses/{plain['id'].replace('job', 'resp')}").status_code == 404
