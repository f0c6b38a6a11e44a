"""What keeps others from writing reads few rows, however many jobs wait and however many texts there are."""

import pytest

from jobs.dispatch.holds import HoldKind, pause
from jobs.dispatch.suspects import forgive
from jobs.dispatch.totals import count_waiting
from jobs.dispatch.upstream_holds import free_probes
from jobs.lifecycle import rescue
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.erase import delete_batch, erase_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job, expire_and_cancel_queued, rescue_lost
from jobs.lifecycle.responses import erase_deleted
from jobs.lifecycle.retention import delete_some
from jobs.lifecycle.transitions import fail
from jobs.model.retention import Retention
from jobs.store.costs import read_project_usage
from jobs.store.database import Database
from jobs.store.projects import set_keep_seconds
from tests.store.plans import plans_of
from tests.store.reserving import HINT_SECONDS, take_due
from tests.store.store_fixtures import LEASE, REFUSED, Store, written

VERBS = ("SELECT", "UPDATE", "INSERT")

ALL_OF_A_STATUS = "jobs_hinted (status=?)"
"""An index whose rows of one status may be all that wait, or all that have ended."""


@pytest.fixture
def store(sqlite_database: Database) -> Store:
    """SQLite knows nothing of how many rows an index has. PostgreSQL does."""
    return Store(sqlite_database)


def steps(plans: list[tuple[str, list[str]]]) -> list[str]:
    """The steps of all plans, of which there are some."""
    assert plans
    return [step for _, plan in plans for step in plan]


def reads_all_of_a_status(plans: list[tuple[str, list[str]]]) -> bool:
    return any(step.endswith(ALL_OF_A_STATUS) for step in steps(plans))


@pytest.mark.parametrize("kind", list(HoldKind))
def test_a_pause_reads_what_is_reserved_and_what_runs(store: Store, kind: HoldKind) -> None:
    """Before, what waits in all projects: with 800,000 jobs of one it took 0.8 s, and another's POST 5.8 s."""
    batch_id, [reserved, running] = store.submit_batch(2)
    target = {"batch": batch_id, "project": "default", "model": "m1", "upstream": "default"}[kind]
    store.claim(running)
    assert take_due(store.database, 1, HINT_SECONDS) == [reserved]
    with plans_of(store.database, *VERBS) as plans:
        assert pause(store.database, kind, target, release_running=True).changed
    assert not reads_all_of_a_status(plans)
    assert not any("jobs_by_status" in step or "jobs_waiting" in step for step in steps(plans))
    assert "SEARCH jobs USING INDEX sqlite_autoindex_jobs_1 (id=?)" in steps(plans)


def test_hints_that_were_lost_are_taken_back_by_their_ids(store: Store) -> None:
    """Before, five of them and more were looked for among all that wait."""
    ids = [store.submit() for _ in range(9)]
    assert set(take_due(store.database, 9, HINT_SECONDS)) == set(ids)
    store.clock.advance(HINT_SECONDS + 1)
    with plans_of(store.database, *VERBS) as plans:
        assert set(take_due(store.database, 9, HINT_SECONDS)) == set(ids)
    assert not reads_all_of_a_status(plans)


def test_who_is_forgiven_is_found_by_id(store: Store) -> None:
    ids = [store.submit() for _ in range(9)]
    with plans_of(store.database, "UPDATE") as plans, store.database.write() as connection:
        forgive(connection, ids, store.clock.now)
    assert not reads_all_of_a_status(plans)


