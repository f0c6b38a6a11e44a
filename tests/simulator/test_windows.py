"""Limits over time, by an exact count of what each kind of window must let through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from longhand.simulator.windows import FixedWindow, SlidingWindow, TokenBucket, Window

KINDS = pytest.mark.parametrize("kind", [SlidingWindow, FixedWindow, TokenBucket])
LIMIT, SECONDS = 10.0, 60.0
STEPS = st.lists(st.tuples(st.floats(0, 100), st.integers(1, 10)), max_size=60)


def take_all(window: Window, steps: list[tuple[float, int]]) -> list[tuple[float, float]]:
    """Take each amount that fits, and return (time, amount) of those."""
    now, taken = 0.0, []
    for pause, amount in steps:
        now += pause
        if window.wait_for(amount, now) == 0:
            window.take(amount, now)
            taken.append((now, float(amount)))
    return taken


ROUNDING = 1e-9
"""Times are sums of floats, and so is the end of a window."""


@given(STEPS)
def test_no_minute_has_more_than_the_limit_in_a_sliding_window(steps: list[tuple[float, int]]) -> None:
    taken = take_all(SlidingWindow(LIMIT, SECONDS), steps)
    for at, _ in taken:
        assert sum(amount for other, amount in taken if at - SECONDS + ROUNDING < other <= at) <= LIMIT


@given(STEPS)
def test_no_minute_of_the_clock_has_more_than_the_limit_in_a_fixed_window(steps: list[tuple[float, int]]) -> None:
    taken = take_all(FixedWindow(LIMIT, SECONDS), steps)
    for at, _ in taken:
        assert sum(amount for other, amount in taken if other // SECONDS == at // SECONDS) <= LIMIT


@given(STEPS)
def test_a_bucket_never_gives_more_than_it_held_and_has_been_filled_with(steps: list[tuple[float, int]]) -> None:
    taken = take_all(TokenBucket(LIMIT, SECONDS), steps)
    for at, _ in taken:
        for since in [other for other, _ in taken if other <= at]:
            inside = sum(amount for other, amount in taken if since <= other <= at)
            assert inside <= LIMIT + (at - since) * LIMIT / SECONDS + 1e-3


@KINDS
@given(steps=STEPS, amount=st.integers(1, 10))
def test_what_is_told_to_wait_is_accepted_after_that_wait(
    kind: type[Window], steps: list[tuple[float, int]], amount: int
) -> None:
    window = kind(LIMIT, SECONDS)
    take_all(window, steps)
    now = sum(pause for pause, _ in steps)
    wait = window.wait_for(amount, now)
    assert 0 <= wait <= SECONDS + 1e-6
    assert window.wait_for(amount, now + wait + 1e-6) == 0


@KINDS
def test_what_is_larger_than_the_limit_never_fits(kind: type[Window]) -> None:
    assert kind(LIMIT, SECONDS).wait_for(LIMIT + 1, 0.0) == math.inf


@KINDS
def test_what_was_reserved_and_not_used_is_given_back(kind: type[Window]) -> None:
    window = kind(LIMIT, SECONDS)
    entry = window.take(10, 1.0)
    assert window.left(1.0) == 0
    window.settle(entry, 4, 1.0)
    assert window.left(1.0) == pytest.approx(6)


@KINDS
def test_a_settlement_after_the_window_changes_nothing(kind: type[Window]) -> None:
    window = kind(LIMIT, SECONDS)
    entry = window.take(10, 1.0)
    window.settle(entry, 4, 200.0)
    assert window.left(200.0) == LIMIT


@KINDS
def test_a_doubled_limit_lets_as_much_again_through_at_once(kind: type[Window]) -> None:
    window = kind(LIMIT, SECONDS)
    window.take(10, 1.0)
    window.limit = 20.0
    assert window.wait_for(10, 1.0 if kind is not TokenBucket else 31.0) == 0
    assert window.wait_for(11, 1.0) > 0


@KINDS
def test_nothing_counts_any_more_after_the_reset(kind: type[Window]) -> None:
    window = kind(LIMIT, SECONDS)
    window.take(7, 1.0)
    reset = window.reset_seconds(1.0)
    assert window.left(1.0 + reset + 1e-6) == pytest.approx(LIMIT)


def test_a_small_bucket_lets_only_a_small_burst_through() -> None:
    bucket = TokenBucket(600, 60, burst_seconds=0.5)
    for _ in range(5):
        assert bucket.wait_for(1, 100.0) == 0
        bucket.take(1, 100.0)
    assert bucket.wait_for(1, 100.0) == pytest.approx(0.1, abs=1e-4)
    assert bucket.wait_for(6, 200.0) == math.inf
