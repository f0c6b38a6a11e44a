"""Long requests: stored once beside the row of their job, read everywhere as short ones are, written by no update."""

import json
import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from jobs.intake.submission import NewJob, submit_batch, submit_job
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.lease import Checkpoint, claim, claim_many, renew
from jobs.lifecycle.lost import read_lost_text
from jobs.lifecycle.rescue import rescue_lost
from jobs.lifecycle.responses import stream_responses
from jobs.lifecycle.retry import retry_job
from jobs.lifecycle.transitions import fail
from jobs.model.status import JobStatus
from jobs.store import job_requests as module
from jobs.store.database import Database
from jobs.store.groups_by_bytes import most_bytes_at_once
from jobs.store.job_requests import LONG_REQUEST, new_row, prompt_bytes
from jobs.store.queries import read_results
from jobs.store.whole_jobs import read_size, read_whole_job
from jobs.store.write_ahead_log import empty_log
from jobs.tables import job_requests, jobs
from tests.stack.running_up import ROOT
from tests.store.long_requests import ACCEPT, APART, CELLS, IN_ROW, asked_of, count, in_row, job_of, submit, where
from tests.store.plans import plans_of
from tests.store.reserving import lanes_of, reserve, upstream
from tests.store.store_fixtures import LEASE, REFUSED, Store, counted, store, written

__all__ = ["store", "where"]  # fixtures


