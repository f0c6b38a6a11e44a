"""Webhooks over HTTP: made, changed, tested and removed by their project alone, and never to an inner address."""

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network
from typing import Any

import httpx
import pytest

from api.schemas.batches import BatchObject
from api.schemas.webhooks import (
    DeletedWebhook,
    DeliveryList,
    DeliveryObject,
    ReplayedObject,
    WebhookList,
    WebhookObject,
    WebhookWithSecret,
)
from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.webhooks.deliveries import Outcome, store_outcomes, take
from jobs.webhooks.endpoints import MOST_ENDPOINTS
from jobs.webhooks.events import BATCH_ENDS, DEFAULT_EVENTS
from tests.api.callers import calling, code_of
from tests.api.watching import REQUEST
from tests.conftest import serve_api
from tests.sparing import on_sqlite
from tests.worker.delivering import due_in

URL = "http://127.0.0.1:9/hook"


@pytest.fixture
def api(database_url: str, redis_url: str) -> Iterator[ApiServer]:
    """An API that lets webhooks go to this machine, and one whose network is 10.0.0.0/8."""
    allowed = (ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8"))
    with serve_api(database_url, redis_url, webhook_allow=allowed) as server:
        yield server


def make(client: httpx.Client, **fields: Any) -> dict[str, Any]:
    """A new endpoint, with its secret."""
    answer = client.post("/v1/webhooks", json={"url": URL, **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = WebhookWithSecret.model_validate(answer.json()).model_dump()
    assert answer.headers["cache-control"] == "no-store"
    return made


def test_a_secret_is_shown_when_it_is_made_and_never_again(client: httpx.Client) -> None:
    made = make(client, name="the newsroom", events=["batch.completed", "job.failed"])
    assert made["secret"].startswith("whsec_")
    assert (made["name"], made["events"]) == ("the newsroom", ["batch.completed", "job.failed"])
    for path, model in (("", WebhookList), (f"/{made['id']}", WebhookObject)):
        answer = client.get(f"/v1/webhooks{path}")
        model.model_validate(answer.json())
        assert made["secret"] not in answer.text
    assert make(client)["events"] == list(DEFAULT_EVENTS)


def test_an_endpoint_is_changed_paused_enabled_and_removed(client: httpx.Client) -> None:
    path = f"/v1/webhooks/{make(client)['id']}"
    changed = client.post(path, json={"events": ["batch.held"], "url": "http://10.0.0.1/", "status": "paused"})
    shown = WebhookObject.model_validate(changed.json())
    assert (shown.events, shown.url, shown.status) == (["batch.held"], "http://10.0.0.1/", "paused")
    assert shown.pause_reason == "paused"
    assert code_of(client.post(f"{path}/test")) == (409, "webhook_paused")
    assert code_of(client.post(f"{path}/replay")) == (409, "webhook_paused")
    assert client.post(path, json={"status": "enabled"}).json()["paused_at"] is None
    DeletedWebhook.model_validate(client.delete(path).json())
    for method, of in (("GET", ""), ("DELETE", ""), ("POST", "/test"), ("GET", "/deliveries")):
        assert code_of(client.request(method, f"{path}{of}")) == (404, "not_found")


def test_a_rotation_makes_a_new_secret_and_says_until_when_the_old_one_signs(client: httpx.Client) -> None:
    made = make(client)
    rotated = client.post(f"/v1/webhooks/{made['id']}/rotate_secret", json={"old_secret_seconds": 60}).json()
    assert WebhookWithSecret.model_validate(rotated).secret != made["secret"]
    day = client.post(f"/v1/webhooks/{made['id']}/rotate_secret").json()
    assert day["old_secret_expires_at"] - rotated["old_secret_expires_at"] in range(86_000, 86_500)


def test_a_test_is_a_delivery_that_can_be_looked_at_and_replayed(client: httpx.Client, database: Database) -> None:
    made = make(client)
    path = f"/v1/webhooks/{made['id']}"
    sent = client.post(f"{path}/test")
    assert sent.status_code == 202
    event_id = DeliveryObject.model_validate(sent.json()).event_id
    found = due_in(database)
    [taken] = take(database, found)
    store_outcomes(database, [(taken, Outcome(204))])
    page = DeliveryList.model_validate(client.get(f"{path}/deliveries", params={"status": "delivered"}).json())
    assert [(one.event_id, one.type, one.tries, one.last_status) for one in page.data] == [
        (event_id, "webhook.test", 1, 204)
    ]
    replayed = client.post(f"{path}/replay", json={"event_id": event_id})
    assert ReplayedObject.model_validate(replayed.json()).replayed == 1
    assert client.get(f"{path}/deliveries").json()["data"][0]["status"] == "pending"
    assert code_of(client.post(f"{path}/replay", json={"event_id": "evt_none"})) == (404, "not_found")
    assert client.post(f"{path}/replay").json()["replayed"] == 0


@on_sqlite
@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({}, "missing_required_parameter", "url"),
        ({"url": "ftp://app.example/"}, "invalid_webhook_url", "url"),
        ({"url": "http://[::1]/"}, "invalid_webhook_url", "url"),
        ({"url": "http://169.254.169.254/latest"}, "invalid_webhook_url", "url"),
        ({"url": "http://192.168.0.1/"}, "invalid_webhook_url", "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "invalid_webhook_url", "url"),
        ({"url": "http://name.invalid/"}, "invalid_webhook_url", "url"),
        ({"url": URL, "events": []}, "invalid_value", "events"),
        ({"url": URL, "events": ["batch.eaten"]}, "invalid_value", "events"),
        ({"url": URL, "secret": "mine"}, "unknown_parameter", "secret"),
        ({"url": URL, "name": "a" * 201}, "invalid_value", "name"),
    ],
)
def test_what_cannot_be_an_endpoint_is_refused_by_name(
    client: httpx.Client, body: dict[str, Any], code: str, param: str
) -> None:
    answer = client.post("/v1/webhooks", json=body)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (400, code, param)
    assert client.get("/v1/webhooks").json()["data"] == []


def test_without_an_allowed_network_this_machine_is_refused(sqlite_url: str, redis_url: str) -> None:
    with serve_api(sqlite_url, redis_url) as server:
        answer = httpx.post(f"http://127.0.0.1:{server.port}/v1/webhooks", json={"url": "http://localhost/"})
    assert answer.status_code == 400
    assert "LONGHAND_WEBHOOK_ALLOW" in answer.json()["error"]["message"]


def test_names_of_one_project_that_hang_keep_no_other_from_making_its_webhooks(
    sqlite_url: str, redis_url: str, sqlite_database: Database
) -> None:
    """Before, four of them held all that were looked up at once, for every project."""
    red, blue = (create_key(sqlite_database, project=name)[1] for name in ("red", "blue"))
    over, asked = threading.Event(), threading.Semaphore(0)

    def look_up(host: str, _port: int) -> list[str]:
        if host.startswith("hangs"):
            asked.release()
            over.wait(60)
        return ["127.0.0.1"]

    allowed = (ip_network("127.0.0.0/8"),)
    with serve_api(sqlite_url, redis_url, webhook_allow=allowed) as server, ThreadPoolExecutor(8) as attackers:
        server.config.app.state.services.lookups.look_up = look_up  # type: ignore[union-attr]  # FastAPI's
        with calling(server, red) as attacker, calling(server, blue) as client:
            attacks = [
                attackers.submit(attacker.post, "/v1/webhooks", json={"url": f"https://hangs{number}.example/"})
                for number in range(8)
            ]
            try:
                for _ in range(4):
                    assert asked.acquire(timeout=60)  # the fault has fired
                made = client.post("/v1/webhooks", json={"url": "https://app.example/hook"})
                assert made.status_code == 201, made.text
                assert not any(attack.done() and attack.result().status_code == 201 for attack in attacks)
            finally:
                over.set()


def test_a_name_that_is_not_found_in_time_is_told_from_one_without_an_address(
    client: httpx.Client, api: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()
    lookups = api.config.app.state.services.lookups  # type: ignore[union-attr]  # it is the application
    monkeypatch.setattr(lookups, "look_up", lambda _host, _port: ["127.0.0.1"] if over.wait(60) else [])
    try:
        with monkeypatch.context() as patched:
            patched.setattr("jobs.webhooks.lookups.LOOKUP_SECONDS", 0.1)
            late = client.post("/v1/webhooks", json={"url": "https://late.example/"})
    finally:
        over.set()
    monkeypatch.setattr(lookups, "look_up", lambda _host, _port: [])
    none = client.post("/v1/webhooks", json={"url": "https://none.example/"})
    assert [answer.status_code for answer in (late, none)] == [400, 400]
    assert "is not found within" in late.json()["error"]["message"]
    assert "has no address" in none.json()["error"]["message"]


def test_a_project_has_a_bounded_number_of_endpoints(client: httpx.Client) -> None:
    for _ in range(MOST_ENDPOINTS):
        make(client)
    assert code_of(client.post("/v1/webhooks", json={"url": URL})) == (409, "too_many_webhooks")


def test_a_batch_has_an_endpoint_and_the_answer_its_secret_also_when_it_is_asked_for_again(
    client: httpx.Client,
) -> None:
    body = {"requests": [{"body": REQUEST}], "webhook": {"url": URL}}
    first, again = (client.post("/v1/batches", json=body, headers={"Idempotency-Key": "a"}) for _ in range(2))
    made = BatchObject.model_validate(first.json()).webhook
    assert made is not None
    assert (made.batch_id, made.events) == (first.json()["id"], list(BATCH_ENDS))
    assert again.json()["webhook"] == first.json()["webhook"]
    assert "webhook" not in client.get(f"/v1/batches/{made.batch_id}").json()
    assert client.get("/v1/webhooks").json()["data"] == [], "those of single batches are not listed"
    assert client.get(f"/v1/webhooks/{made.id}").json()["batch_id"] == made.batch_id
    client.post(f"/v1/batches/{made.batch_id}/cancel")
    [event] = client.get(f"/v1/webhooks/{made.id}/deliveries").json()["data"]
    assert event["type"] == "batch.cancelled"


def test_a_batch_of_a_file_has_an_endpoint_too_and_a_file_that_is_wrong_is_told(client: httpx.Client) -> None:
    line = {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": REQUEST}
    for content, kinds in ((json.dumps(line), []), ("{}", ["batch.failed"])):
        upload = {"file": ("in.jsonl", content.encode())}
        file_id = client.post("/v1/files", files=upload, data={"purpose": "batch"}).json()["id"]
        order = {"input_file_id": file_id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        batch = client.post("/v1/batches", json={**order, "webhook": {"url": URL}}).json()
        webhook = BatchObject.model_validate(batch).webhook
        assert webhook is not None
        told = client.get(f"/v1/webhooks/{webhook.id}/deliveries").json()["data"]
        assert [one["type"] for one in told] == kinds


@on_sqlite
@pytest.mark.parametrize(
    ("webhook", "param"),
    [
        ("https://app.example", "webhook"),
        ({}, "webhook.url"),
        ({"url": "http://[::1]/"}, "webhook.url"),
        ({"url": URL, "events": ["no.such"]}, "webhook.events"),
        ({"url": URL, "name": "x"}, "webhook.name"),
    ],
)
def test_a_batch_with_a_wrong_endpoint_is_not_stored(client: httpx.Client, webhook: Any, param: str) -> None:
    answer = client.post("/v1/batches", json={"requests": [{"body": REQUEST}], "webhook": webhook})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert client.get("/v1/batches").json()["data"] == []
