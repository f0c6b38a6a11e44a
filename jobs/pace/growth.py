"""What has been clean for long enough may become more, but only what holds requests back."""

from jobs.pace.state import TRIAL_AFTER, State

PROBE_SECONDS = 300.0
"""A lane with few calls probes by time."""
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
    if quiet < PAUSE_COST * state.hinted_pause or (state.clean < state.probe_after and quiet < PROBE_SECONDS):
        return
    if by_rate and state.window.growth != "probe":
        state.rate.probe(now)
    elif not by_rate and state.rate.growth != "probe" and now - state.window_held_at < LIMITING_SECONDS:
        state.window.probe(now)