def test_a_request_is_stored_in_its_row_up_to_a_page_and_apart_beyond(
    store: Store, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job_id, job = submit(store, where, monkeypatch)
    assert count(store.database, job_requests) == (where == APART)
    assert (in_row(store.database, job_id) == ("", None, None)) == (where == APART)
    assert asked_of(store.job(job_id)) == asked_of(job)


def test_every_read_of_a_job_has_its_request(store: Store, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    job_id, job = submit(store, where, monkeypatch)
    size = LONG_REQUEST + (where != IN_ROW)
    for most_bytes in (None, size):
        whole = read_whole_job(store.database, job_id, project="default", most_bytes=most_bytes)
        assert whole is not None
        stored = {name: json.loads(text) for name, text in whole.stored.as_stored.items()}
        assert stored == {"request": job.request, "accept": ACCEPT, "cells": CELLS}
    assert read_size(store.database, [job_id]) == size
    (result,) = read_results(store.database, [job_id], also=["request", "cells"])
    assert (result.job.request, result.job.cells) == (job.request, CELLS)
    (result,) = read_results(store.database, [job_id], also=["cells"])
    assert (result.job.request, result.job.cells) == (None, CELLS)


def test_every_attempt_is_given_the_request(store: Store, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first, those after a rescue and a retry, and one whose claim committed although its reply was lost."""
    job_id, job = submit(store, where, monkeypatch)
    given = (job.request, ACCEPT)
    reserve(store.database, job_id)
    (first,) = claim_many(store.database, [job_id], "w1", LEASE)
    assert first is not None
    assert (first.job.request, first.job.accept) == given
    renew(store.database, "w1", [Checkpoint(job_id, 1, "so far")], LEASE)
    store.clock.advance(LEASE + 1)
    assert [change.id for change in rescue_lost(store.database)] == [job_id]
    lost = read_lost_text(store.database, job_id, 1)
    assert lost is not None
    assert lost.request == job.request
    tried_at: list[Any] = []
    reserve(store.database, job_id)
    for _ in range(2):
        again = claim(store.database, job_id, "w1", LEASE, tried_at=tried_at)
        assert again is not None
        assert (again.attempt, again.job.request, again.job.accept) == (2, *given)
    fail(store.database, job_id, 2, written("so far"), REFUSED)
    assert retry_job(store.database, job_id, None) is not None
    assert store.claim(job_id).job.request == job.request


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"max_tokens": 70},
        {"max_completion_tokens": 10**30},
        {"max_tokens": -1},
        {"max_tokens": True},
        {"max_tokens": 2.5},
    ],
    ids=str,
)
def test_a_reservation_takes_as_many_tokens_and_reads_no_long_request(
    store: Store, wanted: dict[str, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, it read and decoded the requests of all candidates while everybody else waited to write."""
    request = {"model": "m1", "messages": [{"role": "user", "content": "tea " * 2250}], **wanted}
    apart = submit_job(store.database, NewJob(request, accept=ACCEPT)).id
    monkeypatch.setattr(module, "LONG_REQUEST", 1 << 30)
    whole = submit_job(store.database, NewJob(request, accept=ACCEPT)).id
    with counted(store) as statements:
        reserved = lanes_of(store.database, 30.0, upstream("default")).reserve(10, 3).reserved
    assert set(reserved) == {apart, whole}
    assert [one for one in statements if "job_requests" in one and "job_requests.request," in one] == []
    with store.database.read() as connection:
        tokens = set(connection.scalars(select(jobs.c.reserved_tokens)))
    assert len(tokens) == 1


@pytest.mark.parametrize("times", [1, 2])
def test_an_image_is_reckoned_as_a_thousand_tokens_whatever_its_size(times: int) -> None:
    """One of 8 MB took a minute's tokens of its lane, for all projects, until its text had ended."""
    prompt = "Tell what you see. " * 300
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'iVBORw0KGgo' * 400_000}=="}}
    request = {"messages": [{"role": "user", "content": [{"type": "text", "text": prompt}, *[image] * times]}]}
    row: dict[str, Any] = {"id": "job_1", "request": json.dumps(request), "accept": None, "cells": None, "metadata": {}}
    long = new_row(row, request).long
    assert long is not None
    without = len(json.dumps(request)) - times * 4_400_002
    assert long["request_bytes"] == without + times * 4000


def test_a_field_that_models_do_not_read_is_reckoned_as_a_thousand_tokens_at_most() -> None:
    """An upstream passes over what it does not know, and 2.4 MB of it kept all other jobs of the lane for a minute."""
    asks = {"model": "m1", "messages": [{"role": "user", "content": "tea " * 2250}]}
    usual = prompt_bytes(asks)
    assert usual == len(json.dumps(asks, separators=(",", ":"))) > LONG_REQUEST
    short, long = {**asks, "note": "x" * 1000}, {**asks, "note": ["lorem ip "] * 200_000}
    assert prompt_bytes(short) == usual + len(',"note":') + 1002
    assert prompt_bytes(long) == usual + len(',"note":') + 4000
    assert prompt_bytes({**asks, "tools": ["lorem ip "] * 200_000}) > 2_000_000


def test_short_requests_cost_no_statement(store: Store) -> None:
    with counted(store) as statements:
        submit_batch(store.database, [job_of(LONG_REQUEST) for _ in range(20)])
        reserved = lanes_of(store.database, 30.0, upstream("default")).reserve(10, 3).reserved
        claim_many(store.database, reserved, "w1", LEASE)
    assert [one for one in statements if "job_requests" in one and not one.startswith("UPDATE jobs")] == []


def test_changes_of_a_status_write_nothing_of_a_long_request(sqlite_database: Database) -> None:
    """Before, SQLite wrote it again with each: to cancel 40 requests of 9 MB kept everybody waiting for 26 s."""
    store = Store(sqlite_database)
    batch_id = submit_batch(store.database, [job_of(1_000_000) for _ in range(10)]).id
    first, *_ = store.ids(batch_id)
    log = Path(f"{sqlite_database.engine.url.database}-wal")
    with closing(sqlite_database.engine.raw_connection()) as connection:
        assert empty_log(connection)
    assert log.stat().st_size == 0
    store.claim(first)
    fail(store.database, first, 1, written("so far"), REFUSED)
    cancel_batch(store.database, batch_id)
    assert 0 < log.stat().st_size < 500_000
    assert {store.job(job_id).status for job_id in store.ids(batch_id)} == {"failed", "cancelled"}


def test_a_long_request_is_found_by_its_key(sqlite_database: Database) -> None:
    """A comparison that SQLite could not look up read all of them for each job."""
    store = Store(sqlite_database)
    asked = {"model": "m", "input": "x"}
    batch_id = submit_batch(store.database, [job_of(9000, response=asked) for _ in range(3)]).id
    ids = store.ids(batch_id)
    with plans_of(sqlite_database) as plans:
        read_whole_job(store.database, ids[0], project="default", most_bytes=0x7FFF)
        read_results(store.database, ids, also=["request", "cells"])
        most_bytes_at_once(store.database, batch_id, also=["request"])
        read_size(store.database, ids)
        read_lost_text(store.database, ids[0], 1)
        assert len(list(stream_responses(store.database, batch_id, list(JobStatus)))) == 3
        (reserved, *_) = lanes_of(store.database, 30.0, upstream("default")).reserve(10, 3).reserved
        claim(store.database, reserved, "w1", LEASE)
    steps = [step for statement, plan in plans if "job_requests" in statement for step in plan]
    assert sum(step.startswith("SEARCH job_requests USING INDEX") for step in steps) >= 10
    assert [step for step in steps if step.startswith("SCAN")] == []


def test_how_much_is_read_at_once_counts_what_is_apart(store: Store) -> None:
    batch_id = submit_batch(store.database, [job_of(1_500_000)]).id
    alone = most_bytes_at_once(store.database, batch_id)
    assert most_bytes_at_once(store.database, batch_id, also=["request", "cells"]) == alone + 1_500_000


_READS = re.compile(
    r"jobs\.c\.(request|accept|cells)\b|jobs\.c\[|\*jobs\.c\b|in jobs\.c\b|jobs\.columns|"
    r"\bselect\(\s*jobs\s*[,)]|\bjobs\.select\(|returning\(\s*\*?jobs\s*[,)]"
)
_NAME_THEIR_COLUMNS = {
    "jobs/dispatch/waiting.py",
    "jobs/store/job_requests.py",
    "jobs/store/search.py",
    "jobs/tables/work.py",
    "jobs/webhooks/events.py",
}


def test_no_other_place_reads_requests_from_the_rows_of_jobs() -> None:
    """One that did would show nothing of a long one, or send nothing to the model. Those that are named here take
    columns by names, and `request`, `accept` and `cells` are not among these.
    """
    found = set()
    for top in ("api", "benchmarks", "jobs", "longhand", "tests/chaos", "worker"):
        for path in (ROOT / top).rglob("*.py"):
            if _READS.search(path.read_text()):
                found.add(str(path.relative_to(ROOT)))
    assert found == _NAME_THEIR_COLUMNS
