"""What a refusal means: a limit of the rate, or one of the streams in flight."""

from jobs.pace.log import EXACT_UP_TO
from jobs.pace.rate import CUTS
from jobs.pace.state import State

PROBE_CALLS, PROBE_SECONDS = 400, 300.0
"""The first probe comes after so many clean calls, because what was learned first may be wrong; each refused probe
doubles the number, up to the second one: a probe may cost two refusals, and that is half a per cent. A lane with few
calls probes by time."""
TRIAL_AFTER = 3
"""After so many refusals in a row one request at a time is tried until one is accepted."""
BLOCKED_SECONDS = 5.0
"""Nothing accepted for so long, although little was sent: the limit is one per minute, and used up."""
MUCH, MUCH_SHARE = 5, 0.1
"""So many accepted requests, and so large a share of those remembered, rule a limit out."""


def judge(state: State, token_rate: float | None, now: float) -> None:
    """Decide whether the rate or the number in flight is limited, and go below the limit.

    What was accepted with as many in flight speaks against a limit of those, and what was accepted after as many in a
    second speaks against one of the rate. If nothing speaks against either, the next such refusal decides: the limit is
    what has not changed. If much speaks against both, a limit has fallen, or is one of another kind.
    """
    if state.judged is None or now < state.judge_at:
        return
    (sent_at, in_flight), state.judged = state.judged, None
    log = state.rate.log
    if in_flight <= EXACT_UP_TO:
        in_flight = log.in_flight_at(sent_at) + 1
    count = log.in_second_before(sent_at)
    against_window, against_rate, of = log.evidence(sent_at, in_flight - 1, state.evidence_from)
    if token_rate is not None and state.in_a_row < TRIAL_AFTER:
        state.tokens.empty(token_rate)
        return
    if min(against_window, against_rate) >= max(MUCH, MUCH_SHARE * of):
        _cut_both(state, count, sent_at, now)
        return
    searching = False
    if against_window == against_rate == 0:
        if state.suspect is None:
            state.suspect, searching, against_rate = (in_flight, count), True, 1
        else:
            against_window = abs(in_flight - state.suspect[0]) * state.suspect[1]
            against_rate = abs(count - state.suspect[1]) * state.suspect[0]
    if against_window <= against_rate:
        if not state.window.end_probe():
            state.window.cut(in_flight - 1, now, searching=searching)
    elif not state.rate.end_probe():
        state.rate.refused(count, state.in_a_row, sent_at, now)
    else:
        state.probe_after = min(PROBE_CALLS, 2 * state.probe_after)


def _cut_both(state: State, count: int, sent_at: float, now: float) -> None:
    rate = state.rate
    state.evidence_from = sent_at
    if state.window.end_probe() or rate.end_probe():
        return
    if now - state.accepted_at >= BLOCKED_SECONDS:
        if not state.blocked:
            state.blocked = True
            rate.cut(rate.in_last_minute(now) / 60, now)
        return
    rate.refused(count, state.in_a_row, sent_at, now)
    if state.in_a_row <= TRIAL_AFTER:
        state.window.cut(
            (state.window.plateau or state.window.size) * (1 - CUTS[min(state.in_a_row, len(CUTS)) - 1]),
            now,
            searching=True,
        )
