"""The account or the key is blamed, and it may be about one request: this must not hold an upstream for the others."""

from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from sqlalchemy import select, update

from jobs.dispatch.failure import MOST_DOUBTED, Failure, Judgement, Reason
from jobs.dispatch.outages import judge
from jobs.intake.submission import submit_job
from jobs.lifecycle import transitions
from jobs.lifecycle.transitions import finish, retry
from jobs.settings import Settings
from jobs.tables import jobs, lanes
from tests.sparing import on_sqlite
from tests.store.failing import accept, due, fail, hold_again, reasons
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written
from worker.failed_attempts import FailedAttempts
from worker.upstream.errors import UpstreamError

__all__ = ["store"]  # a fixture


CODES: dict[Reason, str] = {"credit": "upstream_quota_spent", "key": "upstream_unauthorized"}


def doubt(store: Store, job_id: str, model: str = "m1", reason: Reason = "credit") -> Judgement:
    """The upstream says of this job that the account is empty, or that the key is refused."""
    known: dict[str, Any] = {"by_status": True, "refusals": store.job(job_id).refusals}
    sent_at, code = store.clock.now, CODES[reason]
    store.clock.advance(0.01)
    return judge(store.database, Failure("default", model, job_id, sent_at, reason, code, "credit?", **known))


def submit(store: Store, project: str, **options: Any) -> str:
    job_id = submit_job(store.database, new_job(**options), project=project).id
    store.clock.advance(0.001)  # ids of one millisecond come in no order
    return job_id


def started(store: Store, *projects: str, **options: Any) -> list[str]:
    """A job of each of these projects, which runs."""
    ids = [submit(store, project, **options) for project in projects]
    due(store)
    for job_id in ids:
        store.claim(job_id)
    return ids


@on_sqlite
@pytest.mark.parametrize("reason", ["credit", "key"])
def test_what_one_job_is_told_does_not_hold_an_upstream_that_another_project_uses(store: Store, reason: Reason) -> None:
    """Before, the 401 of LiteLLM for one model, or a model named "credit balance", held it for all at once."""
    alpha, _ = started(store, "alpha", "beta")
    for _ in range(MOST_DOUBTED):
        judged = doubt(store, alpha, reason=reason)
        assert judged == Judgement(charged=False, alone=True)
        hold_again(store, alpha, store.job(alpha).attempt, judged)
        store.clock.advance(4)
        due(store)
        store.claim(alpha)
    assert doubt(store, alpha, reason=reason).charged
    assert reasons(store) == []


def test_a_doubted_job_is_practically_never_charged_within_90_seconds() -> None:
    """By then the others were told the same, or have sent nothing for a minute."""
    backoff, job = FailedAttempts._backoff, mock.Mock(_settings=Settings())
    error = UpstreamError("no")
    waits = sorted(sum(backoff(job, refusals, error) for refusals in range(MOST_DOUBTED)) for _ in range(10_000))
    assert waits[50] > 90


@pytest.mark.parametrize("other", ["project", "model"])
def test_the_same_sentence_to_another_project_or_model_holds_the_upstream(store: Store, other: str) -> None:
    alpha, again, third, beta = started(store, "alpha", "alpha", "alpha", "beta")
    assert not doubt(store, alpha).began
    assert not doubt(store, again).began
    judged = doubt(store, beta) if other == "project" else doubt(store, third, "m2")
    assert (judged.began, judged.charged) == (True, False)
    assert reasons(store) == ["credit"]


@pytest.mark.parametrize("seconds", [0, 61])
def test_the_same_sentence_long_ago_or_before_others_were_accepted_says_nothing(store: Store, seconds: int) -> None:
    alpha, beta = started(store, "alpha", "beta")
    doubt(store, alpha)
    store.clock.advance(seconds or 0.01)
    if not seconds:
        accept(store)
        store.clock.advance(0.01)
    started(store, "alpha")
    assert doubt(store, beta) == Judgement(charged=False, alone=True)
    assert reasons(store) == []


def test_a_project_that_is_alone_there_is_held_at_once(store: Store) -> None:
    """Some say in nothing but a sentence that the account is empty: no job of a batch fails for that."""
    first, _ = started(store, "alpha", "alpha")
    submit(store, "beta", model="m9")  # waits, and is not there
    assert doubt(store, first) == Judgement(charged=False, began=True)
    assert reasons(store) == ["credit"]


def test_a_stream_that_another_project_began_long_ago_keeps_no_upstream_from_being_held(store: Store) -> None:
    """It was begun while the account had credit; the jobs of a batch must not fail one by one meanwhile."""
    started(store, "beta")
    store.clock.advance(61)
    [alpha] = started(store, "alpha")
    assert doubt(store, alpha).began


@on_sqlite
@pytest.mark.parametrize("end", ["completed", "failed"])
@pytest.mark.parametrize("seconds", [59, 61])
def test_a_job_of_another_project_that_has_ended_since_it_was_sent_a_minute_ago_counts(
    store: Store, end: str, seconds: int
) -> None:
    """Before, only those that ran at this moment did: of two jobs in a row of another project, none may."""
    [beta] = started(store, "beta")
    if end == "completed":
        finish(store.database, beta, 1, written("Done.", finish_reason="stop"))
    else:
        transitions.fail(store.database, beta, 1, written(), REFUSED)
    store.clock.advance(seconds)
    [alpha] = started(store, "alpha")
    assert doubt(store, alpha).began == (seconds > 60)


def test_jobs_of_another_project_at_another_upstream_do_not_count(store: Store) -> None:
    [beta] = started(store, "beta")
    finish(store.database, beta, 1, written("Done.", finish_reason="stop"))
    with store.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == beta).values(upstream="other"))
    [alpha] = started(store, "alpha")
    assert doubt(store, alpha).began


def test_a_second_doubt_is_no_other_projects_whose_job_was_told_something_else(store: Store) -> None:
    """Before, the lane had the code of the doubt beside the job of beta, which was charged for a 500."""
    charged, first, second, beta = started(store, "beta", "alpha", "alpha", "beta")
    assert fail(store, charged, "failing").suspect
    assert not doubt(store, first).began
    assert not doubt(store, second).began
    store.clock.advance(61)
    started(store, "beta")
    doubt(store, second)
    assert doubt(store, beta).began


def test_a_doubted_job_that_is_charged_lets_no_single_failure_hold_the_upstream(store: Store) -> None:
    alpha, beta = started(store, "alpha", "beta")
    with store.database.write() as connection:
        connection.execute(update(jobs).where(jobs.c.id == alpha).values(refusals=MOST_DOUBTED))
    assert doubt(store, alpha).charged
    assert fail(store, beta, "failing").suspect
    assert reasons(store) == []


def test_a_doubt_does_not_forget_a_job_that_may_have_to_be_forgiven(store: Store) -> None:
    charged, alpha, beta = started(store, "beta", "alpha", "beta")
    assert fail(store, charged, "failing").suspect
    retry(store.database, charged, 1, written(), REFUSED, store.clock.now + timedelta(seconds=30))
    doubt(store, alpha)
    with store.database.read() as connection:
        assert connection.scalar(select(lanes.c.error_job).where(lanes.c.model == "m1")) == charged
    assert fail(store, beta, "failing").began
    assert store.job(charged).failures == 0


def test_a_job_of_another_project_that_is_about_to_be_sent_keeps_the_upstream_from_being_held(store: Store) -> None:
    [alpha] = started(store, "alpha")
    submit(store, "beta")
    assert len(due(store)) == 1  # reserved, and its hint is on its way
    assert not doubt(store, alpha).began
