"""A job whose upstream has left the file, or that is stopped before its stream begins: nothing is lost."""

from pathlib import Path

import pytest

from jobs.lifecycle.continued import note_segments
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.records import Usage
from jobs.model.segments import Segment, load_segments
from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.upstreams import UpstreamSpec
from tests.store.reserving import claim_now, reserve
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, ScriptedUpstream, chunked, text
from tests.worker.test_several_upstreams import declare
from tests.worker.worker_fixtures import expire_lease, history, job_and_text, open_worker, small_settings, submit
from worker.active_attempts import StopReason

LEFT, THOUGHT, REST = "Part one, whole and paid for, ", "I think.", "and part two."
SEGMENT = Segment(1, 0, len(LEFT), "one", "length", Usage(10, None, 8, None, 18, "upstream"))


def leave_text(database: Database, job_id: str, *segments: Segment) -> None:
    """Let the job's first attempt write this much, and lose its worker."""
    assert (
        claim_now(
            database,
            job_id,
            "w0",
            60,
        )
        is not None
    )
    if segments:
        assert note_segments(database, job_id, 1, segments)
    assert renew(database, "w0", [Checkpoint(job_id, 1, LEFT, 5, THOUGHT)], 60)
    expire_lease(database, job_id)
    assert rescue_lost(database)


@pytest.mark.parametrize("segments", [(), (SEGMENT,)], ids=["interrupted", "in parts"])
def test_an_attempt_whose_upstream_has_left_the_file_keeps_the_text_that_it_was_to_continue(
    sqlite_database: Database, redis_url: str, tmp_path: Path, segments: tuple[Segment, ...]
) -> None:
    database, file = sqlite_database, tmp_path / "upstreams.toml"
    job_id = submit(database, on_interrupt="continue", max_continuations=8)
    leave_text(database, job_id, *segments)
    with ScriptedUpstream(chunked(ROLE, text(REST), FINISH, DONE)) as one:
        file.write_text(declare("one", one.url, 'prefix = "assistant"'))
        with open_worker(database, small_settings(redis_url, one.url, upstreams=file)) as worker:
            reserve(database, job_id, upstream="gone")
            assert worker.runner.run(job_id)
            released = history(database, job_id)[1]
            assert (released.outcome, released.continued_bytes) == (AttemptOutcome.RELEASED, len(LEFT))
            assert (released.usage, load_segments(released.segments)) == (None, segments)
            reserve(database, job_id, upstream="one")
            assert worker.runner.run(job_id)
        assert one.last.body["messages"][-1]["content"] == LEFT
    job, stored = job_and_text(database, job_id)
    assert (job.status, stored, job.failures) == (JobStatus.COMPLETED, LEFT + REST, 0)
    assert load_segments(history(database, job_id)[2].segments)[:1] == segments


@pytest.mark.parametrize("is_gone", [False, True])
def test_a_job_that_is_stopped_before_its_stream_begins_ends_and_is_sent_to_nobody(
    sqlite_database: Database, redis_url: str, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    job_id = submit(sqlite_database)
    with (
        ScriptedUpstream(chunked(ROLE, text(REST), FINISH, DONE)) as upstream,
        open_worker(sqlite_database, small_settings(redis_url, upstream.url)) as worker,
    ):
        find = worker.upstreams.find

        def stop_and_find(name: str) -> UpstreamSpec | None:
            worker.running.stop(job_id, StopReason.CANCEL)
            return None if is_gone else find(name)

        monkeypatch.setattr(worker.upstreams, "find", stop_and_find)
        assert worker.run(job_id)
        assert upstream.exchanges == []
    assert job_and_text(sqlite_database, job_id)[0].status is JobStatus.CANCELLED
    assert history(sqlite_database, job_id)[0].outcome == AttemptOutcome.CANCELLED
