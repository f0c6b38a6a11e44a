"""Claims of jobs with long requests: they keep nobody from writing, and none is lost although it was not read."""

import threading
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.lease import Claimed, claim, claim_many
from jobs.store.database import Database
from jobs.store.job_requests import read_asked
from tests.store.reserving import reserve
from tests.store.store_fixtures import LEASE, Store, store

__all__ = ["store"]  # a fixture

ACCEPT = {"must_include": ["rain"]}


def job_of(size: int) -> NewJob:
    return NewJob({"model": "m1", "messages": [{"role": "user", "content": "x" * size}]}, accept=ACCEPT)


def alone(database: Database, job_ids: Sequence[str], tried_at: Sequence[list[datetime]]) -> list[Claimed | None]:
    asked = zip(job_ids, tried_at, strict=True)
    return [claim(database, job_id, "w1", LEASE, tried_at=times) for job_id, times in asked]


def together(database: Database, job_ids: Sequence[str], tried_at: Sequence[list[datetime]]) -> list[Claimed | None]:
    return claim_many(database, job_ids, "w1", LEASE, tried_at)


@pytest.mark.parametrize("claims", [alone, together])
def test_others_write_while_a_claim_reads_long_requests(
    claims: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the claim's transaction, 40 requests of 9 MB kept everybody else from writing to SQLite for 5 s."""
    wanted = [job_of(9000), job_of(10), job_of(20_000)]
    job_ids = store.ids(submit_batch(store.database, wanted).id)
    for job_id in job_ids:
        reserve(store.database, job_id)
    written: list[str] = []

    def write_first(database: Database, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        other = threading.Thread(target=lambda: written.append(submit_job(database, job_of(10)).id), daemon=True)
        other.start()
        other.join(30)
        assert not other.is_alive(), "nobody else can write"
        return read_asked(database, ids)

    monkeypatch.setattr("jobs.lifecycle.lease.read_asked", write_first)
    claimed = claims(store.database, job_ids, [[], [], []])
    assert [(one.job.request, one.job.accept) for one in claimed] == [(one.request, ACCEPT) for one in wanted]
    assert written


@pytest.mark.parametrize("claims", [alone, together])
def test_a_claim_whose_long_request_could_not_be_read_is_found_again(
    claims: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [job_of(9000), job_of(20_000)]
    job_ids = store.ids(submit_batch(store.database, wanted).id)
    for job_id in job_ids:
        reserve(store.database, job_id)

    def refuse(_: Database, __: Sequence[str]) -> dict[str, dict[str, Any]]:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    tried_at: list[list[datetime]] = [[], []]
    with monkeypatch.context() as patch:
        patch.setattr("jobs.lifecycle.lease.read_asked", refuse)
        with pytest.raises(OperationalError):
            claims(store.database, job_ids, tried_at)
    assert [store.job(job_ids[0]).status, store.job(job_ids[0]).attempt] == ["in_progress", 1]
    if claims is alone:  # the second one was not tried
        assert store.job(job_ids[1]).status == "queued"
    again = alone(store.database, job_ids, tried_at)
    assert all(one is not None for one in again)
    found = [(one.attempt, one.job.request, one.job.accept) for one in again if one is not None]
    assert found == [(1, one.request, ACCEPT) for one in wanted]
