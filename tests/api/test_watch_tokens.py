"""Watch tokens: what one opens, for how long, and what becomes of it when its key is revoked."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest
import redis

from api.callers.watch_tokens import TOKEN_SECONDS
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key, list_keys, revoke_key
from tests.api.callers import blue, calling, closed_api, code_of, red, secrets
from tests.api.watchers import WatcherThread
from tests.api.watching import REQUEST, Writer, submit, wait_until
from tests.conftest import serve_api
from tests.sparing import on_sqlite

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures


def token_for(client: httpx.Client, channel: str) -> str:
    answer = client.post("/v1/watch_tokens", json={"channel": channel})
    assert answer.status_code == 200
    return str(answer.json()["token"])


@pytest.fixture
def job(blue: httpx.Client) -> str:
    return str(blue.post("/v1/jobs", json=REQUEST).json()["id"])


@pytest.fixture
def nobody(closed_api: ApiServer) -> Iterator[httpx.Client]:
    with calling(closed_api) as client:
        yield client


def opens(client: httpx.Client, path: str) -> tuple[int, str]:
    """The status and the code with which a stream is refused, or 200."""
    with client.stream("GET", path) as answer:
        if answer.status_code == 200:
            return 200, ""
        answer.read()
        return code_of(answer)


@on_sqlite
def test_a_token_lives_a_minute_and_says_so(blue: httpx.Client, job: str, database: Database) -> None:
    answer = blue.post("/v1/watch_tokens", json={"channel": f"jobs/{job}"})
    assert answer.headers["cache-control"] == "no-store"
    shown = answer.json()
    assert shown.keys() == {"object", "token", "channel", "expires_at"}
    assert TOKEN_SECONDS == 60
    assert 0 < shown["expires_at"] - database.now().timestamp() <= 60


@on_sqlite
def test_an_event_source_watches_a_job_to_its_end_with_a_token_alone(
    closed_api: ApiServer, blue: httpx.Client, job: str, database: Database, valkey_client: redis.Redis
) -> None:
    path = f"/v1/jobs/{job}/events?token={token_for(blue, f'jobs/{job}')}"
    watcher = WatcherThread(closed_api.port, job, path=path)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    writer = Writer(database, valkey_client, job)
    writer.write("one ", "two ", "three")
    assert writer.finish() == watcher.join().text


@on_sqlite
def test_a_batch_is_watched_with_a_token_for_it(blue: httpx.Client, nobody: httpx.Client) -> None:
    batch = blue.post("/v1/batches", json={"requests": [{"custom_id": "a", "body": REQUEST}]}).json()["id"]
    token = token_for(blue, f"batches/{batch}")
    assert opens(nobody, f"/v1/batches/{batch}/events?deltas=true&token={token}") == (200, "")


@on_sqlite
def test_a_token_opens_no_other_channel(blue: httpx.Client, red: httpx.Client, nobody: httpx.Client, job: str) -> None:
    token = token_for(blue, f"jobs/{job}")
    batch = blue.post("/v1/batches", json={"requests": [{"custom_id": "a", "body": REQUEST}]}).json()["id"]
    others = [blue.post("/v1/jobs", json=REQUEST).json()["id"], red.post("/v1/jobs", json=REQUEST).json()["id"]]
    refused = (401, "invalid_watch_token")
    for other in others:
        assert opens(nobody, f"/v1/jobs/{other}/events?token={token}") == refused
    assert opens(nobody, f"/v1/batches/{batch}/events?token={token}") == refused
    assert opens(nobody, f"/v1/batches/{job}/events?token={token}") == refused
    # A token decides alone: who sends one that is no good is not let in by a key beside it.
    assert opens(blue, f"/v1/jobs/{others[0]}/events?token={token}") == refused


@on_sqlite
def test_whatever_is_changed_in_a_token_makes_it_none(
    blue: httpx.Client, red: httpx.Client, nobody: httpx.Client, job: str, database: Database
) -> None:
    token = token_for(blue, f"jobs/{job}")
    time, key_id, digest = token.split(".")
    other = next(key.id for key in list_keys(database) if key.id != key_id)
    for changed in (
        f"{int(time) + 1}.{key_id}.{digest}",
        f"0{time}.{key_id}.{digest}",
        f"{time}.{other}.{digest}",
        f"{time}.-.{digest}",
        f"{time}..{digest}",
        f"{time}.{key_id}.{digest[:-1]}",
        f"{time}.{key_id}.{digest}0",
        f"{time}.{key_id}.",
        f"{time}.{key_id}",
        f"{time}.key_none.{digest}",
        f"{time}.{key_id}.{digest.upper()}",
        f"{'9' * 400}.{key_id}.{digest}",
        f"-1.{key_id}.{digest}",
        "¼.x.y",
        "x",
        "",
        "..",
        "%00",
    ):
        answer = nobody.get(f"/v1/jobs/{job}/events?token={changed}")
        assert code_of(answer) == (401, "invalid_watch_token"), changed
        assert len(changed) < 3 or changed not in answer.text
    assert opens(nobody, f"/v1/jobs/{job}/events?token={token}") == (200, "")


@on_sqlite
def test_after_a_minute_a_token_opens_nothing_and_what_it_has_opened_goes_on(
    closed_api: ApiServer,
    blue: httpx.Client,
    nobody: httpx.Client,
    job: str,
    database: Database,
    valkey_client: redis.Redis,
) -> None:
    path = f"/v1/jobs/{job}/events?token={token_for(blue, f'jobs/{job}')}"
    watcher = WatcherThread(closed_api.port, job, path=path)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    parts = closed_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    parts.database._skew += timedelta(seconds=TOKEN_SECONDS)
    assert opens(nobody, path) == (401, "watch_token_expired")
    fresh = token_for(blue, f"jobs/{job}")
    assert opens(nobody, f"/v1/jobs/{job}/events?token={fresh}") == (200, "")
    writer = Writer(database, valkey_client, job)
    writer.write("still here")
    assert writer.finish() == watcher.join().text


@on_sqlite
def test_every_api_process_takes_the_tokens_of_every_other(
    blue: httpx.Client, job: str, database_url: str, redis_url: str
) -> None:
    token = token_for(blue, f"jobs/{job}")
    with serve_api(database_url, redis_url) as second, calling(second) as nobody:
        assert opens(nobody, f"/v1/jobs/{job}/events?token={token}") == (200, "")


@on_sqlite
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{}", 400),
        (b'{"channel": 1}', 400),
        (b'{"channel": "files/file_1"}', 400),
        (b'{"channel": "jobs/job_1", "seconds": 3600}', 400),
        (b'{"channel": "jobs"}', 404),
        (b'{"channel": "jobs/"}', 404),
        (b'{"channel": "jobs/job_\\u0000"}', 404),
        (b'{"channel": "jobs/\\ud800"}', 404),
    ],
)
def test_what_is_no_channel_is_refused(blue: httpx.Client, body: bytes, status: int) -> None:
    assert blue.post("/v1/watch_tokens", content=body).status_code == status


def test_a_watch_ends_when_its_key_is_revoked_and_its_token_opens_nothing(
    closed_api: ApiServer, blue: httpx.Client, nobody: httpx.Client, job: str, database: Database
) -> None:
    parts = closed_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    path = f"/v1/jobs/{job}/events?token={token_for(blue, f'jobs/{job}')}"
    watcher = WatcherThread(closed_api.port, job, path=path)
    watcher.wait_for(lambda shown: shown.names() == ["status"])
    key = next(key for key in list_keys(database) if key.project == "blue")
    revoke_key(database, key.id)
    watcher.join()  # within 8 s, but nothing is measured with it
    assert watcher.ended_whole
    wait_until(lambda: parts.watch_limiter.taken == 0)
    assert opens(nobody, path) == (401, "invalid_watch_token")
    assert code_of(blue.get(f"/v1/jobs/{job}")) == (401, "invalid_api_key")


def test_before_there_is_a_key_tokens_work_on_this_machine_and_end_with_the_first_key(
    sqlite_api: ApiServer, sqlite_database: Database
) -> None:
    parts = sqlite_api.config.app.state.services  # type: ignore[union-attr]  # it is the application
    job = submit(sqlite_database)
    with calling(sqlite_api) as nobody:
        path = f"/v1/jobs/{job}/events?token={token_for(nobody, f'jobs/{job}')}"
        assert opens(nobody, path) == (200, "")
        forwarded = nobody.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
        assert code_of(forwarded) == (403, "no_key_is_set_up")
        watchers = [WatcherThread(sqlite_api.port, job, path=one) for one in (path, f"/v1/jobs/{job}/events")]
        for watcher in watchers:
            watcher.wait_for(lambda shown: shown.names() == ["status"])
        create_key(sqlite_database)
        for watcher in watchers:
            watcher.join()
        wait_until(lambda: parts.watch_limiter.taken == 0)
        assert opens(nobody, path) == (401, "invalid_watch_token")
