"""What a scrape of the API reads: its own counts, and the rows that all workers share."""

from collections import Counter
from collections.abc import Iterator
from logging import getLogger

from prometheus_client.core import Metric

from api.http.envelope import ApiCounts
from api.watching.hub import Hub
from jobs.dispatch.totals import count_holds, count_waiting
from jobs.dispatch.upstream_states import ModelState, read_upstream_states
from jobs.metrics.page import counters, gauges
from jobs.store.database import DATABASE_ERRORS, Database, driver_message
from jobs.upstreams import UpstreamSource

log = getLogger(__name__)

_LANE = ("upstream", "gen_ai_request_model")


class ApiMetrics:
    """Call `read` in a thread that may wait for the database."""

    def __init__(self, hub: Hub, database: Database, upstreams: UpstreamSource, hint_seconds: float) -> None:
        self.counts = ApiCounts()
        self._hub = hub
        self._database = database
        self._upstreams = upstreams
        self._hint_seconds = hint_seconds

    def read(self) -> Iterator[Metric]:
        """Every metric as it is now. While the database is away, only those of this process."""
        yield from self._own()
        try:
            shared = [*self._waiting(), *self._lanes()]
        except DATABASE_ERRORS as error:
            log.warning("the metrics of what all processes share are left out: %s", driver_message(error))
            shared = []
        yield gauges("longhand_database_up", "Whether the database answered.", (), {(): float(bool(shared))})
        yield from shared

    def _own(self) -> Iterator[Metric]:
        counts, hub = self.counts, self._hub
        yield counters("longhand_http_requests_total", "Requests that were answered.", ("method", "status"),
                       counts.requests)  # fmt: skip
        yield counters("longhand_http_sent_bytes_total", "Bytes of all answers.", (), {(): counts.sent_bytes})
        yield gauges("longhand_watchers", "Clients that watch a job or a batch.", (), {(): hub.watching})
        yield counters("longhand_watch_resyncs_total", "Texts that were read again, as a message was missed.", (),
                       {(): hub.resyncs})  # fmt: skip
        yield gauges("longhand_subscriber_connected", "Whether live messages can be heard.", (), {(): hub.connected})

    def _waiting(self) -> Iterator[Metric]:
        waiting: Counter[tuple[str]] = Counter()
        for model, count in sorted(count_waiting(self._database).items(), key=lambda item: -item[1]):
            waiting[self.counts.models.label(model),] += count
        yield gauges("longhand_jobs_waiting", "Queued jobs.", ("gen_ai_request_model",), waiting)
        yield gauges("longhand_holds", "What is held now.", ("kind", "reason"), count_holds(self._database))

    def _lanes(self) -> Iterator[Metric]:
        specs = self._upstreams.current().specs
        states = read_upstream_states(self._database, specs, self._hint_seconds)
        held = {(name,): float(state.hold is not None) for name, state in states.items()}
        yield gauges("longhand_upstream_held", "Whether no job starts there.", ("upstream",), held)
        sums = _Sums()
        for name, state in states.items():
            for model in state.models:
                sums.add((name, self.counts.models.label(model.model)), model)
        yield gauges("longhand_streams_running", "Streams of all workers.", _LANE, sums.running)
        yield gauges("longhand_streams_free", "Streams that the window has room for.", _LANE, sums.free)
        yield gauges("longhand_window", "Streams that may be in flight at once.", _LANE, sums.window)
        yield gauges("longhand_limit", "What is known of a limit per minute.", (*_LANE, "limit"), sums.limit)
        yield gauges("longhand_limit_used", "What was used of it in the last minute.", (*_LANE, "limit"), sums.used)


class _Sums:
    """The lanes by their labels: those of models without one of their own are added up."""

    def __init__(self) -> None:
        self.running: Counter[tuple[str, str]] = Counter()
        self.free: Counter[tuple[str, str]] = Counter()
        self.window: Counter[tuple[str, str]] = Counter()
        self.limit: dict[tuple[str, str, str], float] = {}
        self.used: dict[tuple[str, str, str], float] = {}

    def add(self, lane: tuple[str, str], model: ModelState) -> None:
        """One lane."""
        usage, running = model.usage, model.running
        self.running[lane] += running
        self.window[lane] += usage.window
        self.free[lane] += max(0, usage.window - running)
        for name, use in (("requests_per_minute", usage.requests), ("tokens_per_minute", usage.tokens)):
            for sums, value in ((self.limit, use.limit), (self.used, use.used)):
                if value is not None:
                    sums[*lane, name] = sums.get((*lane, name), 0.0) + value
