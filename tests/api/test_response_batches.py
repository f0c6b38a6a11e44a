"""Batches whose lines are for /v1/responses: read, run, and given back in the form of Responses."""

import json
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select

from jobs.inputs.dialects import RESPONSES
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.transitions import fail
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.tables import drafts, jobs, responses
from tests.api.watching import Writer
from tests.sparing import on_sqlite

BODY = {"model": "played", "input": "Write.", "instructions": "Be brief.", "max_output_tokens": 9}


def line(custom_id: str, body: dict[str, Any] | None = None, **changed: Any) -> dict[str, Any]:
    """A line as OpenAI's documents have it."""
    return {"custom_id": custom_id, "method": "POST", "url": RESPONSES, "body": body or BODY, **changed}


def submit(client: httpx.Client, *lines: dict[str, Any], endpoint: str = RESPONSES) -> dict[str, Any]:
    """The batch that is made of a file with these lines."""
    content = "\n".join(json.dumps(one) for one in lines)
    upload = {"file": ("in.jsonl", content.encode())}
    file = client.post("/v1/files", files=upload, data={"purpose": "batch"}).json()
    order = {"input_file_id": file["id"], "endpoint": endpoint, "completion_window": "24h"}
    made: dict[str, Any] = client.post("/v1/batches", json=order).json()
    return made


def jobs_of(database: Database, batch: dict[str, Any]) -> list[str]:
    """The ids of a batch's jobs, in input order."""
    with database.read() as connection:
        return list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch["id"]).order_by(jobs.c.id)))


def lines_of(client: httpx.Client, file_id: str) -> list[dict[str, Any]]:
    """The lines of an output."""
    return [json.loads(one) for one in client.get(f"/v1/files/{file_id}/content").text.splitlines()]


def test_lines_for_responses_run_as_chats_and_come_back_as_responses(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    azures = line("b", url="/openai/responses?api-version=2025-03-01-preview")
    batch = submit(client, line("a", {**BODY, "metadata": {"of": "a"}, "store": False}), azures, line("c", url=None))
    assert (batch["status"], batch["endpoint"], batch["errors"]) == ("in_progress", RESPONSES, None)
    assert [warning["code"] for warning in batch["warnings"]] == ["store"]
    first, second, third = jobs_of(database, batch)
    assert client.get(f"/v1/jobs/{first}").json()["request"] == {
        "model": "played",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Write."}],
        "max_tokens": 9,
    }
    writer = Writer(database, valkey_client, first)
    writer.think("Hm.")
    writer.write("the text")
    writer.finish()
    failing = Writer(database, valkey_client, second)
    assert fail(database, second, 1, failing.written(), JobError("upstream_rejected", "no", 422))
    client.post(f"/v1/jobs/{third}/cancel")
    close_batch(database, batch["id"])
    ended = client.get(f"/v1/batches/{batch['id']}").json()
    [output] = lines_of(client, ended["output_file_id"])
    shown = output["response"]["body"]
    assert (output["custom_id"], output["error"], output["response"]["status_code"]) == ("a", None, 200)
    assert (shown["object"], shown["status"], shown["instructions"]) == ("response", "completed", "Be brief.")
    assert (shown["metadata"], shown["max_output_tokens"], shown["store"]) == ({"of": "a"}, 9, True)
    assert [item["type"] for item in shown["output"]] == ["reasoning", "message"]
    assert shown["output"][1]["content"][0]["text"] == "the text"
    assert client.get(f"/v1/responses/{shown['id']}").json() == shown
    errors = lines_of(client, ended["error_file_id"])
    assert errors[0]["response"]["status_code"] == 422
    assert errors[1]["error"]["code"] == "batch_cancelled"
    # Its output needs it.
    kept = client.delete(f"/v1/responses/{shown['id']}")
    assert (kept.status_code, kept.json()["error"]["code"]) == (409, "belongs_to_a_batch")
    assert len(lines_of(client, ended["output_file_id"])) == 1


def test_requests_in_the_body_may_be_for_responses_too(client: httpx.Client, database: Database) -> None:
    requests = [{"custom_id": "a", "body": BODY}, {"custom_id": "b", "body": {**BODY, "text": {"verbosity": "low"}}}]
    batch = client.post("/v1/batches", json={"requests": requests, "endpoint": RESPONSES, "priority": 3}).json()
    assert batch["endpoint"] == RESPONSES
    for job_id in jobs_of(database, batch):
        shown = client.get(f"/v1/responses/{job_id.replace('job', 'resp')}").json()
        assert (shown["status"], shown["max_output_tokens"]) == ("queued", 9)
        assert client.get(f"/v1/jobs/{job_id}").json()["priority"] == 3


@on_sqlite
@pytest.mark.parametrize(
    ("changed", "param"),
    [
        ({"url": "/v1/chat/completions"}, "url"),
        ({"body": {"model": "m", "messages": []}}, "body.messages"),
        ({"body": {"model": "m", "input": []}}, "body.input"),
        ({"body": {"input": "x"}}, "body.model"),
        ({"body": {**BODY, "previous_response_id": "resp_00"}}, "body.previous_response_id"),
        ({"body": {**BODY, "input": [{"type": "item_reference", "id": "msg_00"}]}}, "body.input[0]"),
        ({"body": {**BODY, "priority": 1000}}, "body.priority"),
        ({"body": "x"}, "body"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_line_fails_the_batch_by_its_place_and_leaves_nothing(
    client: httpx.Client, database: Database, changed: dict[str, Any], param: str
) -> None:
    batch = submit(client, line("a"), line("b", **changed))
    assert batch["status"] == "failed"
    [error] = batch["errors"]["data"]
    assert (error["line"], error["param"]) == (2, param), error
    with database.read() as connection:
        for table in (jobs, responses, drafts):
            assert connection.execute(select(table)).all() == []


def test_a_line_for_responses_in_a_batch_for_chats_is_told_which_endpoint_to_name(client: httpx.Client) -> None:
    batch = submit(client, line("a"), endpoint="/v1/chat/completions")
    assert batch["status"] == "failed"
    assert '"endpoint": "/v1/responses"' in batch["errors"]["data"][0]["message"]
