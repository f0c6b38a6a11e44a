"""The trace of an attempt: a span, where the extra `traces` is installed and an OTLP endpoint is set, or else only the
header of the request that submitted the job, sent on to the upstream.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from logging import getLogger
from typing import Any, Protocol

from jobs.model.endings import AttemptResult
from jobs.trace_context import HEADER
from worker.active_attempts import ActiveAttempt
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError

log = getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class AttemptTrace(Protocol):
    """What is known of the trace of one attempt."""

    @property
    def traceparent(self) -> str | None:
        """The header to send upstream."""

    def end(self, outcome: object, written: AttemptResult) -> None:
        """It is over."""


class Tracing(Protocol):
    """How attempts are traced; made once for a process."""

    def begin(self, running: ActiveAttempt) -> AttemptTrace:
        """An attempt begins."""

    def close(self) -> None:
        """Send what is left."""


class Forwarding:
    """No spans: the header goes on as it came."""

    def begin(self, running: ActiveAttempt) -> AttemptTrace:
        """The header of its job."""
        return _Forwarded(running.job.traceparent)

    def close(self) -> None:
        """There is nothing to send."""


class _Forwarded:
    def __init__(self, traceparent: str | None) -> None:
        self.traceparent = traceparent

    def end(self, outcome: object, written: AttemptResult) -> None:
        """Nothing is recorded."""


class Spans:
    """A span for each attempt, by OpenTelemetry's conventions for generative AI; `provider` exports them."""

    def __init__(self, provider: Any) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("longhand.worker")

    def begin(self, running: ActiveAttempt) -> AttemptTrace:
        """A span below the request that submitted the job."""
        from opentelemetry.propagate import extract  # noqa: PLC0415  # only with the extra
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  # as above

        job, claimed = running.job, running.claimed
        parent = extract({HEADER: job.traceparent} if job.traceparent else {})
        attributes = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": claimed.upstream,
            "gen_ai.request.model": job.model,
            "longhand.job.id": job.id,
            "longhand.attempt": running.attempt,
        }
        if job.batch_id is not None:
            attributes["longhand.batch.id"] = job.batch_id
        return _Span(
            self._tracer.start_span(f"chat {job.model}", context=parent, kind=SpanKind.CLIENT, attributes=attributes)
        )

    def close(self) -> None:
        """Send what is left."""
        self._provider.shutdown()


class _Span:
    def __init__(self, span: Any) -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"

    def end(self, outcome: object, written: AttemptResult) -> None:
        """Without a word of the text, or of what the upstream said."""
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415  # only with the extra

        if isinstance(outcome, UpstreamError):
            self._span.set_attribute("error.type", outcome.code)
            self._span.set_status(Status(StatusCode.ERROR))
        elif not isinstance(outcome, Ending):
            self._span.set_attribute("longhand.stopped", str(outcome))
        if written.finish_reason is not None:
            self._span.set_attribute("gen_ai.response.finish_reasons", [written.finish_reason])
        usage = written.usage
        for name, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)) if usage else ():
            if tokens is not None:
                self._span.set_attribute(f"gen_ai.usage.{name}_tokens", tokens)
        self._span.end()


@contextmanager
def open_tracing() -> Iterator[Tracing]:
    """Spans, if an endpoint for them is set in OpenTelemetry's own environment variables and the extra is there."""
    tracing: Tracing = Forwarding()
    if any(os.environ.get(name) for name in _ENDPOINTS):
        if find_spec("opentelemetry.sdk") and find_spec("opentelemetry.exporter"):
            tracing = Spans(_make_provider())
        else:
            log.warning("no traces: install longhand-server[traces], or unset %s", " and ".join(_ENDPOINTS))
    try:
        yield tracing
    finally:
        tracing.close()


def _make_provider() -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  # the extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # the extra
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # the extra
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # the extra

    name = os.environ.get("OTEL_SERVICE_NAME", "longhand-worker")
    provider = TracerProvider(resource=Resource.create({"service.name": name}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
