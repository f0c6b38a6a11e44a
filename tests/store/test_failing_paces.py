"""A lane whose pace fails begins anew, and no other lane, no report and no reader notices."""

import json
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import insert, select

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.upstream_states import read_upstream_states
from jobs.dispatch.upstream_total import ALL_MODELS
from jobs.dispatch.waiting import find_why_waiting
from jobs.model.endings import MAX_CRASHES
from jobs.pace.lane import Lane
from jobs.pace.reports import LaneLimits, Observed, Refused
from jobs.tables import lanes
from jobs.upstreams import UpstreamSpec
from tests.store.reserving import HINT_SECONDS, lanes_of, reserved_by
from tests.store.store_fixtures import Store, store

__all__ = ["store"]  # a fixture

FREE = UpstreamSpec(name="default", url="http://127.0.0.1:1/v1")
LIMITED = UpstreamSpec(name="default", url="http://127.0.0.1:1/v1", requests_per_minute=60_000)


def add_lane(store: Store, model: str, pace: dict[str, Any]) -> None:
    row = {"upstream": "default", "model": model, "pace": json.dumps(pace), "updated_at": store.clock.now}
    with store.database.write() as connection:
        connection.execute(insert(lanes).values(row))


def poison(store: Store, model: str) -> None:
    """A pace that can be read and fails whenever it is asked for room."""
    pace = Lane.new(LaneLimits(), store.clock.now.timestamp()).to_json()
    pace["rate"]["next_slot"], pace["address"] = -float("inf"), uuid4().hex
    add_lane(store, model, pace)


def stored_pace(store: Store, model: str) -> dict[str, Any]:
    with store.database.read() as connection:
        pace = connection.scalar(select(lanes.c.pace).where(lanes.c.upstream == "default", lanes.c.model == model))
    return dict(json.loads(pace or ""))


@pytest.mark.parametrize(("spec", "model"), [(FREE, "m1"), (LIMITED, ALL_MODELS)])
def test_jobs_of_a_lane_whose_stored_pace_fails_start_as_those_of_the_others(
    store: Store, spec: UpstreamSpec, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, one such row stopped all jobs of all workers for good."""
    poison(store, model)
    first, second = store.submit(), store.submit(model="m2")
    assert set(reserved_by(store.database, [spec], 5)) == {first, second}
    assert stored_pace(store, model)["rate"]["next_slot"] > 0
    [said] = [record.getMessage() for record in caplog.records if "begins anew" in record.getMessage()]
    assert said.startswith(f"the pace of {model or 'all models'} at default fails")
    assert '"next_slot": -Infinity' in said


@pytest.mark.parametrize(("spec", "model"), [(FREE, "m1"), (LIMITED, ALL_MODELS)])
def test_a_stored_pace_that_fails_keeps_nobody_from_seeing_why_jobs_wait(
    store: Store, spec: UpstreamSpec, model: str
) -> None:
    poison(store, model)
    job_id = store.submit()
    assert find_why_waiting(store.database, [job_id], [spec], HINT_SECONDS)[job_id].limited_by == "no_free_stream"
    state = read_upstream_states(store.database, [spec], HINT_SECONDS)["default"]
    assert [shown.model for shown in state.models] == ([] if model == ALL_MODELS else ["m1"])


def test_reports_that_no_pace_can_take_keep_no_job_waiting(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    own, job_id, now = lanes_of(store.database, HINT_SECONDS, FREE), store.submit(), store.clock.now.timestamp()
    refused = Refused(now, now, None, 1)
    own.note(("default", "m1"), LaneNews([Observed(now, "tokens", 10**400), refused]))
    assert own.reserve(5, MAX_CRASHES).reserved == [job_id]
    assert "these reports to m1 at default are lost" in caplog.text
    assert own.write_news(("default", "m1"))


def test_news_that_no_turn_can_write_are_lost_and_the_jobs_of_their_lane_go_on(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """Before, they were put back, so no turn of this lane ever succeeded; and the attempt that reported them failed."""
    own, job_id = lanes_of(store.database, HINT_SECONDS, FREE), store.submit()
    broken: Any = ["no number"]
    own.note(("default", "m1"), LaneNews(first_delta_seconds=broken, wrote_at=store.clock.now))
    assert own.reserve(5, MAX_CRASHES).reserved == []
    assert "news of m1 at default are lost" in caplog.text
    store.clock.advance(1)
    assert own.reserve(5, MAX_CRASHES).reserved == [job_id]
    own.note(("default", "m1"), LaneNews(first_delta_seconds=broken, wrote_at=store.clock.now))
    assert not own.write_news(("default", "m1"))
    assert own.write_news(("default", "m1"))


def test_a_job_that_breaks_each_turn_keeps_no_news_of_its_lane_waiting(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.submit()
    own = lanes_of(store.database, HINT_SECONDS, FREE)
    own.note(("default", "m1"), LaneNews(accepted_at=store.clock.now))
    monkeypatch.setattr("jobs.dispatch.reservation._estimate_tokens", lambda *_: 1 // 0)
    assert own.reserve(5, MAX_CRASHES).reserved == []
    with store.database.read() as connection:
        assert connection.scalar(select(lanes.c.accepted_at).where(lanes.c.model == "m1")) == store.clock.now


@pytest.mark.parametrize("retry_after", [None, 120.0])
def test_a_refusal_that_nobody_reports_more_of_is_judged_and_its_jobs_start(
    store: Store, retry_after: float | None
) -> None:
    """Before, each round judged it anew and stored nothing: a lane stood still for ever, and nothing said so."""
    own, now = lanes_of(store.database, HINT_SECONDS, FREE), store.clock.now.timestamp()
    lane = Lane.new(LaneLimits(), now - 60)
    lane.state.accepted_at, lane.state.suspect, lane.state.in_a_row = now - 30, (1, 0), 1
    lane.apply([Refused(now - 0.01, now, retry_after, 1)], 0, now)
    add_lane(store, "m1", lane.to_json())
    job_id = store.submit()
    store.clock.advance(45)
    reserved = own.reserve(5, MAX_CRASHES).reserved
    assert stored_pace(store, "m1")["judged"] is None
    assert reserved == ([job_id] if retry_after is None else [])
    store.clock.advance(90)
    assert retry_after is None or own.reserve(5, MAX_CRASHES).reserved == [job_id]
