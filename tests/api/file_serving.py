"""For the tests of files: an API that keeps them in a folder, and a client that uploads to it."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from api.server import ApiServer
from tests.conftest import serve_api

CONTENT = b'{"custom_id": "a"}\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
def served(sqlite_url: str, redis_url: str, folder: Path) -> Any:
    with serve_api(sqlite_url, redis_url, files=folder, max_file_bytes=3_000_000) as server:
        yield server


@pytest.fixture
def files_client(served: ApiServer) -> Any:
    with httpx.Client(base_url=f"http://127.0.0.1:{served.port}", timeout=90) as opened:
        yield opened


def upload(client: httpx.Client, content: bytes = CONTENT, name: str = "in.jsonl", **fields: Any) -> httpx.Response:
    given = {"purpose": "batch", **fields}
    return client.post("/v1/files", data=given, files={"file": (name, content)})
