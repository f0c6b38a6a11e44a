"""Words that are easy to find go in wherever a client or a model can put them. After deletion they are nowhere."""

import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import select, update

from jobs.lifecycle.erase import NOBODY
from jobs.store.database import Database, open_database
from jobs.tables import batches, files, idempotency_keys, job_requests, jobs, metadata, projects, texts, webhooks
from longhand.simulator import Pace, serve_in_thread
from longhand.stack.embedded import rewrite_file
from tests.api.watching import wait_until
from tests.stack.running_up import environ_of, longhand, running_up
from worker.recording import ENDED_TAIL_SECONDS

WORD = "canarysings"
"""Every place has it with another letter after it, so that a failure says which place it was."""

PATIENCE_SECONDS = 300
"""A tail stays in Redis for a minute after the end, and in the file of the embedded one for a minute more."""


def said(place: str) -> str:
    return f"{WORD}{place}"


def body(upstream_says: dict[str, Any], more_prompt: str = "", **more: Any) -> dict[str, Any]:
    prompt = f"About {said('prompt')}.{more_prompt}"
    messages = [{"role": "system", "content": said("system")}, {"role": "user", "content": prompt}]
    own = {said("metakey"): "value", "key": said("metavalue")}
    return {"model": "m", "messages": messages, "metadata": own, "simulate": upstream_says, **more}


def called() -> dict[str, Any]:
    return {"name": "look", "arguments": f'{{"about": "{said("arguments")}"}}'}


def ways_to_end() -> list[dict[str, Any]]:
    """Bodies whose jobs end in all ways in which words are kept: in texts, calls, errors and what was not accepted."""
    text = f"A text of {said('text')}."
    return [
        body({"text": text, "reasoning": 2}),
        body({"tool_calls": [called()]}),
        body({said("error"): 1}),  # the upstream refuses it, and quotes it
        body({"text": text, "finish_reason": said("finish")}),
        body({"text": text}, more_prompt=f" {said('long')}" * 999),  # its request has a row of its own
        body({"text": f"Rejected {said('rejected')}."}, accept={"min_words": 900}, on_reject="repair", max_repairs=1),
    ]


def submit(client: httpx.Client, expires_after: dict[str, Any] | None) -> tuple[list[str], list[str]]:
    """Work by every way that takes any: the paths of what was made, and the ids of the uploads."""
    kept: dict[str, Any] = {"expires_after": expires_after} if expires_after else {}
    made, uploads = [], []
    again = secrets.token_hex(4)  # a key that came before is known again, though not as it was
    webhook = {"url": f"http://127.0.0.1:9/{said('webhook')}", "events": ["batch.completed", "job.failed"]}
    cells = {said("column"): said("cell")}
    requests = [
        {"custom_id": said(f"id{place}"), "cells": cells, "body": one} for place, one in enumerate(ways_to_end())
    ]
    batch = {"requests": requests, "metadata": {"title": said("title")}, "webhook": webhook, **kept}
    made.append(client.post("/v1/batches", json=batch, headers={"Idempotency-Key": said(f"batchkey{again}")}))
    for place, one in enumerate(ways_to_end()):
        key = {"Idempotency-Key": said(f"jobkey{place}{again}")}
        made.append(client.post("/v1/jobs", json={**one, "custom_id": said(f"alone{place}"), **kept}, headers=key))
    asked = {"model": "m", "messages": [{"role": "user", "content": f"{said('longline')} " * 999}]}
    lines = json.dumps({"custom_id": said("line"), "body": asked})
    bad = lines + "\n" + lines  # the same id twice: the batch fails, and its errors name it
    for content in (lines, bad):
        upload = client.post("/v1/files", data={"purpose": "batch"}, files={"file": (said("file"), content)})
        uploads.append(upload.json()["id"])
        from_file = {"input_file_id": uploads[-1], "input": {}, "metadata": {"title": said("title")}, **kept}
        made.append(client.post("/v1/batches", json=from_file))
    assert all(one.status_code in (200, 202) for one in made), [one.text for one in made]
    response = {"model": "m", "input": said("input"), "background": True, "metadata": {"k": said("response")}}
    paths = [f"/v1/{one.json()['object']}es/{one.json()['id']}".replace("jobes", "jobs") for one in made]
    if expires_after is None:
        paths.append(f"/v1/responses/{client.post('/v1/responses', json=response).json()['id']}")
    wait_until(lambda: all(ended(client.get(path).json()) for path in paths))
    return paths, uploads


def ended(shown: dict[str, Any]) -> bool:
    return shown["status"] in ("completed", "failed", "incomplete")


def tables_with_canary(database: Database) -> set[str]:
    with database.read() as connection:
        found = {table.name: str(connection.execute(select(table)).all()) for table in metadata.sorted_tables}
    return {name for name, rows in found.items() if WORD in rows}


def files_with_canary(*folders: Path) -> set[str]:
    """Every file below these, and the words in it, as raw bytes: in whichever case the index of texts has them."""
    found = set()
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file():
                words = re.findall(rb"canarysings\w{0,12}", path.read_bytes().lower())
                found |= {f"{path.relative_to(folder)}: {word.decode()}" for word in words}
    return found


def redis_with_canary(url: str) -> list[bytes]:
    with redis.Redis.from_url(url) as client:
        keys: Any = client.keys("*")
        return [key for key in keys if WORD.encode() in (client.dump(key) or b"") + key]


