"""A part of a text whose beginning is still held back at its seam when it is stopped or breaks off: it was paid for."""

import pytest

from jobs.model.status import AttemptOutcome, JobStatus
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from tests.upstream.scripted_upstream import ROLE, Cut, Script, ScriptedUpstream, Stall, chunked, text
from tests.worker.ear import listening
from tests.worker.parts import AT_LIMIT, WHOLE, part, worker_on
from tests.worker.test_continuation import run_twice
from tests.worker.worker_fixtures import MODEL, history, job_and_text, submit, wait_until
from worker.active_attempts import StopReason

HELD = "two three four"
"""What a part has brought, which begins with the last word of the text."""
NEW_TOKENS = Tokenizers(None).count_text(MODEL, HELD).tokens


@pytest.mark.parametrize(
    ("reason", "outcome", "kept"),
    [
        (StopReason.CANCEL, AttemptOutcome.CANCELLED, "One two three four"),
        (StopReason.EXPIRE, AttemptOutcome.EXPIRED, "One two three four"),
        (StopReason.DRAIN, AttemptOutcome.RELEASED, "One two"),
    ],
)
def test_a_stop_that_ends_the_job_keeps_what_was_held_back_and_every_stop_counts_it(
    sqlite_database: Database, redis_url: str, reason: StopReason, outcome: AttemptOutcome, kept: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    silent: Script = [*chunked(ROLE, text("two three "), text("four"))[:-1], Stall()]
    with (
        ScriptedUpstream(part("One two"), silent) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
    ):
        ended = worker.start(job_id)

        def holds() -> bool:
            return any(one.seam is not None and one.seam.left_out == HELD for one in worker.running.all())

        wait_until(holds, "the seam holds what has come")
        worker.running.stop(job_id, reason)
        ended.result(60)
    [attempt] = history(sqlite_database, job_id)
    assert (attempt.outcome, attempt.bytes) == (outcome, len(kept))
    assert attempt.usage is not None
    assert attempt.usage.output_tokens == 5 + NEW_TOKENS
    if outcome is not AttemptOutcome.RELEASED:
        assert job_and_text(sqlite_database, job_id)[1] == kept


def test_a_part_that_breaks_off_while_it_is_held_back_is_asked_for_again_and_counted(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    breaks_off: Script = [*chunked(ROLE, text("two three "), text("four"))[:-1], Cut()]
    with (
        ScriptedUpstream(part("One two"), breaks_off, part("two three.", end=WHOLE)) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
        listening(redis_url, job_id) as ear,
    ):
        run_twice(worker, ear, job_id)
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored) == (JobStatus.COMPLETED, "One two three.")
    usages = [attempt.usage for attempt in history(sqlite_database, job_id)]
    assert [usage and usage.output_tokens for usage in usages] == [5 + NEW_TOKENS, 5]


@pytest.mark.parametrize(("held", "kept"), [(HELD, "One two three four"), ("Here is the re", "One two")])
def test_a_part_that_breaks_off_at_the_last_attempt_keeps_what_is_new_of_what_was_held_back(
    sqlite_database: Database, redis_url: str, held: str, kept: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8, max_attempts=1)
    breaks_off: Script = [*chunked(ROLE, text(held))[:-1], Cut()]
    with (
        ScriptedUpstream(part("One two"), breaks_off) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
    ):
        worker.run(job_id)
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored) == (JobStatus.FAILED, kept)
    [attempt] = history(sqlite_database, job_id)
    assert attempt.usage is not None
    assert attempt.usage.output_tokens == 5 + Tokenizers(None).count_text(MODEL, held).tokens


@pytest.mark.parametrize("end", [AT_LIMIT, WHOLE])
@pytest.mark.parametrize("cut", ["", "At last"])
def test_a_part_that_goes_back_and_ends_before_the_end_of_the_text_adds_nothing_and_makes_no_text_whole(
    sqlite_database: Database, redis_url: str, end: bytes, cut: str
) -> None:
    before = "".join(f"Monk {number} drank tea in town {number}, and stayed up.\n\n" for number in range(40)) + cut
    job_id = submit(sqlite_database, max_continuations=8)
    back = part(*(before[at : at + 30] for at in range(400, 1120, 30)), end=end)
    with (
        ScriptedUpstream(part(before), back) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
    ):
        worker.run(job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert (stored, job.status, job.incomplete) == (before, JobStatus.COMPLETED, "max_output_tokens")


def test_another_version_of_a_text_that_never_ends_leaves_the_text_as_it_was(
    sqlite_database: Database, redis_url: str
) -> None:
    before = "".join(f"Monk {number} drank tea in town {number}, and stayed up.\n\n" for number in range(40)) + "At"
    job_id = submit(sqlite_database, max_continuations=8)
    endless = part(before[:1000], *(f" And {number} other words came, which no text has." for number in range(200)))
    with (
        ScriptedUpstream(part(before), endless) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none", max_text_bytes=6000) as worker,
    ):
        worker.run(job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert (stored, job.status, job.incomplete) == (before, JobStatus.COMPLETED, "max_output_tokens")
