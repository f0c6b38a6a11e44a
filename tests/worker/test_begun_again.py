"""A part that begins the text again: what it repeats is cut, and another version of the text is no rest of it."""

import pytest

from jobs.model.segments import load_segments
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.tokens import Tokenizers
from tests.upstream.scripted_upstream import DONE, ROLE, Script, ScriptedUpstream, chunked, text
from tests.worker.ear import listening
from tests.worker.joining import join
from tests.worker.parts import AT_LIMIT, WHOLE, part, worker_on
from tests.worker.test_continuation import run_twice
from tests.worker.worker_fixtures import MODEL, history, job_and_text, submit

ARTICLE = "# Tea\n\n" + "".join(
    f"Paragraph {number}. Monk {number} of province {number} drank tea number {number} to stay awake.\n\n"
    for number in range(1, 40)
)
FIRST, REST = ARTICLE[:2000], ARTICLE[2000:]
OTHER = ARTICLE[:1500] + "But others did not care for it at all.\n\n" * 30


def pieces(answer: str) -> list[str]:
    return [answer[at : at + 50] for at in range(0, len(answer), 50)]


@pytest.mark.parametrize("begin", [0, 1000])
def test_what_is_written_again_up_to_its_end_is_cut_however_long_it_is(
    sqlite_database: Database, redis_url: str, begin: int
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    answers = [part(*pieces(FIRST)), part(*pieces(FIRST[begin:] + REST), end=WHOLE)]
    with (
        ScriptedUpstream(*answers) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
    job, stored = job_and_text(sqlite_database, job_id)
    assert stored == watcher.shown == ARTICLE
    assert (job.status, job.incomplete, job.finish_reason) == (JobStatus.COMPLETED, None, "stop")
    segments = load_segments(history(sqlite_database, job_id)[0].segments)
    assert [one.cut for one in segments] == ["", FIRST[begin:]]


@pytest.mark.parametrize(
    ("answer", "end"),
    [(OTHER, WHOLE), ("Sure! Here is the whole article:\n\n" + OTHER, WHOLE), (FIRST[:1800], AT_LIMIT)],
    ids=["another version", "greeted", "cut at the limit before it came to anything new"],
)
def test_a_part_that_is_another_version_is_not_kept_and_the_text_is_incomplete(
    sqlite_database: Database, redis_url: str, answer: str, end: bytes
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    with (
        ScriptedUpstream(part(*pieces(FIRST)), part(*pieces(answer), end=end)) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
        assert len(upstream.exchanges) == 2
    job, stored = job_and_text(sqlite_database, job_id)
    assert stored == watcher.shown == FIRST
    assert (job.status, job.incomplete, job.finish_reason) == (JobStatus.COMPLETED, "max_output_tokens", "length")
    assert job.usage is not None
    assert job.usage.output_tokens == 10


def test_another_version_is_counted_where_the_upstream_does_not_count_it(
    sqlite_database: Database, redis_url: str
) -> None:
    job_id = submit(sqlite_database, max_continuations=8)
    uncounted: Script = chunked(ROLE, *map(text, pieces(OTHER)), WHOLE, DONE)
    with (
        ScriptedUpstream(part(*pieces(FIRST)), uncounted) as upstream,
        worker_on(sqlite_database, redis_url, upstream.url, "none") as worker,
    ):
        worker.run(job_id)
    usage = job_and_text(sqlite_database, job_id)[0].usage
    assert usage is not None
    assert usage.output_tokens == 5 + Tokenizers(None).count_text(MODEL, OTHER).tokens


TERMS = "".join(
    f"Of part {n} we repair what is faulty for {n + 2} years, if the buyer has shown us bill {n}. " for n in range(12)
)
LEAFLET = "".join(f"## Kettle {n}\n\nIt takes {n} litres.\n\n{TERMS}Ask for kettle {n}.\n\n" for n in range(4))


@pytest.mark.parametrize("size", [4, 30, 200, 5000])
@pytest.mark.parametrize("back", [60, 150, 400])
def test_nothing_new_is_lost_where_what_is_repeated_stands_several_times_in_the_text(size: int, back: int) -> None:
    """The answer is followed along the first place with these words, and then along a later one."""
    for place in range(LEAFLET.index("## Kettle 2") + 500, len(LEAFLET) - 200, 97):
        before, rest = LEAFLET[:place], LEAFLET[place:]
        answer = before[-back:].lstrip() + rest
        new, seam = join(before, [answer[at : at + size] for at in range(0, len(answer), size)])
        assert seam.began_again or (before + new).split() == LEAFLET.split()
