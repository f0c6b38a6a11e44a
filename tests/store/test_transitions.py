"""What a running worker does with its job. Every one of these is fenced by the attempt, and may be tried twice."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import pytest

from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import cancel_job, rescue_lost
from jobs.lifecycle.transitions import (
    ask_for_repair,
    cancel_running,
    expire_running,
    fail,
    finish,
    release,
    retry,
    wait_for_limit,
)
from jobs.model.endings import CANCELLED, EXPIRED, AttemptResult, JobError
from jobs.model.status import FINAL, AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_attempts, read_result
from tests.store.store_fixtures import LEASE, LIMITED, REFUSED, START, USAGE, Store, at_once, store, written

__all__ = ["store"]  # a fixture

REASONS = ({"rule": "min_words", "asked": 3, "found": "2 words"},)
REJECTED = JobError("not_accepted", "the text was not accepted", rejections=REASONS)
DUE = START + timedelta(seconds=30)
Transition = Callable[[Database, str, int, AttemptResult], bool]

TRANSITIONS: dict[str, Transition] = {
    "finish": finish,
    "fail": partial(fail, error=REFUSED),
    "cancel": cancel_running,
    "expire": expire_running,
    "retry": partial(retry, error=REFUSED, due_at=DUE),
    "wait": partial(wait_for_limit, error=LIMITED, due_at=DUE),
    "release": release,
    "reject": partial(fail, error=REJECTED),
    "repair": partial(ask_for_repair, error=REJECTED),
}
# Where each one leads, what the attempt's outcome is, what it is charged as, and what it says went wrong.
MEANINGS: dict[str, tuple[JobStatus, AttemptOutcome, str | None, JobError | None]] = {
    "finish": (JobStatus.COMPLETED, AttemptOutcome.COMPLETED, None, None),
    "fail": (JobStatus.FAILED, AttemptOutcome.FAILED, "failures", REFUSED),
    "cancel": (JobStatus.CANCELLED, AttemptOutcome.CANCELLED, None, CANCELLED),
    "expire": (JobStatus.EXPIRED, AttemptOutcome.EXPIRED, None, EXPIRED),
    "retry": (JobStatus.QUEUED, AttemptOutcome.FAILED, "failures", REFUSED),
    "wait": (JobStatus.QUEUED, AttemptOutcome.RATE_LIMITED, "rate_limits", LIMITED),
    "release": (JobStatus.QUEUED, AttemptOutcome.RELEASED, "drains", None),
    "reject": (JobStatus.FAILED, AttemptOutcome.NOT_ACCEPTED, "failures", REJECTED),
    "repair": (JobStatus.QUEUED, AttemptOutcome.NOT_ACCEPTED, None, REJECTED),
}
each = pytest.mark.parametrize("verb", list(TRANSITIONS))
whole = written(
    "Rain 😀\u2028 falls",
    usage=USAGE,
    text_tokens=4,
    text_tokens_source="tokenizer",
    finish_reason="stop",
    upstream_id="chatcmpl-1",
    upstream_model="m1-2026",
)


@each
def test_a_transition_moves_the_job_and_says_why(store: Store, verb: str) -> None:
    status, outcome, charged, fault = MEANINGS[verb]
    job_id = store.running()
    store.clock.advance(3)
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is True
    job = store.job(job_id)
    [attempt] = read_attempts(store.database, job_id)
    assert (job.status, job.attempt, job.lease_until) == (status, 1, None)
    assert (attempt.outcome, attempt.finished_at) == (outcome, store.clock.now)
    for one in (job, attempt):
        assert (one.error_code, one.error_message) == ((fault.code, fault.message) if fault else (None, None))
    counted = {name: getattr(job, name) for name in ("failures", "crashes", "rate_limits", "drains")}
    assert counted == {name: int(name == charged) for name in counted}


@each
def test_an_attempt_keeps_what_it_wrote_and_what_it_cost(store: Store, verb: str) -> None:
    job_id = store.running()
    TRANSITIONS[verb](store.database, job_id, 1, whole)
    [attempt] = read_attempts(store.database, job_id)
    assert (attempt.deltas, attempt.bytes, attempt.usage) == (whole.deltas, whole.bytes, USAGE)
    assert attempt.first_delta_at == whole.first_delta_at
    assert store.rows()["texts"] == [(job_id, 1, whole.text, "", whole.deltas, MEANINGS[verb][0] in FINAL)]


@each
def test_only_an_ended_job_has_a_result(store: Store, verb: str) -> None:
    job_id = store.running()
    store.clock.advance(3)
    TRANSITIONS[verb](store.database, job_id, 1, whole)
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    if MEANINGS[verb][0] not in FINAL:
        assert (result.text, result.job.finished_at, result.job.usage) == (None, None, None)
        assert result.job.due_at == (store.clock.now if verb in ("release", "repair") else DUE)
        return
    job = result.job
    assert (result.text, job.bytes, job.sha256) == (whole.text, whole.bytes, whole.sha256)
    assert (job.usage, job.text_tokens, job.text_tokens_source) == (USAGE, 4, "tokenizer")
    assert (job.finish_reason, job.upstream_id, job.upstream_model) == ("stop", "chatcmpl-1", "m1-2026")
    assert (job.finished_at, job.first_delta_at) == (store.clock.now, whole.first_delta_at)


@each
def test_done_twice_it_is_true_and_changes_nothing_the_second_time(store: Store, verb: str) -> None:
    job_id = store.running()
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is True
    before = store.rows()
    store.clock.advance(1)
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is True
    assert store.rows() == before


@pytest.mark.parametrize("verb", ["retry", "wait", "release", "repair"])
def test_done_twice_it_is_true_also_when_the_next_attempt_has_begun(store: Store, verb: str) -> None:
    job_id = store.running()
    TRANSITIONS[verb](store.database, job_id, 1, whole)
    store.clock.now = DUE
    store.claim(job_id, "w2")
    renew(store.database, "w2", [Checkpoint(job_id, 2, "second")], LEASE)
    before = store.rows()
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is True
    assert store.rows() == before


@each
def test_a_stale_attempt_changes_no_row(store: Store, verb: str) -> None:
    job_id = store.running("w1")
    store.clock.advance(LEASE + 1)
    rescue_lost(store.database)
    before = store.rows()
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is False
    assert store.rows() == before
    store.claim(job_id, "w2")
    renew(store.database, "w2", [Checkpoint(job_id, 2, "second")], LEASE)
    before = store.rows()
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is False
    assert store.rows() == before
    finish(store.database, job_id, 2, written("second whole"))
    before = store.rows()
    assert TRANSITIONS[verb](store.database, job_id, 1, whole) is False
    assert store.rows() == before


@pytest.mark.parametrize("first", list(TRANSITIONS))
def test_an_attempt_that_has_ended_does_not_end_in_another_way(store: Store, first: str) -> None:
    job_id = store.running()
    TRANSITIONS[first](store.database, job_id, 1, written("first"))
    before = store.rows()
    for verb, transition in TRANSITIONS.items():
        same_outcome = MEANINGS[first][1] == MEANINGS[verb][1]
        assert transition(store.database, job_id, 1, whole) is same_outcome, verb
        assert store.rows() == before, verb


@each
def test_a_job_that_was_never_claimed_or_is_not_there_is_refused(store: Store, verb: str) -> None:
    job_id = store.submit()
    before = store.rows()
    for wrong, attempt in ((job_id, 0), (job_id, 1), ("job_unknown", 1)):
        assert TRANSITIONS[verb](store.database, wrong, attempt, whole) is False
    assert store.rows() == before


@each
def test_an_attempt_that_has_not_been_given_is_refused(store: Store, verb: str) -> None:
    job_id = store.running()
    before = store.rows()
    for attempt in (0, 2):
        assert TRANSITIONS[verb](store.database, job_id, attempt, whole) is False
    assert store.rows() == before


@each
def test_a_longer_text_of_an_earlier_attempt_outlives_every_end_but_a_completed_text(store: Store, verb: str) -> None:
    job_id = store.running()
    retry(store.database, job_id, 1, written("a longer first text"), REFUSED, store.clock.now)
    store.claim(job_id)
    TRANSITIONS[verb](store.database, job_id, 2, written("short"))
    status, first = MEANINGS[verb][0], (job_id, 1, "a longer first text", "", 19)
    is_own = status in (JobStatus.COMPLETED, JobStatus.QUEUED)
    assert store.rows()["texts"] == [((job_id, 2, "short", "", 5) if is_own else first) + (status in FINAL,)]
    assert store.rows()["longest_texts"] == ([first] if status is JobStatus.QUEUED else [])
    if status in FINAL:
        assert store.job(job_id).bytes == (5 if is_own else 19)


def test_failures_limits_and_drains_are_charged_apart(store: Store) -> None:
    job_id = store.submit(max_attempts=3)
    for attempt, verb in enumerate(["release", "wait", "wait", "retry", "release", "release", "retry", "fail"], 1):
        assert store.claim(job_id).attempt == attempt
        assert TRANSITIONS[verb](store.database, job_id, attempt, written())
        store.clock.advance(60)
    job = store.job(job_id)
    assert (job.failures, job.rate_limits, job.drains, job.crashes) == (3, 2, 3, 0)
    assert (job.status, job.attempt) == (JobStatus.FAILED, 8)


def test_a_job_that_completes_after_a_failure_says_nothing_of_it(store: Store) -> None:
    job_id = store.running()
    retry(store.database, job_id, 1, written(), REFUSED, store.clock.now)
    store.claim(job_id)
    finish(store.database, job_id, 2, whole)
    assert store.job(job_id).error_code is None
    assert [one.error_code for one in read_attempts(store.database, job_id)] == [REFUSED.code, None]


def test_of_many_ends_at_the_same_time_one_stands(store: Store) -> None:
    job_id = store.running()
    ends = ["finish", "fail", "cancel", "expire", "wait", "release"]
    told = at_once([partial(TRANSITIONS[verb], store.database, job_id, 1, written(verb)) for verb in ends])
    [winner] = [verb for verb, kept in zip(ends, told, strict=True) if kept]
    assert store.job(job_id).status is MEANINGS[winner][0]
    assert store.rows()["texts"] == [(job_id, 1, winner, "", len(winner), MEANINGS[winner][0] in FINAL)]


def test_a_finish_wins_over_a_cancel_that_came_too_late_to_stop_it(store: Store) -> None:
    job_id = store.running()
    cancel_job(store.database, job_id)
    assert finish(store.database, job_id, 1, whole) is True
    assert store.job(job_id).status is JobStatus.COMPLETED
    assert cancel_job(store.database, job_id) is None


def test_a_repair_is_counted_apart_and_its_text_stays_until_the_job_ends(store: Store) -> None:
    job_id = store.running(on_reject="repair", accept={"min_words": 3})
    ask_for_repair(store.database, job_id, 1, written("It rains"), REJECTED)
    [attempt] = read_attempts(store.database, job_id)
    assert attempt.rejections == list(REASONS)
    second = store.claim(job_id)
    assert second.rejected is not None
    assert (second.rejected.text, second.rejected.rejections) == ("It rains", list(REASONS))
    assert (second.job.repairs, second.job.accept) == (1, {"min_words": 3})
    retry(store.database, job_id, 2, written("It"), REFUSED, store.clock.now)
    assert store.claim(job_id).rejected == second.rejected
    finish(store.database, job_id, 3, whole)
    assert store.rows()["rejected_texts"] == []
