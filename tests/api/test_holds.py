"""Pause and resume: what is held says so, starts nothing, and only those whose work it is may hold it."""

import json
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from api.schemas.batches import BatchList, BatchObject
from api.schemas.jobs import JobList, JobWithAttempts
from api.schemas.upstreams import HeldObject
from api.schemas.waiting import HoldDetail
from api.server import ApiServer
from jobs.live.channel import channel_name, encode_queued
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import calling
from tests.conftest import serve_api
from tests.sparing import on_sqlite
from tests.store.reserving import claim_now, take_due
from tests.upstreams.files import GOOD

HINT_SECONDS = 30.0


@pytest.fixture
def secrets(database: Database) -> dict[str, str]:
    """A key for each of three projects; there are keys before the API starts."""
    return {name: create_key(database, project=name)[1] for name in ("default", "blue", "red")}


@pytest.fixture
def holding(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[ApiServer]:
    """An API that knows one upstream, `one`, for models that begin with `gpt-`."""
    del database  # the same, as tests look at it
    (tmp_path / "upstreams.toml").write_text(GOOD + 'models = ["gpt-*"]\n')
    with serve_api(database_url, redis_url, upstreams=tmp_path / "upstreams.toml") as server:
        yield server


@pytest.fixture
def client(holding: ApiServer) -> Iterator[httpx.Client]:
    """A client of it, on this machine, before there is a key."""
    with calling(holding) as client:
        yield client


def ask(model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """A body for one text."""
    return {"model": model, "messages": [{"role": "user", "content": "Write."}], **more}


def submit_batch(client: httpx.Client, count: int = 2) -> dict[str, Any]:
    """A batch of so many jobs."""
    requests = [{"custom_id": str(number), "body": ask()} for number in range(count)]
    batch: dict[str, Any] = client.post("/v1/batches", json={"requests": requests}).raise_for_status().json()
    return batch


def hold_of(client: httpx.Client, path: str) -> Any:
    """What is shown of the hold of a job or batch."""
    shown = client.get(path).raise_for_status().json()
    (BatchObject if shown["object"] == "batch" else JobWithAttempts).model_validate(shown)
    return shown.get("hold")


def test_a_paused_batch_says_so_and_nothing_of_it_starts_until_it_is_resumed(
    client: httpx.Client, database: Database
) -> None:
    batch = submit_batch(client)
    path = f"/v1/batches/{batch['id']}"
    assert hold_of(client, path) is None
    answer = client.post(f"{path}/pause", json={"message": "until Monday"})
    assert answer.status_code == 200
    HeldObject.model_validate(answer.json())
    hold = hold_of(client, path)
    assert (hold["kind"], hold["reason"], hold["message"], hold["held_by"]) == (
        *("batch", "paused"),
        *("until Monday", "person"),
    )
    jobs = client.get("/v1/jobs", params={"batch_id": batch["id"]}).json()["data"]
    assert hold_of(client, f"/v1/jobs/{jobs[0]['id']}") == hold
    assert claim_now(database, jobs[0]["id"], "w1", 60) is None
    resumed = client.post(f"{path}/resume")
    assert (resumed.status_code, resumed.json()["hold"]) == (200, None)
    assert hold_of(client, path) is None
    assert set(take_due(database, 10, HINT_SECONDS)) == {job["id"] for job in jobs}
    assert claim_now(database, jobs[0]["id"], "w1", 60) is not None


@pytest.mark.parametrize(
    "path", ["/v1/models/gpt-4o", "/v1/projects/default", "/v1/upstreams/one"], ids=["model", "project", "upstream"]
)
def test_a_job_says_what_of_it_is_held(client: httpx.Client, path: str) -> None:
    job = client.post("/v1/jobs", json=ask()).json()
    assert client.post(f"{path}/pause").status_code == 200
    assert client.post(f"{path}/pause").json()["changed"] is False
    hold = hold_of(client, f"/v1/jobs/{job['id']}")
    assert path == f"/v1/{hold['kind']}s/{hold['target']}"
    resumed = [client.post(f"{path}/resume").json() for _ in range(2)]
    assert [(one["hold"], one["changed"]) for one in resumed] == [(None, True), (None, False)]
    assert hold_of(client, f"/v1/jobs/{job['id']}") is None


def test_a_model_whose_name_has_slashes_can_be_held(client: httpx.Client) -> None:
    answer = client.post("/v1/models/meta/llama-4:free/pause", json={})
    assert (answer.status_code, answer.json()["target"]) == (200, "meta/llama-4:free")
    assert client.post("/v1/models/meta/llama-4:free/resume").json()["hold"] is None


def test_an_upstream_shows_its_hold(client: httpx.Client) -> None:
    client.post("/v1/upstreams/one/pause", json={"message": "moving house"})
    [upstream] = client.get("/v1/upstreams").json()["data"]
    assert (upstream["state"], upstream["hold"]["message"]) == ("held", "moving house")


def test_running_jobs_are_released_if_that_is_asked_for(client: httpx.Client, database: Database) -> None:
    job = client.post("/v1/jobs", json=ask()).json()
    assert claim_now(database, job["id"], "w1", 60) is not None
    assert client.post("/v1/projects/default/pause", json={"running": "release"}).status_code == 200
    assert client.get(f"/v1/jobs/{job['id']}").json()["status"] == "in_progress"


@on_sqlite
@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"running": "stop"}, "running"),
        ({"message": 3}, "message"),
        ({"message": "x" * 201}, "message"),
        ({"reason": "x"}, "reason"),
    ],
)
def test_a_wrong_body_is_refused_by_field_and_holds_nothing(
    client: httpx.Client, body: dict[str, Any], param: str
) -> None:
    answer = client.post("/v1/projects/default/pause", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    job = client.post("/v1/jobs", json=ask()).json()
    assert hold_of(client, f"/v1/jobs/{job['id']}") is None


def test_what_is_not_there_or_has_ended_cannot_be_held(client: httpx.Client) -> None:
    assert client.post("/v1/batches/batch_0/pause").status_code == 404
    unknown = client.post("/v1/upstreams/two/pause")
    assert (unknown.status_code, unknown.json()["error"]["message"]) == (
        404,
        "there is no upstream 'two'; there are one",
    )
    batch = submit_batch(client)
    client.post(f"/v1/batches/{batch['id']}/cancel")
    assert client.post(f"/v1/batches/{batch['id']}/pause").status_code == 409


def test_a_key_holds_the_work_of_its_project_and_no_other(secrets: dict[str, str], holding: ApiServer) -> None:
    with calling(holding, secrets["blue"]) as blue, calling(holding, secrets["red"]) as red:
        batch = submit_batch(blue)
        assert red.post(f"/v1/batches/{batch['id']}/pause").status_code == 404
        for path in ("/v1/projects/blue", "/v1/models/gpt-4o", "/v1/upstreams/one"):
            for verb in ("pause", "resume"):
                refused = red.post(f"{path}/{verb}")
                assert (refused.status_code, refused.json()["error"]["code"]) == (403, "operators_only")
        assert red.post("/v1/projects/red/pause").status_code == 200
        assert hold_of(blue, f"/v1/batches/{batch['id']}") is None
        with calling(holding, secrets["default"]) as operator:
            assert operator.post("/v1/projects/blue/pause").status_code == 200
        assert hold_of(blue, f"/v1/batches/{batch['id']}")["kind"] == "project"


def test_a_job_that_no_upstream_takes_says_what_to_do(client: httpx.Client) -> None:
    job = client.post("/v1/jobs", json=ask("llama")).json()
    shown = client.get(f"/v1/jobs/{job['id']}").json()
    assert shown["limited_by"] == "no_upstream"
    assert "upstreams file" in shown["limited_by_message"]


def test_a_job_waits_for_a_stream_and_then_for_nothing(client: httpx.Client, database: Database) -> None:
    job = client.post("/v1/jobs", json=ask()).json()
    assert client.get(f"/v1/jobs/{job['id']}").json()["limited_by"] == "no_free_stream"
    assert take_due(database, 10, HINT_SECONDS) == [job["id"]]
    assert claim_now(database, job["id"], "w1", 60) is not None
    assert client.get(f"/v1/jobs/{job['id']}").json()["limited_by"] is None


def test_a_list_says_why_each_of_its_jobs_waits(client: httpx.Client, database: Database) -> None:
    waits, runs = (client.post("/v1/jobs", json=ask(model)).json()["id"] for model in ("gpt-4o", "gpt-4o-mini"))
    assert client.post("/v1/models/gpt-4o/pause").status_code == 200
    assert claim_now(database, runs, "w1", 60) is not None
    listed = {job["id"]: job for job in client.get("/v1/jobs").raise_for_status().json()["data"]}
    JobList.model_validate(client.get("/v1/jobs").json())
    assert (listed[waits]["limited_by"], listed[waits]["hold"]["target"]) == ("hold", "gpt-4o")
    assert "limited_by" not in listed[runs]


def test_a_hold_says_where_its_upstream_is_and_whether_you_may_lift_it(
    secrets: dict[str, str], holding: ApiServer
) -> None:
    with calling(holding, secrets["blue"]) as blue, calling(holding, secrets["default"]) as operator:
        path = f"/v1/batches/{submit_batch(blue)['id']}"
        operator.post("/v1/upstreams/one/pause")
        hold = hold_of(blue, path)
        assert (hold["url"], hold["may_resume"]) == ("https://one.example/v1", False)
        operator.post("/v1/upstreams/one/resume")
        blue.post(f"{path}/pause")
        assert (hold_of(blue, path)["url"], hold_of(blue, path)["may_resume"]) == (None, True)


def test_a_watch_of_a_batch_tells_when_it_is_held_and_when_it_goes_on(client: httpx.Client) -> None:
    path = f"/v1/batches/{submit_batch(client)['id']}"
    client.post(f"{path}/pause")
    with client.stream("GET", f"{path}/events") as answer:
        holds = (
            json.loads(line[6:]).get("hold") for line in answer.iter_lines() if line.startswith('data: {"id":"batch_')
        )
        assert next(holds)["reason"] == "paused"
        client.post(f"{path}/resume")
        assert next(holds) is None
        client.post("/v1/upstreams/one/pause")
        assert next(holds)["target"] == "one"


def test_a_watch_of_a_job_tells_what_holds_it_and_when_it_goes_on(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    job = client.post("/v1/jobs", json=ask(upstream="one")).json()
    client.post("/v1/upstreams/one/pause", json={"message": "until Monday"})

    def look() -> None:
        """Let the watch look at the row now, as any message does; by itself it looks every 3 to 12 s."""
        valkey_client.publish(channel_name(job["id"]), encode_queued(0))

    with client.stream("GET", f"/v1/jobs/{job['id']}/events") as answer:
        lines = answer.iter_lines()
        events = ((name[7:], json.loads(next(lines)[6:])) for name in lines if name.startswith("event: "))
        assert next(events)[0] == "status"
        name, shown = next(events)
        assert (name, shown["hold"]["target"], shown["hold"]["message"]) == ("hold", "one", "until Monday")
        HoldDetail.model_validate(shown["hold"])
        client.post("/v1/upstreams/one/resume")
        assert next(events) == ("hold", {"hold": None}), "found without a message"
        client.post("/v1/models/gpt-4o/pause")
        look()
        assert next(events)[1]["hold"]["kind"] == "model"
        client.post("/v1/models/gpt-4o/resume")
        assert claim_now(database, job["id"], "w1", 60) is not None
        look()
        told = [*takewhile(lambda event: event[0] != "status", events)]
        assert told in ([], [("hold", {"hold": None})])


def test_a_list_of_batches_says_which_of_them_are_held(client: httpx.Client) -> None:
    first, second = submit_batch(client)["id"], submit_batch(client)["id"]
    client.post(f"/v1/batches/{first}/pause")
    listed = BatchList.model_validate(client.get("/v1/batches").json()).data
    assert {batch.id: batch.hold.target if batch.hold else None for batch in listed} == {first: first, second: None}
    assert "hold" not in client.get("/v1/batches").json()["data"][0]
