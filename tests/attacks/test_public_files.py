"""What anybody may read without a key is made once, and held once for all who read it slowly."""

import threading

import httpx
import pytest
from fastapi import FastAPI

from api.endpoints import page, reference
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key


def test_the_description_is_made_once_and_not_on_the_event_loop(
    sqlite_api: ApiServer, sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key(sqlite_database, name="ours")
    made: list[str] = []
    make = FastAPI.openapi

    def count(app: FastAPI) -> dict[str, object]:
        made.append(threading.current_thread().name)
        return make(app)

    reference._describe.cache_clear()
    monkeypatch.setattr(FastAPI, "openapi", count)
    answers = [httpx.get(f"http://127.0.0.1:{sqlite_api.port}/openapi.json", timeout=60) for _ in range(3)]
    assert {answer.json()["info"]["title"] for answer in answers} == {"Longhand"}
    assert len(made) == 1
    assert made != ["api"]  # the thread of the event loop


@pytest.mark.parametrize("name", ["main.js", "index.html"])
def test_all_readers_of_a_file_share_one_copy(name: str) -> None:
    path = page.FOLDER / name
    changed_at = path.stat().st_mtime_ns
    assert page._read(path, changed_at) is page._read(path, changed_at)
    assert reference._read("swagger-ui-bundle.js") is reference._read("swagger-ui-bundle.js")
