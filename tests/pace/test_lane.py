"""What holds of a lane whatever is reported to it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.pace.lane import FULL_LOOK, Lane
from jobs.pace.reports import Accepted, Finished, LaneLimits, Observed, Refused, Report

times = st.floats(0, 1000)
counts = st.integers(0, 500)
maybe = st.none() | st.floats(0, 10_000)
reports: st.SearchStrategy[Report] = st.one_of(
    st.builds(Accepted, times, times, st.floats(0, 600), counts),
    st.builds(Finished, times, times, counts, st.none() | counts, st.none() | counts),
    st.builds(Refused, times, times, maybe, counts, counts),
    st.builds(Observed, times, st.sampled_from(["requests", "tokens", "output_tokens"]), maybe, maybe, maybe, maybe),
)
turns = st.lists(st.tuples(st.lists(reports, max_size=8), counts, times), max_size=12)
limits = st.builds(LaneLimits, st.none() | st.integers(1, 64), maybe, maybe)


@given(turns, limits)
def test_room_is_never_negative_and_never_above_the_limit_in_any_order_and_on_any_clock(
    history: list[tuple[list[Report], int, float]], given_limits: LaneLimits
) -> None:
    lane = Lane.new(given_limits, 0.0)
    for seen, in_flight, now in history:
        lane.apply(seen, in_flight, now)
        room = lane.room(in_flight, now)
        assert room >= 0
        if given_limits.max_streams is not None:
            assert room <= max(0, given_limits.max_streams - in_flight)
        if room:
            lane.reserve(1000, now)
        assert lane.next_at(in_flight, now) <= now + 5
        assert lane.estimate_output() >= 1
        lane.limited_by(in_flight, now)
        stored = json.loads(json.dumps(lane.to_json()))
        lane = Lane.from_json(stored, given_limits)
        assert json.loads(json.dumps(lane.to_json())) == stored


@pytest.mark.parametrize("limits", [LaneLimits(), LaneLimits(max_streams=3)])
def test_a_lane_without_a_free_stream_is_not_looked_at_all_the_time(limits: LaneLimits) -> None:
    """Before, it was due at once, so that rounds came fifty times a second for as long as the texts took."""
    lane = Lane.new(limits, 100.0)
    assert lane.next_at(2, 100.0) == 100.0
    full = 2 + lane.room(2, 100.0)
    assert lane.next_at(full, 100.0) == 100.0 + FULL_LOOK
    lane.apply([Refused(100.0, 100.01, 5.0, full)], full, 100.02)
    assert lane.next_at(full, 100.02) == 100.02  # the refusal is judged in a moment
    lane.apply([], full, 101.0)
    assert lane.next_at(full, 104.99) > 105.0


def test_one_overload_cuts_once_for_all_that_was_sent_before() -> None:
    lane = Lane.new(LaneLimits(), 100.0)
    for number in range(4):
        assert lane.reserve(10, 100.0) is not None, number
    lane.apply([Refused(100.01, 100.02, None, n) for n in (1, 2, 3, 4)], 4, 100.1)
    lane.apply([], 0, 100.3)
    once = lane.to_json()["window"]["size"]
    lane.apply([Refused(100.02, 100.05, None, 4)], 0, 100.31)
    lane.apply([], 0, 100.9)
    assert lane.to_json()["window"]["size"] == once


def test_texts_that_end_as_they_begin_are_no_error_in_a_queue() -> None:
    lane = Lane.new(LaneLimits(), 0.0)
    lane.apply([Finished(1.0, 1.0, 10, 10, 10)], 0, 1.0)
    lane.apply([Accepted(1.0, 1.1, 0.1, n) for n in range(1, 9)], 8, 1.2)
    size = lane.to_json()["window"]["size"]
    lane.apply([Accepted(2.0, 12.0, 10.0, 8)] * 8, 8, 12.0)
    assert lane.to_json()["window"]["size"] == size / 2


def test_a_stored_pace_that_is_none_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="no stored pace"):
        Lane.from_json({}, LaneLimits())


def test_the_reason_why_nothing_starts_is_named() -> None:
    lane = Lane.new(LaneLimits(max_streams=2), 0.0)
    assert lane.limited_by(0, 0.0) is None
    assert lane.limited_by(2, 0.0) == "max_streams"
    lane.apply([Refused(0.0, 0.1, 30.0, 1)], 0, 0.2)
    assert lane.limited_by(0, 0.3) == "retry_after"


def test_an_upstream_that_stalls_whenever_a_batch_begins_loses_few_streams() -> None:
    lane, now = Lane.new(LaneLimits(), 0.0), 0.0
    for waited in (0.05, 0.05, 6.0, 4.0, 2.5, 1.5, 1.0):
        started = min(20, int(lane.to_json()["window"]["size"]))
        sends = [now] * started + [now + waited + 0.1] * (20 - started)
        delays = [waited] * started + [0.05] * (20 - started)
        begun: list[Report] = [
            Accepted(sent_at, sent_at + delay, delay, number)
            for number, (sent_at, delay) in enumerate(zip(sends, delays, strict=True), 1)
        ]
        lane.apply(begun[:started], started, now + waited)
        lane.apply(begun[started:], 20, now + waited + 0.2)
        lane.apply([Finished(sent_at, now + 15.0, 10, 10, 10) for sent_at in sends], 0, now + 15.0)
        now += 20.0
    assert lane.to_json()["window"]["size"] >= 16


def test_a_probe_of_the_window_that_the_rate_leaves_unused_ends() -> None:
    lane = Lane.new(LaneLimits(), 0.0)
    state = lane.state
    state.window.cut(8, 0.0)
    state.window.probe(1.0)
    state.rate.cut(20, 0.0)
    state.rate_held_at = 4.0
    lane.apply([], 6, 4.0)
    assert state.window.growth == "hold"
    assert state.window.size == 8


def test_while_a_limit_is_searched_no_request_is_planned_far_ahead() -> None:
    lane = Lane.new(LaneLimits(), 0.0)
    while (send_at := lane.reserve(10, 0.0, 0.1)) is not None:
        assert send_at <= 0.03
    lane.state.rate.cut(20, 0.0)
    planned = []
    while (send_at := lane.reserve(10, 1.0, 0.1)) is not None:
        planned.append(send_at)
    assert 1.03 < max(planned) <= 1.1


def test_a_clock_that_is_set_back_costs_nothing_that_was_learned_of_tokens() -> None:
    lane = Lane.new(LaneLimits(), 1000.0)
    lane.state.tokens.unstated.learned = 50.0
    lane.state.tokens.mean_used = 300.0
    lane.room(0, 500.0)
    tokens = lane.state.tokens
    assert (tokens.unstated.learned, tokens.output_share, tokens.mean_used) == (50.0, 0.75, 300.0)
    assert lane.next_at(0, 501.0) <= 506.0


def test_what_a_version_before_took_without_waiting_keeps_nobody_for_more_than_a_minute() -> None:
    """It gave parts of texts places that were minutes ahead. A pause is kept, however long it is."""
    lane = Lane.new(LaneLimits(requests_per_minute=120), 100.0)
    lane.state.rate.next_slot = 900.0
    restarted = Lane.from_json(lane.to_json(), LaneLimits(requests_per_minute=120))
    assert 60 <= restarted.blocked_for(0, 100.0) <= 61
    restarted.apply([Refused(100.0, 100.0, 600.0, 1, 0)], 0, 100.0)
    restarted.apply([], 0, 101.0)
    assert restarted.blocked_for(0, 101.0) == pytest.approx(599.0, abs=0.1)
