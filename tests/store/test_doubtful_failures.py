"""Sentences alone blame the account or the key: one project's request must not hold an upstream for the others."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from jobs.dispatch.outages import Failure, Judgement, judge
from jobs.intake.submission import submit_job
from jobs.lifecycle.transitions import retry
from jobs.tables import lanes
from tests.store.failing import accept, due, fail, hold_again, reasons
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written

__all__ = ["store"]  # a fixture


def doubt(store: Store, job_id: str, model: str = "m1", **given: Any) -> Judgement:
    """The upstream says of this job, in a sentence, that the account is empty."""
    known: dict[str, Any] = {"by_status": True, "refusals": store.job(job_id).refusals, "is_doubtful": True} | given
    sent_at, code = store.clock.now, "upstream_quota_spent"
    store.clock.advance(0.01)
    return judge(store.database, Failure("default", model, job_id, sent_at, "credit", code, "credit?", **known))


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


def test_a_sentence_to_one_job_does_not_hold_an_upstream_that_another_project_uses(store: Store) -> None:
    """Before, a model named "credit balance" held it for all at once."""
    alpha, _ = started(store, "alpha", "beta")
    for _ in range(8):
        judged = doubt(store, alpha)
        assert judged == Judgement(charged=False, alone=True)
        hold_again(store, alpha, store.job(alpha).attempt, judged)
        store.clock.advance(5)
        due(store)
        store.claim(alpha)
    assert doubt(store, alpha).charged
    assert reasons(store) == []


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


def test_what_a_code_says_holds_the_upstream_at_once(store: Store) -> None:
    alpha, _ = started(store, "alpha", "beta")
    assert doubt(store, alpha, is_doubtful=False).began


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
