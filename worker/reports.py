"""Reports to the lanes what a worker process sees of its upstreams: sent, accepted, refused, ended.

The reports are kept in memory until a round of dispatch writes them. Where jobs wait for the pace of a lane, or its
upstream is held, a round begins at once.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

from jobs.dispatch.lane_news import LaneNews
from jobs.dispatch.lanes import Lanes
from jobs.dispatch.part_places import Place
from jobs.dispatch.part_queues import LastRequest, WaitingPart
from jobs.dispatch.rounds import Key
from jobs.dispatch.turn_costs import Ended
from jobs.dispatch.upstream_holds import proof_bytes
from jobs.lifecycle.lease import Claimed
from jobs.pace.reports import Accepted, Finished, Observed, Refused, Report, Unplanned, Unsent
from jobs.store.database import DATABASE_ERRORS
from worker.refused_projects import RefusedProjects
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError
from worker.upstream.errors.reaching import Unreachable

MOST_WAITED = 10.0
"""No turn waits longer for its claim: if it seems so, the clock was set in between."""


class LaneReporter:
    """One for a process. `now` is the clock that the rows go by, and `wake` begins a round of dispatch."""

    def __init__(self, lanes: Lanes, now: Callable[[], datetime], wake: Callable[[], None]) -> None:
        self.lanes = lanes
        self.now = now
        self.wake = wake
        self.answers = RefusedProjects(lambda: now().timestamp())

    def give_back(self, claimed: Claimed) -> None:
        """Nothing was sent for this attempt: its lane has the tokens again."""
        unsent = Unsent(self.now().timestamp(), claimed.reserved_tokens)
        self.lanes.note((claimed.upstream, claimed.job.model), LaneNews([unsent]))

    def end_turn(self, claimed: Claimed, used: "Used", began_at: datetime, seconds: float) -> None:
        """Its stream is free again, so its project's turn is over. `seconds`: that long ago it began, by a clock that
        nobody sets. By the rows' clock, a step of an hour cost the project of each text that ran an hour.

        The turn has cost the stream from its reservation on until its end was stored, not only while the upstream
        wrote: a process that ends 190 jobs of 5 ms a second keeps each stream for 0.5 s.
        """
        waited = (began_at - (claimed.send_at or began_at)).total_seconds()
        seconds = max(0.001, seconds + min(MOST_WAITED, max(0.0, waited)))
        ended = Ended(claimed.job.project, seconds, used.tokens, used.requests, claimed.reserved_tokens)
        self.lanes.note((claimed.upstream, claimed.job.model), LaneNews(ended=[ended]))

    @contextmanager
    def waiting(self, claimed: Claimed, used: "Used", tokens: int) -> Iterator[WaitingPart]:
        """The next part of its text is ready, is expected to use so many tokens, and has no place yet."""
        key, ready_at = (claimed.upstream, claimed.job.model), self.now().timestamp()
        part = WaitingPart(key, claimed.job.project, tokens, used.last, ready_at)
        self.lanes.parts.waiting.join(part)
        try:
            yield part
        finally:
            self.lanes.parts.waiting.leave(part)

    def book(self, part: WaitingPart) -> Place:
        """A place for the next part of a text. Nobody reserves a part: if short ones were sent as soon as they could
        be, they would have all requests or tokens of their lane. So they keep to its limits, and while others wait for
        these, to the share of their project.
        """
        place = self.lanes.parts.book(part)
        if place.is_booked:
            sent_at = self.now().timestamp() + place.seconds
            self.lanes.note(part.key, LaneNews([Unplanned(sent_at, part.tokens)]))
        elif place.is_stale:
            self.lanes.note(part.key, LaneNews())  # so that it has a turn
        if place.is_stale or (place.is_booked and place.seconds > 0):  # the other processes are to know
            self.wake()
        return place

    def running(self, claimed: Claimed) -> AbstractContextManager[None]:
        """Its text runs here, and may go on in parts."""
        if not claimed.job.max_continuations:
            return nullcontext()
        return self.lanes.parts.running((claimed.upstream, claimed.job.project))

    def give_place_back(self, claimed: Claimed, tokens: int) -> None:
        """A part is not sent that had one."""
        self.lanes.note((claimed.upstream, claimed.job.model), LaneNews([Unsent(self.now().timestamp(), tokens)]))

    def send(
        self, claimed: Claimed, used: "Used", unplanned_tokens: int | None = None, address_mark: str = ""
    ) -> "Sent":
        """A request goes upstream at this moment; its end adds to what its turn has `used`. With `unplanned_tokens` it
        is for the next part of a text, which has booked its place.
        """
        tokens = claimed.reserved_tokens if unplanned_tokens is None else unplanned_tokens
        sent = Sent(self, claimed, tokens, used, address_mark)
        used.last.sent_at = sent.sent_at.timestamp()
        return sent


@dataclass(slots=True)
class Used:
    """What the requests of one turn have used of their lane's limits so far."""

    tokens: int = 0
    requests: int = 0
    last: LastRequest = field(default_factory=LastRequest, compare=False)


