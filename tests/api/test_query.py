"""Asking over HTTP: lists, filters, one job, texts, results, cancel, health, and the form of every refusal."""

import codecs
import csv
import io
import json
import logging
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from api.schemas.batches import BatchList, BatchObject
from api.schemas.jobs import JobList, JobWithAttempts, JobWithRequest
from api.server import ApiServer
from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.store.database import Database
from jobs.tables import jobs
from tests.api.watching import REQUEST, Writer, submit, wait_until
from tests.conftest import serve_api
from tests.store.reserving import claim_now


def batch_of(database: Database, *custom_ids: str | None, **fields: Any) -> tuple[str, list[str]]:
    """A batch, and the ids of its jobs."""
    new_jobs = [NewJob(request=REQUEST, custom_id=custom_id, **fields) for custom_id in custom_ids]
    accepted = submit_batch(database, new_jobs)
    with database.read() as connection:
        of_batch = select(jobs.c.id).where(jobs.c.batch_id == accepted.id).order_by(jobs.c.id)
        return accepted.id, list(connection.scalars(of_batch))


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["data"]]


def test_lists_go_page_by_page_in_either_order(client: httpx.Client, database: Database) -> None:
    submitted = sorted(submit(database) for _ in range(5))
    for order, expected in (("asc", submitted), ("desc", submitted[::-1])):
        seen: list[str] = []
        more = True
        while more:
            after = {"after": seen[-1]} if seen else {}
            page = client.get("/v1/jobs", params={"limit": 2, "order": order, **after}).json()
            JobList.model_validate(page)
            assert (page["first_id"], page["last_id"]) == (page["data"][0]["id"], page["data"][-1]["id"])
            seen += [job["id"] for job in page["data"]]
            more = page["has_more"]
        assert seen == expected
    empty = client.get("/v1/jobs", params={"model": "nobody"}).json()
    assert empty == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}


def test_jobs_are_found_by_each_filter(client: httpx.Client, database: Database, valkey_client: redis.Redis) -> None:
    plain = submit(database)
    batch_id, (of_batch,) = batch_of(database, "mine", metadata={"series.name": "a+b", "x": "1"})
    writer = Writer(database, valkey_client, plain)
    writer.write("Grüße aus 100% Köln")
    writer.finish()
    for query, expected in [
        ({"batch_id": batch_id}, [of_batch]),
        ({"status": "completed"}, [plain]),
        ({"model": "played"}, [of_batch, plain]),
        ({"custom_id": "mine"}, [of_batch]),
        ({"metadata.series.name": "a+b", "metadata.x": "1"}, [of_batch]),
        ({"metadata.x": "2"}, []),
        ({"q": "GRÜSSE"}, []),
        ({"q": "grüße AUS 100%"}, [plain]),
        ({"q": "100_"}, []),
    ]:
        assert ids(client.get("/v1/jobs", params=query)) == expected, query


def test_jobs_are_found_by_the_time_they_were_created(client: httpx.Client, database: Database) -> None:
    job_id = submit(database)
    now = datetime.now(UTC)
    past, future = now - timedelta(minutes=1), now + timedelta(minutes=1)
    for write in (
        lambda at: str(at.timestamp()),
        lambda at: at.isoformat(),
        lambda at: at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    ):
        assert ids(client.get("/v1/jobs", params={"created_after": write(past), "created_before": write(future)})) == [
            job_id
        ]
        assert ids(client.get("/v1/jobs", params={"created_after": write(future)})) == []
        assert ids(client.get("/v1/jobs", params={"created_before": write(past)})) == []


@pytest.mark.parametrize(
    ("path", "param", "code"),
    [
        ("/v1/jobs?stauts=failed", "stauts", "unknown_parameter"),
        ("/v1/jobs?status=done", "status", "invalid_value"),
        ("/v1/jobs?limit=0", "limit", "invalid_value"),
        ("/v1/jobs?limit=101", "limit", "invalid_value"),
        ("/v1/jobs?limit=x", "limit", "invalid_value"),
        ("/v1/jobs?order=up", "order", "invalid_value"),
        ("/v1/jobs?created_after=yesterday", "created_after", "invalid_value"),
        ("/v1/jobs?created_before=1e400", "created_before", "invalid_value"),
        ("/v1/jobs?created_before=99999999999999999999", "created_before", "invalid_value"),
        ("/v1/jobs?q=", "q", "invalid_value"),
        ("/v1/jobs?q=%00", "q", "invalid_value"),
        ("/v1/batches?order=asc", "order", "unknown_parameter"),
        ("/v1/batches?metadata.a=b", "metadata.a", "unknown_parameter"),
        ("/v1/batches/batch_1/results?format=xml", "format", "invalid_value"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(shared_client: httpx.Client, path: str, param: str, code: str) -> None:
    answer = shared_client.get(path)
    assert answer.status_code == 400
    assert (answer.json()["error"]["param"], answer.json()["error"]["code"]) == (param, code)
    assert param in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/jobs/job_0"),
        ("GET", "/v1/jobs/%00"),
        ("GET", "/v1/jobs/job_0/text"),
        ("GET", "/v1/jobs/job_0/events"),
        ("POST", "/v1/jobs/job_0/cancel"),
        ("GET", "/v1/batches/batch_0"),
        ("GET", "/v1/batches/batch_0/results"),
        ("POST", "/v1/batches/batch_0/cancel"),
        ("GET", "/v2"),
    ],
)
def test_what_is_not_there_is_404(shared_client: httpx.Client, method: str, path: str) -> None:
    answer = shared_client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]


