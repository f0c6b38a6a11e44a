"""Projects in a lane where streams or requests are scarce: whichever a project needs more of is what it shares."""

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
