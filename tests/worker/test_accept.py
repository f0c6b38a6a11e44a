"""A text that is not accepted: its job fails or writes anew, and every attempt is counted."""

from collections import Counter
from typing import Any

import pytest

from jobs.acceptance.format_check import MOST_TRIES, FormatCheck
from jobs.intake.submission import NewJob, submit_batch
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_batch
from tests.sparing import on_sqlite
from tests.upstream.scripted_upstream import DONE, ROLE, ScriptedUpstream, chunk, chunked
from tests.upstream.scripted_upstream import text as delta
from tests.worker.accepting import BAD, GOOD, RULES, WORSE, outcomes, run_through, worker_on, writes
from tests.worker.ear import listening
from tests.worker.test_continuation import run_twice
from tests.worker.worker_fixtures import ask, history, ids_of, job_and_text, submit


@on_sqlite
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


JSON, SCHEMA = '{"title": "Rain."}', {"type": "object", "required": ["title"]}
ASKED = {"type": "json_schema", "json_schema": {"name": "article", "schema": SCHEMA}}


@pytest.mark.parametrize("options", [{"accept": {"json_schema": SCHEMA}}, {"fields": {"response_format": ASKED}}])
def test_a_whole_text_that_cannot_be_checked_now_is_kept_and_written_anew(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    start, starts = FormatCheck._start, []

    def start_the_second_time(check: FormatCheck) -> Any:
        starts.append(check)
        if len(starts) == 1:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return start(check)

    monkeypatch.setattr(FormatCheck, "_start", start_the_second_time)
    job_id = submit(sqlite_database, max_attempts=2, on_interrupt="continue", **options)
    with (
        ScriptedUpstream(writes(JSON), writes(JSON)) as upstream,
        worker_on(sqlite_database, redis_url, upstream, upstream_prefix="assistant") as worker,
        listening(redis_url, job_id) as ear,
    ):
        run_twice(worker, ear, job_id)
        asked = [exchange.body["messages"] for exchange in upstream.exchanges]
    assert asked[0] == asked[1]
    job, text = job_and_text(sqlite_database, job_id)
    assert (job.status, job.failures, text) == (JobStatus.COMPLETED, 1, JSON)
    first, _ = history(sqlite_database, job_id)
    assert (first.outcome, first.error_code, first.bytes) == (AttemptOutcome.FAILED, "check_failed", len(JSON))
    assert first.usage is not None
    assert first.usage.output_tokens == 7


def test_a_text_whose_checks_others_kill_is_tried_again_and_not_blamed_on_its_schema(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, killed = FormatCheck._start, list[int]()

    def start_one(check: FormatCheck) -> Any:
        child = start(check)
        if len(killed) < MOST_TRIES:
            child.kill()
            killed.append(child.wait())
        return child

    monkeypatch.setattr(FormatCheck, "_start", start_one)
    job_id = submit(sqlite_database, max_attempts=2, accept={"json_schema": SCHEMA})
    run_through(sqlite_database, redis_url, job_id, writes(JSON), writes(JSON))
    assert len(killed) == MOST_TRIES
    job, text = job_and_text(sqlite_database, job_id)
    assert (job.status, text) == (JobStatus.COMPLETED, JSON)
    assert [attempt.error_code for attempt in history(sqlite_database, job_id)] == ["check_failed", None]


def test_a_batch_has_cost_what_its_rejected_texts_have_cost_too(sqlite_database: Database, redis_url: str) -> None:
    job = NewJob(ask(), accept=RULES, on_reject="repair")
    batch_id = submit_batch(sqlite_database, [job]).id
    [job_id] = ids_of(sqlite_database, batch_id)
    run_through(sqlite_database, redis_url, job_id, writes(BAD, 5), writes(WORSE, 3), writes(GOOD, 6))
    batch = read_batch(sqlite_database, batch_id, project=None)
    assert batch is not None
    assert batch.usage is not None
    assert (batch.usage["input_tokens"], batch.usage["output_tokens"]) == (60, 14)
