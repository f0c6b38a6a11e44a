"""The output and error files of a batch: written from its rows, and as long as they are said to be."""

import json
from typing import Any

import httpx
import pytest
import redis as redis_py
from sqlalchemy import select

from api.openai.schemas import FileList
from api.schemas.batches import BatchObject
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.transitions import fail
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.tables import files, jobs
from tests.api.batch_files import line, served, served_client, submit
from tests.api.watching import Writer

__all__ = ["served", "served_client"]  # fixtures


def test_the_outputs_are_written_from_the_rows(
    served_client: httpx.Client, database: Database, valkey_client: redis_py.Redis
) -> None:
    batch = submit(served_client, b"\n".join(line(name) for name in "abcd"))
    with database.read() as connection:
        ids = list(connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch["id"]).order_by(jobs.c.id)))
    first, second, third = (Writer(database, valkey_client, job_id) for job_id in ids[:3])
    first.write('sweet \N{CHERRY BLOSSOM}\n"')
    text = first.finish()
    assert fail(database, second.job_id, 1, second.written(), JobError("upstream_rejected", "not so", 422))
    assert third.fail() == ""
    served_client.post(f"/v1/jobs/{ids[3]}/cancel")
    close_batch(database, batch["id"])
    listed = served_client.get("/v1/files", params={"purpose": "batch_output"}).json()
    FileList.model_validate(listed)
    counted = {file["id"]: file["bytes"] for file in listed["data"]}
    ended = served_client.get(f"/v1/batches/{batch['id']}").json()
    BatchObject.model_validate(ended)
    assert (ended["status"], ended["request_counts"]["failed"]) == ("completed", 3)
    for file_id in (ended["output_file_id"], ended["error_file_id"]):
        assert counted[file_id] == len(served_client.get(f"/v1/files/{file_id}/content").content)
    output = lines_of(served_client, ended["output_file_id"])
    assert len(output) == 1
    assert (output[0]["custom_id"], output[0]["error"]) == ("a", None)
    assert output[0]["response"]["request_id"] == ids[0]
    completion = output[0]["response"]["body"]
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    assert completion["choices"][0]["message"] == message
    assert completion["usage"] is None  # nobody counted: unknown is null and never 0
    errors = lines_of(served_client, ended["error_file_id"])
    assert [error["custom_id"] for error in errors] == ["b", "c", "d"]
    with database.read() as connection:
        assert None not in connection.scalars(select(files.c.bytes)).all()  # that is kept, and no list counts it again
    assert errors[0]["response"]["status_code"] == 422
    assert errors[0]["response"]["body"]["error"] == {
        "message": "not so", "type": "invalid_request_error", "param": None, "code": "upstream_rejected",
    }  # fmt: skip
    assert (errors[1]["response"], errors[1]["error"]["code"]) == (None, "upstream_error")
    assert (errors[2]["response"], errors[2]["error"]["code"]) == (None, "batch_cancelled")
    served_client.post(f"/v1/jobs/{ids[1]}/retry")
    again = Writer(database, valkey_client, ids[1])
    again.write("at last")
    again.finish()
    close_batch(database, batch["id"])
    assert [answer["custom_id"] for answer in lines_of(served_client, ended["output_file_id"])] == ["a", "b"]
    assert [error["custom_id"] for error in lines_of(served_client, ended["error_file_id"])] == ["c", "d"]


def lines_of(client: httpx.Client, file_id: str) -> list[dict[str, Any]]:
    """The lines of an output, whose length is told truly, and truly again from what was remembered."""
    content = client.get(f"/v1/files/{file_id}/content").content
    for _ in range(2):
        assert client.get(f"/v1/files/{file_id}").json()["bytes"] == len(content)
    return [json.loads(item) for item in content.decode().split("\n")[:-1]]


def test_a_page_of_files_ends_early_when_counting_takes_too_long(
    served_client: httpx.Client, database: Database, valkey_client: redis_py.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        batch = submit(served_client, line("a"))
        with database.read() as connection:
            job_id = connection.scalars(select(jobs.c.id).where(jobs.c.batch_id == batch["id"])).one()
        Writer(database, valkey_client, job_id).finish()
    monkeypatch.setattr("api.openai.files._COUNTING_SECONDS", 0.0)
    first = served_client.get("/v1/files", params={"purpose": "batch_output"}).json()
    assert (len(first["data"]), first["has_more"]) == (1, True)
    rest = served_client.get("/v1/files", params={"purpose": "batch_output", "after": first["last_id"]}).json()
    assert (len(rest["data"]), rest["has_more"]) == (1, False)
    assert all(file["bytes"] > 0 for file in (*first["data"], *rest["data"]))
