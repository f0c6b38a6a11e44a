"""Queries: every filter exact, every text as it was stored; rows only."""

from datetime import timedelta
from typing import Any

import pytest

from jobs.lifecycle.transitions import fail, finish, release
from jobs.model.status import JobStatus
from jobs.store.queries import read_attempts, read_result, read_status
from jobs.store.search import JobFilter, list_jobs
from jobs.store.text_parts import TextPart, read_text_part
from tests.store.store_fixtures import REFUSED, Store, store, written
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


def test_a_metadata_key_may_have_any_characters(store: Store) -> None:
    store.submit(metadata={"a": "yes", "b": "yes"})
    for key in ODD_KEYS:
        wanted = store.submit(metadata={key: "yes", "other": "no"})
        store.submit(metadata={key: "no", "other": "yes"})
        assert found(store, metadata={key: "yes"}) == [wanted], key
        assert store.job(wanted).metadata == {key: "yes", "other": "no"}


def test_a_metadata_value_is_text_and_matched_whole(store: Store) -> None:
    store.submit(metadata={})
    for value in ("", "5", "true", "null", '"', "中文", "%", "a'b", "\\u0041", "{}", "5.0"):
        wanted = store.submit(metadata={"k": value})
        store.submit(metadata={"k": value + "x"})
        assert found(store, metadata={"k": value}) == [wanted], value


def test_every_metadata_pair_must_match(store: Store) -> None:
    wanted = store.submit(metadata={"a": "1", "b.c": "2"})
    store.submit(metadata={"a": "1", "b.c": "3"})
    assert found(store, metadata={"a": "1", "b.c": "2"}) == [wanted]


FOUND = [
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
]


def test_a_text_is_found_letter_case_aside(store: Store) -> None:
    completed(store, "nothing 1000 snakeXcase backslash axb")
    ids = [completed(store, text) for text, _ in FOUND]
    assert [found(store, text=wanted) for _, wanted in FOUND] == [[job_id] for job_id in ids]


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
