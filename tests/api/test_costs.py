"""What something cost, as the API, its exports and the commands show it."""

import csv
import io
import json

import httpx
import pytest
import redis
from rich.console import Console

from api.schemas.batches import BatchObject
from api.schemas.costs import ProjectUsage
from api.schemas.jobs import JobList, JobWithAttempts
from jobs.intake.submission import NewJob, submit_batch
from jobs.model.cost import Cost
from jobs.model.records import Usage
from jobs.store.database import Database
from longhand.terminal.batch_list import batch_list
from longhand.terminal.costs import cost_text
from longhand.terminal.lists import jobs_table
from longhand.terminal.tables import batch_summary, job_summary
from tests.api.callers import blue, calling, closed_api, red, secrets
from tests.api.watching import REQUEST, Writer
from tests.worker.worker_fixtures import ids_of

__all__ = ["blue", "calling", "closed_api", "red", "secrets"]  # fixtures

PAID = {"amount": 0.001234567, "currency": "USD", "source": "upstream"}
REPORTED = Usage(10, None, 5, None, 15, source="upstream")
COUNTED = Usage(10, None, 5, None, 15, source="tokenizer")


@pytest.fixture
def batch(database: Database, valkey_client: redis.Redis) -> str:
    """A batch of two: one paid for by what the upstream reported, one that was estimated."""
    batch_id = submit_batch(database, [NewJob(request=REQUEST, custom_id=name) for name in ("one", "two")]).id
    for job_id, usage, nanos in zip(
        ids_of(database, batch_id), (REPORTED, COUNTED), (1_234_567, 2_000_000_000), strict=True
    ):
        writer = Writer(database, valkey_client, job_id)
        writer.write("A text.")
        writer.finish(usage=usage, cost=Cost(nanos, "USD"))
    return batch_id


def test_a_job_its_attempts_and_lists_show_what_it_cost(client: httpx.Client, database: Database, batch: str) -> None:
    job_id, _ = ids_of(database, batch)
    job = client.get(f"/v1/jobs/{job_id}").json()
    JobWithAttempts.model_validate(job)
    assert (job["cost"], job["known_costs"], job["unknown_cost_attempts"]) == (PAID, [PAID], 0)
    assert [one["cost"] for one in job["attempts"]] == [PAID]
    listed = client.get("/v1/jobs", params={"order": "asc"}).json()
    JobList.model_validate(listed)
    estimated = {"amount": 2.0, "currency": "USD", "source": "estimated"}
    assert [one["cost"] for one in listed["data"]] == [PAID, estimated]


def test_a_batch_shows_the_sum_and_that_it_is_estimated(client: httpx.Client, batch: str) -> None:
    shown = client.get(f"/v1/batches/{batch}").json()
    BatchObject.model_validate(shown)
    assert shown["cost"] == {"amount": 2.001234567, "currency": "USD", "source": "estimated"}
    assert client.get("/v1/batches").json()["data"] == [shown]


def test_the_results_have_a_cost_for_each_job(client: httpx.Client, batch: str) -> None:
    lines = client.get(f"/v1/batches/{batch}/results").text.splitlines()
    assert [json.loads(line)["cost"]["amount"] for line in lines] == [0.001234567, 2.0]
    table = client.get(f"/v1/batches/{batch}/results", params={"format": "csv"}).text
    rows = list(csv.DictReader(io.StringIO(table)))
    assert [(row["cost"], row["cost_currency"], row["cost_source"]) for row in rows] == [
        ("0.001234567", "USD", "upstream"),
        ("2.0", "USD", "estimated"),
    ]


def test_an_unknown_part_makes_the_whole_null_and_leaves_what_is_known(
    client: httpx.Client, database: Database, valkey_client: redis.Redis
) -> None:
    batch_id = submit_batch(database, [NewJob(request=REQUEST)] * 2).id
    first, second = ids_of(database, batch_id)
    Writer(database, valkey_client, first).finish(usage=REPORTED, cost=Cost(1_234_567, "USD"))
    Writer(database, valkey_client, second).fail()
    shown = client.get(f"/v1/batches/{batch_id}").json()
    assert (shown["cost"], shown["known_costs"], shown["unknown_cost_attempts"]) == (None, [PAID], 1)
    assert cost_text(shown) == "unknown: 0.001234567 USD and 1 attempts of unknown cost"
    failed = client.get(f"/v1/jobs/{second}").json()
    assert (failed["cost"], failed["known_costs"], failed["unknown_cost_attempts"]) == (None, [], 1)
    rows = list(csv.DictReader(io.StringIO(client.get(f"/v1/batches/{batch_id}/results?format=csv").text)))
    assert [row["cost"] for row in rows] == ["0.001234567", ""]


def test_the_usage_of_your_project_has_the_cost_and_the_tokens(client: httpx.Client, batch: str) -> None:
    assert batch
    used = client.get("/v1/usage").json()
    ProjectUsage.model_validate(used)
    [model] = used["data"]
    assert (model["model"], model["upstream"], model["attempts"]) == ("played", "default", 2)
    assert (model["input_tokens"], model["output_tokens"], model["cached_tokens"]) == (20, 10, None)
    whole = {"amount": 2.001234567, "currency": "USD", "source": "estimated"}
    assert (used["cost"], model["cost"], used["project"]) == (whole, whole, "default")
    before = client.get("/v1/usage", params={"to": used["from"]}).json()
    assert (before["data"], before["cost"], before["known_costs"]) == ([], None, [])


@pytest.mark.parametrize("query", [{"from": "yesterday"}, {"from": "2026-02-01", "to": "2026-01-01"}, {"since": "1"}])
def test_a_wrong_time_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert client.get("/v1/usage", params=query).status_code == 400


def test_a_key_sees_the_usage_of_its_project_alone(blue: httpx.Client, red: httpx.Client) -> None:
    assert {caller.get("/v1/usage").json()["project"] for caller in (blue, red)} == {"blue", "red"}


def test_the_commands_show_costs(client: httpx.Client, database: Database, batch: str) -> None:
    console = Console(width=250, record=True, file=io.StringIO())
    job_id, _ = ids_of(database, batch)
    console.print(job_summary(client.get(f"/v1/jobs/{job_id}").json()))
    assert console.export_text().count("0.001234567 USD") == 2
    console.print(batch_summary(client.get(f"/v1/batches/{batch}").json()))
    assert "about 2.001234567 USD" in console.export_text()
    console.print(jobs_table(client.get("/v1/jobs").json()["data"], wide=True))
    assert "about 2.00 USD" in console.export_text()
    console.print(batch_list(client.get("/v1/batches").json()["data"], 200).table)
    assert "about 2.001234567 USD" in console.export_text()
