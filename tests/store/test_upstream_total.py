"""The limits of an upstream bound the sum of its models, whoever dispatches which of them."""

import threading
from collections import Counter

from sqlalchemy import select

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.upstream_states import read_upstream_states
from jobs.dispatch.waiting import find_why_waiting
from jobs.intake.submission import submit_batch
from jobs.lifecycle.lease import claim
from jobs.lifecycle.transitions import finish
from jobs.model.endings import MAX_CRASHES
from jobs.pace.reports import Finished
from jobs.tables import jobs
from jobs.upstreams.spec import UpstreamSpec
from tests.sparing import on_sqlite
from tests.store.reserving import in_flight, lanes_of, upstream
from tests.store.store_fixtures import LEASE, USAGE, Store, new_job, store, written

__all__ = ["store"]  # a fixture

HINT_SECONDS = 30.0
MODELS = ("m1", "m2", "m3")


def submit_each(store: Store, count: int) -> list[str]:
    """So many jobs of each model; the ids of all."""
    ids = []
    for model in MODELS:
        ids += store.ids(submit_batch(store.database, [new_job(model=model) for _ in range(count)]).id)
    return ids


def models_of(store: Store, ids: list[str]) -> Counter[str]:
    return Counter(store.job(job_id).model for job_id in ids)


def run_now(store: Store, ids: list[str]) -> None:
    """Claim these jobs and let them complete at once."""
    for job_id in ids:
        claimed = store.claim(job_id)
        assert finish(store.database, job_id, claimed.attempt, written("text", usage=USAGE))


@on_sqlite
def test_three_models_share_the_streams_of_their_upstream_and_each_gets_its_turn(store: Store) -> None:
    submit_each(store, 20)
    own = lanes_of(store.database, HINT_SECONDS, upstream("default", max_streams=2))
    served: Counter[str] = Counter()
    for _ in range(30):
        reserved = own.reserve(100, MAX_CRASHES).reserved
        assert in_flight(store.database) <= 2
        served += models_of(store, reserved)
        run_now(store, reserved)
        store.clock.advance(0.1)
    assert served == {"m1": 20, "m2": 20, "m3": 20}


def test_one_stream_is_shared_in_turns(store: Store) -> None:
    submit_each(store, 4)
    own = lanes_of(store.database, HINT_SECONDS, upstream("default", max_streams=1))
    order = []
    for _ in range(6):
        [job_id] = own.reserve(100, MAX_CRASHES).reserved
        order.append(store.job(job_id).model)
        run_now(store, [job_id])
        store.clock.advance(0.1)
    assert Counter(order) == {"m1": 2, "m2": 2, "m3": 2}


def test_a_waiting_job_says_that_another_model_has_the_streams(store: Store) -> None:
    first, second = store.submit(), store.submit()
    with store.database.write() as connection:
        connection.execute(jobs.update().where(jobs.c.id == second).values(model="m2"))
    own = lanes_of(store.database, HINT_SECONDS, upstream("default", max_streams=1))
    [reserved] = own.reserve(100, MAX_CRASHES).reserved
    store.claim(reserved)
    [waits] = {first, second} - {reserved}
    specs = [upstream("default", max_streams=1)]
    found = find_why_waiting(store.database, [waits], specs, HINT_SECONDS)
    assert found[waits].limited_by == "max_streams"
    spec = UpstreamSpec(name="default", url="http://127.0.0.1:1/v1", max_streams=1)
    state = read_upstream_states(store.database, [spec], HINT_SECONDS)["default"]
    assert "" not in {model.model for model in state.models}


@on_sqlite
def test_requests_per_minute_are_those_of_all_models(store: Store) -> None:
    submit_each(store, 300)
    own = lanes_of(store.database, HINT_SECONDS, upstream("default", requests_per_minute=600))
    started = 0
    for _ in range(100):  # ten seconds
        reserved = own.reserve(100, MAX_CRASHES).reserved
        started += len(reserved)
        run_now(store, reserved)
        store.clock.advance(0.1)
    assert 90 <= started <= 105


@on_sqlite
def test_tokens_per_minute_are_those_of_all_models(store: Store) -> None:
    submit_each(store, 300)
    own = lanes_of(store.database, HINT_SECONDS, upstream("default", tokens_per_minute=60_000))
    used = 0
    for _ in range(100):  # twenty seconds
        reserved = own.reserve(100, MAX_CRASHES).reserved
        now = store.clock.now.timestamp()
        for job_id in reserved:
            with store.database.read() as connection:
                tokens = connection.scalar(select(jobs.c.reserved_tokens).where(jobs.c.id == job_id)) or 0
            used += 200
            report = Finished(now, now, tokens, 200, 190)
            own.note(("default", store.job(job_id).model), LaneNews([report]))
        run_now(store, reserved)
        store.clock.advance(0.2)
    # The first estimates are too high, and what they gave back is used, too. Each model alone would use as much.
    assert 0.75 * 20_000 <= used <= 1.3 * 20_000


def test_workers_that_dispatch_different_models_at_once_stay_within_the_upstreams_streams(store: Store) -> None:
    ids = submit_each(store, 15)
    specs = [upstream("default", max_streams=4)]
    most: list[int] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            most.append(in_flight(store.database))

    def work(name: str) -> None:
        own = lanes_of(store.database, HINT_SECONDS, *specs)
        for _ in range(100):
            for job_id in own.reserve(20, MAX_CRASHES).reserved:
                claimed = claim(store.database, job_id, name, LEASE)
                assert claimed is not None
                assert finish(store.database, job_id, claimed.attempt, written("text", usage=USAGE))
            store.clock.advance(0.05)
            if store.all_ended(ids):
                break

    watcher = threading.Thread(target=watch)
    watcher.start()
    workers = [threading.Thread(target=work, args=(f"w{number}",)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    ended.set()
    watcher.join()
    assert 0 < max(most) <= 4
    with store.database.read() as connection:
        assert connection.scalars(select(jobs.c.id).where(jobs.c.status != "completed")).all() == []
