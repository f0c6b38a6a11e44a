"""A job or batch can name its upstream, and a batch how many of its jobs run at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from jobs.store.database import Database
from tests.api.callers import calling
from tests.conftest import serve_api
from tests.sparing import on_sqlite
from tests.store.reserving import claim_now, take_due
from tests.upstreams.files import GOOD

HINT_SECONDS = 30.0


@pytest.fixture
def client(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client of an API that knows one upstream, `one`, for models that begin with `gpt-`."""
    del database  # the same, as tests look at it
    (tmp_path / "upstreams.toml").write_text(GOOD + 'models = ["gpt-*"]\n')
    with (
        serve_api(database_url, redis_url, upstreams=tmp_path / "upstreams.toml") as server,
        calling(server) as client,
    ):
        yield client


def ask(model: str = "gpt-4o", **more: Any) -> dict[str, Any]:
    """A body for one text."""
    return {"model": model, "messages": [{"role": "user", "content": "Write."}], **more}


def requests(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    """The requests of a batch."""
    return [{"custom_id": str(number), "body": body} for number, body in enumerate(bodies)]


@on_sqlite
@pytest.mark.parametrize(
    ("path", "body", "param", "told"),
    [
        ("jobs", ask(upstream="two"), "upstream", "there is none of this name; there are one"),
        ("jobs", ask("llama", upstream="one"), "upstream", "one does not take the model 'llama'; it takes gpt-*"),
        ("jobs", ask(upstream=3), "upstream", "must be a text"),
        (
            "batches",
            {"requests": requests(ask(), ask(upstream="two"))},
            "requests[1].body.upstream",
            "there is none of this name",
        ),
        (
            "batches",
            {"requests": requests(ask("llama")), "upstream": "one"},
            "requests[0].body.upstream",
            "one does not",
        ),
        ("batches", {"requests": requests(ask()), "max_concurrency": 0}, "max_concurrency", "must be a whole number"),
    ],
)
def test_an_upstream_that_cannot_write_is_refused_by_field(
    client: httpx.Client, path: str, body: dict[str, Any], param: str, told: str
) -> None:
    answer = client.post(f"/v1/{path}", json=body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"]) == (400, param)
    assert error["message"].startswith(f"{param}: {told}")


def upload(client: httpx.Client, name: str, text: str) -> str:
    """The id of an uploaded file."""
    sent = client.post("/v1/files", data={"purpose": "batch"}, files={"file": (name, text.encode())})
    return str(sent.raise_for_status().json()["id"])


@on_sqlite
@pytest.mark.parametrize(
    ("upstream", "model", "told"),
    [
        ("two", "gpt-4o", "upstream: there is none of this name; there are one"),
        ("one", "llama", "upstream: one does not take the model 'llama'; it takes gpt-*"),
    ],
)
def test_a_line_of_a_file_that_names_such_an_upstream_is_its_mistake(
    client: httpx.Client, upstream: str, model: str, told: str
) -> None:
    lines = [{"prompt": "Write.", "model": "gpt-4o"}, {"prompt": "Write.", "model": model, "upstream": upstream}]
    file = upload(client, "a.jsonl", "\n".join(map(json.dumps, lines)))
    shown = client.post("/v1/inputs", json={"input_file_id": file, "input": {}}).raise_for_status().json()
    batch = client.post("/v1/batches", json={"input_file_id": file, "input": {}}).raise_for_status().json()
    assert batch["status"] == "failed"
    for mistakes in (shown["mistakes"], batch["errors"]["data"]):
        assert [(one["line"], one["param"], one["message"]) for one in mistakes] == [(2, "upstream", told)]


def test_a_table_for_an_upstream_that_there_is_not_is_refused_before_it_is_read(client: httpx.Client) -> None:
    file = upload(client, "a.csv", "topic\ntea\n")
    read = {"template": "Write about {topic}.", "model": "gpt-4o"}
    body = {"input_file_id": file, "input": read, "upstream": "two"}
    answer = client.post("/v1/batches", json=body)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "upstream")
    llama = client.post("/v1/batches", json={**body, "input": {**read, "model": "llama"}, "upstream": "one"}).json()
    assert [one["line"] for one in llama["errors"]["data"]] == [2]
    assert client.post("/v1/batches", json={**body, "upstream": "one"}).json()["status"] == "in_progress"


@on_sqlite
@pytest.mark.parametrize("path", ["jobs", "batches", "inputs"])
def test_a_query_parameter_of_a_submission_that_is_not_known_is_refused(client: httpx.Client, path: str) -> None:
    answer = client.post(f"/v1/{path}?stauts=failed", json=ask())
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "unknown_parameter")
    assert client.post("/v1/jobs?api-version=1", json=ask()).status_code == 202


def test_the_upstream_that_is_named_goes_no_further_and_holds_for_its_job(
    client: httpx.Client, database: Database
) -> None:
    named = client.post("/v1/jobs", json=ask(upstream="one")).raise_for_status().json()
    assert (named["only_upstream"], named["upstream"]) == ("one", None)
    free = client.post("/v1/jobs", json=ask()).raise_for_status().json()
    assert "upstream" not in client.get(f"/v1/jobs/{named['id']}").json()["request"]
    # The dispatch of these tests has one upstream, `default`.
    assert take_due(database, 10, HINT_SECONDS) == [free["id"]]


def test_no_more_jobs_of_a_batch_run_than_it_says_and_the_others_say_why_they_wait(
    client: httpx.Client, database: Database
) -> None:
    body = {"requests": requests(ask(), ask(), ask()), "max_concurrency": 1}
    batch = client.post("/v1/batches", json=body).raise_for_status().json()
    [first] = take_due(database, 10, HINT_SECONDS)
    assert claim_now(database, first, "w1", 60) is not None
    assert take_due(database, 10, HINT_SECONDS) == []
    jobs = client.get("/v1/jobs", params={"batch_id": batch["id"]}).json()["data"]
    [waiting, _] = [job["id"] for job in jobs if job["status"] == "queued"]
    assert client.get(f"/v1/jobs/{waiting}").json()["limited_by"] == "max_concurrency"
