"""A job whose answer is a tool call, through a whole worker: a result like a text, and never half of one."""

from collections.abc import Iterator
from typing import Any

import pytest

from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.store.queries import read_job
from longhand.simulator import ServedSimulator
from tests.sparing import on_sqlite
from tests.worker.ear import run_to_the_end
from tests.worker.worker_fixtures import WorkerParts, history, job_and_text, open_worker, small_settings, submit

OSLO = {"name": "get_weather", "arguments": '{"city":"Ōslo 🙂 \\u0000 \u2028 {","days": [1,{"n":null}] }'}
CALLS: list[dict[str, Any]] = [OSLO, {"name": "get_time", "arguments": "", "id": "call_time"}]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object", "required": ["x"]}}}


def stored_call(call_id: str, called: dict[str, Any]) -> dict[str, Any]:
    """A call as it must be stored: the arguments are the very text that the upstream sent."""
    return {"id": call_id, "type": "function", "function": {"name": called["name"], "arguments": called["arguments"]}}


BOTH = [stored_call("call_1", OSLO), stored_call("call_time", CALLS[1])]


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url)) as parts:
        yield parts


def calls_of(database: Database, job_id: str) -> object:
    job = read_job(database, job_id, project=None)
    assert job is not None
    return (job.message or {}).get("tool_calls")


@pytest.mark.parametrize("text", [None, "Let me look. "])
def test_a_job_that_calls_tools_completes_and_keeps_each_call_as_it_was_sent(
    worker: WorkerParts, text: str | None
) -> None:
    job_id = submit(worker.database, {"tool_calls": CALLS, "text": text})
    done = run_to_the_end(worker, job_id)[-1]
    job, stored = job_and_text(worker.database, job_id)
    assert (job.status, stored, job.finish_reason, job.incomplete) == (
        JobStatus.COMPLETED,
        text or "",
        "tool_calls",
        None,
    )
    assert (done.status, done.bytes) == ("completed", len(stored))
    assert job.message == {"system_fingerprint": "fp_simulator", "tool_calls": BOTH}
    assert job.usage is not None
    assert job.usage.source == "upstream"


def test_calls_that_the_upstream_does_not_count_are_counted_here(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"tool_calls": CALLS, "usage": False})
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    assert job.usage is not None
    assert (job.usage.source, (job.usage.output_tokens or 0) > 10) == ("estimate", True)


@on_sqlite
@pytest.mark.parametrize("after", [1, 3, 6])
def test_a_job_that_was_cut_inside_its_calls_is_tried_again(
    worker: WorkerParts, simulator: ServedSimulator, after: int
) -> None:
    job_id = submit(worker.database, {"tool_calls": CALLS, "cut_after": after, "times": 1, "key": f"cut {after}"})
    run_to_the_end(worker, job_id)
    job, _ = job_and_text(worker.database, job_id)
    first, second = history(worker.database, job_id)
    assert (first.outcome, first.error_code, second.outcome) == (
        AttemptOutcome.FAILED,
        "upstream_cut",
        AttemptOutcome.COMPLETED,
    )
    assert (job.status, calls_of(worker.database, job_id)) == (JobStatus.COMPLETED, BOTH)
    assert simulator.stats()["faults"] == {"cut_after": 1}


def test_half_a_call_is_kept_by_no_job_that_fails(worker: WorkerParts) -> None:
    simulate = {"text": "Let me look.", "tool_calls": CALLS, "error_after": 5}
    job_id = submit(worker.database, simulate, max_attempts=1)
    worker.run(job_id)
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, calls_of(worker.database, job_id)) == (JobStatus.FAILED, "Let me look.", None)


def test_a_call_that_the_token_limit_cut_is_incomplete(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"tool_calls": CALLS}, fields={"max_tokens": 3})
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    assert (job.status, job.finish_reason, job.incomplete) == (JobStatus.COMPLETED, "length", "max_output_tokens")
    cut = stored_call("call_1", {**OSLO, "arguments": OSLO["arguments"][:24]})
    assert calls_of(worker.database, job_id) == [cut]


def test_arguments_that_end_in_the_middle_are_no_answer_whatever_the_upstream_says(worker: WorkerParts) -> None:
    half = {"name": "get_weather", "arguments": '{"city": "Os'}
    job_id = submit(worker.database, {"tool_calls": [half]}, max_attempts=1)
    worker.run(job_id)
    job, _ = job_and_text(worker.database, job_id)
    assert (job.status, job.error_code) == (JobStatus.FAILED, "upstream_ended_without_end")


def test_a_call_is_not_held_to_the_format_of_the_text(worker: WorkerParts) -> None:
    job_id = submit(worker.database, {"tool_calls": CALLS}, fields={"response_format": SCHEMA})
    worker.run(job_id)
    assert job_and_text(worker.database, job_id)[0].status is JobStatus.COMPLETED
