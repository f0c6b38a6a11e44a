"""The pace controller of one lane."""

from collections.abc import Iterable
from typing import Any, Self

import msgspec

from jobs.pace.growth import grow
from jobs.pace.judge import judge_refusal
from jobs.pace.log import Log
from jobs.pace.reports import Accepted, Finished, LaneLimits, LimitedBy, Observed, Refused, Report, Unplanned, Unsent
from jobs.pace.state import STRAY_EVERY, TRIAL_AFTER, State, forget_times, not_ahead

IN_A_ROW_SECONDS = 2.0
"""A refusal so soon after the last one is in a row with it."""
ON_ITS_WAY = 0.03
"""What was reserved before a cut is sent up to so long after it."""
TRIAL_SECONDS = 1.0
LONG_PAUSE = 2.5
"""After a pause of so long, streams come back by doubling."""
BACKOFF, LONGEST_BACKOFF, LONGEST_PAUSE = 0.1, 15.0, 3600.0
JUDGE_SECONDS = 0.12
"""A refusal is judged so much later, when the reports of all that was sent before it are in. Until then nothing
starts."""
LONGEST_LOOK = 1.0
FULL_LOOK = 0.25
"""A lane whose streams are all taken is looked at again so soon, by processes that the end of one does not wake."""
SEARCH_LEAD = 0.03
"""While a limit is searched, no further ahead: what is planned when the first refusal comes is refused, too."""
CLOCK_STEP = 2.0
BELIEVED_SECONDS = 5.0
"""So many seconds' tokens are taken at most for what the first requests of a lane allow."""


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
        """What `to_json` gave; the limits come from the upstreams file and may have changed. ValueError: it is no
        such object."""
        try:
            state = msgspec.convert({**stored, "rate": {**stored["rate"], "log": {}}}, State)
            state.rate.log = Log.from_numbers(stored["rate"]["log"], state.at)
        except (KeyError, TypeError) as error:
            raise ValueError(f"this is no stored pace of a lane: {error!r}") from error
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
        for report in sorted((not_ahead(report, now) for report in reports), key=lambda report: report.at):
            match report:
                case Accepted():
                    self._accepted(report, now)
                case Refused():
                    self._refused(report, now)
                case Finished():
                    self.state.rate.log.finished(report)
                    self.state.tokens.settle(report, self.token_rate(now))
                    self.state.window.finished(report)
                    if report.output_tokens is not None:
                        self.state.sizes.add(report.output_tokens)
                case Unplanned():
                    self.state.rate.take(report.at, self._known(now), exact=True)
                    self.state.tokens.take(report.estimated_tokens, self.token_rate(now))
                case Unsent():
                    self.release(report.reserved_tokens, now)
                case Observed(kind="requests"):
                    self.state.rate.observe(report, now)
                case Observed():
                    self.state.tokens.observe(report, now)
        self._judge(now)
        grow(self.state, now)

    def _judge(self, now: float) -> None:
        state, at = self.state, self.state.judge_at
        if state.judged is None or now < at:
            return
        # As of then, so that it comes out the same whenever somebody looks: a round looks, and stores nothing.
        state.is_stray = judge_refusal(state, self.token_rate(now), at)
        if not state.is_stray and state.pause_after > at:
            self._pause_until(state.pause_after, at)
        if state.paused_until - at >= LONG_PAUSE:
            state.window.restart()

    def room(self, in_flight: int, now: float, lead: float = 0.0) -> int:
        """How many more may start now: by the window, the request rate and a pause. `reserve` asks for tokens."""
        self._advance(now)
        state, lead = self.state, self._lead(lead, now)
        if now < state.paused_until or state.is_waiting():
            return 0
        by_window = max(0, self.most_streams() - in_flight)
        by_rate = state.rate.room(self._known(now), now + lead)
        if by_rate == 0 and by_window > 0:
            state.rate_held_at = now
        elif by_window == 0 and by_rate > 0:
            state.window_held_at = now
        if state.in_a_row >= TRIAL_AFTER:
            by_window = min(by_window, 1)
        return min(by_window, by_rate)

    def expect(self, estimated_tokens: int, now: float) -> int:
        """What a request of this estimate is to take: what it will probably use. Never more than a minute's tokens."""
        return round(self.state.tokens.expect(max(0, estimated_tokens), self.token_rate(now)))

    def reserve(self, tokens: int, now: float, lead: float = 0.0, estimated: int | None = None) -> float | None:
        """Take one request and these tokens, which `expect` gave for `estimated`. When to send it, or None."""
        self._advance(now)
        state, lead = self.state, self._lead(lead, now)
        known, amount, token_rate = self._known(now), max(0, tokens), self.token_rate(now)
        tokens_at = state.tokens.opens_at(amount, token_rate, now)
        if tokens_at > now + lead:
            state.tokens.held_at = now
        send_at = max(state.rate.opens_at(known, now), tokens_at)
        if now < state.paused_until or state.is_waiting() or send_at > now + lead:
            return None
        state.rate.take(send_at, known, exact=lead > 0)
        state.tokens.take(amount, token_rate)
        state.tokens.note_estimate(amount if estimated is None else max(0, estimated))
        if state.in_a_row >= TRIAL_AFTER:
            state.paused_until = now + TRIAL_SECONDS
        return send_at

    def blocked_for(self, tokens: int, now: float, lead: float = 0.0) -> float:
        """For how many seconds `reserve` gives no place, if nobody else takes one. 0: it gives one now."""
        self._advance(now)
        state, lead = self.state, self._lead(lead, now)
        opens = max(state.rate.opens_at(self._known(now), now), self._tokens_at(tokens, now)) - lead
        return max(opens, state.paused_until, state.judge_at if state.is_waiting() else now, now) - now

    def release(self, reserved_tokens: int, now: float) -> None:
        """Give back a reservation that was never sent: a hint that was lost, a job that was cancelled before."""
        self._advance(now)
        self.state.tokens.give_back(max(0, reserved_tokens), self.token_rate(now))
        self.state.rate.log.release()

    def restart(self, now: float, running: int) -> None:
        """The upstream was away or held: streams come back by slow start, unless they were written all the time."""
        self._advance(now)
        self.state.window.restart(running if self.state.is_writing(now) else 0)

    def limited_by(self, in_flight: int, now: float) -> LimitedBy | None:
        """Why no more can start now. None: they can."""
        self._advance(now)
        state = self.state
        if now < state.paused_until or state.is_waiting():
            return "retry_after"
        if self.limits.max_streams is not None and in_flight >= self.limits.max_streams:
            return "max_streams"
        if in_flight >= self.most_streams():
            return "window"
        if state.rate.opens_at(self._known(now), now) > now:
            return "requests"
        if self._tokens_at(None, now) > now:
            return "tokens"
        return None

    def next_at(self, in_flight: int, now: float, tokens: int | None = None) -> float:
        """When to look again at the latest, if no report comes before. `tokens`: the next request takes so many."""
        self._advance(now)
        state = self.state
        opens = max(state.paused_until, state.rate.opens_at(self._known(now), now), self._tokens_at(tokens, now))
        if in_flight >= self.most_streams() and not state.is_waiting():
            opens = max(opens, now + FULL_LOOK)
        return min(max(opens, now), now + LONGEST_LOOK)

    def estimate_output(self, most: int | None = None) -> int:
        """The output tokens of a text that may take `most`: what nearly all of this lane took, or a guess."""
        return self.state.sizes.expect(most, BELIEVED_SECONDS * (self.token_rate(self.state.at) or 0.0))

    def most_streams(self) -> int:
        size = int(self.state.window.size)
        return size if self.limits.max_streams is None else min(size, self.limits.max_streams)

    def _tokens_at(self, tokens: int | None, now: float) -> float:
        amount = self.expect(self.estimate_output(), now) if tokens is None else tokens
        return self.state.tokens.opens_at(amount, self.token_rate(now), now)

    def _lead(self, lead: float, now: float) -> float:
        is_searching = self._known(now) is None and self.token_rate(now) is None and self.state.rate.is_searching()
        return min(lead, SEARCH_LEAD) if is_searching else lead

    def _known(self, now: float) -> float | None:
        return self.state.rate.known(self.limits.requests_per_minute, now)

    def token_rate(self, now: float) -> float | None:
        """A second; None: no limit of them is known."""
        return self.state.tokens.rate(self.limits.tokens_per_minute, now)

    def _advance(self, now: float) -> None:
        if now < self.state.at - CLOCK_STEP:
            self.state = forget_times(self.state, now)
        self.state.advance(now)
        self.state.tokens.advance(self.token_rate(now), now)

    def _accepted(self, report: Accepted, now: float) -> None:
        state = self.state
        state.accepted(report)
        if report.sent_at < state.cut_at:
            return
        state.clean += 1
        state.strays = max(0.0, state.strays - 1 / STRAY_EVERY)
        if state.in_a_row >= TRIAL_AFTER:
            state.in_a_row, state.paused_until = 0, min(state.paused_until, now)
        state.window.accepted(report, now)

    def _refused(self, report: Refused, now: float) -> None:
        state = self.state
        state.forget_plan(report, self.token_rate(now))
        if report.is_own:
            state.put_behind(report)
            return
        if state.judged is None and report.sent_at >= state.cut_at:
            state.judged, state.judge_at = (report.sent_at, report.in_flight), now + JUDGE_SECONDS
            state.judged_refusals, state.pause_after = 0, 0.0
            state.cut_at = state.judge_at + ON_ITS_WAY
            state.in_a_row = state.in_a_row + 1 if now - state.refused_at < IN_A_ROW_SECONDS + state.hinted_pause else 1
            state.streak, state.clean, state.refused_before, state.refused_at = state.clean, 0, state.refused_at, now
            if state.in_a_row > 1 and not report.retry_after_seconds:
                self._pause_until(now + min(LONGEST_BACKOFF, BACKOFF * 2.0**state.in_a_row), now)
        elif state.judged is not None and report.sent_at < state.judged[0]:
            state.judged = (report.sent_at, report.in_flight)
        state.count_refusal(report.project)
        self._note_hint(report, now)

    def _note_hint(self, report: Refused, now: float) -> None:
        state = self.state
        state.hinted_pause = max(0.0, report.retry_after_seconds or 0.0)
        if report.retry_after_seconds is None:
            return
        until = report.at + report.retry_after_seconds
        if state.judged is not None:
            state.pause_after = max(state.pause_after, until)
        elif not state.is_stray:
            self._pause_until(until, now)

    def _pause_until(self, until: float, now: float) -> None:
        state = self.state
        until = min(until, now + LONGEST_PAUSE)
        state.paused_until = max(state.paused_until, until)
        state.rate.pause(until)
        if until - now >= LONG_PAUSE:
            state.window.restart()
