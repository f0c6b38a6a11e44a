"""Projects in a lane where streams or requests are scarce: whichever a project needs more of is what it shares."""

from dataclasses import replace

import pytest
from sqlalchemy import update

from jobs.dispatch.holds import HoldKind, pause
from jobs.intake.submission import BatchOptions, submit_batch
from jobs.store.database import Database
from jobs.tables import jobs
from jobs.upstreams import UpstreamSpec
from tests.store.reserving import upstream
from tests.store.store_fixtures import Store
from tests.store.test_token_shares import Worker, asking

STEP = 0.15
"""Seconds between two turns; a lane whose parts wait has one every 0.25 s. At 0.1 the shares are the same."""


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
    step = 0.5 if "max_streams" in limits else 0.25  # a place in a limit passes unused between two turns
    worker = Worker(Store(sqlite_database), takes, step, spec=spec, parts={"long": parts})
    # Until the first have ended nobody knows what they cost. Then the other project has its share first.
    sent = run(worker, jobs=700, seconds=80 if "max_streams" in limits else 160)
    had = {project: sent[project] * (takes[project][0] if "max_streams" in limits else 1) for project in takes}
    assert 0.4 <= had["short"] / sum(had.values()) <= 0.6, sent


def go(workers: list[Worker], seconds: float) -> None:
    """All processes, for so long."""
    for step in range(round(seconds / STEP)):
        for worker in workers[:: -1 if step % 2 else 1]:
            worker.turn()
        workers[0].store.clock.advance(STEP)


def begin(
    database: Database, spec: UpstreamSpec, workers: int = 1, streams: int = 20, **weights: float
) -> list[Worker]:
    """Processes at one upstream: the texts of `long` are in short parts, the others' are short and whole."""
    store, takes = Store(database), {"long": (0.2, 500), "short": (0.2, 500)}
    return [Worker(store, takes, 0.0, spec, {"long": 1000}, streams=streams, weights=weights) for _ in range(workers)]


def submit(worker: Worker, project: str, jobs: int, model: str = "m1") -> None:
    asks = replace(asking(model=model), max_continuations=1000 if project == "long" else None)
    submit_batch(worker.store.database, [asks] * jobs, BatchOptions(project=project))


def sent_by(workers: list[Worker], project: str) -> int:
    return sum(worker.requests[project] for worker in workers)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    "limit", [{"requests_per_minute": 120}, {"tokens_per_minute": 60_000}], ids=["requests", "tokens"]
)
def test_parts_keep_to_the_limits_also_while_nobody_waits(
    sqlite_database: Database, limit: dict[str, int], workers: int
) -> None:
    """Before, parts took 16 requests a second of 2, and the next project started when all that was made up for."""
    some = begin(sqlite_database, upstream("default", **limit), workers)
    submit(some[0], "long", 8)
    go(some, 10)
    before = sent_by(some, "long")
    go(some, 30)
    assert 48 <= sent_by(some, "long") - before <= 63
    submit(some[0], "short", 1)
    go(some, 5)
    assert sent_by(some, "short") == 1


SHORT_OF_REQUESTS = upstream("default", requests_per_minute=300)


def shares(workers: list[Worker], seconds: int = 15) -> tuple[float, float]:
    """What the parts have of the requests that are allowed, and what the others have, from when both wait."""
    go(workers, 10)
    before = [sent_by(workers, project) for project in ("long", "short")]
    go(workers, seconds)
    had = [sent_by(workers, project) for project in ("long", "short")]
    long, short = (after - one for after, one in zip(had, before, strict=True))
    return long / (5 * seconds), short / (5 * seconds)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("model", ["m1", "m2"])
def test_parts_share_with_the_jobs_of_all_models(sqlite_database: Database, model: str, workers: int) -> None:
    """Before, those of one model had all requests of an upstream, and jobs of another one had none."""
    some = begin(sqlite_database, SHORT_OF_REQUESTS, workers)
    submit(some[0], "long", 8)
    go(some, 10)
    submit(some[0], "short", 300, model)
    long, short = shares(some)
    assert 0.4 <= long <= 0.6
    assert 0.2 <= short <= 0.6, "the turns of this test come too seldom to use all"


def test_long_parts_get_the_share_of_their_project_also_while_most_of_its_texts_are_written(
    sqlite_database: Database,
) -> None:
    """Before, a process had as much of the share as its texts that waited were of all that ran: two thirds of it."""
    [worker] = begin(sqlite_database, SHORT_OF_REQUESTS, streams=40)
    worker.takes["long"] = (4.0, 500)
    submit(worker, "long", 20)
    go([worker], 5)
    submit(worker, "short", 200)
    long, _ = shares([worker])
    assert 0.42 <= long <= 0.6


def test_parts_share_by_the_weights_of_the_projects(sqlite_database: Database) -> None:
    """Before, each had the same."""
    [worker] = begin(sqlite_database, SHORT_OF_REQUESTS, long=4.0)
    submit(worker, "long", 8)
    submit(worker, "short", 300)
    long, short = shares([worker])
    assert 0.65 <= long <= 0.85
    assert 0.05 <= short <= 0.3


@pytest.mark.parametrize("why", ["paused", "not due", "no stream"])
def test_parts_leave_nothing_to_jobs_that_cannot_start(sqlite_database: Database, why: str) -> None:
    """Before, they left the half of it to these, and nobody had that."""
    [worker] = begin(sqlite_database, SHORT_OF_REQUESTS, streams=8 if why == "no stream" else 20)
    submit(worker, "long", 8)
    go([worker], 5)
    submit(worker, "short", 5)
    if why == "paused":
        pause(worker.store.database, HoldKind.PROJECT, "short")
    if why == "not due":
        with sqlite_database.write() as connection:
            later = worker.store.clock.after(3600)
            connection.execute(update(jobs).where(jobs.c.project == "short").values(due_at=later))
    long, short = shares([worker])
    assert long >= 0.8, "and not 0.5"
    assert short == 0


def test_parts_that_have_all_streams_share_the_tokens(sqlite_database: Database) -> None:
    """No job could start, so nobody waited: before, the large parts had all tokens but a sixteenth."""
    takes, spec = {"large": (2.0, 3000), "small": (0.5, 200)}, upstream("default", tokens_per_minute=60_000)
    worker = Worker(Store(sqlite_database), takes, 0.0, spec, {"large": 1000, "small": 1000}, streams=8)
    for project in takes:
        asks = [replace(asking(), max_continuations=1000)] * 4
        submit_batch(worker.store.database, asks, BatchOptions(project=project))
    go([worker], 30)
    before = worker.requests.copy()
    go([worker], 90)
    large, small = (takes[project][1] * (worker.requests - before)[project] / 1000 for project in takes)
    assert large + small >= 0.85 * 90
    assert small >= 0.35 * 90


def test_parts_wait_for_others_no_longer_because_they_were_alone(sqlite_database: Database) -> None:
    """When all of a text so far counted, one that had been alone for minutes stood still for as long."""
    [worker] = begin(sqlite_database, SHORT_OF_REQUESTS)
    submit(worker, "long", 8)
    go([worker], 60)
    submit(worker, "short", 300)
    long, _ = shares([worker])
    assert long >= 0.4
