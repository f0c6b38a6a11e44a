"""Who may read `/metrics`, and what it says while something is away."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.exc import OperationalError

from api.server import ApiServer
from jobs.intake.submission import NewJob, submit_batch
from jobs.metrics.counts import MOST_MODELS, OTHER, Histogram, ModelLabels
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.callers import blue, calling, closed_api, code_of, secrets
from tests.api.watching import submit

__all__ = ["blue", "closed_api", "secrets"]  # fixtures

PROXIED = {"x-forwarded-for": "203.0.113.7"}


def values(client: httpx.Client) -> dict[str, float]:
    """The sum of all samples of each name."""
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.text
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0.0) + sample.value
    return found


def test_this_machine_needs_no_key_for_the_metrics_and_others_one_of_an_operator(
    closed_api: ApiServer, blue: httpx.Client, database: Database
) -> None:
    _, operator = create_key(database)
    with calling(closed_api) as nobody, calling(closed_api, operator) as somebody:
        assert nobody.get("/metrics").status_code == 200
        assert code_of(nobody.get("/metrics", headers=PROXIED)) == (401, "invalid_api_key")
        assert code_of(blue.get("/metrics", headers=PROXIED)) == (403, "operators_only")
        assert somebody.get("/metrics", headers=PROXIED).status_code == 200


def test_without_keys_a_proxy_gets_no_metrics(client: httpx.Client) -> None:
    assert code_of(client.get("/metrics", headers=PROXIED)) == (403, "no_key_is_set_up")


def test_while_the_database_is_away_the_process_still_tells_of_itself(
    client: httpx.Client, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(database)
    assert values(client)["longhand_jobs_waiting"] == 1

    def fail(_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("away"))

    monkeypatch.setattr("api.metrics.metrics.count_waiting", fail)
    found = values(client)
    assert "longhand_jobs_waiting" not in found
    assert found["longhand_database_up"] == 0
    assert found["longhand_http_requests_total"] >= 1


def test_only_so_many_models_become_labels() -> None:
    labels = ModelLabels()
    names = [f"model-{number}" for number in range(MOST_MODELS + 10)]
    assert [labels.label(name) for name in names] == names[:MOST_MODELS] + [OTHER] * 10
    assert labels.label(names[0]) == names[0]


def test_many_models_in_the_queue_are_added_up(client: httpx.Client, database: Database) -> None:
    submit_batch(database, [NewJob(request={"model": f"m{number}", "messages": []}) for number in range(60)])
    page = client.get("/metrics").text
    samples = [line for line in page.splitlines() if line.startswith("longhand_jobs_waiting{")]
    assert len(samples) == MOST_MODELS + 1
    assert f'longhand_jobs_waiting{{gen_ai_request_model="{OTHER}"}} 20.0' in samples


def test_a_histogram_has_each_value_in_every_bucket_that_holds_it() -> None:
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 9):
        histogram.add(value)
    assert histogram.buckets() == [("1.0", 2), ("2.0", 3), ("+Inf", 4)]
    assert histogram.sum == 12
