"""Every endpoint that takes an id, with the id of another project: it answers as if there were no such thing.

Whoever adds an endpoint adds it to `BY_ID` or to `WITHOUT_ID` in `endpoints.py`, or the first test here fails.
"""

import json
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.server import ApiServer
from jobs.store.database import Database
from jobs.tables import metadata
from jobs.webhooks.endpoints import create_endpoint
from tests.api.callers import blue, calling, closed_api, red, secrets
from tests.api.endpoints import BY_ID, EVERYBODYS, WITHOUT_ID, path_to, routes_of
from tests.api.watching import REQUEST, Writer

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures

UNKNOWN = "01a20a80e1dd00000aac97c2de956"
CUSTOM_ID = "blues own"


@pytest.fixture
def owned(closed_api: ApiServer, blue: httpx.Client, database: Database, valkey_client: Any) -> dict[str, str]:
    """The ids of one thing of each kind that belongs to `blue`."""
    batch = {"requests": [{"custom_id": CUSTOM_ID, "body": REQUEST}]}
    line = {"custom_id": CUSTOM_ID, "method": "POST", "url": "/v1/chat/completions", "body": REQUEST}
    upload = {"file": ("in.jsonl", json.dumps(line).encode())}
    written = blue.post("/v1/jobs", json=REQUEST).json()["id"]
    Writer(database, valkey_client, written).finish()
    return {
        "job": blue.post("/v1/jobs", json={**REQUEST, "custom_id": CUSTOM_ID, "metadata": {"of": "blue"}}).json()["id"],
        "batch": blue.post("/v1/batches", json=batch).json()["id"],
        "file": blue.post("/v1/files", files=upload, data={"purpose": "batch"}).json()["id"],
        "webhook": create_endpoint(database, project="blue", url="https://app.example/", events=["batch.held"]).id,
        "response": blue.post("/v1/responses", json={"model": "m", "input": "Hello", "background": True}).json()["id"],
    }


def ask(client: httpx.Client, method: str, path: str) -> tuple[int, str]:
    """The status and the body of an answer; of a stream, which does not end, only the status."""
    with client.stream(method, path) as answer:
        if answer.headers["content-type"].startswith("text/event-stream"):
            return answer.status_code, ""
        return answer.status_code, answer.read().decode()


def rows(database: Database) -> dict[str, list[Any]]:
    with database.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in metadata.sorted_tables
        }


def test_every_endpoint_is_known_here(closed_api: ApiServer) -> None:
    assert routes_of(closed_api) == BY_ID.keys() | WITHOUT_ID


