"""What a worker makes of failures that may be its upstream's: one that never stops refusing, one that breaks off."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from jobs.dispatch import others, outages, refusals, upstream_holds
from jobs.dispatch.holds import Hold, read_holds
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from longhand.simulator import ServedSimulator
from tests.sparing import on_sqlite
from tests.worker.worker_fixtures import (
    DELTAS,
    PATIENCE_SECONDS,
    WorkerParts,
    history,
    job_and_text,
    open_worker,
    small_settings,
    submit,
)
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import (
    Aborted,
    CutMidStream,
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    MalformedChunk,
    Rejected,
    RejectedInStream,
    RepeatedText,
    UpstreamError,
)
from worker.upstream.failures import error_of_body, error_of_status
from worker.verdict import find_fault


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def wait_held(database: Database, probes: int) -> Hold:
    """The hold, once so many probes have failed."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        held = [hold for hold in read_holds(database) if hold.probes >= probes]
        if held:
            return held[0]
        time.sleep(0.02)
    raise AssertionError(f"no hold with {probes} probes")


@on_sqlite
def test_a_429_without_end_becomes_a_hold_and_costs_no_job_anything(
    worker: WorkerParts, simulator: ServedSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "LONGEST_WINDOW_SECONDS", 2.0)
    monkeypatch.setitem(upstream_holds.FIRST_PROBE_SECONDS, "limit", 0.2)
    ids = [submit(worker.database, {"deltas": DELTAS}) for _ in range(3)]
    simulator.go_away(429)
    worker.dispatch.start()
    hold = wait_held(worker.database, probes=1)
    assert hold.reason == "limit"
    assert "HTTP 429" in hold.message
    calls = sum(simulator.stats()["refused"].values())
    assert calls >= 3
    simulator.come_back()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(job_and_text(worker.database, job_id)[0].is_final for job_id in ids) and time.monotonic() < deadline:
        time.sleep(0.02)
    for job_id in ids:
        job, _ = job_and_text(worker.database, job_id)
        assert (job.status, job.failures) == (JobStatus.COMPLETED, 0)
        waited = {AttemptOutcome.RATE_LIMITED, AttemptOutcome.COMPLETED}
        assert {attempt.outcome for attempt in history(worker.database, job_id)} <= waited
    assert read_holds(worker.database) == []


def test_an_error_of_the_server_inside_a_stream_is_a_stream_that_was_cut() -> None:
    assert find_fault(ErrorInStream("no", status=502), has_written=True).fault == "cut"
    assert find_fault(RejectedInStream("no", status=400)).fault == "job"


@pytest.mark.parametrize("error", [CutMidStream("it hung up"), ErrorInStream("no", status=502)])
def test_a_connection_that_ends_before_the_first_word_is_a_500(error: UpstreamError) -> None:
    """A few prompts that crashed their server held it for everybody, and until half a text was written."""
    assert (find_fault(error).fault, find_fault(error).by_status) == ("failing", True)
    assert find_fault(error, has_written=True).fault == "cut"


def empty(ending: Ending) -> EmptyCompletion:
    error = EmptyCompletion("no text")
    error.ending = ending
    return error


NOTHING_SAID = Ending(None, None, None, None)


@pytest.mark.parametrize(
    "error", [ErrorInStream("no"), EndedWithoutEnd("no"), Aborted("no"), MalformedChunk("no"), empty(NOTHING_SAID)]
)
def test_an_answer_that_no_well_upstream_gives_is_odd_and_after_some_text_it_is_broken(error: UpstreamError) -> None:
    assert find_fault(error).fault == "odd"
    assert find_fault(error, has_written=True).fault == "broken"


PAGE, NO_ROUTE = b"<html>no</html>", b'{"error":{"message":"Invalid URL (POST /chat/completions)"}}'


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (302, PAGE, "url"),
        (404, PAGE, "url"),
        (405, b"", "url"),
        (404, NO_ROUTE, "url"),
        (400, PAGE, "odd"),
        (422, b"", "odd"),
    ],
)
def test_what_is_no_api_at_all_blames_the_url(status: int, body: bytes, fault: str) -> None:
    error = error_of_status(status, body, retry_after_seconds=None, location=None)
    assert find_fault(error).fault == fault


def test_a_server_that_says_200_of_a_path_that_it_does_not_know_blames_the_url() -> None:
    parsed = {"error": "Unexpected endpoint or method. (POST /chat/completions)"}
    assert find_fault(error_of_body("application/json", b"{}", parsed)).fault == "url"
    assert find_fault(error_of_body("text/html", PAGE, None)).fault == "odd"


@pytest.mark.parametrize(
    "error",
    [
        empty(Ending("stop", None, None, None)),
        empty(Ending(None, ReportedUsage(7, None, 0, None, 7), None, None)),
        Rejected("no such model", status=404),
        RepeatedText("no"),
    ],
)
def test_a_model_that_says_nothing_and_a_request_that_is_refused_are_the_jobs_own(error: UpstreamError) -> None:
    assert find_fault(error, has_written=True).fault == "job"


@on_sqlite
@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"body": "html"}, "away"),
        ({"body": "empty"}, "away"),
        ({"body": "json_error"}, "away"),
        ({"error_after": 2}, "away"),
        ({"finish_reason": "error"}, "away"),
        ({"no_end": True}, "away"),
    ],
    ids=str,
)
def test_an_outage_that_shows_another_face_than_a_500_fails_no_job(
    worker: WorkerParts,
    simulator: ServedSimulator,
    monkeypatch: pytest.MonkeyPatch,
    fault: dict[str, Any],
    reason: str,
) -> None:
    monkeypatch.setitem(upstream_holds.FIRST_PROBE_SECONDS, reason, 0.05)
    monkeypatch.setattr(others, "LONGEST_SILENT_SECONDS", 0.0)
    monkeypatch.setattr(others, "LONGEST_SURE_SECONDS", 0.0)  # in the first moments of an outage nothing is held
    held: set[str] = set()
    begin = upstream_holds.begin_hold

    def begin_and_note(*given: Any, **named: Any) -> tuple[str, ...]:
        held.add(given[2])
        return begin(*given, **named)

    monkeypatch.setattr(outages, "begin_hold", begin_and_note)
    worker.run(submit(worker.database, {"deltas": DELTAS}))  # from now on it is known to end its texts with a reason
    told = {"deltas": DELTAS, **fault, "times": 6, "key": "outage"}
    ids = [submit(worker.database, told, max_attempts=2) for _ in range(5)]
    worker.dispatch.start()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not all(job_and_text(worker.database, job_id)[0].is_final for job_id in ids) and time.monotonic() < deadline:
        time.sleep(0.02)
    jobs = [job_and_text(worker.database, job_id)[0] for job_id in ids]
    assert [job.status for job in jobs] == [JobStatus.COMPLETED] * len(ids)
    assert held == {reason}
    assert simulator.stats()["by_key"]["outage"] >= 6 + len(ids)
