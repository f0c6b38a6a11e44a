"""What stands beside a text that went on at the token limit is there for all of it."""

from typing import Any

import pytest

from jobs.store.database import Database
from tests.upstream.scripted_upstream import DONE, ROLE, ScriptedUpstream, chunk, chunked, text
from tests.worker.parts import AT_LIMIT, WHOLE, usage, worker_on
from tests.worker.worker_fixtures import job_and_text, submit
from worker.upstream.beside import MAX_MESSAGE_BYTES


def cited(url: str, start: int, end: int) -> dict[str, Any]:
    """An annotation, as OpenAI has it."""
    return {"type": "url_citation", "url_citation": {"url": url, "start_index": start, "end_index": end}}


def answer(words: str, end: bytes, citations: list[str], *annotations: dict[str, Any]) -> list[bytes]:
    beside = chunk({"annotations": list(annotations)}, citations=citations)
    return chunked(ROLE, text(words), beside, end, usage(5, 3), DONE)


def message_of(database: Database, redis_url: str, form: str, *answers: list[bytes]) -> tuple[str, dict[str, Any]]:
    job_id = submit(database, max_continuations=8)
    with ScriptedUpstream(*answers) as upstream, worker_on(database, redis_url, upstream.url, form) as worker:
        worker.run(job_id)
        assert len(upstream.exchanges) == len(answers)
    job, stored = job_and_text(database, job_id)
    assert job.message is not None
    return stored, job.message


def marked(stored: str, message: dict[str, Any]) -> list[tuple[str, str]]:
    """What each annotation is of."""
    cites = [each["url_citation"] for each in message["annotations"]]
    return [(each["url"], stored[each["start_index"] : each["end_index"]]) for each in cites]


def test_citations_and_annotations_of_every_part_are_kept_and_none_twice(
    sqlite_database: Database, redis_url: str
) -> None:
    first = answer("茶 is warm. ", AT_LIMIT, ["http://a", "http://b"], cited("http://a", 0, 1))
    second = answer("Rain is wet.", WHOLE, ["http://b", "http://c"], cited("http://c", 0, 4))
    stored, message = message_of(sqlite_database, redis_url, "assistant", first, second)
    assert message["citations"] == ["http://a", "http://b", "http://c"]
    assert marked(stored, message) == [("http://a", "茶"), ("http://c", "Rain")]


@pytest.mark.parametrize("greeting", ["", "Sure!\n\n"])
def test_annotations_stand_where_their_words_are_behind_a_seam(
    sqlite_database: Database, redis_url: str, greeting: str
) -> None:
    first = answer("Tea is a warm drink.", AT_LIMIT, [], cited("http://a", 0, 3))
    repeated = f"{greeting}a warm drink."
    place = len(f"{repeated} ")
    both = (cited("http://b", len(greeting), len(repeated)), cited("http://c", place, place + 4))
    second = answer(f"{repeated} Rain is wet.", WHOLE, [], *both)
    stored, message = message_of(sqlite_database, redis_url, "none", first, second)
    assert stored == "Tea is a warm drink. Rain is wet."
    assert marked(stored, message) == [("http://a", "Tea"), ("http://c", "Rain")]  # `b` is of words that were cut


def test_the_notes_of_all_parts_have_the_room_of_one(sqlite_database: Database, redis_url: str) -> None:
    half = MAX_MESSAGE_BYTES // 2
    first = answer("Tea. ", AT_LIMIT, ["a" * half])
    second = answer("Rain.", WHOLE, ["b" * half, "http://c"])
    _, message = message_of(sqlite_database, redis_url, "assistant", first, second)
    assert message["citations"] == ["a" * half, "http://c"]
