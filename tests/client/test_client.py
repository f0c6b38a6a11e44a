"""The client against a real server that plays scripts: answers lost, refused, paged."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.submitting.batch_orders import BATCH_FIELDS
from jobs.settings import Settings
from longhand import (
    AsyncClient,
    Client,
    ConflictError,
    InputError,
    InvalidRequestError,
    NoAnswerError,
    NotFoundError,
    RefusedError,
    UnavailableError,
)
from longhand.client.connection import DEFAULT_HOME, DEFAULT_URL
from tests.client.sent import JOB, answer
from tests.conftest import free_port
from tests.upstream.scripted_upstream import Cut, ScriptedUpstream, head


def test_nothing_there_is_said_in_one_line() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with Client(url) as client, pytest.raises(NoAnswerError) as refused:
        client.read("job_1")
    assert str(refused.value) == (
        f"nothing answers at {url}: start it with `longhand up`, or set LONGHAND_URL to where it runs"
    )


def test_the_client_and_the_settings_look_for_longhand_at_the_same_place() -> None:
    assert Settings.model_fields["url"].default == DEFAULT_URL
    assert Settings.model_fields["home"].default == Path(DEFAULT_HOME)


def test_a_submit_whose_answer_was_lost_is_repeated_with_the_same_key_and_body() -> None:
    retries: list[str] = []
    with (
        ScriptedUpstream(
            [Cut()], [answer(503, {"error": {"message": "away"}})], [answer(202, {"id": "batch_1"})]
        ) as server,
        Client(server.url, on_retry=retries.append) as client,
    ):
        assert client.submit_batch({"requests": [{"body": {}}]}) == {"id": "batch_1"}
        client.submit_batch({"requests": [{"body": {}}]})
    first, second, third, other = server.exchanges
    assert first.fired == ["Cut"]
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == third.headers["idempotency-key"]
    assert first.content == second.content == third.content
    assert other.headers["idempotency-key"] != first.headers["idempotency-key"]
    assert len(retries) == 2


def test_a_refused_submit_is_not_repeated() -> None:
    script = [answer(400, {"error": {"message": "requests[0].body: no", "param": "requests[0].body", "code": "x"}})]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        with pytest.raises(RefusedError) as refused:
            client.submit_job({})
        assert (refused.value.param, refused.value.code) == ("requests[0].body", "x")
        assert len(server.exchanges) == 1


def test_an_answer_that_is_not_longhands_is_named_as_such() -> None:
    script = [head(502, "text/html", content_length="6") + b"<html>"]
    with (
        ScriptedUpstream(script) as server,
        Client(server.url) as client,
        pytest.raises(RefusedError, match=r"answered 502 \(text/html\), which is not an answer of Longhand"),
    ):
        client.read("batch_1")


def test_jobs_are_listed_over_all_pages_up_to_the_limit() -> None:
    def page(first: int, last: int) -> bytes:
        data = [{"id": f"job_{number}"} for number in range(first, last)]
        return answer(200, {"data": data, "last_id": f"job_{last - 1}", "has_more": True})

    with ScriptedUpstream([page(0, 100)], [page(100, 130)]) as server, Client(server.url) as client:
        listed = [job["id"] for job in client.jobs(status="failed", metadata={"series": "tools"}, limit=130)]
    assert listed == [f"job_{number}" for number in range(130)]
    assert [exchange.path for exchange in server.exchanges] == [
        "/v1/jobs?status=failed&metadata.series=tools&limit=100",
        "/v1/jobs?status=failed&metadata.series=tools&after=job_99&limit=30",
    ]


@pytest.mark.parametrize("wrong", ["1", "job", "job_", "file_1", "../job_1"])
def test_what_is_no_id_is_not_asked_for(wrong: str) -> None:
    with Client() as client, pytest.raises(InputError, match="is not an id"):
        client.read(wrong)


def test_a_question_whose_answer_was_lost_is_asked_once_more() -> None:
    with ScriptedUpstream([Cut()], [answer(200, JOB)]) as server, Client(server.url) as client:
        assert client.read("job_1") == JOB
    assert server.exchanges[0].fired == ["Cut"]


@pytest.mark.parametrize(
    ("work", "fields", "path", "body"),
    [
        ("Write.", {"model": "m"}, "/v1/jobs", {"model": "m", "messages": [{"role": "user", "content": "Write."}]}),
        (
            {"prompt": "Write.", "model": "n"},
            {"model": "m", "custom_id": "a", "temperature": 0},
            "/v1/jobs",
            {
                "model": "n",
                "custom_id": "a",
                "temperature": 0,
                "messages": [{"role": "user", "content": "Write."}],
            },
        ),
        (
            [
                "A",
                {"messages": [{"role": "user", "content": "B"}]},
                {"custom_id": "c", "body": {"prompt": "C"}},
                {"cells": {"topic": "d"}, "body": {"prompt": "D"}},
            ],
            {"model": "m", "temperature": 1, "priority": 5, "completion_window": "24h", "metadata": {"a": "b"}},
            "/v1/batches",
            {
                "priority": 5,
                "completion_window": "24h",
                "metadata": {"a": "b"},
                "requests": [
                    {"body": {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "A"}]}},
                    {"body": {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "B"}]}},
                    {
                        "custom_id": "c",
                        "body": {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "C"}]},
                    },
                    {
                        "cells": {"topic": "d"},
                        "body": {"model": "m", "temperature": 1, "messages": [{"role": "user", "content": "D"}]},
                    },
                ],
            },
        ),
        (
            ["A"],
            {"defaults": {"model": "m", "system": "Be brief."}, "accept": {"min_words": 3}, "on_reject": "retry"},
            "/v1/batches",
            {
                "defaults": {"model": "m", "system": "Be brief."},
                "accept": {"min_words": 3},
                "on_reject": "retry",
                "requests": [{"body": {"model": "m", "messages": [{"role": "user", "content": "A"}]}}],
            },
        ),
    ],
)
def test_both_clients_submit_a_prompt_a_body_or_many(work: Any, fields: Any, path: str, body: Any) -> None:
    async def submit_async(url: str) -> Any:
        async with AsyncClient(url) as client:
            return await client.submit(work, idempotency_key="k", **fields)

    with ScriptedUpstream([answer(202, {"id": "it"})]) as server:
        with Client(server.url) as client:
            assert client.submit(work, idempotency_key="k", **fields) == {"id": "it"}
        assert asyncio.run(submit_async(server.url)) == {"id": "it"}
    for exchange in server.exchanges:
        assert (exchange.path, exchange.body, exchange.headers["idempotency-key"]) == (path, body, "k")


def test_every_field_of_a_batch_stands_beside_its_requests_and_in_none_of_them() -> None:
    fields: dict[str, Any] = {name: {} for name in BATCH_FIELDS - {"requests"}}
    with ScriptedUpstream([answer(202, {"id": "batch_1"})]) as server, Client(server.url) as client:
        client.submit(["A"], model="m", **fields)
    request = {"body": {"model": "m", "messages": [{"role": "user", "content": "A"}]}}
    assert server.exchanges[0].body == {**fields, "requests": [request]}


@pytest.mark.parametrize(
    ("work", "fields", "line"),
    [
        ("Write.", {}, 'no "model"'),
        (" ", {"model": "m"}, "the prompt is empty"),
        ([], {"model": "m"}, "there is nothing in it to submit"),
        (["A", " "], {"model": "m"}, "item 1: the prompt is empty"),
        ([{"role": "user", "content": "A"}], {"model": "m"}, "a list of messages is one request"),
        ({"model": "m"}, {}, 'a request needs one of "messages" and "prompt", and this one has none of them'),
    ],
)
def test_what_cannot_be_submitted_is_not_sent(work: Any, fields: Any, line: str) -> None:
    with Client() as client, pytest.raises(InputError, match=line):
        client.submit(work, **fields)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (404, NotFoundError),
        (409, ConflictError),
        (413, InvalidRequestError),
        (429, UnavailableError),
        (500, RefusedError),
        (503, UnavailableError),
    ],
)
def test_every_refusal_has_its_branch(status: int, kind: type[RefusedError]) -> None:
    script = [answer(status, {"error": {"message": "no", "code": "c", "param": "p"}}, retry_after="7")]
    with ScriptedUpstream(script) as server, Client(server.url) as client:
        with pytest.raises(kind, match="no") as refused:
            client.job("job_1")
        assert type(refused.value) is kind
        assert (refused.value.code, refused.value.param, refused.value.retry_after_seconds) == ("c", "p", 7)


def test_results_come_typed_and_in_order_from_both_clients() -> None:
    lines = b'{"index":0,"text":"a\xe2\x80\xa8b"}\n{"index":1}\n'
    script = [head(content_type="application/jsonl", content_length=str(len(lines))), lines[:9], lines[9:]]

    async def read(url: str) -> list[Any]:
        async with AsyncClient(url) as client:
            return [result async for result in client.results("batch_1")]

    with ScriptedUpstream(script) as server:
        with Client(server.url) as client:
            found = [dict(result) for result in client.results("batch_1")]
        assert found == asyncio.run(read(server.url)) == [{"index": 0, "text": "a\u2028b"}, {"index": 1}]
        assert server.last.path == "/v1/batches/batch_1/results?format=jsonl"


def test_a_job_where_a_batch_belongs_is_not_asked_for() -> None:
    with (
        Client() as client,
        pytest.raises(InputError, match="'job_1' is not the id of a batch, which begins with batch_"),
    ):
        client.batch("job_1")
