"""The bucket of a lane of 200,000 tokens a minute: what a request took comes back, and none takes too much."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.dispatch.reservation import LEAD_SECONDS
from jobs.pace.lane import Lane
from jobs.pace.reports import Finished, LaneLimits, Observed, Refused, Report, Unplanned, Unsent
from jobs.pace.tokens import BURST_SECONDS, MARGIN

LIMITS = LaneLimits(tokens_per_minute=200_000)
RATE = 200_000 / 60 * MARGIN
HUGE = 1_000_000
NOW = 1_790_000_000.0


def lane_of_small_texts(limits: LaneLimits = LIMITS) -> Lane:
    """Of which ten of 100 tokens each have finished, and whose bucket is full."""
    lane = Lane.new(limits, NOW - 100)
    for second in range(90, 80, -1):
        assert lane.reserve(lane.expect(150, NOW - second), NOW - second, estimated=150) is not None
        lane.apply([Finished(NOW - second, NOW - second, 100, 100, 50)], 0, NOW - second)
    lane.apply([], 0, NOW)
    return lane


def reserve_huge(lane: Lane, now: float) -> int:
    """One that says that it may write a million tokens, as a version before or a project's long prompt has it."""
    tokens = lane.expect(HUGE, now)
    assert lane.reserve(tokens, now, LEAD_SECONDS, HUGE) is not None
    return tokens


def seconds_until_next(lane: Lane, now: float) -> float:
    """How long a small request waits from now on."""
    for tenth in range(2000):
        if lane.reserve(100, now + tenth / 10, LEAD_SECONDS) is not None:
            return tenth / 10
    raise AssertionError("it waits for more than 200 s")


def test_the_next_request_waits_no_longer_than_a_minute_for_one_of_a_million_tokens() -> None:
    lane = Lane.new(LIMITS, NOW - 100)
    lane.apply([], 0, NOW)
    assert reserve_huge(lane, NOW) > 0.9 * 200_000
    assert 50 < seconds_until_next(lane, NOW) <= 60


@given(st.integers(0, 2 * HUGE), st.lists(st.integers(0, HUGE), max_size=20), st.integers(1, 2000))
def test_the_end_of_a_request_gives_back_what_it_took_whatever_was_learned_meanwhile(
    estimate: int, others: list[int], used: int
) -> None:
    """Before, it gave back by what was expected at its end: a part of what the first of many had taken never came."""
    lane = lane_of_small_texts()
    tokens = lane.state.tokens
    before, taken = tokens.level, lane.expect(estimate, NOW)
    assert lane.reserve(taken, NOW, 0.0, estimate) is not None
    for other in others:  # at the same moment, so that nothing flows in
        tokens.note_estimate(other)
        lane.apply([Finished(NOW, NOW, 100, 100, 50)], 0, NOW)
    lane.apply([Finished(NOW, NOW, taken, used, used)], 0, NOW)
    assert tokens.level == pytest.approx(before - used)


ENDINGS: dict[str, Callable[[Lane, int], None]] = {
    "refused": lambda lane, tokens: lane.apply([Refused(NOW, NOW, None, 1, tokens)], 0, NOW),
    "rejected": lambda lane, tokens: lane.apply([Finished(NOW, NOW, tokens, 0)], 0, NOW),
    "unsent": lambda lane, tokens: lane.apply([Unsent(NOW, tokens)], 0, NOW),
    "taken back": lambda lane, tokens: lane.release(tokens, NOW),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_was_never_written_is_given_back_whole(ending: str) -> None:
    lane = lane_of_small_texts()
    before, expected = lane.state.tokens.level, lane.expect(150, NOW)
    ENDINGS[ending](lane, reserve_huge(lane, NOW))
    assert lane.state.tokens.level == pytest.approx(before)
    for _ in range(50):
        lane.apply([Finished(NOW, NOW, 0, 0)], 0, NOW)
    lane.state.tokens.mean_estimate = 150.0
    assert lane.expect(150, NOW) == expected, "it says nothing of texts that are written"


DEBTS: list[list[Report]] = [
    [Finished(NOW, NOW, 100, 10**9, 10**9)],  # as an upstream counts that cannot count
    [Finished(NOW, NOW, 100, 150_000, 150_000)] * 20,  # long texts that end together
    [Unplanned(NOW, HUGE)] * 10,
]


@pytest.mark.parametrize("reports", DEBTS, ids=["miscounted", "long texts", "parts"])
def test_no_debt_is_larger_than_a_minute_s_tokens(reports: list[Report]) -> None:
    lane = lane_of_small_texts()
    lane.apply(reports, 0, NOW)
    assert 50 < seconds_until_next(lane, NOW) <= 61


def test_a_part_of_a_text_gives_back_what_it_took() -> None:
    lane = lane_of_small_texts()
    before = lane.state.tokens.level
    lane.apply([Unplanned(NOW, HUGE), Finished(NOW, NOW, HUGE, 700, 600)], 0, NOW)
    assert lane.state.tokens.level == pytest.approx(before - 700)


def test_rows_of_the_version_before_give_no_more_back_than_the_bucket_holds() -> None:
    """It stored estimates, which are higher than what it took."""
    lane = lane_of_small_texts()
    lane.apply([Finished(NOW, NOW, HUGE, 100, 50)] * 30, 0, NOW)
    lane.apply([], 0, NOW)
    assert lane.state.tokens.level <= RATE * BURST_SECONDS


def test_a_limit_that_only_headers_state_is_one_too() -> None:
    lane = lane_of_small_texts(LaneLimits())
    lane.apply([Observed(NOW, "tokens", 200_000, 200_000, 1.0, 60.0)], 0, NOW)
    lane.apply([], 0, NOW + 5)
    assert reserve_huge(lane, NOW + 5) <= 200_000
    assert seconds_until_next(lane, NOW + 5) <= 60


def test_what_a_request_allows_counts_no_more_than_what_texts_take() -> None:
    known, new = lane_of_small_texts(), Lane.new(LIMITS, NOW)
    usual = known.estimate_output()
    assert usual < 100
    assert [known.estimate_output(most) for most in (10, 4000, HUGE)] == [10, usual, usual]
    assert [new.estimate_output(most) for most in (10, 4000)] == [10, 4000]
    assert new.estimate_output(HUGE) == pytest.approx(5 * RATE, rel=0.01)
    assert Lane.new(LaneLimits(), NOW).estimate_output(HUGE) == 1000


def test_a_stored_pace_of_the_version_before_is_read() -> None:
    stored = json.loads(json.dumps(lane_of_small_texts().to_json()))
    stored["tokens"] |= {"level": -900_000.0, "mean_used": 50.0, "mean_estimate": 500_000.0}
    lane = Lane.from_json(stored, LIMITS)
    assert seconds_until_next(lane, NOW) <= 61, "a debt that it left ends"
