"""Queries: every page whole and once, every filter exact, every text as it was stored; rows only."""

from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from jobs.intake.submission import submit_batch
from jobs.lifecycle.cancel_batch import cancel_batch
from jobs.lifecycle.transitions import fail, finish, release
from jobs.model.status import JobStatus
from jobs.store import queries
from jobs.store.database import Database
from jobs.store.queries import (
    StoredResult,
    list_batches,
    read_attempts,
    read_result,
    read_results,
    read_status,
    stream_results,
)
from jobs.store.search import JobFilter, list_jobs
from jobs.store.text_parts import TextPart, read_text_part
from tests.store.store_fixtures import REFUSED, Store, new_job, store, written
from tests.text_so_far import read_text_so_far

__all__ = ["store"]  # a fixture

ODD_KEYS = [
    "a.b",
    "a b",
    'say "hi"',
    "it's",
    "100%",
    "_",
    "$",
    "$.a",
    "a[0]",
    "\\",
    "文章",
    "ñ",
    "😀",
    "",
    "a:b",
    "?",
    "/",
]


def found(store: Store, **wanted: Any) -> list[str]:
    """The ids of the jobs that a filter finds, in the order of submission."""
    jobs, more = list_jobs(
        store.database, JobFilter(**wanted), after=None, limit=1000, newest_first=False, project=None
    )
    assert not more
    return [job.id for job in jobs]


def completed(store: Store, text: str, **options: Any) -> str:
    """A job with this stored text."""
    job_id = store.running(**options)
    assert finish(store.database, job_id, 1, written(text))
    return job_id


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("limit", [1, 3, 7, 10, 11])
def test_pages_have_every_job_once(store: Store, newest_first: bool, limit: int) -> None:
    _, ids = store.submit_batch(10)
    seen: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        page, more = list_jobs(
            store.database, JobFilter(), after=after, limit=limit, newest_first=newest_first, project=None
        )
        assert len(page) == limit or not more
        seen += [job.id for job in page]
    assert seen == (ids[::-1] if newest_first else ids)


@pytest.mark.parametrize("newest_first", [True, False])
def test_pages_lose_and_double_nothing_while_jobs_are_submitted_and_end(store: Store, newest_first: bool) -> None:
    ids = sorted(store.submit() for _ in range(9))
    seen: list[str] = []
    added: list[str] = []
    more = True
    while more:
        after = seen[-1] if seen else None
        page, more = list_jobs(
            store.database, JobFilter(), after=after, limit=2, newest_first=newest_first, project=None
        )
        seen += [job.id for job in page]
        if len(added) < 4:
            added += store.submit_batch(1)[1]
            completed(store, "x", model="m2") if newest_first else store.claim(page[0].id)
    assert len(seen) == len(set(seen))
    assert [job_id for job_id in seen if job_id in ids] == (ids[::-1] if newest_first else ids)
    # Towards the newest, what came meanwhile is met too; away from them, it is not.
    assert [job_id for job_id in seen if job_id in added] == ([] if newest_first else sorted(added))


def test_a_page_after_an_id_that_is_not_there_goes_on_from_its_place(store: Store) -> None:
    ids = sorted(store.submit() for _ in range(3))
    page, more = list_jobs(store.database, JobFilter(), after=ids[1] + "0", limit=5, project=None)
    assert ([job.id for job in page], more) == ([ids[1], ids[0]], False)


def test_a_list_of_jobs_is_read_without_their_prompts(store: Store) -> None:
    store.submit()
    [job], _ = list_jobs(store.database, JobFilter(), after=None, limit=1, project=None)
    assert job.request is None


def test_jobs_are_found_by_status(store: Store) -> None:
    queued, running = store.submit(), store.running()
    done, bad = completed(store, "x"), store.running()
    fail(store.database, bad, 1, written(), REFUSED)
    wanted = {"queued": [queued], "in_progress": [running], "completed": [done], "failed": [bad], "expired": []}
    assert {status: found(store, status=JobStatus(status)) for status in wanted} == wanted


