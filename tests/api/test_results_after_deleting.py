"""Results of a batch of which single jobs were deleted: the others keep their numbers."""

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer
from tests.stack.running_up import environ_of, longhand


@pytest.fixture
def client(sqlite_api: ApiServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}/v1", timeout=60) as opened:
        yield opened


@pytest.fixture
def environ(sqlite_api: ApiServer, tmp_path: Path) -> dict[str, str]:
    return environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{sqlite_api.port}"})


def write(database: Database, valkey: redis.Redis, job_ids: list[str]) -> None:
    for job_id in job_ids:
        writer = Writer(database, valkey, job_id)
        writer.write("words")
        writer.finish()


def test_a_number_is_the_place_in_the_input_in_every_form(
    client: httpx.Client, environ: dict[str, str], sqlite_database: Database, valkey_client: redis.Redis, tmp_path: Path
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3)
    write(sqlite_database, valkey_client, ids)
    assert client.delete(f"/jobs/{ids[0]}").status_code == 200

    def results(form: str) -> bytes:
        return client.get(f"/batches/{batch_id}/results", params={"format": form}).content

    assert [json.loads(line)["index"] for line in results("jsonl").splitlines()] == [1, 2]
    rows = csv.DictReader(io.StringIO(results("csv").decode("utf-8-sig")))
    assert [row["index"] for row in rows] == ["1", "2"]
    assert [line for line in results("md").decode().splitlines() if line[:3] == "## "] == [
        "## Article 2",
        "## Article 3",
    ]
    names = [f"0002-{ids[1]}.md", f"0003-{ids[2]}.md"]
    assert zipfile.ZipFile(io.BytesIO(results("zip"))).namelist() == names
    folder = tmp_path / "articles"
    assert longhand("results", batch_id, "-o", str(folder), environ=environ).returncode == 0
    assert sorted(file.name for file in folder.glob("*.md")) == names


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_retry_that_completes_all_that_is_left_is_a_success(
    client: httpx.Client,
    environ: dict[str, str],
    sqlite_database: Database,
    valkey_client: redis.Redis,
    more: list[str],
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, 3, max_attempts=1)
    write(sqlite_database, valkey_client, ids[:2])
    Writer(sqlite_database, valkey_client, ids[2]).fail()
    assert longhand("watch", batch_id, *more, environ=environ).returncode == 1
    assert client.delete(f"/jobs/{ids[0]}").status_code == 200
    retried = longhand("retry", batch_id, environ=environ)
    assert (retried.returncode, "retrying 1 of 3 jobs" in retried.stderr) == (0, True)
    write(sqlite_database, valkey_client, ids[2:])
    assert longhand("watch", batch_id, *more, environ=environ).returncode == 0
