"""A text that is not accepted: its job fails, or writes anew, or asks for a repair, and every attempt is counted."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import select

from jobs.intake.submission import NewJob, submit_batch
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.lifecycle.retry import retry_job
from jobs.model.records import Attempt
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from jobs.tables import rejected_texts
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Script, ScriptedUpstream, chunk, chunked
from tests.upstream.scripted_upstream import text as delta
from tests.worker.test_continuation import Watcher, run_twice
from tests.worker.worker_fixtures import (
    WorkerParts,
    ask,
    expire_lease,
    history,
    ids_of,
    job_and_text,
    listening,
    open_worker,
    small_settings,
    submit,
)

RULES = {"min_words": 4, "ends_well": True}
BAD, WORSE, GOOD = "It rains today, and then", "It rains", "It rains all day."
WHY: list[dict[str, Any]] = [{"rule": "ends_well", "asked": True, "found": f'a sentence that does not end, "{BAD}"'}]


def writes(text: str, output_tokens: int = 7) -> Script:
    """An answer with this text, and its usage."""
    usage = {"prompt_tokens": 20, "completion_tokens": output_tokens, "total_tokens": 20 + output_tokens}
    return chunked(ROLE, delta(text), FINISH, chunk({}, usage=usage), DONE)


@contextmanager
def worker_on(database: Database, redis_url: str, upstream: ScriptedUpstream, **settings: Any) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, upstream.url, **settings)) as worker:
        yield worker


def run_through(database: Database, redis_url: str, job_id: str, *answers: Script) -> tuple[Watcher, list[Any]]:
    """Run a job to its end while an upstream writes these answers; what a watcher saw, and what was asked for."""
    with (
        ScriptedUpstream(*answers) as upstream,
        worker_on(database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
        return watcher, [exchange.body for exchange in upstream.exchanges]


def outcomes(attempts: list[Attempt]) -> list[str | None]:
    return [attempt.outcome for attempt in attempts]


def kept(database: Database, job_id: str) -> list[str]:
    """The texts that are kept for a repair."""
    with database.read() as connection:
        return list(connection.scalars(select(rejected_texts.c.text).where(rejected_texts.c.job_id == job_id)))


def test_a_text_that_keeps_the_rules_completes(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES)
    run_through(database, redis_url, job_id, writes(GOOD))
    job, text = job_and_text(database, job_id)
    assert (job.status, text) == (JobStatus.COMPLETED, GOOD)
    assert history(database, job_id)[0].rejections is None


def test_a_text_that_does_not_fails_with_every_reason_and_is_kept(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES, max_attempts=3)
    _, asked = run_through(database, redis_url, job_id, writes(WORSE))
    assert len(asked) == 1
    job, text = job_and_text(database, job_id)
    assert (job.status, job.error_code, job.failures, text) == (JobStatus.FAILED, "not_accepted", 1, WORSE)
    assert job.error_message == (
        "The text was not accepted: min_words: asked for 4, found 2 words;"
        f' ends_well: asked for a good ending, found a sentence that does not end, "{WORSE}"'
    )
    [attempt] = history(database, job_id)
    assert (attempt.outcome, attempt.error_message) == (AttemptOutcome.NOT_ACCEPTED, job.error_message)
    assert [one["rule"] for one in attempt.rejections or []] == ["min_words", "ends_well"]
    assert job.usage is not None
    assert job.usage.output_tokens == 7


def test_a_retry_writes_anew_and_is_charged(database: Database, redis_url: str) -> None:
    job_id = submit(database, accept=RULES, on_reject="retry", max_attempts=2)
    watcher, asked = run_through(database, redis_url, job_id, writes(BAD), writes(GOOD))
    assert asked[0] == asked[1]
    job, text = job_and_text(database, job_id)
    assert (job.status, job.failures, job.repairs, text) == (JobStatus.COMPLETED, 1, None, GOOD)
    assert outcomes(history(database, job_id)) == ["not_accepted", "completed"]
    assert (watcher.shown, watcher.resets) == (GOOD, 1)


@pytest.mark.parametrize("on_reject", ["fail", "retry", "repair"])
def test_the_metrics_count_attempts_in_the_words_of_their_rows(
    sqlite_database: Database, redis_url: str, on_reject: str
) -> None:
    job_id = submit(sqlite_database, accept=RULES, on_reject=on_reject, max_attempts=2)
    with (
        ScriptedUpstream(writes(BAD), writes(GOOD)) as upstream,
        worker_on(sqlite_database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        run_twice(worker, ear, job_id)
        counted = {outcome: number for (*_, outcome), number in worker.counts.attempts.items()}
    rows = outcomes(history(sqlite_database, job_id))
    assert "not_accepted" in rows
    assert counted == Counter(rows)


def test_retries_end_with_max_attempts_and_the_longest_text(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, accept=RULES, on_reject="retry", max_attempts=2)
    run_through(sqlite_database, redis_url, job_id, writes(BAD), writes(WORSE))
    job, text = job_and_text(sqlite_database, job_id)
    assert (job.status, job.error_code, job.failures) == (JobStatus.FAILED, "not_accepted", 2)
    assert (text, job.text_attempt) == (BAD, 1)


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


@pytest.mark.parametrize(("rules", "status"), [(RULES, "failed"), ({"min_words": 2}, "completed")])
def test_a_text_at_the_token_limit_fails_only_where_it_must_end_well(
    sqlite_database: Database, redis_url: str, rules: dict[str, Any], status: str
) -> None:
    job_id = submit(sqlite_database, {"text": GOOD, "finish_reason": "length"}, accept=rules)
    cut = chunked(ROLE, delta(GOOD), chunk({}, finish_reason="length"), DONE)
    run_through(sqlite_database, redis_url, job_id, cut)
    job, _ = job_and_text(sqlite_database, job_id)
    assert job.status == status
    assert (job.incomplete is not None) is (status == "completed")


def test_a_text_beside_a_tool_call_is_not_checked(sqlite_database: Database, redis_url: str) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    answer = chunked(ROLE, delta("Let me look"), chunk({"tool_calls": [call]}), chunk({}, "tool_calls"), DONE)
    job_id = submit(sqlite_database, accept={"min_words": 100})
    run_through(sqlite_database, redis_url, job_id, answer)
    assert job_and_text(sqlite_database, job_id)[0].status is JobStatus.COMPLETED


def test_the_format_of_the_response_keeps_its_own_code(sqlite_database: Database, redis_url: str) -> None:
    fields = {"response_format": {"type": "json_object"}}
    job_id = submit(sqlite_database, fields=fields, accept=RULES, on_reject="repair", max_attempts=1)
    run_through(sqlite_database, redis_url, job_id, writes(BAD))
    job, _ = job_and_text(sqlite_database, job_id)
    assert (job.error_code, job.repairs) == ("schema_mismatch", None)


def test_a_batch_has_cost_what_its_rejected_texts_have_cost_too(sqlite_database: Database, redis_url: str) -> None:
    job = NewJob(ask(), accept=RULES, on_reject="repair")
    batch_id = submit_batch(sqlite_database, [job]).id
    [job_id] = ids_of(sqlite_database, batch_id)
    run_through(sqlite_database, redis_url, job_id, writes(BAD, 5), writes(WORSE, 3), writes(GOOD, 6))
    batch = read_batch(sqlite_database, batch_id, project=None)
    assert batch is not None
    assert batch.usage is not None
    assert (batch.usage["input_tokens"], batch.usage["output_tokens"]) == (60, 14)
