"""One job with all that is shown of it, as the separate reads give it, by few statements."""

import json
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, insert

from jobs.intake.submission import NewJob, submit_job
from jobs.lifecycle.transitions import finish, release
from jobs.model.cost import CostSum, KnownCost
from jobs.store.costs import read_costs
from jobs.store.queries import read_attempts, read_job
from jobs.store.whole_jobs import LongJobError, read_stored_job, read_whole_job
from jobs.tables import attempts
from tests.store.store_fixtures import START, Store, store, written

__all__ = ["store"]  # a fixture


def test_a_whole_job_is_what_the_separate_reads_give(store: Store) -> None:
    job_id = store.submit(metadata={"of": "news"})
    claimed = store.claim(job_id)
    release(store.database, job_id, claimed.attempt, written("so far"))
    second = store.claim(job_id)
    assert finish(store.database, job_id, second.attempt, written("Rain falls."))
    whole = read_whole_job(store.database, job_id, project="default")
    assert whole is not None
    job = read_job(store.database, job_id, project="default")
    assert job is not None
    assert whole.stored.job == replace(job, request=None)
    assert {name: json.loads(text) for name, text in whole.stored.as_stored.items()} == {"request": job.request}
    assert read_stored_job(store.database, job_id, project="default") == whole.stored
    assert read_stored_job(store.database, job_id, project="other") is None
    assert whole.attempts == read_attempts(store.database, job_id)
    assert [attempt.attempt for attempt in whole.attempts] == [1, 2]
    assert whole.cost == read_costs(store.database, [job_id])[job_id]
    assert whole.kept_texts == [2]
    assert read_whole_job(store.database, job_id, project="other") is None
    assert read_whole_job(store.database, "job_none", project="default") is None


def test_a_job_with_a_long_request_is_not_read_unless_it_is_wanted(store: Store) -> None:
    job_id = submit_job(
        store.database, NewJob({"model": "m", "messages": [{"role": "user", "content": "長" * 1000}]})
    ).id
    stored = read_stored_job(store.database, job_id, project="default")
    assert stored is not None
    length = len(stored.as_stored["request"])
    assert read_stored_job(store.database, job_id, project="default", most_bytes=length) == stored
    for read in (read_stored_job, read_whole_job):
        with pytest.raises(LongJobError):
            read(store.database, job_id, project="default", most_bytes=length - 1)
        assert read(store.database, job_id, project="other", most_bytes=0) is None


ENDED = {"finished_at": START, "usage_source": "upstream"}


@pytest.mark.parametrize(
    ("rows", "cost"),
    [
        ([ENDED | {"cost_nanos": 5, "cost_currency": "USD"}] * 2, CostSum((KnownCost("USD", 10, estimated=False),))),
        (
            [
                ENDED | {"cost_nanos": 5, "cost_currency": "USD", "usage_source": "tokenizer"},
                ENDED | {"cost_nanos": 7, "cost_currency": "EUR"},
                ENDED | {"cost_nanos": 1, "cost_currency": "USD", "usage_source": None},
                ENDED | {"cost_nanos": 0},
                ENDED,
                {"cost_nanos": 9, "cost_currency": "USD"},
            ],
            CostSum((KnownCost("EUR", 7, estimated=False), KnownCost("USD", 6, estimated=True)), unknown=1),
        ),
        ([ENDED | {"cost_nanos": 0}], CostSum()),
    ],
    ids=["one currency", "two, one unknown, one that runs", "free"],
)
def test_a_whole_job_costs_what_lists_say(store: Store, rows: list[dict[str, Any]], cost: CostSum) -> None:
    job_id = store.submit()
    names = ("finished_at", "usage_source", "cost_nanos", "cost_currency")
    begun = {"job_id": job_id, "worker": "w", "started_at": START}
    with store.database.write() as connection:
        for number, row in enumerate(rows, 1):
            values = begun | {"attempt": number} | dict.fromkeys(names) | row
            connection.execute(insert(attempts).values(values))
    whole = read_whole_job(store.database, job_id, project="default")
    assert whole is not None
    assert whole.cost == cost == read_costs(store.database, [job_id]).get(job_id, CostSum())


def test_a_whole_job_is_read_by_three_statements_of_one_connection(store: Store) -> None:
    """A GET of a job is what is asked for most. It had four connections and built each statement anew: 1.8 ms."""
    job_id = store.submit()
    sent: list[tuple[int, str]] = []

    def note(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            sent.append((id(connection), statement))

    event.listen(store.database.engine, "before_cursor_execute", note)
    try:
        for _ in range(2):
            assert read_whole_job(store.database, job_id, project="default") is not None
    finally:
        event.remove(store.database.engine, "before_cursor_execute", note)
    assert len(sent) == 6
    assert len({connection for connection, _ in sent[:3]}) == 1
