"""Batches from files over HTTP: every line is checked, the batch is taken whole or not at all, and told so by line."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from tests.api.batch_files import LINE, ORDER, line, rows_in, served, served_client, submit, upload
from tests.sparing import on_sqlite

__all__ = ["served", "served_client"]  # fixtures


def errors_of(batch: dict[str, Any]) -> list[tuple[int | None, str, str | None]]:
    assert (batch["status"], batch["request_counts"]["total"]) == ("failed", 0)
    return [(error["line"], error["code"], error["param"]) for error in batch["errors"]["data"]]


def test_every_line_is_a_job_in_the_order_of_the_file(served_client: httpx.Client, database: Database) -> None:
    content = b"\xef\xbb\xbf" + line("one") + b"\r\n\n  \n" + line("two", body={**LINE["body"], "priority": 7})
    batch = submit(served_client, content, metadata={"a": "1"}, priority=3, output_expires_after=None)
    assert (batch["status"], batch["model"], batch["request_counts"]["total"]) == ("in_progress", "m-1", 2)
    assert (batch["metadata"], batch["expires_at"] - batch["created_at"]) == ({"a": "1"}, 86400)
    found, _ = list_jobs(database, JobFilter(batch_id=batch["id"]), project="default", after=None, limit=9,
                         newest_first=False)  # fmt: skip
    assert [(job.custom_id, job.priority) for job in found] == [("one", 3), ("two", 7)]
    shown = served_client.get(f"/v1/jobs/{found[1].id}").json()
    assert shown["request"] == {"model": "m-1", "messages": LINE["body"]["messages"]}
    assert served_client.get("/v1/batches").json()["data"] == [batch]


@on_sqlite
@pytest.mark.parametrize(
    ("bad", "code", "param"),
    [
        (b"{", "invalid_json_line", None),
        (b"[]", "invalid_json_line", None),
        (b'"\xff"', "invalid_json_line", None),
        (line("x") + b" {}", "invalid_json_line", None),
        (line("x", method="GET"), "invalid_method", "method"),
        (line("x", url="/v1/embeddings"), "invalid_url", "url"),
        (line("x", custom_id=None), "invalid_value", "custom_id"),
        (line("x", custom_id=""), "invalid_value", "custom_id"),
        (line("x", custom_id=7.5), "invalid_value", "custom_id"),
        (line("first"), "duplicate_custom_id", "custom_id"),
        (line("x", more=1), "unknown_parameter", "more"),
        (line("x", **{"\x00\ud800": 1}), "unknown_parameter", "\ufffd\ufffd"),
        (line("x", body=None), "invalid_type", "body"),
        (line("x", body={"messages": []}), "missing_required_parameter", "body.model"),
        (line("x", body={**LINE["body"], "n": 2}), "unsupported_value", "body.n"),
        (line("x", body={**LINE["body"], "a": [[]] * 700}), "line_too_long", None),
        (line("x").replace(b'"Write."', b"[" * 90 + b"]" * 90), "nested_too_deep", "body.messages"),
        (b'{"custom_id": "x", "method": "POST"}', "missing_required_parameter", "body"),
        (json.dumps(LINE["body"]).encode(), "missing_required_parameter", "custom_id"),
    ],
)
def test_a_bad_line_fails_the_batch_and_stores_no_job(
    served_client: httpx.Client, database: Database, bad: bytes, code: str, param: str | None
) -> None:
    batch = submit(served_client, b"\n".join([line("first"), bad, line("last")]))
    assert errors_of(batch) == [(2, code, param)]
    assert batch["failed_at"] >= batch["created_at"]
    assert rows_in(database) == {"jobs": 0, "batches": 1, "drafts": 0}
    assert served_client.get(f"/v1/batches/{batch['id']}").json() == batch


def test_the_first_hundred_errors_are_told_and_the_others_counted(served_client: httpx.Client) -> None:
    told = errors_of(submit(served_client, b"\n".join([line(), *[b"{"] * 250])))
    assert told[:100] == [(number, "invalid_json_line", None) for number in range(2, 102)]
    assert told[100:] == [(None, "more_errors", None)]


def test_an_empty_file_and_one_with_too_many_lines_are_refused(served_client: httpx.Client, database: Database) -> None:
    assert errors_of(submit(served_client, b"")) == [(None, "empty_file", None)]
    assert errors_of(submit(served_client, b"\n \r\n")) == [(None, "empty_file", None)]
    lines = b"\n".join(line(str(number)) for number in range(601))
    # 500 of them are stored by then.
    assert errors_of(submit(served_client, lines)) == [(601, "too_many_lines", None)]
    assert rows_in(database) == {"jobs": 0, "batches": 3, "drafts": 0}
    whole = submit(served_client, lines.rpartition(b"\n")[0])
    assert whole["request_counts"]["total"] == 600


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"input_file_id": "file_0"}, 404, "input_file_id"),
        ({"input_file_id": "../../etc/passwd"}, 404, "input_file_id"),
        ({"input_file_id": ""}, 404, "input_file_id"),
        ({"input_file_id": 7}, 400, "input_file_id"),
        ({"endpoint": "/v1/embeddings"}, 400, "endpoint"),
        ({"completion_window": "soon"}, 400, "completion_window"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, 400, "output_expires_after.seconds"),
        ({"output_expires_after": {"anchor": "x", "seconds": 3600}}, 400, "output_expires_after.anchor"),
        ({"output_expires_after": 3600}, 400, "output_expires_after"),
        ({"metadata": {"a": 1}}, 400, "metadata.a"),
        ({"requests": [{"body": LINE["body"]}]}, 400, "input_file_id"),
        ({"more": 1}, 400, "more"),
    ],
)
def test_a_wrong_order_is_refused_by_name(
    served_client: httpx.Client, database: Database, changes: dict[str, Any], status: int, param: str
) -> None:
    order = {**ORDER, "input_file_id": upload(served_client, line()), **changes}
    answer = served_client.post("/v1/batches", json=order)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert rows_in(database) == {"jobs": 0, "batches": 0, "drafts": 0}


def test_a_repeated_key_gives_the_same_batch(served_client: httpx.Client, database: Database) -> None:
    order = {**ORDER, "input_file_id": upload(served_client, line())}
    first, again = (served_client.post("/v1/batches", json=order, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert (again.json()["id"], again.headers["idempotent-replayed"]) == (first.json()["id"], "true")
    other = served_client.post("/v1/batches", json={**order, "priority": 1}, headers={"Idempotency-Key": "k"})
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency_key_reused")
    assert rows_in(database) == {"jobs": 1, "batches": 1, "drafts": 0}
    served_client.post(f"/v1/batches/{first.json()['id']}/cancel").raise_for_status()
    served_client.delete(f"/v1/batches/{first.json()['id']}").raise_for_status()
    gone = served_client.post("/v1/batches", json=order, headers={"Idempotency-Key": "k"})
    assert (gone.status_code, gone.json()["error"]["code"]) == (410, "deleted")


def test_the_input_may_be_deleted_and_a_file_that_is_not_on_disk_is_named(
    served_client: httpx.Client, database: Database, tmp_path: Path
) -> None:
    batch = submit(served_client, line())
    assert served_client.delete(f"/v1/files/{batch['input_file_id']}").status_code == 200
    assert served_client.get(f"/v1/batches/{batch['id']}").json() == batch
    lost = upload(served_client, line())
    (tmp_path / "files" / lost).unlink()
    answer = served_client.post("/v1/batches", json={**ORDER, "input_file_id": lost})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "file_not_readable")
    assert "LONGHAND_FILES" in answer.json()["error"]["message"]
    assert served_client.get(f"/v1/files/{lost}/content").status_code == 503
    assert rows_in(database) == {"jobs": 1, "batches": 1, "drafts": 0}
