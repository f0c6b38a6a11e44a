"""An API that is killed while it takes a file or reads a batch from one leaves nothing that is seen or runs."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select, update

from jobs.intake.drafts import ABANDONED_SECONDS, clear_abandoned
from jobs.store.database import Database
from jobs.tables import drafts, files
from tests.api.batch_files import ORDER, line, rows_in, upload
from tests.api.watching import wait_until
from tests.conftest import serve_api
from tests.stack.running_up import environ_of


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
