"""A seam in doubt stays so when its part is interrupted, and one of a dead worker is in doubt: nobody else saw it."""

import pytest

from jobs.lifecycle.continued import note_segments
from jobs.lifecycle.lease import Checkpoint, renew
from jobs.lifecycle.rescue import rescue_lost
from jobs.model.segments import Segment, load_segments
from jobs.model.status import DOUBTFUL_SEAM, JobStatus
from jobs.store.database import Database
from tests.store.reserving import claim_now
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Cut, ScriptedUpstream, chunked, text
from tests.worker.ear import listening
from tests.worker.parts import WHOLE, part, worker_on
from tests.worker.test_continuation import run_twice
from tests.worker.worker_fixtures import expire_lease, history, job_and_text, submit
from worker.continuation import last_words

FIRST, SECOND = "Tea came to Europe in the seventeenth century, and cups ", "came with it from the east, in chests. "
LAST = "It was dear at first."


def leave(database: Database, job_id: str) -> None:
    """Let a worker write both in two parts and die, after it has noted the first one."""
    assert claim_now(database, job_id, "dead", 60) is not None
    assert note_segments(database, job_id, 1, [Segment(1, 0, len(FIRST), "default", "length", None)])
    assert renew(database, "dead", [Checkpoint(job_id, 1, FIRST + SECOND)], 60)
    expire_lease(database, job_id)
    assert rescue_lost(database)


def go_on(database: Database, redis_url: str, job_id: str, form: str) -> str | None:
    """Let the next worker write the rest, behind what it was asked for; why the text is incomplete."""
    answer = last_words(FIRST + SECOND) + LAST if form == "none" else LAST
    with (
        ScriptedUpstream(part(answer, end=WHOLE)) as upstream,
        worker_on(database, redis_url, upstream.url, form) as worker,
    ):
        worker.run(job_id)
    job, stored = job_and_text(database, job_id)
    assert (job.status, stored) == (JobStatus.COMPLETED, FIRST + SECOND + LAST)
    return job.incomplete


def test_what_a_dead_worker_joined_to_a_text_is_in_doubt(sqlite_database: Database, redis_url: str) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    leave(sqlite_database, job_id)
    assert go_on(sqlite_database, redis_url, job_id, "none") == DOUBTFUL_SEAM
    segments = load_segments(history(sqlite_database, job_id)[1].segments)
    assert [(one.offset, one.doubtful) for one in segments][:2] == [(0, False), (len(FIRST), True)]


def test_what_a_dead_worker_wrote_as_the_upstream_continued_it_is_not(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    leave(sqlite_database, job_id)
    assert go_on(sqlite_database, redis_url, job_id, "assistant") is None


@pytest.mark.parametrize("sure", [True, False])
def test_a_seam_stays_as_it_was_when_the_upstream_breaks_off_behind_it(
    sqlite_database: Database, redis_url: str, sure: bool
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    rest = text(last_words(FIRST) + SECOND * 20 if sure else f"As I said:\n\n{SECOND * 20}")
    whole = chunked(ROLE, text(last_words(SECOND * 20) + LAST), FINISH, DONE)
    with (
        ScriptedUpstream(part(FIRST), [*chunked(ROLE, rest)[:-1], Cut()], whole) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
        assert len(upstream.exchanges) == 3
    job, stored = job_and_text(sqlite_database, job_id)
    assert job.status == JobStatus.COMPLETED
    assert stored == watcher.shown
    assert stored.endswith(SECOND * 20 + LAST)
    assert job.incomplete == (None if sure else DOUBTFUL_SEAM)
