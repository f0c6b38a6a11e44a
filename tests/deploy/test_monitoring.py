"""The dashboard and the alert rules of `deploy/` fit what a running Longhand exports."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from longhand import Client
from longhand.simulator import Pace, serve_in_thread
from tests.api.watching import wait_until
from tests.conftest import free_port
from tests.deploy.evaluating import Scrape, evaluate
from tests.stack.running_up import environ_of, running_up

ROOT = Path(__file__).parents[2]
DASHBOARD: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
ALERTS: dict[str, Any] = yaml.safe_load((ROOT / "deploy" / "alerts.yaml").read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
CONDITIONS = [rule["expr"] for group in ALERTS["groups"] for rule in group["rules"]]

UPSTREAMS = """
[[upstream]]
name = "one"
url = "{url}"
requests_per_minute = 6000
tokens_per_minute = 1000000
price = {{ input = 2.5, output = 10 }}
"""


@dataclass(frozen=True)
class Scraped:
    """What two scrapes gave, one of the API and one of the worker."""

    types: dict[str, str]
    samples: dict[str, list[dict[str, str]]]
    """The labels of every sample, by name."""
    values: dict[str, float]
    """The sum of all samples of a name."""
    job_ids: list[str]
    before: Scrape
    now: Scrape
    """An earlier scrape and this one, for the queries."""


def metrics_of(query: str) -> set[str]:
    """The names of the metrics that a query reads."""
    bare = re.sub(r"\{[^}]*\}|\b(?:by|without)\s*\([^)]*\)|\[[^]]*\]", "", query)
    return set(re.findall(r"\b(?:longhand|gen_ai|process)_\w+", bare))


def samples_of(pages: list[str]) -> Scrape:
    """The samples of some pages, as the queries find them."""
    found: Scrape = {}
    for page in pages:
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def parse(pages: list[str], before: list[str], job_ids: list[str]) -> Scraped:
    """Read pages as Prometheus does."""
    scraped = Scraped({}, {}, {}, job_ids, samples_of(before), samples_of(pages))
    for page in pages:
        for family in text_string_to_metric_families(page):
            scraped.types[family.name] = family.type
            for sample in family.samples:
                scraped.samples.setdefault(sample.name, []).append(sample.labels)
                scraped.values[sample.name] = scraped.values.get(sample.name, 0.0) + sample.value
    return scraped


def scrape(url: str, worker_port: int) -> list[str]:
    """The pages of the API and of the worker."""
    pages = [httpx.get(f"{url}/metrics"), httpx.get(f"http://127.0.0.1:{worker_port}/metrics")]
    assert [page.status_code for page in pages] == [200, 200]
    assert all(page.headers["content-type"].startswith("text/plain; version=") for page in pages)
    return [page.text for page in pages]


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Scraped:
    """A whole stack that has written a batch, met a limit and paused a model."""
    home, port = tmp_path_factory.mktemp("metrics"), free_port()
    with serve_in_thread(Pace(deltas_per_second=200, first_delta_seconds=0.02)) as upstream:
        file = home / "upstreams.toml"
        file.write_text(UPSTREAMS.format(url=upstream.url))
        settings = {"LONGHAND_UPSTREAMS": str(file), "LONGHAND_WORKER_METRICS_PORT": str(port)}
        with running_up(environ_of(home, settings), "--port", "0") as up, Client(up.url) as client:
            httpx.post(f"{up.url}/v1/models/paused/pause", json={}).raise_for_status()
            client.submit(["Wait."], model="paused")
            refused = {"model": "m", "messages": [{"role": "user", "content": "Write."}],
                       "simulate": {"status": 429, "times": 1}}  # fmt: skip
            job = httpx.post(f"{up.url}/v1/jobs", json=refused).json()
            batch = client.submit(["Write about tea.", "Write about rain."], model="m")
            for _ in client.watch(batch["id"]):
                pass
            for _ in client.watch(job["id"]):
                pass
            before = scrape(up.url, port)
            for _ in client.watch(client.submit("Write about snow.", model="m")["id"]):
                pass
            running = httpx.post(f"{up.url}/v1/jobs", json={**refused, "simulate": {"silent_after": 3}}).json()
            wait_until(lambda: upstream.stats()["running"] == 1)
            ids = [job["id"], running["id"], *(one["id"] for one in client.jobs(batch_id=batch["id"]))]
            found = parse(scrape(up.url, port), before, ids)
            assert up.end() == 0
    return found


def test_the_queries_name_metrics() -> None:
    assert len(QUERIES) > 20
    assert len(CONDITIONS) >= 8
    assert all(metrics_of(query) for query in (*QUERIES, *CONDITIONS))
    assert metrics_of('sum by (outcome) (rate(longhand_attempts_total{outcome="failed"}[5m]))') == {
        "longhand_attempts_total"
    }


def test_every_metric_of_the_dashboard_has_data_in_a_real_run(scraped: Scraped) -> None:
    missing = {name for query in QUERIES for name in metrics_of(query) if name not in scraped.samples}
    assert missing == set()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_dashboard_returns_data_from_a_real_run(query: str, scraped: Scraped) -> None:
    assert evaluate(query, scraped.before, scraped.now), query


@pytest.mark.parametrize(
    "query",
    [
        "sum(longhand_attempts)",
        'longhand_attempts_total{outcome="no such one"}',
        "rate(longhand_no_such_metric_total[5m])",
        "max by (upstream) (longhand_limit_used) / max by (upstream, limit) (longhand_limit)",
    ],
)
def test_a_query_with_a_mistake_returns_nothing(query: str, scraped: Scraped) -> None:
    assert evaluate(query, scraped.before, scraped.now) == {}


def test_a_query_by_a_label_that_is_not_there_is_noticed(scraped: Scraped) -> None:
    with pytest.raises(AssertionError, match="no label"):
        evaluate("sum by (model) (rate(longhand_attempts_total[5m]))", scraped.before, scraped.now)


def test_every_metric_of_the_alerts_is_exported(scraped: Scraped) -> None:
    missing = {name for condition in CONDITIONS for name in metrics_of(condition) if name not in scraped.samples}
    assert missing == set()


def test_what_was_counted_is_what_happened(scraped: Scraped) -> None:
    values = scraped.values
    assert values["longhand_attempts_total"] == 5  # four texts and one refusal
    assert values["longhand_refusals_total"] == 1
    assert values["longhand_worker_streams_running"] == 1
    assert values["longhand_jobs_waiting"] == 1
    assert values["gen_ai_server_time_to_first_token_seconds_count"] == 4
    assert values["longhand_claim_seconds_count"] == 6
    assert values["longhand_deltas_total"] > 3
    assert values["longhand_received_bytes_total"] > 0
    assert values["longhand_cost_total"] > 0
    used = {labels["limit"] for labels in scraped.samples["longhand_limit_used"]}
    assert used == {"requests_per_minute", "tokens_per_minute"}
    assert values["longhand_holds"] == 1
    assert values["longhand_database_up"] == 1


def test_no_label_is_an_id_or_a_project(scraped: Scraped) -> None:
    labels = [labels for samples in scraped.samples.values() for labels in samples]
    values = {value for own in labels for value in own.values()}
    assert {"m", "one", "completed"} <= values
    assert not values & {*scraped.job_ids, "default"}
    assert not any(re.match(r"(job|batch|key)_", value) for value in values)
    assert {name for own in labels for name in own} <= {
        *("upstream", "gen_ai_request_model", "gen_ai_token_type", "source", "outcome", "error_type", "currency"),
        *("kind", "reason", "limit", "method", "status", "le"),
    }


def test_the_document_lists_every_metric(scraped: Scraped) -> None:
    told = set(re.findall(r"^\| `(\w+)", (ROOT / "docs" / "monitoring.md").read_text(), flags=re.MULTILINE))
    exported = {f"{name}_total" if kind == "counter" else name for name, kind in scraped.types.items()}
    assert {name for name in exported if not name.startswith("process_")} <= told
    assert {name for name in told if name.startswith(("longhand_", "gen_ai_"))} <= exported
