"""For the tests of batches from files: lines, their upload, the batch that is made of them, and the rows of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from api.schemas.batches import BatchObject
from api.server import ApiServer
from jobs.store.database import Database
from jobs.tables import batches, drafts, jobs
from tests.conftest import serve_api

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