class Sent:
    """One request, from its sending on."""

    def __init__(
        self, reporter: LaneReporter, claimed: Claimed, reserved_tokens: int, of_turn: Used, address_mark: str
    ) -> None:
        self.key: Key = (claimed.upstream, claimed.job.model)
        self.project = claimed.job.project
        self.address_mark = address_mark
        self.sent_at = reporter.now()
        self._began = monotonic()
        self.accepted_at: datetime | None = None
        self.closed_at: datetime | None = None
        self.in_flight = max(1, reporter.lanes.in_flight(self.key))
        hold = reporter.lanes.hold_of(self.key)
        self.probes = hold is not None
        """Whether its upstream is held, so that this may be the probe."""
        self.proof_bytes = proof_bytes(hold.cut_bytes) if hold and hold.cut_bytes is not None else None
        """How much text proves that an upstream is well again that was held because it cut streams."""
        self._reporter = reporter
        self._of_turn = of_turn
        self._reserved_tokens = reserved_tokens
        self._has_ended = False

    @property
    def most_in_flight(self) -> int:
        """The streams of the lane when it was sent, or now if they are more."""
        return max(self.in_flight, self._reporter.lanes.in_flight(self.key))

    @property
    def is_doubted(self) -> bool:
        """Whether its upstream is held for the texts that it cuts: what this one, which may be the probe, writes proves
        nothing yet, and says nothing of streams that hang.
        """
        return self.proof_bytes is not None and self._reporter.lanes.hold_of(self.key) is not None

    def accept(self) -> None:
        """Its first text has come."""
        self.accepted_at = at = self._reporter.now()
        self._reporter.answers.note(self.key, self.project, refused=False)
        waited = monotonic() - self._began  # if the clock was set meanwhile, it was no queue
        report = Accepted(self.sent_at.timestamp(), at.timestamp(), waited, self.in_flight)
        wrote_at = None if self.is_doubted else at
        told = LaneNews([report], wrote_at=wrote_at, first_delta_seconds=[waited])
        told.accepted_at, told.address_mark = self.sent_at, self.address_mark
        self._note(told)

    def note_refusal(self) -> bool:
        """It was one too many. True: its project is refused, and hardly any other one of the lane."""
        self._reporter.answers.note(self.key, self.project, refused=True)
        return self._reporter.answers.is_refused_alone(self.key, self.project)

    def prove(self) -> None:
        """It has written so much that its upstream does not cut every text."""
        self._note(LaneNews(proved_at=self.sent_at))

    def close(self) -> None:
        """The upstream has no stream of it any more; `end` reports what became of it."""
        self.closed_at = self._reporter.now()

    def end(self, outcome: object, *, refused: bool = False, is_own: bool = False) -> None:
        """It is over. `refused`: it was one too many, and everybody is to slow down, unless `is_own`. Only the first
        report counts: a text that waits for its check has made its own when it left the lane.
        """
        if self._has_ended:
            return
        self._has_ended = True
        at = self.closed_at or self._reporter.now()
        sent_at, moment = self.sent_at.timestamp(), at.timestamp()
        reports: list[Report] = []
        if isinstance(outcome, Ending | UpstreamError):
            stated_at = (self.accepted_at or at).timestamp()
            reports += [
                Observed(stated_at, limit.kind, limit.limit, limit.remaining, limit.reset_seconds, limit.window_seconds)
                for limit in outcome.rate_limits
            ]
        used, output = self._used(outcome)
        if refused and isinstance(outcome, UpstreamError):
            after, used = None if is_own else outcome.retry_after_seconds, 0
            project = self.project if self._reporter.lanes.do_others_wait(self.key, self.project) else ""
            reports.append(Refused(sent_at, moment, after, self.in_flight, self._reserved_tokens, project, is_own))
        else:
            reports.append(Finished(sent_at, moment, self._reserved_tokens, used, output))
        proved_at, wrote_at = (self.sent_at, at) if isinstance(outcome, Ending) else (None, None)
        self._of_turn.last.tokens = self._reserved_tokens if used is None else used
        self._of_turn.tokens += self._of_turn.last.tokens
        self._of_turn.requests += 1
        self._note(LaneNews(reports, proved_at=proved_at, wrote_at=wrote_at))
        if refused and not is_own:
            self._write()

    def _used(self, outcome: object) -> tuple[int | None, int | None]:
        """The tokens of the request as the upstream counted them, and those of its output. None: nobody knows."""
        ending = outcome.ending if isinstance(outcome, UpstreamError) else outcome
        usage = ending.usage if isinstance(ending, Ending) else None
        if usage is not None:
            return usage.total_tokens, usage.output_tokens
        is_refused = isinstance(outcome, Unreachable) or (isinstance(outcome, UpstreamError) and outcome.status)
        # A lane must not wait for what was never written.
        return (0, None) if is_refused and self.accepted_at is None else (None, None)

    def _write(self) -> None:
        """Nobody is to send before the lane knows; if the database is away, the next round tries again."""
        with suppress(*DATABASE_ERRORS):
            if self._reporter.lanes.write_news(self.key):
                return
        self._reporter.wake()

    def _note(self, news: LaneNews) -> None:
        self._reporter.lanes.note(self.key, news)
        if self._reporter.lanes.is_eager(self.key):
            self._reporter.wake()