def redis_url_of(home: Path) -> str:
    """Where the embedded Valkey answers."""
    lines = (home / "valkey" / "valkey.conf").read_text().splitlines()
    told = dict(line.split(" ", 1) for line in lines if " " in line)
    return f"redis://:{told['requirepass']}@127.0.0.1:{told['port']}/0"


def nowhere(database: Database, home: Path, redis_url: str) -> Callable[[], bool]:
    return lambda: not (redis_with_canary(redis_url) or files_with_canary(home) or tables_with_canary(database))


def let_a_minute_pass(redis_url: str) -> None:
    """Take away the tails that Redis drops within a minute, and rewrite its file, as `longhand up` does each minute."""
    with redis.Redis.from_url(redis_url) as client:
        for key in redis_with_canary(redis_url):
            if 0 <= int(client.ttl(key)) <= ENDED_TAIL_SECONDS:
                client.delete(key)
    rewrite_file(redis_url)


def wait_for(met: Callable[[], bool], meanwhile: Callable[[], None] = lambda: None) -> None:
    """Wait for a condition that is dear to look at."""
    pause = threading.Event()
    until = monotonic() + PATIENCE_SECONDS
    while not met() and monotonic() < until:
        meanwhile()
        pause.wait(2.0)


def let_time_pass(database: Database, seconds: float) -> None:
    """Put everything that has ended so far into the past, as if it had ended earlier."""
    by = timedelta(seconds=seconds)
    times = {
        jobs: ("created_at", "finished_at", "erase_at"),
        batches: ("created_at", "finalizing_at", "failed_at", "erase_at"),
        files: ("created_at", "expires_at"),
    }
    with database.write() as connection:
        for table, names in times.items():
            for row in connection.execute(select(table)).mappings().all():
                earlier = {name: row[name] - by for name in names if row[name] is not None}
                connection.execute(update(table).where(table.c.id == row["id"]).values(earlier))


def make_and_let_go(way: str, client: httpx.Client, database: Database, home: Path, environ: Mapping[str, str]) -> None:
    """Submit, and have all of it deleted in this way; until nothing is left, or too long."""
    redis_url = redis_url_of(home)
    own = {"anchor": "ended_at", "seconds": 3600} if way == "expired" else None
    paths, uploads = submit(client, own)
    everywhere = {table.name for table in (jobs, job_requests, batches, files, texts, webhooks, idempotency_keys)}
    assert tables_with_canary(database) >= everywhere
    assert said("error") in str(client.get("/v1/jobs?status=failed").json())
    assert any("longhand.db" in name for name in files_with_canary(home)) == database.is_sqlite
    if way == "deleted":
        for path in paths:
            assert client.delete(path).status_code == 200, path
    elif way == "by the project":
        ran = longhand("projects", "retention", "default", "1h", environ=environ)
        assert (ran.returncode, "is deleted 1h after its end" in ran.stderr) == (0, True)
    if way != "deleted":
        shown = client.get(paths[0]).json()
        assert shown["delete_at"] == shown["finalizing_at"] + 3600
        let_time_pass(database, 3600)
    if way == "by the project":  # an id says when its batch was made, so the hour becomes a second
        with database.write() as connection:
            connection.execute(update(projects).values(keep_seconds=1))
    if way != "by the project":  # uploads are files of their own
        for name in uploads:
            assert client.delete(f"/v1/files/{name}").status_code == 200
    if way == "by the project" and database.is_sqlite:
        wait_for(nowhere(database, home, redis_url))  # once in real time: it takes two minutes
        return
    upload = client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("other", "x")})
    assert upload.status_code == 200  # expired files go with each upload, and every minute
    wait_for(nowhere(database, home, redis_url), meanwhile=partial(let_a_minute_pass, redis_url))


@pytest.mark.timeout(900)
@pytest.mark.parametrize("database_url", ["sqlite", "postgresql"], indirect=True)
def test_nothing_of_a_text_is_left_anywhere(database_url: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    settings = {"LONGHAND_WEBHOOK_ALLOW": "127.0.0.0/8"}
    if database_url.startswith("postgresql"):
        settings["LONGHAND_DATABASE_URL"] = database_url
    with serve_in_thread(Pace(deltas_per_second=500, first_delta_seconds=0.01)) as upstream:
        environ = environ_of(home, {**settings, "LONGHAND_UPSTREAM_URL": upstream.url})
        with running_up(environ, "--port", "0") as up, httpx.Client(base_url=up.url, timeout=60) as client:
            database = open_database(settings.get("LONGHAND_DATABASE_URL", f"sqlite:///{home}/longhand.db"))
            # What has expired is deleted as what a project no longer keeps.
            for way in (
                ("deleted", "expired", "by the project") if database.is_sqlite else ("deleted", "by the project")
            ):
                make_and_let_go(way, client, database, home, environ)
                left = tables_with_canary(database), files_with_canary(home), redis_with_canary(redis_url_of(home))
                assert left == (set(), set(), []), way
                assert client.get("/v1/jobs").json()["data"] == client.get("/v1/batches").json()["data"] == [], way
                with database.read() as connection:
                    assert connection.execute(select(batches).where(batches.c.project == NOBODY)).all() == [], way
            database.close()
            assert up.end() == 0
            assert WORD not in up.output
    assert files_with_canary(home) == set()
