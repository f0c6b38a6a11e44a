"""What has been clean for long enough may become more, but only what holds requests back."""

from jobs.pace.state import MUCH_LESS, PROBE_SECONDS, TRIAL_AFTER, State

PAUSE_COST = 20.0
"""After a refusal with Retry-After, so many times that pass before a probe: it may cost one per cent of the time."""
QUIET_SECONDS = 1.0
"""Nothing grows so soon after a refusal."""
UNUSED_SECONDS = 2.0
"""A probe of the window ends if the rate does not let it be filled: it would keep the rate from being probed."""
LIMITING_SECONDS = 0.25


def grow(state: State, now: float) -> None:
    """Grow by what was seen up to now."""
    by_rate = now - state.rate_held_at < LIMITING_SECONDS
    if now - state.refused_at < QUIET_SECONDS or state.in_a_row >= TRIAL_AFTER:
        return
    state.rate.grow(now, limiting=by_rate)
    if now - state.tokens.held_at < LIMITING_SECONDS:
        state.tokens.unstated.grow(now)
    if by_rate and state.window.growth == "probe" and now - state.window.grown_at >= UNUSED_SECONDS:
        state.window.end_probe()
    quiet = now - max(state.refused_at, state.window.cut_at)
    is_time = state.clean >= state.probe_after or quiet >= PROBE_SECONDS
    is_time = is_time and quiet >= PAUSE_COST * state.hinted_pause
    may_try = quiet >= max(state.try_seconds, state.hinted_pause)
    if by_rate and state.window.growth != "probe":
        if is_time or may_try:
            _probe_rate(state, now, is_time=is_time)
    elif not by_rate and now - state.window_held_at < LIMITING_SECONDS:
        is_rate_left = state.rate.growth != "probe" or now - state.rate_held_at >= UNUSED_SECONDS
        if is_rate_left and (is_time or (may_try and state.window.is_much_cut())):
            state.window.probe(now)


def _probe_rate(state: State, now: float, *, is_time: bool) -> None:
    """After much was cut try the rate before, by time: a lane that was cut for what only somebody is refused has few
    calls left, and would need minutes for so many clean ones.
    """
    rate = state.rate.learned
    if rate is not None and state.rate.growth == "hold" and rate < MUCH_LESS * state.rate_before:
        state.rate.probe(now, state.rate_before / rate - 1)
    elif is_time:
        state.rate_before = 0.0
        state.rate.probe(now)
