"""The trace of the request that submitted a job reaches its attempts and the upstream."""

from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from jobs.store.database import Database
from jobs.trace_context import TRACEPARENT, read_traceparent
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, ScriptedUpstream, chunked, head, text
from tests.worker.worker_fixtures import open_worker, small_settings, submit
from worker import main
from worker.traces import Tracing, open_tracing

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GIVEN = f"00-{TRACE}-{PARENT}-01"
ANSWER = chunked(ROLE, text("A canary text."), FINISH, DONE)


@pytest.fixture
def submitted(sqlite_database: Database) -> str:
    """A job that a traced request has submitted."""
    token = TRACEPARENT.set(GIVEN)
    try:
        return submit(sqlite_database)
    finally:
        TRACEPARENT.reset(token)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    """Spans that the test can look at."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing = Tracing(provider)
    yield tracing
    tracing.close()


def test_without_spans_the_header_goes_on_to_the_upstream(
    sqlite_database: Database, redis_url: str, submitted: str
) -> None:
    with (
        ScriptedUpstream(ANSWER) as upstream,
        open_worker(sqlite_database, small_settings(redis_url, upstream.url)) as worker,
    ):
        worker.run(submitted)
        assert upstream.last.headers["traceparent"] == GIVEN
        worker.run(submit(sqlite_database))  # and where there was none, there is none
        assert "traceparent" not in upstream.last.headers


def test_an_attempt_is_a_span_below_the_request_and_above_the_upstream(
    sqlite_database: Database, redis_url: str, submitted: str, spans: Tracing, exporter: InMemorySpanExporter
) -> None:
    with (
        ScriptedUpstream(ANSWER) as upstream,
        open_worker(sqlite_database, small_settings(redis_url, upstream.url)) as worker,
    ):
        worker.runner._tracing = spans
        worker.run(submitted)
    [span] = exporter.get_finished_spans()
    assert span.context is not None
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert upstream.last.headers["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"
    assert span.attributes is not None
    assert (span.attributes["longhand.job.id"], span.attributes["longhand.attempt"]) == (submitted, 1)
    assert span.attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert span.status.is_ok
    assert "canary" not in span.to_json()


def test_a_failed_attempt_is_a_failed_span_that_names_the_error(
    sqlite_database: Database, redis_url: str, spans: Tracing, exporter: InMemorySpanExporter
) -> None:
    with (
        ScriptedUpstream([head(400, **{"content-length": "26"}), b'{"error":{"message":"no"}}']) as upstream,
        open_worker(sqlite_database, small_settings(redis_url, upstream.url)) as worker,
    ):
        worker.runner._tracing = spans
        worker.run(submit(sqlite_database))
    [span] = exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "upstream_rejected"
    assert not span.status.is_ok
    assert span.parent is None


def test_spans_need_an_endpoint(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    with open_tracing() as tracing:
        assert tracing.provider is None
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    with open_tracing() as tracing:
        assert tracing.provider is not None
    monkeypatch.setattr("worker.traces.find_spec", lambda _: None)
    with open_tracing() as tracing:
        assert tracing.provider is None
    assert "longhand-server[traces]" in caplog.text


@pytest.mark.parametrize(
    "wrong", ["", "x", GIVEN.upper(), GIVEN + "\n00", f"ff-{TRACE}-{PARENT}-01", f"00-{'0' * 32}-{PARENT}-01",
              f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE}-{PARENT}"]
)  # fmt: skip
def test_what_is_no_traceparent_is_none(wrong: str) -> None:
    assert read_traceparent(wrong) is None
    assert read_traceparent(GIVEN) == GIVEN


def test_the_spans_of_attempts_that_end_in_the_drain_are_sent(
    sqlite_url: str, sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(Tracing, "close", lambda _: ended.append("spans"))

    def drain(*arguments: Any, **_: Any) -> int:
        runner = arguments[3].__self__
        close = runner.close

        def close_and_note() -> None:
            close()
            ended.append("attempts")

        monkeypatch.setattr(runner, "close", close_and_note)
        return 0

    monkeypatch.setattr(main, "consume", drain)
    monkeypatch.setattr(main, "start_logging", lambda *_: None)
    main.run_worker(small_settings(redis_url, "http://127.0.0.1:9/v1", database_url=sqlite_url))
    assert ended == ["attempts", "spans"]
