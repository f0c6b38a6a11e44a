"""Durable chat completions over HTTP, with a worker that the test plays."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.transitions import fail
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.store.queries import read_job
from tests.api.completing import ASK, PATH, Asking, contents, newest, only_job, streaming
from tests.api.watching import Writer, wait_until
from tests.sparing import on_sqlite


@on_sqlite
def test_a_completion_that_is_waited_for_is_the_job(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    asking = Asking(api.port, json={**ASK, "custom_id": "c", "metadata": {"a": "b"}})
    writer = Writer(database, valkey_client, only_job(database))
    writer.write("some ", "text")
    writer.finish()
    answer = asking.join()
    assert (answer.status_code, answer.headers["x-job-id"]) == (200, writer.job_id)
    shown = answer.json()
    assert shown["choices"][0] == {
        "index": 0,
        "message": {"role": "assistant", "content": "some text", "refusal": None, "annotations": []},
        "logprobs": None,
        "finish_reason": "stop",
    }
    assert shown["usage"] is None  # nothing is known of it, and 0 would not be true
    job = read_job(database, writer.job_id, project=None)
    assert job is not None
    assert (job.custom_id, job.metadata, job.on_interrupt) == ("c", {"a": "b"}, "continue")
    assert api.hub.watching == 0


def test_what_the_upstream_refuses_is_refused_with_its_status(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.openai.posted_job.FIRST_SECONDS", 60)
    for stream, given, expected in ((False, 422, 422), (True, 401, 502), (False, None, 502)):
        key = {"Idempotency-Key": f"{stream}-{given}"}
        asking = Asking(sqlite_api.port, json={**ASK, "stream": stream}, headers=key)
        wait_until(lambda: bool(newest(sqlite_database)))
        writer = Writer(sqlite_database, valkey_client, newest(sqlite_database))
        refused = JobError("upstream_rejected", "no such thing", given)
        assert fail(sqlite_database, writer.job_id, 1, writer.written(), refused)
        writer.say(writer.done(writer_status(sqlite_database, writer.job_id)))
        answer = asking.join()
        assert (answer.status_code, answer.json()["error"]["code"]) == (expected, "upstream_rejected")
        assert answer.headers["x-job-id"] == writer.job_id
        assert answer.headers["x-should-retry"] == "false"


def writer_status(database: Database, job_id: str) -> Any:
    """A job's status as it stands."""
    job = read_job(database, job_id, project=None)
    assert job is not None
    return job.status


