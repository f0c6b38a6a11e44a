"""Who is served: whoever has a key; without any, this machine alone."""

import json

import httpx
import pytest
from fastapi import Request

from api.callers.caller import refuse_strangers
from api.http.errors import ApiError
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key, revoke_key
from jobs.store.queries import read_job
from tests.api.callers import blue, calling, closed_api, code_of, red, secrets
from tests.api.watching import REQUEST
from tests.conftest import serve_api
from tests.sparing import on_sqlite

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures


@on_sqlite
def test_the_health_the_page_and_the_reference_need_no_key(closed_api: ApiServer, blue: httpx.Client) -> None:
    with calling(closed_api) as nobody:
        for path in ("/healthz", "/readyz", "/", "/page/main.js", "/docs", "/openapi.json"):
            assert nobody.get(path).status_code == 200, path
        assert code_of(nobody.get("/v1/jobs")) == (401, "invalid_api_key")
    assert blue.get("/v1/jobs").status_code == 200


@on_sqlite
def test_the_reference_says_that_a_key_is_sent_as_a_bearer(closed_api: ApiServer) -> None:
    with calling(closed_api) as nobody:
        shown = nobody.get("/openapi.json").json()
    assert shown["components"]["securitySchemes"]["HTTPBearer"]["scheme"] == "bearer"
    open_paths = [path for path, methods in shown["paths"].items() for one in methods.values() if "security" not in one]
    assert open_paths == ["/healthz", "/readyz", "/metrics"]


def test_the_first_key_counts_from_its_first_request_on(sqlite_api: ApiServer, sqlite_database: Database) -> None:
    """For five seconds the API takes it that there is none; then it would cut off whoever it took for a stranger."""
    with calling(sqlite_api) as client:
        assert client.get("/v1/jobs").status_code == 200
        _, secret = create_key(sqlite_database, project="news", name="")
        made = client.post("/v1/jobs", json=REQUEST, headers={"Authorization": f"Bearer {secret}"})
    job = read_job(sqlite_database, made.json()["id"], project=None)
    assert job is not None
    assert job.project == "news"


@on_sqlite
@pytest.mark.parametrize(
    ("header", "says"),
    [
        (None, "no API key was sent"),
        ("", "must be `Bearer lh_...`"),
        ("lh_" + "a" * 43, "must be `Bearer lh_...`"),
        ("Basic YTpi", "must be `Bearer lh_...`"),
        ("Bearer", "is unknown or was revoked"),
        ("Bearer lh_" + "a" * 43, "is unknown or was revoked"),
        ("Bearer sk-proj-1", "is unknown or was revoked"),
    ],
)
def test_without_a_good_key_the_answer_says_what_to_do(
    closed_api: ApiServer, blue: httpx.Client, header: str | None, says: str
) -> None:
    with calling(closed_api) as nobody:
        answer = nobody.post("/v1/jobs", headers={} if header is None else {"Authorization": header}, json=REQUEST)
    assert code_of(answer) == (401, "invalid_api_key")
    assert says in answer.json()["error"]["message"]
    assert answer.headers["www-authenticate"] == "Bearer"
    assert header is None or "aaa" not in answer.text
    assert blue.get("/v1/jobs").json()["data"] == []


def test_a_stranger_learns_nothing_of_paths_parameters_or_bodies(closed_api: ApiServer, blue: httpx.Client) -> None:
    with calling(closed_api) as nobody:
        for method, path in [
            ("GET", "/v1/jobs?wrong=1"),
            ("GET", "/v1/jobs/NO-ID"),
            ("POST", "/v1/jobs"),
            ("POST", "/v1/batches"),
            ("GET", "/v1/jobs/job_1/events?wrong=1"),
        ]:
            answer = nobody.request(method, path, content=b"{not json" if method == "POST" else None)
            assert code_of(answer) == (401, "invalid_api_key"), path


def test_the_scheme_may_be_written_in_any_case(closed_api: ApiServer, secrets: dict[str, str]) -> None:
    with calling(closed_api) as nobody:
        sent = {"Authorization": f"bearer  {secrets['blue']}"}
        assert nobody.get("/v1/jobs", headers=sent).status_code == 200


def test_each_project_sees_its_own_and_idempotency_keys_are_its_own(blue: httpx.Client, red: httpx.Client) -> None:
    key = {"Idempotency-Key": "the same"}
    first = blue.post("/v1/jobs", headers=key, json=REQUEST)
    second = red.post("/v1/jobs", headers=key, json=REQUEST)
    assert (first.status_code, second.status_code) == (202, 202)
    assert "idempotent-replayed" not in second.headers
    for caller, answer in ((blue, first), (red, second)):
        assert [job["id"] for job in caller.get("/v1/jobs").json()["data"]] == [answer.json()["id"]]


