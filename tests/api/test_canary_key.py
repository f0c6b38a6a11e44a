"""A key that is easy to find is used well and badly, and then looked for wherever it must not be."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import insert, select

from jobs.store.database import Database
from jobs.store.keys import digest_of
from jobs.tables import api_keys, metadata
from longhand.simulator import Pace, serve_in_thread
from tests.api.watching import REQUEST, wait_until
from tests.chaos.processes import Process
from tests.conftest import free_port
from tests.stack.running_up import environ_of

CANARY = "lh_CANARYsings" + "0123456789abcdefghijklmnopqrstuvw"[:32]
BAD = "lh_CANARYwrong" + "0123456789abcdefghijklmnopqrstuvw"[:32]
SIGNS = ("CANARYsings", "CANARYwrong")
"""What of the keys is looked for; the prefix that is kept of them ends before."""


@contextmanager
def monitored(url: str) -> Iterator[list[str]]:
    """Every command that Redis is given."""
    given: list[str] = []
    with redis.Redis.from_url(url, socket_timeout=None) as client, client.monitor() as monitor:

        def listen() -> None:
            for command in monitor.listen():
                given.append(str(command["command"]))
                if "the end" in given[-1]:
                    return

        listening = threading.Thread(target=listen)
        listening.start()
        try:
            yield given
        finally:
            client.set("longhand-test", "the end")
            listening.join(30)


def redis_contents(client: redis.Redis) -> str:
    keys: Any = client.keys("*")
    return repr([(key, client.dump(key)) for key in keys])


def rows(database: Database) -> str:
    with database.read() as connection:
        return repr([connection.execute(select(table)).all() for table in metadata.sorted_tables])


def ask_well_and_badly(url: str, job_watched: list[str]) -> list[httpx.Response]:
    """Requests with the key where it belongs, and with both where they do not; all answers."""
    answers: list[httpx.Response] = []
    batch = {"requests": [{"custom_id": "a", "body": REQUEST}]}
    with httpx.Client(base_url=url, timeout=60) as client:
        for sent in (f"Bearer {CANARY}", f"Bearer {BAD}", f"Basic {BAD}", BAD, f"Bearer {BAD} ä".encode()):
            headers: Any = {"Authorization": sent}
            answers += [
                client.post("/v1/jobs", json=REQUEST, headers=headers),
                client.post("/v1/batches", json=batch, headers=headers),
                client.get("/v1/jobs?wrong=1", headers=headers),
                client.get("/v1/jobs?limit=0", headers=headers),
                client.get("/v1/jobs/job_none/events", headers=headers),
                client.post("/v1/jobs", content=b"{", headers=headers),
                client.post("/v1/jobs", content=b"{}", headers={**headers, "Content-Type": "text/plain"}),
                client.put("/v1/jobs", headers=headers),
                client.get("/nowhere", headers=headers),
                client.post("/v1/files", files={"file": b"x"}, headers=headers),
                client.post("/v1/responses", json={"model": 1}, headers=headers),
                client.post("/v1/chat/completions", json={"model": "m"}, headers=headers),
            ]
        good = {"Authorization": f"Bearer {CANARY}"}
        job = answers[0].json()["id"]
        token = client.post("/v1/watch_tokens", json={"channel": f"jobs/{job}"}, headers=good).json()["token"]
        job_watched += [job, token]
        with client.stream("GET", f"/v1/jobs/{job}/events?token={token}") as events:
            answers.append(events)
            for line in events.iter_lines():
                assert not any(sign in line for sign in SIGNS)
        for path in (f"/v1/jobs/{job}/events?token={BAD}", f"/v1/jobs?token={token}", f"/v1/jobs/{job}?token={token}"):
            answers.append(client.get(path, headers=good))
        # The right way for another service: a key in the query. It is refused, and not said again.
        answers.append(client.get(f"/v1/jobs?{'limit'}={CANARY}", headers={"Authorization": f"Bearer {BAD}"}))
    return answers


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_key_is_found_nowhere_but_in_its_own_request(
    database: Database, database_url: str, redis_url: str, valkey_client: redis.Redis, tmp_path: Path
) -> None:
    with database.write() as connection:
        connection.execute(
            insert(api_keys).values(
                id="key_1",
                project="p",
                name="",
                prefix=CANARY[:10],
                sha256=digest_of(CANARY),
                created_at=database.now(),
            )
        )
    watched: list[str] = []
    with (
        serve_in_thread(Pace(deltas_per_second=200, first_delta_seconds=0.01)) as upstream,
        monitored(redis_url) as told,
    ):
        environ = environ_of(
            tmp_path / "home",
            {
                "LONGHAND_DATABASE_URL": database_url,
                "LONGHAND_REDIS_URL": redis_url,
                "LONGHAND_UPSTREAM_URL": upstream.url,
            },
        )
        port = str(free_port())
        api = Process("api", ["-P", "-m", "longhand", "api", "--port", port], environ, tmp_path)
        worker = Process("worker", ["-P", "-m", "longhand", "worker"], environ, tmp_path)
        try:
            api.wait_for_log("listening on")
            worker.wait_for_log("takes up to")
            url = f"http://127.0.0.1:{port}"
            wait_until(lambda: httpx.get(f"{url}/healthz").status_code == 200)
            answers = ask_well_and_badly(url, watched)
            contents = redis_contents(valkey_client)
        finally:
            for process in (api, worker):
                process.terminate()
                process.wait()
    job, token = watched
    path = Path(str(database.engine.url.database))
    assert {answer.status_code for answer in answers} >= {200, 202, 400, 401, 404, 405, 415}
    said = {
        "the log of the API": api.log,
        "the log of the worker": worker.log,
        "the keys and values of Redis": contents,
        "the commands of Redis": "\n".join(told),
        "the rows": rows(database),
        "the database's files": "".join(
            file.read_bytes().decode("latin-1") for file in sorted(path.parent.glob(f"{path.name}*"))
        ),
    }
    for answer in answers:
        body = "" if answer.is_stream_consumed and not hasattr(answer, "_content") else answer.text
        said[f"the answer to {answer.request.method} {answer.request.url.path}"] = f"{answer.headers} {body}"
        for where, words in said.items():
            assert not [sign for sign in SIGNS if sign in words], where
    assert f"/v1/jobs/{job}/events 200" in api.log  # so it was logged, without its query
    for where in ("the log of the API", "the log of the worker", "the commands of Redis", "the rows"):
        assert token not in said[where], where
        assert token.rpartition(".")[2] not in said[where], where
    assert any(job in command for command in told)
    assert digest_of(CANARY) in said["the rows"]
    for where in ("the rows", "the database's files"):
        assert CANARY[:10] in said[where], where
