"""Pages of other origins: a browser asks first, and reads only what it is told that it may."""

from collections.abc import Iterator

import httpx
import pytest
import redis

from api.server import ApiServer
from jobs.settings import SettingsError, load_settings
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watching import Writer, submit
from tests.conftest import serve_api

APP = "https://app.example"
OTHER = "https://other.example"


@pytest.fixture
def key(sqlite_database: Database) -> str:
    """A key, which is there before the API starts."""
    return create_key(sqlite_database, project="blue")[1]


@pytest.fixture
def shared(key: str, sqlite_url: str, redis_url: str) -> Iterator[httpx.Client]:
    """A caller of an API that lets the pages of two origins ask."""
    origins = f"{APP}/, http://localhost:3000"
    with serve_api(sqlite_url, redis_url, cors_origins=origins) as server, calling(server) as client:
        yield client


def calling(server: ApiServer) -> httpx.Client:
    """A client of the API without a key."""
    return httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=90)


def preflight(client: httpx.Client, origin: str) -> httpx.Response:
    """What a browser asks before it posts JSON with a key."""
    wanted = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    return client.options("/v1/jobs", headers={"origin": origin, **wanted})


def test_a_page_of_a_named_origin_may_ask_and_read_the_headers(shared: httpx.Client, key: str) -> None:
    asked = preflight(shared, APP)
    assert (asked.status_code, asked.headers["access-control-allow-origin"]) == (204, APP)
    assert "POST" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-headers"] == "authorization,content-type"
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    answer = shared.post("/v1/jobs", json=body, headers={"origin": APP, "authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (202, APP)
    assert answer.headers["vary"] == "origin"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"x-request-id", "x-job-id", "location", "retry-after"} <= set(exposed)
    # A refusal must be readable, too, or nobody learns why.
    refused = shared.get("/v1/jobs", headers={"origin": APP})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, APP)


def test_a_page_of_another_origin_reads_nothing(shared: httpx.Client, key: str) -> None:
    asked = preflight(shared, OTHER)
    assert (asked.status_code, "access-control-allow-origin" in asked.headers) == (405, False)
    answer = shared.get("/v1/jobs", headers={"origin": OTHER, "authorization": f"Bearer {key}"})
    assert "access-control-allow-origin" not in answer.headers
    assert answer.headers["vary"] == "origin"  # no cache may give one page what another was told
    assert "access-control-allow-origin" not in shared.get("/healthz").headers


def test_an_event_stream_opened_by_a_token_is_readable_for_the_page(
    shared: httpx.Client, key: str, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    made = shared.post(
        "/v1/jobs",
        json={"model": "m", "messages": [{"role": "user", "content": "x"}]},
        headers={"authorization": f"Bearer {key}"},
    ).json()
    token = shared.post(
        "/v1/watch_tokens", json={"channel": f"jobs/{made['id']}"}, headers={"authorization": f"Bearer {key}"}
    ).json()["token"]
    Writer(sqlite_database, valkey_client, made["id"]).finish()
    events = shared.get(f"/v1/jobs/{made['id']}/events", params={"token": token}, headers={"origin": APP})
    assert (events.status_code, events.headers["access-control-allow-origin"]) == (200, APP)
    assert "event: done" in events.text


def test_without_the_setting_nothing_is_shared(sqlite_api: ApiServer) -> None:
    with calling(sqlite_api) as client:
        assert preflight(client, APP).status_code == 405
        own = f"http://127.0.0.1:{sqlite_api.port}"
        answer = client.get("/v1/jobs", headers={"origin": own})
        assert answer.status_code == 200
        assert not [name for name in answer.headers if name.startswith("access-control")]


def test_without_a_key_a_named_origin_is_served_and_a_star_opens_nothing(
    sqlite_url: str, redis_url: str, sqlite_database: Database
) -> None:
    submit(sqlite_database)
    page = {"origin": APP, "sec-fetch-site": "cross-site"}
    with serve_api(sqlite_url, redis_url, cors_origins=APP) as server, calling(server) as client:
        assert len(client.get("/v1/jobs", headers=page).json()["data"]) == 1
        assert client.get("/v1/jobs", headers={**page, "origin": OTHER}).status_code == 403
    with serve_api(sqlite_url, redis_url, cors_origins="*") as server, calling(server) as client:
        refused = client.get("/v1/jobs", headers=page)
        assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (403, "*")


@pytest.mark.parametrize("given", ["app.example", "https://app.example/path", "https://a b"])
def test_what_is_no_origin_is_refused_at_the_start(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONGHAND_CORS_ORIGINS", given)
    with pytest.raises(SettingsError, match="must be origins such as"):
        load_settings()
