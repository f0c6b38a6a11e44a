"""What a refusal means: a limit of the rate, or one of the streams in flight."""

from jobs.pace.log import EXACT_UP_TO
from jobs.pace.rate import CUTS, FEWEST, RAMP_STEP
from jobs.pace.state import MUCH_LESS, PROBE_SECONDS, TRIAL_AFTER, TRY_SECONDS, State

PROBE_CALLS = 400
"""After each refused probe twice as many clean calls come before the next one, up to this number."""
HOPELESS_AFTER = 6
"""After so many refusals in a row it is no limit of tokens."""
BLOCKED_SECONDS = 5.0
"""Nothing accepted for so long, although little was sent: the limit is one per minute, and used up."""
MOST_STRAYS = 2
"""A single request that is refused at a rate and a number in flight that have been accepted again and again has only
come too soon after another. A limit that has fallen refuses the next ones, too: so only so many are let pass, and each
`STRAY_EVERY` accepted ones make up for one."""
NEAR = 0.9
"""With fewer in flight than this share of the window, its size was not the reason."""
FEW = 20
"""So few since a limit seemed to have fallen say little."""
NEARLY = 0.1
"""Two refusals that differ by no more than this share tell nothing."""
FAR = 1.5
"""With so many times as many in flight a kept rate was the reason: more would not have been accepted else."""
SLOWER = 0.85
"""A rate of few a second is held as `FEWEST` in more than a second. So much less is kept in each second, too."""
MUCH, MUCH_SHARE = 5, 0.1
"""So many accepted requests, and so large a share of those remembered, rule a limit out."""


def judge_refusal(state: State, token_rate: float | None, now: float) -> bool:
    """Tell a limit of the rate from one of the streams in flight, and go below it. True: only this request met it.

    What was accepted with as many in flight speaks against a limit of those, and what was accepted after as many in a
    second speaks against one of the rate. If nothing speaks against either, the next such refusal tells: the limit is
    what has not changed. If much speaks against both, a limit has fallen, or is one of another kind.
    """
    if state.judged is None:
        return False
    (sent_at, by_rows), state.judged = state.judged, None
    if not state.accepted_at:  # it takes nothing yet: what it will take is not to be learned from that
        return False
    if state.judged_refusals == 1 and state.rate.was_shot(sent_at):
        state.rate.end_probe()
        _probe_later(state)
        return True
    unstated = state.tokens.unstated
    if token_rate is None or unstated.learned is not None:
        measured, token_rate = unstated.measure(now), None
        if unstated.is_reason() and state.in_a_row < HOPELESS_AFTER:
            _cut_tokens(state, measured, now)
            return state.is_alone()
        unstated.learned = None
    if token_rate is not None and state.in_a_row < TRIAL_AFTER:
        state.tokens.empty(token_rate)
        return False
    return _judge_counts(state, sent_at, by_rows, now)


def _judge_counts(state: State, sent_at: float, by_rows: int, now: float) -> bool:
    log = state.rate.log
    in_flight = log.in_flight_at(sent_at) + 1 if by_rows <= EXACT_UP_TO else by_rows
    if state.ask_others(sent_at, min(in_flight, by_rows)):
        return True
    before = _rate_held(state), state.window.plateau or state.window.size
    count = log.in_second_before(sent_at)
    against_window, against_rate, of = log.evidence(sent_at, in_flight - 1, state.evidence_from)
    if of < FEW and log.evidence(sent_at, in_flight - 1, 0.0)[0] >= MUCH:
        against_window = against_rate + 1  # a bucket that is empty by now is likelier than a limit that has fallen
    if min(against_window, against_rate) < max(MUCH, MUCH_SHARE * of):
        against = against_window, against_rate
        probed = _cut_one(state, in_flight, by_rows, count, against, sent_at, now)
        _try_soon_if_much_was_cut(state, *before)
        return probed or state.is_alone()
    if state.judged_refusals == 1 and state.strays + 1 <= MOST_STRAYS and not state.is_probing():
        state.strays += 1
        state.rate.note_stray()
        state.in_a_row = 0
        return True
    _cut_both(state, in_flight, count, sent_at, now)
    _try_soon_if_much_was_cut(state, *before)
    return False


def _rate_held(state: State) -> float:
    """What has been held until now. Of a ramp it is what came before the last two steps: these may be the limit."""
    rate = state.rate
    return rate.ramp / RAMP_STEP**2 if rate.learned is None else rate.plateau


