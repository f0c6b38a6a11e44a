"""The trace of an attempt: a span, where the extra `traces` is installed and an OTLP endpoint is set, or else only the
header of the request that submitted the job, sent on to the upstream.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from logging import getLogger
from typing import Any

from jobs.model.endings import AttemptResult
from jobs.trace_context import HEADER
from worker.active_attempts import ActiveAttempt
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError

log = getLogger(__name__)

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


class AttemptTrace:
    """The trace of one attempt: the header to send upstream, and its span if there are any."""

    def __init__(self, traceparent: str | None, span: Any = None) -> None:
        self.traceparent = traceparent
        self._span = span

    def end(self, outcome: object, written: AttemptResult) -> None:
        """It is over. Nothing is recorded of the text, or of what the upstream said."""
        if self._span is None:
            return
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


class Tracing:
    """How the attempts of a process are traced. `provider` exports a span for each, by OpenTelemetry's conventions for
    generative AI; without one, the header of a job only goes on as it came.
    """

    def __init__(self, provider: Any = None) -> None:
        self.provider = provider
        self._tracer = provider.get_tracer("longhand.worker") if provider is not None else None

    def begin(self, running: ActiveAttempt) -> AttemptTrace:
        """An attempt begins: its span is below the request that submitted the job."""
        job, claimed = running.job, running.claimed
        if self._tracer is None:
            return AttemptTrace(job.traceparent)
        from opentelemetry.propagate import extract  # noqa: PLC0415  # only with the extra
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  # as above

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
        name = f"chat {job.model}"
        span = self._tracer.start_span(name, context=parent, kind=SpanKind.CLIENT, attributes=attributes)
        context = span.get_span_context()
        traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{int(context.trace_flags):02x}"
        return AttemptTrace(traceparent, span)

    def close(self) -> None:
        """Send what is left."""
        if self.provider is not None:
            self.provider.shutdown()


@contextmanager
def open_tracing() -> Iterator[Tracing]:
    """Spans, if an endpoint for them is set in OpenTelemetry's own environment variables and the extra is there."""
    provider = None
    if any(os.environ.get(name) for name in _ENDPOINTS):
        if find_spec("opentelemetry.sdk") and find_spec("opentelemetry.exporter"):
            provider = _make_provider()
        else:
            log.warning("no traces: install longhand-server[traces], or unset %s", " and ".join(_ENDPOINTS))
    tracing = Tracing(provider)
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
