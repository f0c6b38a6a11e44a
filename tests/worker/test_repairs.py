"""A repair: the model is shown its text and the reasons, and no crash or cancel loses what is to be repaired."""

from typing import Any

import pytest
from sqlalchemy import select

from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.lifecycle.retry import retry_job
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tables import rejected_texts
from tests.sparing import on_sqlite
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, ScriptedUpstream, chunked
from tests.upstream.scripted_upstream import text as delta
from tests.worker.accepting import BAD, GOOD, RULES, outcomes, run_through, worker_on, writes
from tests.worker.worker_fixtures import expire_lease, history, job_and_text, submit

WHY: list[dict[str, Any]] = [{"rule": "ends_well", "asked": True, "found": f'a sentence that does not end, "{BAD}"'}]


def kept(database: Database, job_id: str) -> list[str]:
    """The texts that are kept for a repair."""
    with database.read() as connection:
        return list(connection.scalars(select(rejected_texts.c.text).where(rejected_texts.c.job_id == job_id)))


def test_a_repair_shows_the_model_its_text_and_the_reasons(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES, on_reject="repair", max_attempts=1)
    watcher, (first, second) = run_through(database, redis_url, job_id, writes(BAD, 5), writes(GOOD, 6))
    shown, reasons = second["messages"][len(first["messages"]) :]
    assert {**second, "messages": first["messages"]} == first
    assert shown == {"role": "assistant", "content": BAD}
    assert reasons["role"] == "user"
    assert f'- ends_well: asked for a good ending, found a sentence that does not end, "{BAD}"' in reasons["content"]
    job, text = job_and_text(database, job_id)
    assert (job.status, job.failures, job.repairs, text) == (JobStatus.COMPLETED, 0, 1, GOOD)
    before, after = history(database, job_id)
    assert (before.outcome, before.rejections, after.outcome) == ("not_accepted", WHY, "completed")
    assert [attempt.usage.output_tokens for attempt in (before, after) if attempt.usage] == [5, 6]
    assert (watcher.shown, watcher.resets) == (GOOD, 1)
    assert kept(database, job_id) == []


@on_sqlite
def test_each_repair_shows_the_newest_text_and_their_number_is_limited(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES, on_reject="repair", max_repairs=2)
    texts = [BAD, "It pours today, but", "It snows today, so"]
    _, asked = run_through(database, redis_url, job_id, *map(writes, texts))
    assert [body["messages"][-2]["content"] for body in asked[1:]] == texts[:2]
    assert [len(body["messages"]) for body in asked] == [1, 3, 3]
    job, text = job_and_text(database, job_id)
    assert (job.status, job.error_code, job.repairs, job.failures) == (JobStatus.FAILED, "not_accepted", 2, 1)
    assert text == BAD  # the longest
    assert outcomes(history(database, job_id)) == ["not_accepted"] * 3
    assert kept(database, job_id) == []


def test_a_repair_that_is_written_without_usage_is_counted_with_the_text_it_shows(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, accept=RULES, on_reject="repair")
    plain = chunked(ROLE, delta(BAD), FINISH, DONE)
    run_through(sqlite_database, redis_url, job_id, plain, chunked(ROLE, delta(GOOD), FINISH, DONE))
    first, second = (attempt.usage for attempt in history(sqlite_database, job_id))
    assert first is not None
    assert second is not None
    assert (second.input_tokens or 0) > (first.input_tokens or 0) + 40  # the text and the reasons


@pytest.mark.parametrize("prefix", ["none", "assistant"])
def test_a_crash_in_a_repair_loses_nothing_that_is_to_be_repaired(
    database: Database, redis_url: str, prefix: str
) -> None:
    """The next worker makes the same request from the rows, although the repair had written over the text. Where the
    upstream can go on with a text, the repair goes on where it broke off.
    """
    job_id = submit(database, accept=RULES, on_reject="repair", on_interrupt="continue")
    half = "It rains all"
    rest = GOOD if prefix == "none" else GOOD.removeprefix(half)
    with ScriptedUpstream(writes(BAD), writes(rest)) as upstream:
        with worker_on(database, redis_url, upstream, upstream_prefix=prefix) as worker:
            worker.run(job_id)
            assert kept(database, job_id) == [BAD]
            assert claim_now(database, job_id, "w0", 60) is not None
            assert renew(database, "w0", [Checkpoint(job_id, 2, half)], 60)
            expire_lease(database, job_id)
            assert rescue_lost(database)
            assert outcomes(history(database, job_id)) == ["not_accepted", "lost"]
            worker.run(job_id)
        first, second = (exchange.body["messages"] for exchange in upstream.exchanges)
    assert second[len(first)] == {"role": "assistant", "content": BAD}
    assert WHY[0]["found"] in second[len(first) + 1]["content"]
    assert second[len(first) + 2 :] == ([] if prefix == "none" else [{"role": "assistant", "content": half}])
    job, text = job_and_text(database, job_id)
    assert (job.status, job.crashes, job.repairs, text) == (JobStatus.COMPLETED, 1, 1, GOOD)


def test_a_crash_before_the_first_checkpoint_does_not_go_on_with_the_rejected_text(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, accept=RULES, on_reject="repair", on_interrupt="continue")
    with ScriptedUpstream(writes(BAD), writes(GOOD)) as upstream:
        with worker_on(sqlite_database, redis_url, upstream, upstream_prefix="assistant") as worker:
            worker.run(job_id)
            assert claim_now(sqlite_database, job_id, "w0", 60) is not None
            expire_lease(sqlite_database, job_id)
            assert rescue_lost(sqlite_database)
            worker.run(job_id)
        roles = [message["role"] for message in upstream.last.body["messages"]]
    assert roles == ["user", "assistant", "user"]  # the repair's request, and no text to go on with after it
    assert job_and_text(sqlite_database, job_id)[1] == GOOD
    assert [attempt.continued_bytes for attempt in history(sqlite_database, job_id)] == [0, 0, 0]


@on_sqlite
def test_a_job_that_is_cancelled_before_its_repair_keeps_the_text(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES, on_reject="repair")
    with ScriptedUpstream(writes(BAD)) as upstream, worker_on(database, redis_url, upstream) as worker:
        worker.run(job_id)
    assert kept(database, job_id) == [BAD]
    assert cancel_job(database, job_id)
    job, text = job_and_text(database, job_id)
    assert (job.status, text) == (JobStatus.CANCELLED, BAD)
    assert kept(database, job_id) == []


def test_a_retry_by_hand_begins_anew_with_all_its_repairs(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, accept=RULES, on_reject="repair", max_repairs=1)
    run_through(sqlite_database, redis_url, job_id, writes(BAD))
    assert job_and_text(sqlite_database, job_id)[0].status is JobStatus.FAILED
    assert retry_job(sqlite_database, job_id, None)
    _, asked = run_through(sqlite_database, redis_url, job_id, writes(BAD), writes(GOOD))
    assert [len(body["messages"]) for body in asked] == [1, 3]
    assert job_and_text(sqlite_database, job_id)[0].repairs == 1