def _try_soon_if_much_was_cut(state: State, rate_before: float, streams_before: float) -> None:
    """It may have been cut for what only somebody is refused, or for what everybody was refused for a while."""
    rate, window = state.rate.learned, state.window
    if rate is not None and rate < MUCH_LESS * rate_before:
        state.try_seconds, state.rate_before = TRY_SECONDS, max(rate_before, state.rate_before)
    is_again = window.before > 0
    if state.streak or not is_again:
        window.before = max(streams_before, window.before)
    if window.is_much_cut():
        if not is_again:
            state.try_seconds = TRY_SECONDS
        elif state.streak:  # it had come back in part, and is refused again
            _try_later(state)


def _cut_tokens(state: State, measured: float | None, now: float) -> None:
    unstated = state.tokens.unstated
    is_new = unstated.learned is None
    unstated.cut(measured, now)
    if is_new and unstated.learned is not None:  # so what was learned of the others was wrong
        state.rate.forget()
        state.window.forget()
    if unstated.learned is not None:
        state.tokens.empty(unstated.learned)
    if state.is_probing():
        _try_later(state)
    state.rate.end_probe()
    state.window.end_probe()


def _cut_one(
    state: State, in_flight: int, by_rows: int, count: int, against: tuple[int, int], sent_at: float, now: float
) -> bool:
    """Cut what less speaks against. True: it was a probe, and all is as it was before."""
    (against_window, against_rate), searching = against, False
    if against_window == against_rate == 0:
        if state.suspect is None:
            state.suspect, searching, against_rate = (in_flight, count), True, 1
        elif state.may_try_rate() and count and _is_same(state.suspect, in_flight, count):
            _try_rate(state, count, now)
            return False
        else:
            against_window = abs(in_flight - state.suspect[0]) * state.suspect[1]
            against_rate = abs(count - state.suspect[1]) * state.suspect[0]
    probed = state.is_probing() and state.judged_refusals <= 2
    if against_window <= against_rate:
        if state.window.end_probe():
            _try_later(state)
        else:
            # The rows have a few more in flight than the upstream, and the window goes by the rows.
            size = max(by_rows, in_flight) - 1 if state.is_alone() else in_flight - 1
            state.window.cut(min(size, state.window.size - 1), now, searching=searching)
        if state.is_rate_guessed and state.suspect is not None and in_flight <= FAR * state.suspect[0]:
            state.rate.forget()  # it was kept, so it was not the reason
    elif not state.rate.end_probe():
        state.rate.refused(count, state.in_a_row, sent_at, now)
    else:
        _probe_later(state)
    state.is_rate_guessed = False
    probed = probed and not state.is_probing()
    if probed:
        state.in_a_row = 0
    return probed


def _is_same(suspect: tuple[int, int], in_flight: int, count: int) -> bool:
    """Whether neither has changed. Texts that begin together end together, so streams that are all taken send as many
    in a second each time.
    """
    return all(abs(a - b) <= max(1, NEARLY * a) for a, b in zip(suspect, (in_flight, count), strict=True))


def _try_rate(state: State, count: int, now: float) -> None:
    """Tell the two apart: keep the rate, and let the streams grow. The next refusal was of those, unless there are
    clearly more by then.
    """
    state.is_rate_tried = state.is_rate_guessed = True
    state.rate.cut(count if count >= FEWEST else SLOWER * count, now)
    state.rate.pause(now + 1.0)  # until the second is over that was too full
    state.window.end_probe()
    state.window.search(now)


def _probe_later(state: State) -> None:
    state.probe_after, state.in_a_row = min(PROBE_CALLS, 2 * state.probe_after), 0
    _try_later(state)


def _try_later(state: State) -> None:
    state.try_seconds = min(PROBE_SECONDS, 2 * state.try_seconds)


def _cut_both(state: State, in_flight: int, count: int, sent_at: float, now: float) -> None:
    rate = state.rate
    state.evidence_from = sent_at
    if state.window.end_probe() or rate.end_probe():
        _try_later(state)
        return
    if now - state.accepted_at >= BLOCKED_SECONDS:
        if not state.blocked:
            state.blocked = True
            if (accepted := rate.in_last_minute(now)) > 0:
                rate.cut(accepted / 60, now)
        return
    rate.refused(count, state.in_a_row, sent_at, now)
    if state.in_a_row <= TRIAL_AFTER and in_flight >= NEAR * state.window.size:
        state.window.cut(
            (state.window.plateau or state.window.size) * (1 - CUTS[min(state.in_a_row, len(CUTS)) - 1]),
            now,
            searching=True,
        )
