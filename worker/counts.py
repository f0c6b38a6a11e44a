"""What a worker process counts for its metrics: at a claim, at an attempt's end, at a round of dispatch; never at a
delta.
"""

import threading
from collections import Counter, defaultdict

from jobs.metrics.counts import DURATION, FIRST_TOKEN, PER_TOKEN, SHORT, TOKENS, Histogram, ModelLabels
from jobs.model.cost import NANOS
from jobs.model.endings import AttemptResult
from worker.active_attempts import ActiveAttempt
from worker.reports import Sent
from worker.upstream.errors import UpstreamError

LaneLabels = tuple[str, str]
"""An upstream and the label of a model."""

OUTCOMES = {
    "finish": "completed",
    "retry": "failed",
    "reject": "not_accepted",
    "fail": "failed",
    "wait": "rate_limited",
    "hold back": "held",
    "cancel": "cancelled",
    "expire": "expired",
    "release": "released",
    "lose": "lost",
}
"""What a transition makes of an attempt, in the words of its row."""


class WorkerCounts:
    """One for a process, written by many threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.models = ModelLabels()
        self.attempts: Counter[tuple[str, str, str]] = Counter()
        self.refusals: Counter[LaneLabels] = Counter()
        self.rescued = 0
        self.deltas = 0
        self.received_bytes = 0
        self.costs: Counter[tuple[str, str, str, str]] = Counter()
        self.durations: defaultdict[tuple[str, str, str], Histogram] = defaultdict(lambda: Histogram(DURATION))
        self.first_tokens: defaultdict[LaneLabels, Histogram] = defaultdict(lambda: Histogram(FIRST_TOKEN))
        self.per_token: defaultdict[LaneLabels, Histogram] = defaultdict(lambda: Histogram(PER_TOKEN))
        self.tokens: defaultdict[tuple[str, str, str, str], Histogram] = defaultdict(lambda: Histogram(TOKENS))
        self.claims = Histogram(SHORT)
        self.finishes = Histogram(SHORT)
        self.rounds = Histogram(SHORT)

    def lane_of(self, running: ActiveAttempt) -> LaneLabels:
        """The labels of an attempt. With the lock held."""
        return running.claimed.upstream, self.models.label(running.job.model)

    def add_claim(self, seconds: float) -> None:
        with self.lock:
            self.claims.add(seconds)

    def add_round(self, seconds: float) -> None:
        with self.lock:
            self.rounds.add(seconds)

    def add_rescued(self, jobs: int) -> None:
        with self.lock:
            self.rescued += jobs

    def add_end(self, running: ActiveAttempt, verb: str, written: AttemptResult) -> None:
        """An attempt has ended by this transition; `lose`: nothing was stored, `reject`: the text was not accepted."""
        with self.lock:
            lane = self.lane_of(running)
            self.attempts[*lane, OUTCOMES.get(verb, verb)] += 1
            self.refusals[lane] += verb == "wait"
            if written.usage is not None:
                for kind in ("input", "cached", "output", "reasoning"):
                    tokens: int | None = getattr(written.usage, f"{kind}_tokens")
                    if tokens is not None:
                        self.tokens[*lane, kind, written.usage.source].add(tokens)
            if written.cost is not None and written.cost.currency is not None:
                source = "upstream" if written.usage is None or written.usage.source == "upstream" else "estimated"
                self.costs[*lane, written.cost.currency, source] += written.cost.nanos

    def add_finish(self, running: ActiveAttempt, sent: Sent | None, outcome: object, output_tokens: int | None,
                   seconds: float) -> None:  # fmt: skip
        """An attempt was stored in this time; what its request took, if it was sent. It counts no more as running."""
        error = outcome.code if isinstance(outcome, UpstreamError) else ""
        with self.lock:
            self.finishes.add(seconds)
            self.deltas += running.deltas
            self.received_bytes += running.received_bytes
            running.counted = True
            if sent is None or sent.closed_at is None:
                return
            lane = self.lane_of(running)
            self.durations[*lane, error].add((sent.closed_at - sent.sent_at).total_seconds())
            if sent.accepted_at is None:
                return
            self.first_tokens[lane].add((sent.accepted_at - sent.sent_at).total_seconds())
            if output_tokens is not None and output_tokens > 1 and not error:
                wrote = (sent.closed_at - sent.accepted_at).total_seconds()
                self.per_token[lane].add(wrote / (output_tokens - 1))

    def cost_amounts(self) -> dict[tuple[str, ...], float]:
        """The costs in units of their currencies."""
        return {labels: nanos / NANOS for labels, nanos in self.costs.items()}
