"""A full disk: what is refused says so, what is read goes on, and with room again all is well."""

import errno
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import event, func, select

from api import looks
from api.server import ApiServer
from api.submitting.uploads import Upload
from jobs.store.database import Database
from jobs.store.refused_writes import is_disk_full
from jobs.store.write_trial import find_refusal
from jobs.tables import server_secrets
from tests.api.watching import REQUEST, submit, wait_until
from tests.conftest import serve_api

FULL = "answers and takes no writes: its disk is full"
BATCH = {"requests": [{"custom_id": str(n), "body": REQUEST} for n in range(200)]}


@contextmanager
def full_disk(database: Database) -> Iterator[None]:
    """Let the file of the database grow no more: SQLite then says what it says of a full disk."""

    def cap(connection: Any, _record: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    database.engine.dispose()
    event.listen(database.engine, "connect", cap)
    try:
        yield
    finally:
        event.remove(database.engine, "connect", cap)
        database.engine.dispose()


def test_a_full_disk_is_said_to_be_full_and_reads_go_on(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    known = submit(sqlite_database)
    services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        with full_disk(services.database):
            answer = client.post("/v1/batches", json=BATCH)
            error = answer.json()["error"]
            assert (answer.status_code, error["code"]) == (503, "disk_full")
            assert error["message"].startswith("the disk of the database is full. Free")
            assert int(answer.headers["retry-after"]) > 0
            assert client.get(f"/v1/jobs/{known}").status_code == 200
            assert client.get("/v1/batches").json()["data"] == []
        assert client.post("/v1/batches", json=BATCH).status_code == 202


def test_readiness_says_that_the_disk_is_full_until_it_has_room(
    sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    monkeypatch.setattr(looks, "TRIAL_SECONDS", 0.0)
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        with full_disk(services.database):
            # On a busy machine a look may say first that the database is slow.
            wait_until(lambda: client.get("/readyz").json()["database"] == FULL)
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
        wait_until(lambda: client.get("/readyz").json()["database"] == "ok")


def test_however_often_somebody_asks_a_trial_is_rare(sqlite_api: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def counted(database: Database) -> None:
        tried.append(database)

    monkeypatch.setattr("api.looks.find_refusal", counted)
    monkeypatch.setattr("api.looks.LOOK_SECONDS", 60.0)
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        assert [client.get("/readyz").json()["database"] for _ in range(20)] == ["ok"] * 20
    assert len(tried) == 1


def test_a_trial_of_the_disk_leaves_one_row(database: Database) -> None:
    def rows() -> int:
        with database.read() as connection:
            return connection.scalars(select(func.count()).select_from(server_secrets)).one()

    assert find_refusal(database) is None
    before = rows()
    assert find_refusal(database) is None
    assert rows() == before


@pytest.mark.parametrize("full", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("size", [3, 1_000_000])
def test_a_full_disk_of_the_files_is_said_to_be_full(
    sqlite_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, full: int, size: int
) -> None:
    writes: list[int] = []

    class FullDisk(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: Any) -> int:
            writes.append(len(data))
            raise OSError(full, "No space left on device")

    def enter(upload: Upload) -> Upload:
        entered(upload)
        assert upload._file is not None
        upload._file.close()
        upload._file = io.BufferedWriter(FullDisk(), 64 * 1024)
        return upload

    entered = Upload.__enter__
    monkeypatch.setattr(Upload, "__enter__", enter)
    with serve_api(sqlite_url, redis_url, files=tmp_path) as api:
        url = f"http://127.0.0.1:{api.port}/v1/files"
        form = {"data": {"purpose": "batch"}, "files": {"file": ("a.jsonl", b"x" * size)}}
        answer = httpx.post(url, timeout=90, **form)  # type: ignore[arg-type]  # as its parameters are
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "disk_full")
    assert writes
    assert list(tmp_path.glob("file_*")) == []


def test_postgresql_says_it_by_its_own_code() -> None:
    class RefusalError(Exception):
        sqlstate = "53100"

    error = Exception()
    error.orig = RefusalError()  # type: ignore[attr-defined]  # as SQLAlchemy's errors have it
    assert is_disk_full(error)
    assert not is_disk_full(Exception())