def test_a_client_that_goes_away_frees_its_place_and_the_job_goes_on(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(f"http://127.0.0.1:{sqlite_api.port}{PATH}", json=ASK, timeout=0.5)
    wait_until(lambda: sqlite_api.hub.watching == 0)
    cancel_job(sqlite_database, only_job(sqlite_database))
    with streaming(sqlite_api, sqlite_database, valkey_client) as (writer, response):
        response.close()
        wait_until(lambda: sqlite_api.hub.watching == 0)
        writer.write("ended")
        writer.finish()
    answer = httpx.get(f"http://127.0.0.1:{sqlite_api.port}/v1/jobs/{writer.job_id}/text")
    assert answer.text == "begun ended"


@on_sqlite
def test_an_idempotency_key_gives_the_same_stream_from_its_start_also_afterwards(
    api: ApiServer, database: Database, valkey_client: redis.Redis
) -> None:
    key = {"Idempotency-Key": "k"}
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    first = Asking(api.port, json=body, headers=key)
    writer = Writer(database, valkey_client, only_job(database))
    writer.write("some ")
    second = Asking(api.port, json=body, headers=key)
    wait_until(lambda: api.hub.watching == 2)
    writer.write("text")
    writer.finish()
    third = Asking(api.port, json=body, headers=key)
    texts = []
    for asking in (first, second, third):
        events = list(contents(asking.join().iter_lines()))
        assert events[-1] == "[DONE]"
        assert events[-2]["choices"] == []
        assert events[-3]["choices"][0]["finish_reason"] == "stop"
        texts.append("".join(event["choices"][0]["delta"].get("content", "") for event in events[:-2]))
    assert texts == ["some text"] * 3
    assert [asking.join().headers.get("idempotent-replayed") for asking in (first, second, third)] == [
        None, "true", "true",
    ]  # fmt: skip
    assert len({asking.join().headers["x-job-id"] for asking in (first, second, third)}) == 1
    other = httpx.post(f"http://127.0.0.1:{api.port}{PATH}", json=ASK, headers=key)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")


def test_a_text_that_begins_anew_ends_the_chunks_and_one_that_goes_on_does_not(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with streaming(sqlite_api, sqlite_database, valkey_client) as (first, response):
        events = contents(response.iter_lines())
        first.retry()
        second = Writer(sqlite_database, valkey_client, first.job_id, continued="begun ")
        second.write("and ")
        told = ""
        while told != "begun and ":
            told += next(events)["choices"][0]["delta"].get("content", "")
        second.retry()
        Writer(sqlite_database, valkey_client, first.job_id).write("anew")
        error = next(events)["error"]
        assert error["code"] == "attempt_restarted"
        assert f"/v1/jobs/{first.job_id}/text" in error["message"]
        assert list(events) == []


def test_the_chunks_show_the_reasoning_while_it_is_written(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with streaming(sqlite_api, sqlite_database, valkey_client, thinks="Hm, ") as (writer, response):
        deltas = deltas_of(response)
        assert take_until(deltas, "reasoning_content", "Hm, ") == "Hm, "
        writer.think("let me see.")
        assert take_until(deltas, "reasoning_content", "let me see.") == "let me see."
        writer.write("The ", "text.")
        assert take_until(deltas, "content", "The text.") == "The text."
        writer.finish()
        assert not any("reasoning_content" in delta or delta.get("content") for delta in deltas)


def test_reasoning_that_begins_anew_is_not_sent_twice_and_the_text_comes_whole(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with streaming(sqlite_api, sqlite_database, valkey_client, thinks="Hm, ") as (first, response):
        deltas = deltas_of(response)
        assert take_until(deltas, "reasoning_content", "Hm, ") == "Hm, "
        first.retry()
        second = Writer(sqlite_database, valkey_client, first.job_id)
        second.think("Hm, anew.")
        second.write("The text.")
        second.finish()
        rest = list(deltas)
    assert not any("reasoning_content" in delta for delta in rest)
    assert "".join(delta.get("content", "") for delta in rest) == "The text."


def deltas_of(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The deltas of a stream that ends well."""
    for event in contents(response.iter_lines()):
        if event != "[DONE]":
            yield event["choices"][0]["delta"]


def take_until(deltas: Iterator[dict[str, Any]], name: str, whole: str) -> str:
    """What a field of the deltas holds, joined, until it is as long as this."""
    taken = ""
    while len(taken) < len(whole):
        taken += next(deltas).get(name, "")
    return taken


def test_who_waits_when_the_server_goes_down_is_told_what_to_do(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with_key = Asking(sqlite_api.port, json=ASK, headers={"Idempotency-Key": "k"})
    job_id = only_job(sqlite_database)
    wait_until(lambda: sqlite_api.hub.watching == 1)
    without = Asking(sqlite_api.port, json=ASK)
    wait_until(lambda: sqlite_api.hub.watching == 2)
    sqlite_api.should_exit = True
    answer = with_key.join()
    assert (answer.status_code, answer.headers["x-job-id"]) == (503, job_id)
    # The SDK sends it again by itself: with the key that is the same job, without it would be another one.
    assert ("retry-after" in answer.headers, "x-should-retry" in answer.headers) == (True, False)
    assert without.join().headers["x-should-retry"] == "false"
    assert without.join().status_code == 503


def test_a_stream_that_has_begun_ends_with_an_error_when_the_server_goes_down(
    sqlite_api: ApiServer, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    with streaming(sqlite_api, sqlite_database, valkey_client) as (writer, response):
        events = contents(response.iter_lines())
        next(events)
        sqlite_api.should_exit = True
        last = list(events)[-1]["error"]
    assert last["code"] == "shutting_down"
    assert writer.job_id in last["message"]


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"n": 2}, "n"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"stream": True, "stream_options": {"surprise": 1}}, "stream_options.surprise"),
        ({"messages": []}, "messages"),
    ],
)
def test_what_cannot_be_delivered_is_refused_by_name(sqlite_api: ApiServer, change: dict[str, Any], param: str) -> None:
    answer = httpx.post(f"http://127.0.0.1:{sqlite_api.port}{PATH}", json={**ASK, **change})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param), answer.text


@on_sqlite
@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_gave_no_finish_reason_is_not_said_to_have_stopped(
    api: ApiServer, database: Database, valkey_client: redis.Redis, stream: bool
) -> None:
    asking = Asking(api.port, json={**ASK, "stream": stream})
    writer = Writer(database, valkey_client, only_job(database))
    writer.write("as much as came")
    writer.finish(finish_reason=None)
    answer = asking.join()
    if not stream:
        assert answer.json()["choices"][0]["finish_reason"] is None
        return
    events = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    assert {json.loads(event)["choices"][0]["finish_reason"] for event in events[:-1]} == {None}
