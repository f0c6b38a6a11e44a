"""Projects in a lane where streams or requests are scarce: whichever a project needs more of is what it shares."""

import pytest

from jobs.intake.submission import BatchOptions, submit_batch
from jobs.store.database import Database
from tests.store.reserving import upstream
from tests.store.store_fixtures import Store
from tests.store.test_token_shares import Worker, asking


def run(worker: Worker, jobs: int, seconds: int) -> dict[str, int]:
    """How many requests each project has sent, once all costs are known."""
    for project in worker.takes:
        submit_batch(worker.store.database, [asking()] * jobs, BatchOptions(project=project))
    for _ in range(round(60 / worker.turn_seconds)):
        worker.turn()
    before = worker.requests.copy()
    for _ in range(round(seconds / worker.turn_seconds)):
        worker.turn()
    return dict(worker.requests - before)


def test_a_limit_of_requests_that_is_far_away_takes_no_streams_from_short_texts(sqlite_database: Database) -> None:
    """Before, the spacing of any limit made requests seem scarce: then the long texts had 7 of 8 streams and more."""
    spec = upstream("default", max_streams=8, requests_per_minute=300)
    worker = Worker(Store(sqlite_database), {"short": (1.0, 50), "slow": (20.0, 200)}, spec=spec)
    sent = run(worker, jobs=600, seconds=80)
    of_requests, of_streams = sent["short"] / (80 * 5), sent["slow"] * 20 / (80 * 8)
    assert 0.45 <= of_requests <= 0.75, sent
    assert 0.45 <= of_streams <= 0.75, sent


@pytest.mark.parametrize(
    ("limits", "parts", "seconds", "each"),
    [
        ({"max_streams": 8}, 20, 1.0, 1.0),
        ({"max_streams": 8}, 5, 4.0, 1.0),
        ({"requests_per_minute": 120}, 5, 4.0, 0.1),
        ({"tokens_per_minute": 60_000}, 5, 4.0, 0.1),
    ],
    ids=["streams", "streams and long parts", "requests", "tokens"],
)
def test_a_text_in_parts_costs_what_all_its_parts_take(
    sqlite_database: Database, limits: dict[str, int], parts: int, seconds: float, each: float
) -> None:
    """Before, a part was taken for what a turn costs: the short texts had a tenth of the streams."""
    takes = {"long": (seconds, 500), "short": (each, 500)}
    spec = upstream("default", **limits)
    worker = Worker(Store(sqlite_database), takes, 0.5, spec=spec, parts={"long": parts})
    sent = run(worker, jobs=700, seconds=80)
    had = {project: sent[project] * (takes[project][0] if "max_streams" in limits else 1) for project in takes}
    assert 0.4 <= had["short"] / sum(had.values()) <= 0.6, sent