def test_jobs_are_found_by_batch_model_and_custom_id(store: Store) -> None:
    batch_id, in_batch = store.submit_batch(2, model="m2")
    named = store.submit(custom_id="Ä-1")
    assert found(store, batch_id=batch_id) == found(store, model="m2") == in_batch
    assert found(store, custom_id="Ä-1") == [named]
    assert found(store, custom_id="ä-1") == found(store, model="m") == found(store, batch_id="batch_unknown") == []
    assert found(store, model="m2", batch_id=batch_id, status=JobStatus.QUEUED) == in_batch
    assert found(store, model="m1", batch_id=batch_id) == []


def test_single_jobs_are_found_among_those_of_batches(store: Store) -> None:
    first = store.submit(custom_id="alone")
    store.submit_batch(2, model="m2")
    last = store.submit()
    assert found(store, alone=True) == [first, last]
    assert found(store, alone=True, custom_id="alone") == [first]
    assert found(store, alone=True, model="m2") == []
    assert found(store, alone=True, status=JobStatus.QUEUED) == [first, last]


def test_jobs_are_found_by_the_time_of_their_making(store: Store) -> None:
    ids = []
    for _ in range(3):
        ids.append(store.submit())
        store.clock.advance(10)
    second = store.job(ids[1]).created_at
    assert set(found(store, created_after=second)) == set(ids[1:])
    assert found(store, created_before=second) == ids[:1]
    assert found(store, created_after=second, created_before=second + timedelta(milliseconds=1)) == [ids[1]]


@pytest.mark.parametrize("key", ODD_KEYS)
def test_a_metadata_key_may_have_any_characters(store: Store, key: str) -> None:
    wanted = store.submit(metadata={key: "yes", "other": "no"})
    store.submit(metadata={key: "no", "other": "yes"})
    store.submit(metadata={"a": "yes", "b": "yes"})
    assert found(store, metadata={key: "yes"}) == [wanted]
    assert store.job(wanted).metadata == {key: "yes", "other": "no"}


@pytest.mark.parametrize("value", ["", "5", "true", "null", '"', "中文", "%", "a'b", "\\u0041", "{}", "5.0"])
def test_a_metadata_value_is_text_and_matched_whole(store: Store, value: str) -> None:
    wanted = store.submit(metadata={"k": value})
    store.submit(metadata={"k": value + "x"})
    store.submit(metadata={})
    assert found(store, metadata={"k": value}) == [wanted]


def test_every_metadata_pair_must_match(store: Store) -> None:
    wanted = store.submit(metadata={"a": "1", "b.c": "2"})
    store.submit(metadata={"a": "1", "b.c": "3"})
    assert found(store, metadata={"a": "1", "b.c": "2"}) == [wanted]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Rain over ÉTÉ", "été"),
        ("straße ÄÖÜ", "äöü"),
        ("ПРИВЕТ мир", "привет"),
        ("100% sure", "0% S"),
        ("snake_case", "e_c"),
        (r"back\slash", r"K\s"),
        ("a/b", "A/B"),
        ("它的名字 中文", "名字"),
        ("😀 smile", "😀"),
        ("it's", "T'S"),
        ("line\nbreak", "e\nb"),
    ],
)
def test_a_text_is_found_letter_case_aside(store: Store, text: str, wanted: str) -> None:
    job_id = completed(store, text)
    completed(store, "nothing 1000 snakeXcase backslash axb")
    assert found(store, text=wanted) == [job_id]


@pytest.mark.parametrize("wanted", ["%", "_", "\\", "/", "a%b"])
def test_signs_that_databases_give_a_meaning_are_looked_for_as_they_are(store: Store, wanted: str) -> None:
    completed(store, "ab axxb")
    job_id = completed(store, f"the sign {wanted} itself")
    assert found(store, text=wanted) == [job_id]


@pytest.mark.parametrize(
    "text", ["😀👩\u200d👩\u200d👧 \U0010ffff", "\u2028\u2029\x85", "\r\n\t\x01\x7f\ufeff", "é e\u0301", "", " " * 5]
)
def test_a_text_comes_back_as_it_was_written(store: Store, text: str) -> None:
    job_id = completed(store, text)
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    assert result.text == text
    assert read_text_so_far(store.database, job_id) == (1, text)
    encoded = text.encode()
    for offset in range(len(encoded) + 2):
        part = read_text_part(store.database, job_id, offset, 3)
        assert part == TextPart(encoded[offset : offset + 3], 1, JobStatus.COMPLETED, 1)


