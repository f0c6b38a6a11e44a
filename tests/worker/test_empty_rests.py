"""A rest that brings nothing makes no text whole: where it stops in the middle, the job does not say that it ends."""

import pytest

from jobs.model.status import NO_END_SIGN, JobStatus
from jobs.store.database import Database
from tests.upstream.scripted_upstream import DONE, ROLE, Cut, ScriptedUpstream, chunk, chunked, text
from tests.worker.ear import listening
from tests.worker.joining import join
from tests.worker.parts import WHOLE, part, worker_on
from tests.worker.test_continuation import run_twice
from tests.worker.worker_fixtures import history, job_and_text, submit
from worker.continuation import last_words

HALF, ENDED = "They watched how the ferry", "They watched the ferry."
CALL = chunk({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "look", "arguments": "{}"}}]})
RESTS = {
    "nothing": part(end=WHOLE),
    "white space": part("   ", end=WHOLE),
    "reasoning": chunked(ROLE, chunk({"reasoning_content": "It is whole."}), WHOLE, DONE),
    "a call": chunked(ROLE, CALL, chunk({}, "tool_calls"), DONE),
}


@pytest.mark.parametrize("form", ["assistant", "none"])
@pytest.mark.parametrize("rest", RESTS)
def test_a_text_that_stops_in_the_middle_is_incomplete_whatever_a_rest_without_text_says(
    sqlite_database: Database, redis_url: str, form: str, rest: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    with ScriptedUpstream(part(HALF), RESTS[rest]) as upstream:
        with worker_on(sqlite_database, redis_url, upstream.url, form) as worker:
            worker.run(job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored.rstrip(), job.incomplete) == (JobStatus.COMPLETED, HALF, "max_output_tokens")
    assert job.finish_reason == ("tool_calls" if rest == "a call" else "length")


@pytest.mark.parametrize("answer", ["the quote", "quoted twice"])
def test_a_rest_that_only_repeats_its_text_brings_nothing(
    sqlite_database: Database, redis_url: str, answer: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    answers = [part(HALF), part(HALF, end=WHOLE) if answer == "the quote" else part(f"...{HALF}", end=WHOLE)]
    with ScriptedUpstream(*answers) as upstream:
        with worker_on(sqlite_database, redis_url, upstream.url, "none") as worker:
            worker.run(job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert (stored, job.incomplete, job.finish_reason) == (HALF, "max_output_tokens", "length")


@pytest.mark.parametrize("rest", RESTS)
def test_a_text_that_ends_well_was_whole_when_its_rest_is_nothing(
    sqlite_database: Database, redis_url: str, rest: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    with ScriptedUpstream(part(ENDED), RESTS[rest]) as upstream:
        with worker_on(sqlite_database, redis_url, upstream.url) as worker:
            worker.run(job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert (job.status, stored.rstrip(), job.incomplete) == (JobStatus.COMPLETED, ENDED, None)


def test_json_that_stops_at_the_limit_is_judged_by_its_form(sqlite_database: Database, redis_url: str) -> None:
    fields = {"response_format": {"type": "json_object"}}
    for written, incomplete in (('{"a": 1}', None), ('{"a": ', "max_output_tokens")):
        job_id = submit(sqlite_database, max_continuations=8, fields=fields)
        answers = [part(written), part(end=WHOLE)]
        with ScriptedUpstream(*answers) as upstream, worker_on(sqlite_database, redis_url, upstream.url) as worker:
            worker.run(job_id)
        job, stored = job_and_text(sqlite_database, job_id)
        assert (stored, job.status, job.incomplete) == (written, JobStatus.COMPLETED, incomplete)


@pytest.mark.parametrize(("written", "incomplete"), [(HALF, NO_END_SIGN), (ENDED, None)])
def test_a_text_that_was_interrupted_in_the_middle_is_not_whole_because_its_rest_is_nothing(
    sqlite_database: Database, redis_url: str, written: str, incomplete: str | None
) -> None:
    job_id = submit(sqlite_database, on_interrupt="continue")
    with ScriptedUpstream([*chunked(ROLE, text(written))[:-1], Cut()], part(end=WHOLE)) as upstream:
        with worker_on(sqlite_database, redis_url, upstream.url) as worker, listening(redis_url, job_id) as ear:
            watcher = run_twice(worker, ear, job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert stored == watcher.shown == written
    assert (job.status, job.incomplete) == (JobStatus.COMPLETED, incomplete)
    assert len(history(sqlite_database, job_id)) == 2


QUOTED = "They watched how the ferry crossed the wide grey river in the rain, and nobody on the shore told them how"


@pytest.mark.parametrize("end", [12, 25, 60])
@pytest.mark.parametrize("before", ["", "...", "Sure, here is the rest:\n\n"])
@pytest.mark.parametrize("behind", ["", "...", "\n"])
def test_a_rest_that_ends_inside_of_the_words_it_was_asked_for_brings_nothing(
    before: str, behind: str, end: int
) -> None:
    new, seam = join(QUOTED, [before + last_words(QUOTED)[:end] + behind])
    assert (new, seam.began_again) == ("", True)


@pytest.mark.parametrize(
    "greeting", ["Sure, here is the rest:", "I'll continue where I left off.", "以下是接下来的内容："]
)
def test_a_greeting_alone_is_no_rest(greeting: str) -> None:
    new, seam = join(QUOTED, [greeting])
    assert (new, seam.began_again) == ("", True)
