"""An upstream that writes for others is not held for what it says to a few jobs of one project."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.dispatch.failure import MOST_DOUBTED, Failure, Judgement, Reason
from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.others import LONGEST_SILENT_SECONDS, LONGEST_SURE_SECONDS
from jobs.dispatch.outages import judge
from jobs.dispatch.turn_costs import Ended
from jobs.intake.submission import submit_job
from jobs.model.endings import MAX_CRASHES
from jobs.pace.state import WRITING_SECONDS
from tests.sparing import on_sqlite
from tests.store.failing import HINT_SECONDS, due, reasons
from tests.store.reserving import lanes_of
from tests.store.store_fixtures import Store, new_job, store

__all__ = ["store"]  # a fixture


SAID: list[Reason] = ["failing", "odd", "away"]
"""Of a 500 or a connection that was closed, of a page or an empty answer, and of a 502, 503 or 504."""


def start(store: Store, project: str, model: str, count: int = 1) -> list[str]:
    """So many jobs, which run."""
    ids = []
    for _ in range(count):
        ids.append(submit_job(store.database, new_job(model=model), project=project).id)
        store.clock.advance(0.001)  # ids of one millisecond come in no order
    due(store)
    for job_id in ids:
        store.claim(job_id)
    return ids


def note(store: Store, model: str, **news: Any) -> None:
    own = lanes_of(store.database, HINT_SECONDS)
    own.note(("default", model), LaneNews(**news))
    own.reserve(0, MAX_CRASHES)


def writes(store: Store, model: str = "long") -> None:
    """A stream of this lane has got text at this moment."""
    note(store, model, wrote_at=store.clock.now)


def told(store: Store, job_id: str, model: str, reason: Reason, **given: Any) -> Judgement:
    """A request that was sent a moment ago fails so."""
    sent_at = store.clock.now
    store.clock.advance(0.02)
    known: dict[str, Any] = {"by_status": reason not in ("cut", "broken"), "refusals": 0} | given
    failure = Failure("default", model, job_id, sent_at, reason, "upstream_server_error", "no", **known)
    return judge(store.database, failure)


@on_sqlite
@pytest.mark.parametrize("reason", SAID)
def test_bad_prompts_hold_no_upstream_whose_streams_of_another_project_get_text(store: Store, reason: Reason) -> None:
    """First words come seldom where texts are long: two bad prompts each 20 s took most streams from the others."""
    start(store, "beta", "long", 3)
    bad = start(store, "alpha", "quick", 2)
    store.clock.advance(61)
    for turn in range(MOST_DOUBTED):
        store.clock.advance(3)
        writes(store)
        for job_id in bad:
            assert told(store, job_id, "quick", reason, refusals=turn) == Judgement(charged=False, alone=True)
    assert all(told(store, job_id, "quick", reason, refusals=MOST_DOUBTED).charged for job_id in bad), "they end"
    assert reasons(store) == []


@on_sqlite
def test_bad_prompts_for_very_many_models_push_no_lane_out_of_sight_that_is_written(store: Store) -> None:
    """Of 100 lanes that were used last, all were those of the bad prompts."""
    start(store, "beta", "long", 3)
    bad = {model: start(store, "alpha", model)[0] for model in (f"quick-{number}" for number in range(110))}
    writes(store)
    store.clock.advance(0.2)
    for model in bad:
        note(store, model, ended=[Ended("alpha", 0.02)])
    for model in list(bad)[:3]:
        assert told(store, bad[model], model, "failing") == Judgement(charged=False, alone=True)
    assert reasons(store) == []


@on_sqlite
def test_first_words_of_very_many_models_push_none_out_of_sight_that_takes_its_time(store: Store) -> None:
    start(store, "beta", "slow", 3)
    first, second = start(store, "alpha", "quick", 2)
    note(store, "slow", accepted_at=store.clock.now, first_delta_seconds=[10.0])
    store.clock.advance(10)
    for number in range(110):
        note(store, f"quick-{number}", accepted_at=store.clock.now, first_delta_seconds=[0.01])
    store.clock.advance(2)
    for job_id in (first, second):
        assert told(store, job_id, "quick", "failing") == Judgement(charged=False, alone=True)
    assert reasons(store) == []


def test_a_bad_prompt_ends_sooner_if_others_were_accepted_between_its_calls(store: Store) -> None:
    start(store, "beta", "long", 3)
    [bad] = start(store, "alpha", "quick")
    refused_at = store.clock.now
    store.clock.advance(3)
    note(store, "long", accepted_at=store.clock.now, first_delta_seconds=[0.1])
    store.clock.advance(2)
    writes(store)
    assert told(store, bad, "quick", "failing", refusals=3, refused_at=refused_at) == Judgement(True, alone=True)
    assert reasons(store) == []


@pytest.mark.parametrize("reason", SAID)
def test_what_another_project_is_told_too_holds_the_upstream_although_streams_get_text(
    store: Store, reason: Reason
) -> None:
    """A server that is being replaced ends the texts that it has begun and takes no new ones."""
    [beta] = start(store, "beta", "long")
    [alpha] = start(store, "alpha", "quick")
    writes(store)
    assert told(store, alpha, "quick", reason) == Judgement(charged=False, alone=True)
    assert told(store, beta, "long", reason).began
    assert reasons(store) == ["away"]


def test_what_another_project_was_told_before_others_were_accepted_says_nothing(store: Store) -> None:
    [beta, _] = start(store, "beta", "long", 2)
    [alpha] = start(store, "alpha", "quick")
    told(store, beta, "long", "away", refusals=MOST_DOUBTED)
    store.clock.advance(1)
    note(store, "long", accepted_at=store.clock.now, first_delta_seconds=[0.1])
    store.clock.advance(2)
    writes(store)
    assert told(store, alpha, "quick", "away") == Judgement(charged=False, alone=True)
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize("reason", SAID)
def test_an_upstream_whose_streams_have_fallen_silent_is_held_as_ever(store: Store, reason: Reason) -> None:
    start(store, "beta", "long", 3)
    first, second = start(store, "alpha", "quick", 2)
    writes(store)
    store.clock.advance(WRITING_SECONDS)
    if reason != "away":
        assert told(store, first, "quick", reason).suspect
    assert told(store, second, "quick", reason).began
    assert reasons(store) == ["away"]


def test_a_project_that_is_alone_there_is_held_as_ever(store: Store) -> None:
    start(store, "alpha", "long", 3)
    first, second = start(store, "alpha", "quick", 2)
    writes(store)
    assert told(store, first, "quick", "failing").suspect
    assert told(store, second, "quick", "failing").began


@on_sqlite
def test_no_connection_and_no_credit_hold_as_ever(store: Store) -> None:
    """No prompt refuses a connection, and of the credit a text that was begun before says nothing."""
    start(store, "beta", "long")
    store.clock.advance(61)
    [alpha] = start(store, "alpha", "quick")
    writes(store)
    assert told(store, alpha, "quick", "credit").began
    store.clock.advance(1)
    writes(store)
    note(store, "long", accepted_at=store.clock.now)
    assert reasons(store) == []
    store.clock.advance(1)
    writes(store)
    assert told(store, alpha, "quick", "away", by_status=False).began


@on_sqlite
@pytest.mark.parametrize("seconds", [10.0, LONGEST_SURE_SECONDS + 30])
def test_a_first_word_that_came_now_counts_however_long_ago_it_was_asked_for(store: Store, seconds: float) -> None:
    """Models that think first take longer than what an accepted request vouches for."""
    start(store, "beta", "long")
    first, second = start(store, "alpha", "quick", 2)
    store.clock.advance(seconds)
    sent_at = store.clock.now - timedelta(seconds=seconds)
    note(store, "long", accepted_at=sent_at, wrote_at=store.clock.now, first_delta_seconds=[seconds])
    for job_id in (first, second):
        assert told(store, job_id, "quick", "failing") == Judgement(charged=False, alone=True)
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize(("seconds", "lasts"), [(15.0, 30.5), (40.0, 80.5), (300.0, LONGEST_SILENT_SECONDS)])
def test_an_upstream_that_is_silent_between_waves_of_slow_first_words_is_not_held(
    store: Store, seconds: float, lasts: float
) -> None:
    """A batch of models that think first writes in waves: bad prompts of another project held it for most of a minute
    each time.
    """
    start(store, "beta", "slow", 3)
    good, first, second = start(store, "alpha", "quick", 3)
    sent_at = store.clock.now
    store.clock.advance(seconds)
    note(store, "slow", accepted_at=sent_at, wrote_at=store.clock.now, first_delta_seconds=[seconds])
    store.clock.advance(lasts - 0.5)
    for job_id in (first, second):
        assert told(store, job_id, "quick", "failing") == Judgement(charged=False, alone=True)
    store.clock.advance(0.5)  # the next first words are overdue
    assert told(store, good, "quick", "failing").suspect
    assert reasons(store) == []


@on_sqlite
def test_a_quick_model_of_one_project_does_not_shorten_the_time_of_a_slow_one_of_another(store: Store) -> None:
    """A good job of alpha and two bad ones each 5 s took nine tenths of beta's texts, without end."""
    start(store, "beta", "slow")
    good, first, second = start(store, "alpha", "quick", 3)
    note(store, "slow", accepted_at=store.clock.now, first_delta_seconds=[10.0])
    store.clock.advance(12)
    note(store, "quick", accepted_at=store.clock.now, first_delta_seconds=[0.1])
    store.clock.advance(2)
    for job_id in (first, second):
        assert told(store, job_id, "quick", "failing") == Judgement(charged=False, alone=True)
    store.clock.advance(7)  # beta's next first words are overdue
    assert told(store, good, "quick", "failing").suspect
    assert reasons(store) == []


@on_sqlite
@pytest.mark.parametrize("reason", ["cut", "broken"])
def test_two_models_of_one_project_whose_texts_break_off_hold_nothing_for_another_one(
    store: Store, reason: Reason
) -> None:
    """Such a hold is lifted late: of 200 jobs of another project 89 were done after 35 s, and now all after 12."""
    [beta] = start(store, "beta", "long")
    bad = {model: start(store, "alpha", model, 2) for model in ("a1", "a2")}
    for model, ids in bad.items():
        for job_id in ids:
            assert told(store, job_id, model, reason, written_bytes=900) == Judgement(charged=True, suspect=True)
    assert reasons(store) == []
    assert told(store, beta, "long", reason, written_bytes=900).began


@on_sqlite
@pytest.mark.parametrize("is_writing", [True, False])
def test_texts_that_break_off_hold_nothing_for_long_ones_that_go_on(store: Store, is_writing: bool) -> None:
    """Another project has begun none for a minute, and each of its texts takes an hour."""
    start(store, "beta", "long", 2)
    store.clock.advance(61)
    first, second = start(store, "alpha", "a1", 2)
    if is_writing:
        writes(store)
    assert told(store, first, "a1", "cut").suspect
    assert told(store, second, "a1", "cut").began is not is_writing
