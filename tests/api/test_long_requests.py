"""What was asked comes back whole, however long it is and wherever it is stored: over HTTP and from the command."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select

from jobs.store import job_requests as module
from jobs.store.database import Database
from jobs.store.job_requests import LONG_REQUEST
from jobs.tables import job_requests, jobs
from tests.api.watching import Writer
from tests.sparing import on_sqlite
from tests.stack.running_up import environ_of, longhand

APART = {
    "just in its row": False,
    "just too long for it": True,
    "very long": True,
    "long, of an earlier version": False,
}


@pytest.fixture(params=[*APART])
def where(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How long the requests are, and how they are stored."""
    if request.param == "long, of an earlier version":
        monkeypatch.setattr(module, "LONG_REQUEST", 1 << 30)
    return str(request.param)


def body_of(where: str) -> dict[str, Any]:
    body: dict[str, Any] = {"model": "played", "messages": [{"role": "user", "content": "About «frogs». "}]}
    spare = LONG_REQUEST - len(json.dumps(body, separators=(",", ":")))
    more = {"just in its row": 0, "just too long for it": 1}.get(where, 200_000)
    body["messages"][0]["content"] += "x" * (spare + more)
    return body


def apart(database: Database) -> int:
    with database.read() as connection:
        return len(connection.scalars(select(job_requests.c.job_id)).all())


def write(client: httpx.Client, database: Database, valkey_client: redis.Redis, job_id: str) -> None:
    """Let a worker write the job, and see what it is given."""
    writer = Writer(database, valkey_client, job_id)
    writer.write("Frogs sing.")
    writer.finish()


def test_a_job_shows_its_request_and_is_written_and_retried_with_it(
    where: str, client: httpx.Client, database: Database, valkey_client: redis.Redis, tmp_path: Path
) -> None:
    body = body_of(where)
    job_id = client.post("/v1/jobs", json=body).json()["id"]
    assert apart(database) == APART[where]
    assert client.get(f"/v1/jobs/{job_id}").json()["request"] == body
    Writer(database, valkey_client, job_id).fail()
    assert client.post(f"/v1/jobs/{job_id}/retry").json()["status"] == "queued"
    shown = client.post(f"/v1/jobs/{job_id}/cancel").json()
    assert (shown["status"], shown["request"]) == ("cancelled", body)
    assert client.post(f"/v1/jobs/{job_id}/retry").json()["request"] == body
    write(client, database, valkey_client, job_id)
    shown = client.get(f"/v1/jobs/{job_id}").json()
    assert (shown["status"], shown["request"]) == ("completed", body)
    assert client.get(f"/v1/jobs/{job_id}/text").text == "Frogs sing."
    ran = longhand("show", job_id, environ=environ_of(tmp_path, {"LONGHAND_URL": str(client.base_url)}))
    assert "About «frogs»" in ran.stdout, ran.stderr
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 200
    assert apart(database) == 0


@on_sqlite
def test_a_batch_comes_out_with_its_prompts_and_cells(
    where: str, client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    body, cells = body_of(where), {"topic": "frogs", "note": "=1+1"}
    if not APART[where]:
        body["messages"][0]["content"] = body["messages"][0]["content"][:-100]
    requests = [{"custom_id": name, "body": body, "cells": cells} for name in ("a", "b")]
    batch = client.post("/v1/batches", json={"requests": requests}).json()
    with database.read() as connection:
        ids = connection.scalars(select(jobs.c.id).order_by(jobs.c.id)).all()
    for job_id in ids:
        write(client, database, valkey_client, job_id)
    results = f"/v1/batches/{batch['id']}/results"
    lines = [json.loads(line) for line in client.get(results).text.splitlines()]
    assert [line.get("cells") for line in lines] == [cells] * 2
    before = csv.field_size_limit(10_000_000)
    table = client.get(results, params={"format": "csv"}).text.removeprefix("\ufeff")
    rows = list(csv.DictReader(io.StringIO(table, newline="")))
    csv.field_size_limit(before)
    assert [row["prompt"] for row in rows] == [body["messages"][0]["content"]] * 2
    assert [row["input.topic"] for row in rows] == ["frogs"] * 2
    output = client.get(f"/v1/batches/{batch['id']}").json()["output_file_id"]
    written = [json.loads(line) for line in client.get(f"/v1/files/{output}/content").text.splitlines()]
    assert [line["response"]["body"]["choices"][0]["message"]["content"] for line in written] == ["Frogs sing."] * 2
    assert client.delete(f"/v1/batches/{batch['id']}").status_code == 200
    assert apart(database) == 0


@on_sqlite
def test_a_response_goes_on_from_a_long_one_and_lists_its_items(
    where: str, client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    prompt = body_of(where)["messages"][0]["content"]
    first = client.post("/v1/responses", json={"model": "played", "input": prompt, "background": True}).json()
    assert apart(database) == APART[where]
    items = client.get(f"/v1/responses/{first['id']}/input_items").json()["data"]
    assert [item["content"][0]["text"] for item in items] == [prompt]
    write(client, database, valkey_client, first["id"].replace("resp_", "job_"))
    more = {"model": "played", "input": "And toads?", "previous_response_id": first["id"], "background": True}
    second = client.post("/v1/responses", json=more).json()
    messages = client.get(f"/v1/jobs/{second['id'].replace('resp_', 'job_')}").json()["request"]["messages"]
    assert [message["content"] for message in messages] == [prompt, "Frogs sing.", "And toads?"]
    assert client.delete(f"/v1/responses/{first['id']}").status_code == 200
