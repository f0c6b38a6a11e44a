"""The pace controller of one lane."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Self

import msgspec

from jobs.pace.log import EXACT_UP_TO, Log
from jobs.pace.rate import CUTS, Rate
from jobs.pace.reports import Accepted, Finished, LaneLimits, LimitedBy, Observed, Refused, Report
from jobs.pace.sizes import Sizes
from jobs.pace.tokens import Stated, Tokens
from jobs.pace.window import Window

IN_A_ROW_SECONDS = 2.0
"""A refusal so soon after the last one is in a row with it."""
ON_ITS_WAY = 0.03
"""What was reserved before a cut is sent up to so long after it."""
FIRST_PROBE, PROBE_CALLS, PROBE_SECONDS = 150, 400, 300.0
"""After so many clean calls the first probe, because what was learned first may be wrong; after each refused one twice as many, up to
the second number: a probe may cost two refusals, and that is half a per cent. A lane with few calls probes by time."""
PAUSE_COST = 100.0
"""After a refusal with Retry-After, so many times that pass before a probe: it may cost one per cent of the time."""
LONG_PAUSE = 1.0
"""After a pause of so long, streams come back by doubling."""
BACKOFF, LONGEST_BACKOFF, LONGEST_PAUSE = 0.1, 15.0, 3600.0
TRIAL_AFTER, TRIAL_SECONDS = 3, 1.0
"""After so many refusals in a row one request at a time is tried until one is accepted."""
BLOCKED_SECONDS = 5.0
"""Nothing accepted for so long, although little was sent: the limit is one per minute, and used up."""
JUDGE_SECONDS = 0.12
"""A refusal is judged so much later, when the reports of all that was sent before it are in. Until then nothing starts."""
MUCH, MUCH_SHARE = 5, 0.1
"""So many accepted requests, and so large a share of those remembered, rule a limit out."""
LONGEST_LOOK = 1.0
CLOCK_STEP = 2.0
LIMITING_SECONDS = 0.25


class State(msgspec.Struct):
    at: float
    window: Window = msgspec.field(default_factory=Window)
    rate: Rate = msgspec.field(default_factory=Rate)
    tokens: Tokens = msgspec.field(default_factory=Tokens)
    sizes: Sizes = msgspec.field(default_factory=Sizes)
    clean: int = 0
    """Requests accepted since the last refusal."""
    probe_after: int = FIRST_PROBE
    in_a_row: int = 0
    refused_at: float = 0.0
    cut_at: float = 0.0
    judged: tuple[float, int] | None = None
    """The refusal that is to be judged at `judge_at`: when it was sent, and how many were in flight by the rows."""
    judge_at: float = 0.0
    evidence_from: float = 0.0
    blocked: bool = False
    """Since nothing is accepted any more, the rate has been set to what was accepted in the last minute."""
    suspect: tuple[int, int] | None = None
    """In flight and accepted in a second at a refusal that may have been of either."""
    accepted_at: float = 0.0
    paused_until: float = 0.0
    hinted_pause: float = 0.0
    rate_held_at: float = 0.0
    window_held_at: float = 0.0


class Lane:
    """See the package. Not thread-safe: one turn of one worker uses one."""

    def __init__(self, state: State, limits: LaneLimits) -> None:
        self.state, self.limits = state, limits

    @classmethod
    def new(cls, limits: LaneLimits, now: float) -> Self:
        """A lane of which nothing is known yet."""
        return cls(State(at=now), limits)

    @classmethod
    def from_json(cls, stored: dict[str, Any], limits: LaneLimits) -> Self:
        """What `to_json` gave; the limits come from the upstreams file and may have changed. ValueError: it is no such object."""
        state = msgspec.convert({**stored, "rate": {**stored["rate"], "log": {}}}, State)
        state.rate.log = Log.from_numbers(stored["rate"]["log"], state.at)
        return cls(state, limits)

    def to_json(self) -> dict[str, Any]:
        state = self.state
        log, state.rate.log = state.rate.log, Log()
        built: dict[str, Any] = msgspec.to_builtins(state)
        state.rate.log = log
        built["rate"]["log"] = log.to_numbers(state.at)
        return built

    def apply(self, reports: Iterable[Report], in_flight: int, now: float) -> None:
        """Learn from what one worker process saw since its last turn."""
        self._advance(now)
        for report in sorted((_not_ahead(report, now) for report in reports), key=lambda report: report.at):
            match report:
                case Accepted():
                    self._accepted(report, now)
                case Refused():
                    self._refused(report, now)
                case Finished():
                    self.state.rate.log.finished(report)
                    self.state.tokens.settle(report)
                    if report.output_tokens is not None:
                        self.state.sizes.add(report.output_tokens)
                case Observed(kind="requests"):
                    self.state.rate.observe(report, now)
                case Observed():
                    self.state.tokens.observe(report, now)
        self._judge(now)
        self._grow(now)

    def room(self, in_flight: int, now: float, lead: float = 0.0) -> int:
        """How many more requests may start now: by the window, the request rate and a pause. Tokens are asked by `reserve`."""
        self._advance(now)
        state = self.state
        if now < state.paused_until or state.judged is not None:
            return 0
        by_window = max(0, self._window() - in_flight)
        by_rate = state.rate.room(self._known(now), now + lead)
        if by_rate == 0 and by_window > 0:
            state.rate_held_at = now
        elif by_window == 0 and (by_rate is None or by_rate > 0):
            state.window_held_at = now
        if state.in_a_row >= TRIAL_AFTER:
            by_window = min(by_window, 1)
        return by_window if by_rate is None else min(by_window, by_rate)

    def reserve(self, estimated_tokens: int, now: float, lead: float = 0.0) -> float | None:
        """Take one request and its tokens. The time to send it at (`now`, or at most `lead` later); None: no room now."""
        self._advance(now)
        state = self.state
        known, amount = self._known(now), max(0, estimated_tokens)
        send_at = max(
            state.rate.opens_at(known, now),
            state.tokens.opens_at(amount, self._token_rate(now), now),
        )
        if now < state.paused_until or state.judged is not None or send_at > now + lead:
            return None
        state.rate.take(send_at, known, exact=lead > 0)
        state.tokens.take(amount)
        if state.in_a_row >= TRIAL_AFTER:
            state.paused_until = now + TRIAL_SECONDS
        return send_at

    def release(self, reserved_tokens: int, now: float) -> None:
        """Give back a reservation that was never sent: a hint that was lost, a job that was cancelled before."""
        self._advance(now)
        self.state.tokens.give_back(max(0, reserved_tokens))
        self.state.rate.log.release()

    def limited_by(self, in_flight: int, now: float) -> LimitedBy | None:
        """Why no more can start now. None: they can."""
        self._advance(now)
        state = self.state
        if now < state.paused_until or state.judged is not None:
            return "retry_after"
        if self.limits.max_streams is not None and in_flight >= self.limits.max_streams:
            return "max_streams"
        if in_flight >= self._window():
            return "window"
        if state.rate.opens_at(self._known(now), now) > now:
            return "requests"
        if state.tokens.opens_at(self.estimate_output(), self._token_rate(now), now) > now:
            return "tokens"
        return None

    def next_at(self, in_flight: int, now: float) -> float:
        """When to look again at the latest, if no report comes before."""
        self._advance(now)
        state = self.state
        opens = max(
            state.paused_until,
            state.rate.opens_at(self._known(now), now),
            state.tokens.opens_at(self.estimate_output(), self._token_rate(now), now),
        )
        return min(max(opens, now), now + LONGEST_LOOK)

    def estimate_output(self) -> int:
        """The 95th percentile of what texts of this lane took in output tokens; a guess until some have finished."""
        return self.state.sizes.percentile(0.95)

    def _window(self) -> int:
        size = int(self.state.window.size)
        return size if self.limits.max_streams is None else min(size, self.limits.max_streams)

    def _known(self, now: float) -> float | None:
        return self.state.rate.known(self.limits.requests_per_minute, now)

    def _token_rate(self, now: float) -> float | None:
        return self.state.tokens.rate(self.limits.tokens_per_minute, now)

    def _advance(self, now: float) -> None:
        if now < self.state.at - CLOCK_STEP:
            self.state = _forget_times(self.state, now)
        state = self.state
        state.at = max(state.at, now)
        state.rate.log.advance(now)
        state.tokens.advance(self._token_rate(now), now)

    def _accepted(self, report: Accepted, now: float) -> None:
        state = self.state
        state.rate.accepted(report)
        state.accepted_at = max(state.accepted_at, report.sent_at)
        state.blocked = False
        if report.sent_at < state.cut_at:
            return
        state.clean += 1
        if state.in_a_row >= TRIAL_AFTER:
            state.in_a_row, state.paused_until = 0, min(state.paused_until, now)
        state.window.accepted(report, now)

    def _grow(self, now: float) -> None:
        """What has been clean for long enough may become more, but only what holds requests back."""
        state = self.state
        by_rate = now - state.rate_held_at < LIMITING_SECONDS
        if now - state.refused_at < LONG_PAUSE or state.in_a_row >= TRIAL_AFTER:
            return
        state.rate.grow(now, limiting=by_rate)
        quiet = now - state.refused_at
        if quiet < PAUSE_COST * state.hinted_pause or (state.clean < state.probe_after and quiet < PROBE_SECONDS):
            return
        if by_rate and state.window.growth != "probe":
            state.rate.probe(now)
        elif not by_rate and state.rate.growth != "probe" and now - state.window_held_at < LIMITING_SECONDS:
            state.window.probe(now)

    def _refused(self, report: Refused, now: float) -> None:
        state = self.state
        state.tokens.give_back(max(0, report.reserved_tokens))
        state.rate.log.refused(report)
        self._pause(report, now)
        if state.judged is None and report.sent_at >= state.cut_at:
            state.judged, state.judge_at = (report.sent_at, report.in_flight), now + JUDGE_SECONDS
            state.cut_at = state.judge_at + ON_ITS_WAY
            state.in_a_row = state.in_a_row + 1 if now - state.refused_at < IN_A_ROW_SECONDS + state.hinted_pause else 1
            state.clean, state.refused_at = 0, now
            if state.in_a_row > 1 and not report.retry_after_seconds:
                self._pause_until(now + min(LONGEST_BACKOFF, BACKOFF * 2.0**state.in_a_row), now)
        elif state.judged is not None and report.sent_at < state.judged[0]:
            state.judged = (report.sent_at, report.in_flight)

    def _pause(self, report: Refused, now: float) -> None:
        self.state.hinted_pause = max(0.0, report.retry_after_seconds or 0.0)
        if report.retry_after_seconds is not None:
            self._pause_until(report.at + report.retry_after_seconds, now)

    def _pause_until(self, until: float, now: float) -> None:
        state = self.state
        until = min(until, now + LONGEST_PAUSE)
        state.paused_until = max(state.paused_until, until)
        if until - now >= LONG_PAUSE * 0.9:
            state.window.restart()

    def _judge(self, now: float) -> None:
        """Tell a limit of the rate from one of the streams in flight, and go below it.

        What was accepted with as many in flight speaks against a limit of those, and what was accepted after as many in a second
        speaks against one of the rate. If nothing speaks against either, the next such refusal tells: the limit is what has not
        changed. If much speaks against both, a limit has fallen, or is one of another kind.
        """
        state = self.state
        if state.judged is None or now < state.judge_at:
            return
        (sent_at, in_flight), state.judged = state.judged, None
        log = state.rate.log
        if in_flight <= EXACT_UP_TO:
            in_flight = log.in_flight_at(sent_at) + 1
        count = log.in_second_before(sent_at)
        against_window, against_rate, of = log.evidence(sent_at, in_flight - 1, state.evidence_from)
        token_rate = self._token_rate(now)
        if token_rate is not None and state.in_a_row < TRIAL_AFTER:
            state.tokens.empty(token_rate)
            return
        if min(against_window, against_rate) >= max(MUCH, MUCH_SHARE * of):
            self._cut_both(count, sent_at, now)
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

    def _cut_both(self, count: int, sent_at: float, now: float) -> None:
        state, rate = self.state, self.state.rate
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


def _not_ahead(report: Report, now: float) -> Report:
    """The same report, with no time after `now`: a process's clock may be a little ahead, or may have been set back."""
    if isinstance(report, Observed):
        return report if report.at <= now else replace(report, at=now)
    if report.at <= now and report.sent_at <= report.at:
        return report
    return replace(report, at=min(report.at, now), sent_at=min(report.sent_at, report.at, now))


def _forget_times(old: State, now: float) -> State:
    """What is known of the lane without anything that has a time: the clock was set back."""
    window = Window(old.window.size, old.window.growth, old.window.plateau, old.window.step, quick=old.window.quick)
    rate = Rate(old.rate.learned, old.rate.growth, old.rate.plateau, old.rate.step, stated=old.rate.stated)
    stated = {kind: Stated(one.per_second) for kind, one in old.tokens.stated.items()}
    tokens = Tokens(
        old.tokens.level, now, stated, old.tokens.output_share, old.tokens.mean_used, old.tokens.mean_estimate
    )
    return State(now, window, rate, tokens, old.sizes, probe_after=old.probe_after)
