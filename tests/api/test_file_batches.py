"""Batches from files over HTTP: every line is checked, the batch is taken whole or not at all, and told so by line."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis as redis_py
from sqlalchemy import func, select, update

from api.openai.schemas import FileList
from api.schemas.batches import BatchObject
from api.server import ApiServer
from jobs.intake.drafts import ABANDONED_SECONDS, clear_abandoned
from jobs.lifecycle.close_batch import close_batch
from jobs.lifecycle.transitions import fail
from jobs.model.endings import JobError
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from jobs.tables import batches, drafts, files, jobs
from tests.api.watching import Writer, wait_until
from tests.conftest import serve_api
from tests.stack.running_up import environ_of

LINE: dict[str, Any] = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "m-1", "messages": [{"role": "user", "content": "Write."}]},
}
ORDER = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}


@pytest.fixture
def served(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[ApiServer]:
    settings = {"files": tmp_path / "files", "max_line_bytes": 2000, "max_batch_jobs": 600}
    with serve_api(database_url, redis_url, **settings) as server:
        yield server


@pytest.fixture
def served_client(served: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=60) as opened:
        yield opened


def line(name: str = "a", **changes: Any) -> bytes:
    return json.dumps({**LINE, "custom_id": name, **changes}).encode()


def upload(client: httpx.Client, content: bytes) -> str:
    answer = client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("in.jsonl", content)})
    assert answer.status_code == 200
    return str(answer.json()["id"])


def submit(client: httpx.Client, content: bytes, **order: Any) -> dict[str, Any]:
    answer = client.post("/v1/batches", json={**ORDER, "input_file_id": upload(client, content), **order})
    assert answer.status_code == 200, answer.text
    batch: dict[str, Any] = answer.json()
    BatchObject.model_validate(batch)
    assert answer.headers["location"] == f"/v1/batches/{batch['id']}"
    return batch


def rows_in(database: Database) -> dict[str, int]:
    with database.read() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (jobs, batches, drafts)
        }


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


@pytest.mark.chaos
@pytest.mark.races
@pytest.mark.parametrize("when", ["upload", "batch", "batch told to end"])
def test_an_api_that_is_killed_in_the_middle_leaves_nothing_that_is_seen_or_runs(
    sqlite_url: str, sqlite_database: Database, redis_url: str, tmp_path: Path, when: str
) -> None:
    settings = {"LONGHAND_DATABASE_URL": sqlite_url, "LONGHAND_REDIS_URL": redis_url}
    environ = environ_of(tmp_path, settings)
    command = [sys.executable, "-m", "api", "--port", "0"]
    with subprocess.Popen(command, env=environ, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            port = next(int(text.rsplit(":", 1)[1]) for text in process.stderr if "listening on" in text)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
                wait_until(lambda: _answers(client))
                kill_in_the_middle(client, process, sqlite_database, tmp_path / "files", when)
        finally:
            process.kill()
    with sqlite_database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(files)) == (when != "upload")
    with serve_api(sqlite_url, redis_url, home=tmp_path) as server:
        url = f"http://127.0.0.1:{server.port}/v1"
        assert httpx.get(f"{url}/batches").json()["data"] == []
        assert httpx.get(f"{url}/jobs").json()["data"] == []
        assert len(httpx.get(f"{url}/files").json()["data"]) == (when != "upload")
    with sqlite_database.write() as connection:  # two minutes pass
        long_ago = sqlite_database.now() - timedelta(seconds=2 * ABANDONED_SECONDS)
        connection.execute(update(drafts).values(touched_at=long_ago))
    for _ in range(100):
        clear_abandoned(sqlite_database)
    assert rows_in(sqlite_database) == {"jobs": 0, "batches": 0, "drafts": 0}


def kill_in_the_middle(
    client: httpx.Client, process: subprocess.Popen[str], database: Database, folder: Path, when: str
) -> None:
    if when == "upload":

        def pieces() -> Iterator[bytes]:
            yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n' + b"x" * 3_000_000
            wait_until(lambda: any(path.stat().st_size > 0 for path in folder.glob("*")))
            process.send_signal(signal.SIGKILL)
            process.wait()
            yield b"x"

        with pytest.raises(httpx.TransportError):
            client.post("/v1/files", content=pieces(), headers={"content-type": "multipart/form-data; boundary=x"})
        return
    file_id = upload(client, line())
    # A file without an end: the API is still reading it, however fast it is, when the signal comes.
    (folder / file_id).unlink()
    os.mkfifo(folder / file_id)
    order = {**ORDER, "input_file_id": file_id}
    ask = f"import httpx; httpx.post('{client.base_url}/v1/batches', json={order}, timeout=60).raise_for_status()"
    with (
        subprocess.Popen([sys.executable, "-c", ask], stderr=subprocess.DEVNULL) as asker,
        (folder / file_id).open("wb", buffering=0) as pipe,
    ):
        for number in range(1500):
            pipe.write(line(str(number)) + b"\n")
        wait_until(lambda: rows_in(database)["jobs"] >= 1000, seconds=60)
        process.send_signal(signal.SIGKILL if when == "batch" else signal.SIGTERM)
        assert asker.wait(60) != 0  # it was in the middle, and its time to end is over
        with suppress(BrokenPipeError):
            pipe.write(line("last") + b"\n")
        ended = process.wait(60)
    left = rows_in(database)
    assert left["batches"] == 0
    if when == "batch":
        assert left["drafts"] == 1
        assert left["jobs"] >= 1000
    else:
        assert ended == 0  # it gave up what it had stored, as far as it got in its time


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        time.sleep(0.05)
        return False


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