def test_a_foreign_id_is_answered_as_an_unknown_one_and_changes_nothing(
    red: httpx.Client, owned: dict[str, str], database: Database
) -> None:
    before = rows(database)
    for (method, path), kind in BY_ID.items():
        prefix = owned[kind].partition("_")[0]
        unknown = f"{prefix}_{UNKNOWN}"
        expected = ask(red, method, path_to(path, unknown))
        assert expected[0] == 404, (method, path)
        error = json.loads(expected[1])["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        status, body = ask(red, method, path_to(path, owned[kind]))
        assert (status, body.replace(owned[kind], unknown)) == expected, (method, path)
    assert rows(database) == before


def test_its_owner_is_answered(blue: httpx.Client, owned: dict[str, str]) -> None:
    # What only reads comes first, what deletes last.
    for (method, path), kind in sorted(BY_ID.items(), key=lambda one: ("GET", "POST", "DELETE").index(one[0][0])):
        assert ask(blue, method, path_to(path, owned[kind]))[0] != 404, (method, path)


def test_however_a_foreign_id_is_spelt_it_is_not_found(red: httpx.Client, owned: dict[str, str]) -> None:
    job = owned["job"]
    encoded = (f"%6A{job[1:]}", f"{job}%00", f"{job}%20", f"{job};x=1", f"{job}%3F", f"x%2F..%2F{job}", f"%2E%2F{job}")
    for spelt in encoded:
        for end in ("", "/text", "/events"):
            assert red.get(f"/v1/jobs/{spelt}{end}").status_code == 404, spelt
    channels = (f"jobs/{job}", f"batches/{owned['batch']}", f"jobs/{job}/", f"jobs/./{job}", f"batches/../jobs/{job}")
    for given in channels:
        assert red.post("/v1/watch_tokens", json={"channel": given}).status_code == 404, given


def test_no_list_shows_what_is_anothers(red: httpx.Client, blue: httpx.Client, owned: dict[str, str]) -> None:
    job, batch = owned["job"], owned["batch"]
    asked = [
        f"/v1/jobs?batch_id={batch}",
        f"/v1/jobs?custom_id={CUSTOM_ID}",
        "/v1/jobs?model=played",
        "/v1/jobs?status=queued",
        "/v1/jobs?status=completed",
        "/v1/jobs?metadata.of=blue",
        "/v1/jobs?created_after=0",
        "/v1/jobs?order=asc&limit=100",
        f"/v1/jobs?after={job[:-12]}000000000000&order=asc",
        "/v1/batches?limit=100",
        f"/v1/batches?after={batch[:-12]}ffffffffffff",
        "/v1/files?limit=100",
        "/v1/files?purpose=batch",
        "/v1/jobs",
        "/v1/batches",
        "/v1/files",
        "/v1/usage",
        "/v1/webhooks",
    ]
    assert {path for method, path in WITHOUT_ID if method == "GET" and path not in EVERYBODYS} <= set(asked)
    for path in asked:
        answer = red.get(path)
        assert (answer.status_code, answer.json()["data"]) == (200, []), path
        assert blue.get(path).json()["data"], path


def test_a_text_is_found_by_its_own_project_alone(
    red: httpx.Client, blue: httpx.Client, owned: dict[str, str], database: Database, valkey_client: Any
) -> None:
    writer = Writer(database, valkey_client, owned["job"])
    writer.write("marmalade of bergamot")
    writer.finish()
    for words in ("marmalade of bergamot", "ma"):
        assert [job["id"] for job in blue.get("/v1/jobs", params={"q": words}).json()["data"]] == [owned["job"]]
        assert red.get("/v1/jobs", params={"q": words}).json()["data"] == []


def test_a_foreign_id_in_a_body_is_answered_as_an_unknown_one(
    red: httpx.Client, owned: dict[str, str], database: Database
) -> None:
    before = rows(database)
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("/v1/watch_tokens", owned["job"], {"channel": "jobs/ID"}),
        ("/v1/watch_tokens", owned["batch"], {"channel": "batches/ID"}),
        (
            "/v1/batches",
            owned["file"],
            {"input_file_id": "ID", "endpoint": "/v1/chat/completions", "completion_window": "24h"},
        ),
        ("/v1/inputs", owned["file"], {"input_file_id": "ID"}),
        ("/v1/responses", owned["response"], {"model": "m", "input": "x", "previous_response_id": "ID"}),
        ("/v1/responses/input_tokens", owned["response"], {"model": "m", "input": "x", "previous_response_id": "ID"}),
        (
            "/v1/responses",
            owned["response"].replace("resp_", "rs_"),
            {"model": "m", "input": [{"type": "item_reference", "id": "ID"}]},
        ),
    ]
    for path, own, body in bodies:
        unknown = f"{own.partition('_')[0]}_{UNKNOWN}"
        expected = red.post(path, content=json.dumps(body).replace("ID", unknown))
        assert expected.status_code in (400, 404), path
        answer = red.post(path, content=json.dumps(body).replace("ID", own))
        assert (answer.status_code, answer.text.replace(own, unknown)) == (expected.status_code, expected.text), path
    assert rows(database) == before


def test_without_a_key_every_endpoint_is_closed(closed_api: ApiServer, owned: dict[str, str]) -> None:
    with calling(closed_api) as nobody:
        for method, path in routes_of(closed_api):
            where = path_to(path, owned[BY_ID.get((method, path), "job")]) if "{" in path else path
            status, body = ask(nobody, method, where)
            assert (status, json.loads(body)["error"]["code"]) == (401, "invalid_api_key"), (method, path)


def test_a_watch_token_opens_no_other_endpoint(
    closed_api: ApiServer, blue: httpx.Client, owned: dict[str, str]
) -> None:
    token = blue.post("/v1/watch_tokens", json={"channel": f"jobs/{owned['job']}"}).json()["token"]
    opened = []
    with calling(closed_api) as nobody:
        for method, path in routes_of(closed_api):
            where = path_to(path, owned[BY_ID.get((method, path), "job")]) if "{" in path else path
            status, _ = ask(nobody, method, f"{where}?token={token}")
            if status != 401:
                opened.append((method, path, status))
            as_key = nobody.request(method, where, headers={"Authorization": f"Bearer {token}"})
            assert as_key.status_code == 401
    assert opened == [("GET", "/v1/jobs/{job_id}/events", 200)]