def test_the_next_that_expire_are_read_in_the_order_of_their_index(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, each call read and sorted all that are left: 0.4 s for 200 of 300,000."""
    late, later = (store.submit(expires_at=store.clock.after(seconds)) for seconds in (9, 5))
    monkeypatch.setattr(rescue, "MOST_ENDED", 1)
    store.clock.advance(10)
    with plans_of(store.database) as plans:
        assert [change.id for change in expire_and_cancel_queued(store.database)] == [later]
    assert not any("TEMP B-TREE" in step for statement, plan in plans if "expires_at <=" in statement for step in plan)
    assert [change.id for change in expire_and_cancel_queued(store.database)] == [late]


def test_a_rescue_reads_the_texts_of_those_that_it_rescues(store: Store) -> None:
    """Before, for three of them and more, every text there is."""
    ids = [store.running() for _ in range(5)]
    renew(store.database, "w1", [Checkpoint(job_id, 1, "so far", 1) for job_id in ids], LEASE)
    store.clock.advance(LEASE + 1)
    with plans_of(store.database, *VERBS) as plans:
        assert {change.id for change in rescue_lost(store.database)} == set(ids)
    assert any("lost_texts" in statement for statement, _ in plans)
    assert not any(step.startswith("SCAN texts") for step in steps(plans))


def test_deletions_that_go_on_are_found_among_what_is_deleted(store: Store) -> None:
    """Before, each look read all jobs that have ended: 0.9 s for 800,000, every five seconds, in the dispatch loop."""
    with plans_of(store.database) as plans:
        assert erase_deleted(store.database) == []
    assert any("responses_deleted" in step for step in steps(plans))
    assert not reads_all_of_a_status(plans)


def test_what_is_erased_is_found_by_its_keys(store: Store) -> None:
    """Before, every pair of metadata there was: with 400,000 of them 1 s a round, in which nobody else could write."""
    batch_id, _ = store.submit_batch(6, metadata={"topic": "rain", "words": "100"})
    cancel_batch(store.database, batch_id)
    with plans_of(store.database, "DELETE") as plans:
        assert delete_batch(store.database, batch_id)
    assert any("metadata_pairs" in statement for statement, _ in plans)
    assert not any(step.startswith("SCAN") for step in steps(plans))


@pytest.mark.parametrize("keeps_itself", [True, False])
def test_jobs_that_are_kept_no_longer_are_found_without_those_that_are(store: Store, keeps_itself: bool) -> None:
    """Before, those with a time of their own were looked for among all that have ended."""
    job_ids = [store.submit(retention=Retention(60) if keeps_itself else None) for _ in range(3)]
    set_keep_seconds(store.database, "default", 60)
    for job_id in job_ids:
        cancel_job(store.database, job_id)
    store.clock.advance(61)
    with plans_of(store.database) as plans:
        assert delete_some(store.database)
    found = [plan for statement, plan in plans if "jobs.batch_id IS NULL" in statement and "erase_at" not in statement]
    by_id, by_end = "sqlite_autoindex_jobs_1 (id=?)", "jobs_ended_alone (project=? AND finished_at<?)"
    own, of_project = [f"SEARCH jobs USING INDEX {by_id}"], [f"SEARCH jobs USING INDEX {by_end}"]
    assert found == ([own] if keeps_itself else [of_project, of_project])


def test_each_read_for_the_usage_of_a_project_goes_over_some_of_its_jobs(store: Store) -> None:
    """Before, each went over all of them: the usage of 300,000 jobs took 4.5 s, not 1.3."""
    store.running()
    with plans_of(store.database) as plans:
        read_project_usage(store.database, "default", store.clock.after(-60), store.clock.after(60))
    some = "jobs_of_project (project=? AND id>?)"
    assert [plan[0] for _, plan in plans] == [
        f"SEARCH jobs USING COVERING INDEX {some}",
        f"SEARCH jobs USING INDEX {some}",
    ]


def test_jobs_that_wait_are_counted_in_the_order_of_their_index(store: Store) -> None:
    """Before, all of them were sorted for each read of `/metrics`: 1 s for 300,000."""
    ids = [store.submit(model=model) for model in ("m2", "m1", "m2")]
    store.claim(ids[0])
    with plans_of(store.database) as plans:
        assert count_waiting(store.database) == {"m1": 1, "m2": 1}
    assert steps(plans) == ["SCAN jobs USING INDEX jobs_waiting"]


def test_a_lost_probe_is_looked_for_among_the_holds_of_upstreams(store: Store) -> None:
    """Before, among those of all batches that somebody has paused, too."""
    with plans_of(store.database) as plans:
        free_probes(store.database, ["job_1"])
    assert steps(plans) == ["SEARCH holds USING INDEX sqlite_autoindex_holds_1 (kind=?)"]


def test_what_an_upstream_quoted_is_looked_for_among_the_holds_of_upstreams(store: Store) -> None:
    """Before, among those of all batches that somebody has paused, too."""
    job_id = store.running()
    assert fail(store.database, job_id, 1, written(), REFUSED)
    with plans_of(store.database, "UPDATE holds") as plans:
        assert erase_job(store.database, job_id)
    assert steps(plans) == ["SEARCH holds USING INDEX sqlite_autoindex_holds_1 (kind=?)"]
