"""A text that moves between tables, or is erased, while somebody else looks: PostgreSQL, where nobody waits for all."""

from jobs.intake.submission import submit_job
from jobs.lifecycle.erase import erase_job
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job
from jobs.lifecycle.responses import delete_response
from jobs.lifecycle.transitions import fail, retry
from jobs.model.ids import response_id
from jobs.store.kept_texts import read_kept_text
from tests.store.store_fixtures import LEASE, REFUSED, Interruption, Store, counted, new_job, postgres_store, written

__all__ = ["postgres_store"]  # a fixture


def test_the_text_of_an_earlier_attempt_is_looked_for_in_one_statement(postgres_store: Store) -> None:
    """Between two, it moved from the table that comes second to the one that came first, and was not found."""
    store = postgres_store
    job_id = store.running()
    retry(store.database, job_id, 1, written("a long text"), REFUSED, store.clock.now)
    store.claim(job_id)
    renew(store.database, "w1", [Checkpoint(job_id, 2, "short")], LEASE)
    for _ in range(2):
        with counted(store) as statements:
            assert read_kept_text(store.database, job_id, 1, "text") == "a long text"
        assert len(statements) == 1
        fail(store.database, job_id, 2, written("short"), REFUSED)  # it moves


def test_a_response_that_is_deleted_twice_at_once_does_not_wait_for_itself(postgres_store: Store) -> None:
    """By its user, and by the time that it was to be kept for: each had locked what the other one wanted."""
    store = postgres_store
    job_id = submit_job(store.database, new_job(), response={"model": "m", "input": "x"}).id
    cancel_job(store.database, job_id)
    with Interruption(store.database, "UPDATE responses", lambda: erase_job(store.database, job_id)) as erasing:
        assert delete_response(store.database, response_id(job_id), project="default") is not None
    assert erasing.waited_for_us
    assert isinstance(erasing.result(), bool)
