"""How each upstream is doing is read from the rows; what is not known is null."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from api.forms.upstreams import upstream_json
from jobs.dispatch import upstream_states
from jobs.dispatch.upstream_states import ErrorState, read_upstream_states
from jobs.intake.submission import submit_job
from jobs.pace.lane import Lane
from jobs.pace.reports import Accepted, Finished, LaneLimits
from jobs.pace.usage import LimitUse
from jobs.tables import holds, lanes
from jobs.upstreams import UpstreamSpec
from tests.store.reserving import claim_now, reserve
from tests.store.store_fixtures import Store, new_job, store

__all__ = ["store"]  # the fixture

SPEC = UpstreamSpec(name="one", url="http://one.example/v1", max_streams=3, requests_per_minute=600)
HINT_SECONDS = 30.0


def add_lane(store: Store, model: str, **columns: Any) -> None:
    """A lane of upstream `one` in which two requests were accepted."""
    now = store.clock.now.timestamp()
    lane = Lane.new(LaneLimits(max_streams=3, requests_per_minute=600), now - 10)
    for at in (now - 5, now - 4):
        lane.apply([Accepted(sent_at=at, at=at + 1, waited_seconds=1.0, in_flight=1)], 1, at + 1)
        lane.apply([Finished(sent_at=at, at=at + 2, reserved_tokens=50, used_tokens=40)], 1, at + 2)
    row = {"upstream": "one", "model": model, "pace": json.dumps(lane.to_json()), "updated_at": store.clock.now}
    with store.database.write() as connection:
        connection.execute(insert(lanes).values(**row | columns))


def test_an_upstream_that_nothing_was_sent_to_has_no_models_and_no_error(store: Store) -> None:
    state = read_upstream_states(store.database, [SPEC], HINT_SECONDS)["one"]
    assert (state.running, state.models, state.last_error, state.hold) == (0, (), None, None)
    assert state.first_delta_seconds is None


def test_of_models_without_end_those_are_shown_that_are_in_use(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that named 20,000 models made each look cost a second."""
    monkeypatch.setattr(upstream_states, "_MOST_SHOWN", 3)
    for place in range(6):
        add_lane(store, f"m-{place}", updated_at=store.clock.now - timedelta(seconds=place))
    job_id = submit_job(store.database, new_job(model="m-5")).id
    reserve(store.database, job_id, upstream="one")
    assert claim_now(store.database, job_id, "w1", 60) is not None
    state = read_upstream_states(store.database, [SPEC], HINT_SECONDS)["one"]
    assert [shown.model for shown in state.models] == ["m-0", "m-1", "m-5"]


def test_streams_window_limits_and_the_last_error_are_shown(store: Store) -> None:
    add_lane(store, "m1", first_delta_seconds=0.5)
    failed_at = store.clock.now - timedelta(seconds=3)
    add_lane(store, "other", first_delta_seconds=1.5, error_at=failed_at, error_code="overloaded", error_message="full")
    running = [store.submit() for _ in range(3)]
    for job_id in running:
        reserve(store.database, job_id, upstream="one")
        assert claim_now(store.database, job_id, "w1", 60) is not None
    state = read_upstream_states(store.database, [SPEC], HINT_SECONDS)["one"]
    assert state.running == 3
    assert state.first_delta_seconds == 1.0
    assert state.last_error == ErrorState("overloaded", failed_at, "full")
    model, other = state.models
    assert (model.model, model.running, model.usage.limited_by) == ("m1", 3, "max_streams")
    assert 1 <= model.usage.window <= 3
    assert model.usage.requests == LimitUse(2, 600)
    assert model.usage.tokens == LimitUse(80, None)
    assert (other.model, other.running) == ("other", 0)


def test_a_model_of_which_nothing_was_heard_for_an_hour_is_not_shown(store: Store) -> None:
    add_lane(store, "gpt-4o")
    store.clock.advance(3601)
    assert read_upstream_states(store.database, [SPEC], HINT_SECONDS)["one"].models == ()


def test_a_hold_is_shown_with_its_next_probe(store: Store) -> None:
    probe_at = store.clock.after(5)
    held = {"reason": "credit", "message": "no credit", "held_by": "system", "since": store.clock.now}
    with store.database.write() as connection:
        connection.execute(insert(holds).values(kind="upstream", target="one", probe_at=probe_at, **held))
        connection.execute(insert(holds).values(kind="model", target="two", **held))
    states = read_upstream_states(store.database, [SPEC], HINT_SECONDS)
    shown = upstream_json(SPEC, states["one"], with_messages=True)
    assert (shown["state"], shown["hold"]["reason"], shown["hold"]["held_by"]) == ("held", "credit", "system")
    assert shown["hold"]["probe_at"] == probe_at.timestamp()
    assert shown["hold"]["message"] == "no credit"
    assert upstream_json(SPEC, states["one"], with_messages=False)["hold"]["message"] == ""


def test_the_message_of_an_error_is_for_operators_alone(store: Store) -> None:
    add_lane(store, "gpt-4o", error_at=store.clock.now, error_code="overloaded", error_message="of another project")
    state = read_upstream_states(store.database, [SPEC], HINT_SECONDS)["one"]
    assert upstream_json(SPEC, state, with_messages=True)["last_error"]["message"] == "of another project"
    assert upstream_json(SPEC, state, with_messages=False)["last_error"]["message"] is None
    assert upstream_json(SPEC, state, with_messages=False)["last_error"]["code"] == "overloaded"