def test_a_wrong_method_is_405_and_told_which_is_right(client: httpx.Client) -> None:
    answer = client.put("/v1/batches/batch_0")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    assert answer.json()["error"]["code"] == "method_not_allowed"


def test_a_job_is_shown_with_its_request_and_its_attempts(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    Writer(database, valkey_client, job_id).retry()
    Writer(database, valkey_client, job_id).finish()
    shown = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(shown)
    assert shown["request"] == REQUEST
    assert [(one["attempt"], one["outcome"]) for one in shown["attempts"]] == [(1, "failed"), (2, "completed")]


def test_an_attempt_that_has_not_said_yet_what_it_continues_is_shown_as_that(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit_job(database, NewJob(request=REQUEST, on_interrupt="continue")).id
    Writer(database, valkey_client, job_id).retry()
    assert claim_now(database, job_id, "played", lease_seconds=600) is not None
    shown = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(shown)
    assert [one["continued_bytes"] for one in shown["attempts"]] == [0, None]


def test_only_a_completed_text_is_given_without_asking_for_a_partial_one(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job_id = submit(database)
    path = f"/v1/jobs/{job_id}/text"
    writer = Writer(database, valkey_client, job_id)
    writer.write("half, ")
    renew(database, "played", [Checkpoint(job_id, 1, "half, ")], 600)
    assert client.get(path).status_code == 409
    partial = client.get(path, params={"partial": "true"})
    assert (partial.text, partial.headers["x-job-status"]) == ("half, ", "in_progress")
    assert "x-text-sha256" not in partial.headers
    writer.write("whole é")
    text = writer.finish()
    answer = client.get(path)
    assert (answer.text, answer.headers["content-type"]) == (text, "text/plain; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"  # also where the text begins with <html>
    assert answer.headers["x-finish-reason"] == "stop"
    assert answer.headers["x-text-sha256"] == writer.written().sha256
    failed = submit(database)
    broken = Writer(database, valkey_client, failed)
    broken.write("broken")
    broken.fail()
    assert client.get(f"/v1/jobs/{failed}/text").json()["error"]["code"] == "not_completed"
    assert client.get(f"/v1/jobs/{failed}/text?partial=1").headers["x-job-status"] == "failed"


@pytest.fixture
def ran(database: Database, valkey_client: redis.Redis) -> str:
    """A batch of which one job completed, one failed half-way, one was cut at its length, and one still runs."""
    batch_id, jobs = batch_of(database, "good", "=HYPERLINK(1)", None, "late\n#x")
    for job_id, text in zip(jobs[:3], ['Ünï, "quoted"\r\nlines', "@half", "-cut"], strict=True):
        writer = Writer(database, valkey_client, job_id)
        writer.write(text)
        if text == "@half":
            writer.fail()
        else:
            cut = {"finish_reason": "length", "incomplete": "max_output_tokens"} if text == "-cut" else {}
            writer.finish(**cut)
    Writer(database, valkey_client, jobs[3]).write("running")
    return batch_id


def test_results_as_jsonl_never_let_a_partial_text_pass_for_a_whole_one(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results")
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.jsonl"'
    lines = [json.loads(line) for line in answer.content.decode().splitlines()]
    assert [line["index"] for line in lines] == [0, 1, 2, 3]
    assert [line["status"] for line in lines] == ["completed", "failed", "completed", "in_progress"]
    assert [line.get("text") for line in lines] == ['Ünï, "quoted"\r\nlines', None, "-cut", None]
    assert [line.get("partial_text") for line in lines] == [None, "@half", None, None]
    assert [line["finish_reason"] for line in lines] == ["stop", "stop", "length", None]
    assert [line["incomplete"] for line in lines] == [None, None, {"reason": "max_output_tokens"}, None]
    assert [line["text_attempt"] for line in lines] == [1, 1, 1, None]


def test_a_line_of_results_is_one_line_to_every_reader(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (job_id,) = batch_of(database, "one")
    writer = Writer(database, valkey_client, job_id)
    writer.write("one\u2028two\u2029three\u0085four")
    text = writer.finish()
    close_batch(database, batch_id)
    output = client.get(f"/v1/batches/{batch_id}").json()["output_file_id"]
    shown = []
    for path in (f"/v1/batches/{batch_id}/results", f"/v1/files/{output}/content"):
        with client.stream("GET", path) as answer:
            lines = list(answer.iter_lines())  # they are split as `str.splitlines` does
        assert len(lines) == 1
        shown.append(json.loads(lines[0]))
    assert shown[0]["text"] == text
    assert shown[1]["response"]["body"]["choices"][0]["message"]["content"] == text


def test_results_as_csv_are_quoted_and_hold_no_formula(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    # The mark comes first: without it Excel takes UTF-8 for the encoding of its country.
    assert answer.content.startswith(codecs.BOM_UTF8 + b"index,id,custom_id,status,finish_reason,")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["custom_id"] for row in rows] == ["good", "'=HYPERLINK(1)", "", "late\n#x"]
    assert [row["text"] for row in rows] == ['Ünï, "quoted"\r\nlines', "", "'-cut", ""]
    assert [row["partial_text"] for row in rows] == ["", "'@half", "", ""]
    assert [row["incomplete"] for row in rows] == ["", "", "max_output_tokens", ""]
    assert [row["text_attempt"] for row in rows] == ["1", "1", "1", ""]
    assert [row["prompt"] for row in rows] == ["Write."] * 4


def test_results_as_markdown_are_one_document_that_names_the_failed(client: httpx.Client, ran: str) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "md"})
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.md"'
    headings = [line for line in answer.text.splitlines() if line.startswith("## ")]
    assert headings == ["## good", "## =HYPERLINK(1)", "## Article 3", "## late #x"]
    assert "*Not completed: failed (upstream_error: played).*" in answer.text
    assert "*This text was cut short at the token limit (max_output_tokens).*" in answer.text
    assert "*Not completed yet: in_progress.*" in answer.text


def test_results_as_zip_have_a_file_for_each_text_and_name_those_that_are_not_whole(
    client: httpx.Client, ran: str
) -> None:
    answer = client.get(f"/v1/batches/{ran}/results", params={"format": "zip"})
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == f'attachment; filename="{ran}.zip"'
    third = ids(client.get("/v1/jobs", params={"batch_id": ran, "status": "completed", "order": "desc"}))[0]
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert texts == {
        "0001-good.md": 'Ünï, "quoted"\r\nlines',
        "0002-HYPERLINK-1.partial.md": "@half",
        f"0003-{third}.partial.md": "-cut",
        "remarks.txt": "0002-HYPERLINK-1: incomplete: failed (upstream_error: played)\n"
        f"0003-{third}: cut short at the token limit (max_output_tokens)\n"
        "0004-late-x: no text: in_progress\n",
    }


def test_a_running_job_is_asked_to_end_and_an_ended_one_cannot_be(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    queued, running = submit(database), submit(database)
    answer = client.post(f"/v1/jobs/{queued}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
    JobWithRequest.model_validate(answer.json())
    assert client.post(f"/v1/jobs/{queued}/cancel").status_code == 200
    writer = Writer(database, valkey_client, running)
    answer = client.post(f"/v1/jobs/{running}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "in_progress")
    assert answer.json()["cancel_requested_at"] is not None
    writer.finish()  # it was quicker
    answer = client.post(f"/v1/jobs/{running}/cancel")
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "already_ended")


def test_a_batch_is_cancelling_until_its_last_job_has_ended(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id, (first, _second) = batch_of(database, "a", "b")
    writer = Writer(database, valkey_client, first)
    answer = client.post(f"/v1/batches/{batch_id}/cancel")
    assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert answer.json()["request_counts"] == {
        "total": 2,
        "completed": 0,
        "failed": 1,
        "in_progress": 1,
        "incomplete": 0,
    }
    writer.fail()
    close_batch(database, batch_id)
    assert client.post(f"/v1/batches/{batch_id}/cancel").status_code == 200
    assert client.get(f"/v1/batches/{batch_id}").json()["status"] == "cancelled"
    done, (only,) = batch_of(database, "c")
    Writer(database, valkey_client, only).finish()
    close_batch(database, done)
    assert client.post(f"/v1/batches/{done}/cancel").status_code == 409


def test_cancelling_the_last_queued_job_ends_its_batch(client: httpx.Client, database: Database) -> None:
    batch_id, (only,) = batch_of(database, "a")
    client.post(f"/v1/jobs/{only}/cancel")
    assert client.get(f"/v1/batches/{batch_id}").json()["completed_at"] is not None


def test_batches_are_listed_newest_first(client: httpx.Client, database: Database) -> None:
    batches = [batch_of(database, "a")[0] for _ in range(3)]
    page = client.get("/v1/batches", params={"limit": 2}).json()
    BatchList.model_validate(page)
    assert [batch["id"] for batch in page["data"]] == sorted(batches)[:0:-1]
    assert page["has_more"]
    assert ids(client.get("/v1/batches", params={"after": page["last_id"]})) == sorted(batches)[:1]
    BatchObject.model_validate(client.get(f"/v1/batches/{batches[0]}").json())


def test_health_and_readiness(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["database"], ready.json()["redis"]) == (200, "ok", "ok")


def test_a_dead_redis_degrades_and_a_database_without_tables_is_unavailable(sqlite_url: str, tmp_path: Any) -> None:
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as server:
        ready = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
    with serve_api(f"sqlite:///{tmp_path}/empty.db", "redis://127.0.0.1:1/0") as server:
        ready = httpx.get(f"http://127.0.0.1:{server.port}/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")


@pytest.fixture
def broken(sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[httpx.Client, pytest.MonkeyPatch]]:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}") as client:
        yield client, monkeypatch


def test_a_database_that_is_away_is_503_with_a_time_to_come_back(
    broken: tuple[httpx.Client, pytest.MonkeyPatch],
) -> None:
    client, monkeypatch = broken

    def away(*_arguments: object, **_options: object) -> None:
        raise OperationalError("SELECT secret", {"p": "secret"}, Exception("server closed the connection"))

    monkeypatch.setattr("api.endpoints.query.find_batch", away)
    answer = client.get("/v1/batches/batch_1")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert "secret" not in answer.text


def test_an_unexpected_error_is_500_with_an_id_that_the_log_has_and_nothing_else(
    broken: tuple[httpx.Client, pytest.MonkeyPatch], caplog: pytest.LogCaptureFixture
) -> None:
    client, monkeypatch = broken

    def fail(*_arguments: object, **_options: object) -> None:
        raise RuntimeError("canary")

    monkeypatch.setattr("api.endpoints.query.find_batch", fail)
    answer = client.get("/v1/batches/batch_1")
    assert (answer.status_code, answer.json()["error"]["type"]) == (500, "server_error")
    assert "canary" not in answer.text
    assert answer.headers["x-request-id"] in caplog.text


def test_the_access_log_has_one_line_a_request_and_no_query(
    client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="api.access"):
        answer = client.get("/v1/jobs", params={"q": "canary"})
        wait_until(lambda: answer.headers["x-request-id"] in caplog.text)  # it is written after the answer is sent
    lines = [record.getMessage() for record in caplog.records if record.name == "api.access"]
    assert len(lines) == 1
    assert lines[0].startswith("GET /v1/jobs 200 ")
    assert lines[0].endswith(answer.headers["x-request-id"])
    assert "canary" not in caplog.text


def test_the_openapi_page_describes_every_path(client: httpx.Client) -> None:
    assert client.get("/docs").status_code == 200
    described = client.get("/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/jobs", "/v1/jobs/{job_id}", "/v1/jobs/{job_id}/text", "/v1/jobs/{job_id}/events",
        "/v1/jobs/{job_id}/cancel", "/v1/batches", "/v1/batches/{batch_id}", "/v1/batches/{batch_id}/results",
        "/v1/batches/{batch_id}/cancel", "/healthz", "/readyz",
        "/v1/batches/{batch_id}/events", "/v1/batches/{batch_id}/retry", "/v1/jobs/{job_id}/retry",
        "/v1/files", "/v1/files/{file_id}", "/v1/files/{file_id}/content", "/v1/watch_tokens",
        "/v1/responses", "/v1/responses/{response_id}", "/v1/responses/{response_id}/cancel",
        "/v1/responses/{response_id}/input_items", "/v1/responses/input_tokens", "/v1/completions",
        "/v1/chat/completions", "/v1/models", "/v1/models/{model}", "/v1/upstreams", "/v1/inputs", "/v1/usage",
        "/v1/status", "/v1/me",
        "/metrics", "/v1/webhooks", "/v1/webhooks/{webhook_id}",
        *(f"/v1/webhooks/{{webhook_id}}/{what}" for what in ("replay", "test", "deliveries", "rotate_secret")),
        *(f"/v1/{held}/{verb}" for verb in ("pause", "resume")
          for held in ("batches/{batch_id}", "models/{model}", "upstreams/{name}", "projects/{name}")),
    }  # fmt: skip
    for path, operations in described["paths"].items():
        for operation in operations.values():
            assert operation["description"], path
            assert "422" not in operation["responses"], path
            assert len(operation["tags"]) == 1, path  # the reference lists it once under each
    posted = described["paths"]["/v1/jobs"]["post"]
    assert "requestBody" in posted
    shown = posted["responses"]["202"]["content"]["application/json"]["schema"]
    assert shown == {"$ref": "#/components/schemas/JobWithRequest"}  # what `test_submit.py` validates the answer with
