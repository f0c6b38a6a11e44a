"""What a refusal means: a limit of the rate, or one of the streams in flight."""

from jobs.pace.log import EXACT_UP_TO
from jobs.pace.rate import CUTS
from jobs.pace.state import State

PROBE_CALLS, PROBE_SECONDS = 400, 300.0
"""After so many clean calls the first probe, because what was learned first may be wrong; after each refused one
twice as many, up to
the second number: a probe may cost two refusals, and that is half a per cent. A lane with few calls probes by time."""
TRIAL_AFTER = 3
"""After so many refusals in a row one request at a time is tried until one is accepted."""
BLOCKED_SECONDS = 5.0
"""Nothing accepted for so long, although little was sent: the limit is one per minute, and used up."""
STRAY_EVERY = 60
MOST_STRAYS = 2
"""A single request that is refused at a rate and a number in flight that have been accepted again and again has only
come too soon after another. A limit that has fallen refuses the next ones, too: so only so many are let pass, and each
`STRAY_EVERY` accepted ones make up for one."""
NEAR = 0.9
"""With fewer in flight than this share of the window, its size was not the reason."""
MUCH, MUCH_SHARE = 5, 0.1
"""So many accepted requests, and so large a share of those remembered, rule a limit out."""


def judge(state: State, token_rate: float | None, now: float) -> bool:
    """Tell a limit of the rate from one of the streams in flight, and go below it. True: only this request met it.

    What was accepted with as many in flight speaks against a limit of those, and what was accepted after as many in a
    second speaks against one of the rate. If nothing speaks against either, the next such refusal tells: the limit is
    what has not changed. If much speaks against both, a limit has fallen, or is one of another kind.
    """
    if state.judged is None:
        return False
    (sent_at, in_flight), state.judged = state.judged, None
    log = state.rate.log
    if in_flight <= EXACT_UP_TO:
        in_flight = log.in_flight_at(sent_at) + 1
    count = log.in_second_before(sent_at)
    against_window, against_rate, of = log.evidence(sent_at, in_flight - 1, state.evidence_from)
    if token_rate is not None and state.in_a_row < TRIAL_AFTER:
        state.tokens.empty(token_rate)
        return False
    if min(against_window, against_rate) < max(MUCH, MUCH_SHARE * of):
        return _cut_one(state, in_flight, count, against_window, against_rate, sent_at, now)
    if state.judged_refusals == 1 and state.strays + 1 <= MOST_STRAYS and not state.is_probing():
        state.strays += 1
        state.rate.note_stray()
        state.in_a_row = 0
        return True
    _cut_both(state, in_flight, count, sent_at, now)
    return False


def _cut_one(
    state: State, in_flight: int, count: int, against_window: int, against_rate: int, sent_at: float, now: float
) -> bool:
    """Cut what less speaks against. True: it was a probe, and all is as it was before."""
    searching = False
    if against_window == against_rate == 0:
        if state.suspect is None:
            state.suspect, searching, against_rate = (in_flight, count), True, 1
        else:
            against_window = abs(in_flight - state.suspect[0]) * state.suspect[1]
            against_rate = abs(count - state.suspect[1]) * state.suspect[0]
    probed = state.is_probing() and state.judged_refusals <= 2
    if against_window <= against_rate:
        if not state.window.end_probe():
            state.window.cut(in_flight - 1, now, searching=searching)
    elif not state.rate.end_probe():
        state.rate.refused(count, state.in_a_row, sent_at, now)
    else:
        state.probe_after = min(PROBE_CALLS, 2 * state.probe_after)
    return probed and not state.is_probing()


def _cut_both(state: State, in_flight: int, count: int, sent_at: float, now: float) -> None:
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
    if state.in_a_row <= TRIAL_AFTER and in_flight >= NEAR * state.window.size:
        state.window.cut(
            (state.window.plateau or state.window.size) * (1 - CUTS[min(state.in_a_row, len(CUTS)) - 1]),
            now,
            searching=True,
        )