def test_a_part_of_a_text_says_whose_it_is_and_where_its_job_is(store: Store) -> None:
    job_id = store.running()
    assert read_text_part(store.database, job_id, 0, 9) == TextPart(b"", 0, JobStatus.IN_PROGRESS, 1)
    release(store.database, job_id, 1, written("so far \\x41"))
    assert read_text_part(store.database, job_id, 3, 99) == TextPart(b"far \\x41", 1, JobStatus.QUEUED, 1)
    assert read_text_part(store.database, "job_unknown", 0, 9) is None


def test_a_result_has_no_text_until_its_job_has_ended(store: Store) -> None:
    job_id = store.running()
    release(store.database, job_id, 1, written("so far"))
    result = read_result(store.database, job_id, project=None)
    assert result is not None
    assert result.text is None
    assert read_text_so_far(store.database, job_id) == (1, "so far")


def test_an_unknown_job_has_nothing(store: Store) -> None:
    for read in (read_status, read_text_so_far):
        assert read(store.database, "job_unknown") is None
    assert read_result(store.database, "job_unknown", project=None) is None
    assert read_attempts(store.database, "job_unknown") == []


def test_a_status_comes_with_its_attempt(store: Store) -> None:
    job_id = store.running()
    assert read_status(store.database, job_id) == (JobStatus.IN_PROGRESS, 1)


@pytest.mark.parametrize("count", [0, 1, 199, 200, 201, 450])
def test_results_come_in_input_order_also_over_page_boundaries(store: Store, count: int) -> None:
    submitted = [new_job(custom_id=f"c{place}") for place in range(count)]
    batch_id = submit_batch(store.database, submitted).id
    store.submit_batch(3)
    results = list(stream_results(store.database, batch_id))
    assert [result.job.custom_id for result in results] == [f"c{place}" for place in range(count)]
    assert {result.text for result in results} <= {None}


def test_results_lose_and_double_nothing_while_jobs_end(store: Store) -> None:
    batch_id, ids = store.submit_batch(401)
    results = []
    for place, result in enumerate(stream_results(store.database, batch_id)):
        results.append(result)
        if place % 40 == 0:
            last = ids[-1 - place // 40]
            store.claim(last)
            finish(store.database, last, 1, written(last))
    assert [result.job.id for result in results] == ids
    # What had ended before it was read came with its text.
    assert [result.text for result in results[-5:]] == ids[-5:]
    assert {result.text for result in results[:-11]} == {None}
    cancel_batch(store.database, batch_id)
    assert {result.job.status for result in stream_results(store.database, batch_id)} == {"cancelled", "completed"}


def test_batches_come_newest_first_and_each_once(store: Store) -> None:
    ids = sorted(store.submit_batch(1)[0] for _ in range(5))
    page = partial(list_batches, store.database, limit=2, project=None)
    seen: list[str] = []
    more = True
    while more:
        shown, more = page(after=seen[-1] if seen else None)
        seen += [batch.id for batch in shown]
        store.submit_batch(1)
    assert seen == ids[::-1]


def test_results_of_long_texts_are_never_many_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id, ids = store.submit_batch(30)
    for job_id in ids:
        store.claim(job_id)
        finish(store.database, job_id, 1, written("x" * 300_000))
    reads = []

    def counted(database: Database, job_ids: Sequence[str], **options: Any) -> list[StoredResult]:
        found = read_results(database, job_ids, **options)
        reads.append(sum(len(result.text or "") for result in found))
        return found

    monkeypatch.setattr(queries, "read_results", counted)
    assert [result.job.id for result in stream_results(store.database, batch_id)] == ids
    assert sum(reads) == 30 * 300_000  # the fault: more than one page of rows holds
    assert max(reads) <= 1024 * 1024


def test_results_of_long_prompts_are_never_many_in_memory(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = submit_batch(store.database, [new_job("x" * 300_000)] * 10).id
    reads = []

    def counted(database: Database, job_ids: Sequence[str], **options: Any) -> list[StoredResult]:
        found = read_results(database, job_ids, **options)
        reads.append(sum(len(str(result.job.request)) for result in found))
        return found

    monkeypatch.setattr(queries, "read_results", counted)
    results = list(stream_results(store.database, batch_id, also=["request"]))
    assert [result.job.request for result in results] == [new_job("x" * 300_000).request] * 10
    assert sum(reads) > 10 * 300_000
    assert max(reads) <= 1024 * 1024
