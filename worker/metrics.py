"""The metrics of a worker process, on a port for Prometheus (`LONGHAND_WORKER_METRICS_PORT`)."""

from collections import Counter
from collections.abc import Callable, Iterator
from logging import getLogger

from prometheus_client import start_http_server
from prometheus_client.core import Metric

from jobs.metrics.page import counters, gauges, histograms, make_registry
from worker.active_attempts import ActiveAttempts
from worker.counts import WorkerCounts

log = getLogger(__name__)

_LANE = ("upstream", "gen_ai_request_model")


class WorkerMetrics:
    """What a scrape reads. It takes the counts' lock for a moment, and asks neither the database nor Redis."""

    def __init__(self, counts: WorkerCounts, running: ActiveAttempts, streams: int) -> None:
        self._counts = counts
        self._running = running
        self._streams = streams

    def read(self) -> Iterator[Metric]:
        with self._counts.lock:
            yield from list(self._attempts())
            yield from list(self._model_calls())

    def _attempts(self) -> Iterator[Metric]:
        counts = self._counts
        active = self._running.all()
        streams = [attempt for attempt in active if not attempt.waits_for_check]
        running = Counter(map(counts.lane_of, streams))
        uncounted = [attempt for attempt in active if not attempt.counted]
        deltas = counts.deltas + sum(attempt.deltas for attempt in uncounted)
        received = counts.received_bytes + sum(attempt.received_bytes for attempt in uncounted)
        free = max(0, self._streams - len(streams))
        yield gauges("longhand_worker_streams_running", "Streams that this process runs.", _LANE, running)
        yield gauges("longhand_worker_streams_free", "Streams that this process could run more.", (), {(): free})
        yield counters("longhand_attempts_total", "Attempts that ended.", (*_LANE, "outcome"), counts.attempts)
        yield counters(
            "longhand_refusals_total", "Requests that the upstream's limits refused.", _LANE, counts.refusals
        )
        yield counters("longhand_cost_total", "What attempts cost, as far as known.",
                       (*_LANE, "currency", "source"), counts.cost_amounts())  # fmt: skip
        yield counters("longhand_rescued_jobs_total", "Jobs taken back from dead workers.", (), {(): counts.rescued})
        yield counters("longhand_deltas_total", "Deltas received.", (), {(): deltas})
        yield counters("longhand_received_bytes_total", "Text and reasoning received.", (), {(): received})
        yield histograms("longhand_claim_seconds", "From a hint to its claim.", (), {(): counts.claims})
        yield histograms("longhand_finish_seconds", "From a text's end to its commit.", (), {(): counts.finishes})
        yield histograms("longhand_dispatch_round_seconds", "Rounds of dispatch.", (), {(): counts.rounds})

    def _model_calls(self) -> Iterator[Metric]:
        """By OpenTelemetry's conventions for generative AI."""
        counts = self._counts
        yield histograms("gen_ai_client_operation_duration_seconds", "Whole requests to the upstream.",
                         (*_LANE, "error_type"), counts.durations)  # fmt: skip
        yield histograms("gen_ai_server_time_to_first_token_seconds", "From the request to the first delta.",
                         _LANE, counts.first_tokens)  # fmt: skip
        yield histograms("gen_ai_server_time_per_output_token_seconds", "After the first delta, of whole texts.",
                         _LANE, counts.per_token)  # fmt: skip
        yield histograms("gen_ai_client_token_usage", "Tokens of an attempt, by kind and by who counted them.",
                         (*_LANE, "gen_ai_token_type", "source"), counts.tokens)  # fmt: skip


def serve_metrics(metrics: WorkerMetrics, host: str, port: int) -> Callable[[], None]:
    """Serve them in a thread; call what this returns to end it. Raises OSError when the port is taken."""
    server, thread = start_http_server(port, host, make_registry(metrics.read))
    log.info("metrics on http://%s:%d/metrics", host, server.server_port)

    def close() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    return close