def test_a_revoked_key_and_all_of_them_revoked_open_nothing(sqlite_database: Database, sqlite_url: str) -> None:
    key, secret = create_key(sqlite_database)
    revoke_key(sqlite_database, key.id)
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as api, calling(api) as nobody, calling(api, secret) as late:
        assert code_of(nobody.get("/v1/jobs")) == (401, "invalid_api_key")
        assert code_of(late.get("/v1/jobs")) == (401, "invalid_api_key")


def test_before_there_is_a_key_this_machine_is_served_as_the_default_project(sqlite_api: ApiServer) -> None:
    with calling(sqlite_api) as nobody, calling(sqlite_api, "any other service's key") as somebody:
        made = nobody.post("/v1/jobs", json=REQUEST)
        assert made.status_code == 202
        assert [job["id"] for job in somebody.get("/v1/jobs").json()["data"]] == [made.json()["id"]]


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"X-Forwarded-For": "127.0.0.1"}, "a proxy asks for somebody else"),
        ({"Forwarded": "for=127.0.0.1"}, "a proxy asks for somebody else"),
        ({"X-Forwarded-Proto": "https"}, "a proxy asks for somebody else"),
        ({"X-Real-IP": "127.0.0.1"}, "a proxy asks for somebody else"),
        ({"Via": "1.1 somewhere"}, "a proxy asks for somebody else"),
        ({"Host": "longhand.example"}, "is not this machine's own"),
        ({"Host": "127.0.0.1.longhand.example:8440"}, "is not this machine's own"),
        ({"Host": "localhost.longhand.example"}, "is not this machine's own"),
        ({"Host": "localhost#.longhand.example"}, "is not this machine's own"),
        ({"Host": "localhost/.longhand.example"}, "is not this machine's own"),
        ({"Host": "0.0.0.0:8440"}, "is not this machine's own"),
        ({"Host": "192.168.1.9:8440"}, "is not this machine's own"),
        ({"Host": "[::"}, "is not this machine's own"),
        ({"Host": ""}, "is not this machine's own"),
        ({"Origin": "https://longhand.example"}, "the page of another origin"),
        ({"Origin": "http://127.0.0.1:1"}, "the page of another origin"),
        ({"Origin": "null"}, "the page of another origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "the page of another origin"),
        ({"Sec-Fetch-Site": "same-site"}, "the page of another origin"),
    ],
)
def test_before_there_is_a_key_nobody_is_served_through_this_machine(
    sqlite_api: ApiServer, headers: dict[str, str], says: str
) -> None:
    with calling(sqlite_api) as nobody:
        # A page of another origin can make a browser send each of these without asking first.
        for body in (b'{"model": "m", "messages": []}', json.dumps(REQUEST).encode()):
            answer = nobody.post("/v1/jobs", headers=headers, content=body)
            assert code_of(answer) == (403, "no_key_is_set_up")
            assert says in answer.json()["error"]["message"]
            assert "longhand keys create" in answer.json()["error"]["message"]
        assert nobody.get("/v1/jobs").json()["data"] == []


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "LOCALHOST", "a.localhost", "127.8.8.8:9", "[::1]:8440"])
def test_before_there_is_a_key_this_machine_may_call_itself_what_it_is_called(sqlite_api: ApiServer, host: str) -> None:
    with calling(sqlite_api) as nobody:
        own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
        assert nobody.get("/v1/jobs", headers=own).status_code == 200


@pytest.mark.parametrize(
    ("peer", "served"),
    [
        ("127.0.0.1", True),
        ("127.3.2.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("172.17.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("203.0.113.9", False),
        ("fe80::1%eth0", False),
        ("", False),
        (None, False),
    ],
)
def test_before_there_is_a_key_only_peers_on_this_machine_are_served(peer: str | None, served: bool) -> None:
    scope = {
        "type": "http",
        "client": None if peer is None else (peer, 1),
        "headers": [(b"host", b"localhost")],
    }
    if served:
        refuse_strangers(Request(scope))
        return
    with pytest.raises(ApiError) as refused:
        refuse_strangers(Request(scope))
    assert (refused.value.status, refused.value.code) == (403, "no_key_is_set_up")


def test_with_a_key_proxies_names_and_origins_are_nobodys_business(blue: httpx.Client) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "Host": "longhand.example", "Origin": "https://longhand.example"}
    assert blue.get("/v1/jobs", headers=headers).status_code == 200


def test_the_log_says_at_the_start_that_only_this_machine_is_served(
    sqlite_url: str, sqlite_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as api, calling(api) as nobody:
        assert nobody.get("/healthz").status_code == 200
    said = "no API key is set up: only this machine is served"
    assert said in caplog.text
    create_key(sqlite_database)
    caplog.clear()
    with serve_api(sqlite_url, "redis://127.0.0.1:1/0") as api, calling(api) as nobody:
        assert nobody.get("/healthz").status_code == 200
    assert said not in caplog.text
