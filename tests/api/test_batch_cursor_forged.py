"""Cursors of a batch that no event ever had: each is refused with 400, or watched to the end; nothing breaks."""

import base64
import logging
from contextlib import suppress
from random import Random

import httpx
import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import ApiError
from api.server import ApiServer
from api.watching.batch_cursor import COMPLETED, BatchCursor, read_batch_cursor
from api.watching.batch_shown import put_number
from api.watching.job_cursor import read_cursor
from jobs.lifecycle.close_batch import close_batch
from jobs.store.database import Database
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer

_JOBS = 6


def test_a_run_and_a_part_at_the_same_place_are_refused() -> None:
    with pytest.raises(ApiError, match="must be the id of an event of this batch"):
        read_batch_cursor("AgEoAAAAAAEA")


@given(st.lists(st.integers(0, 2**14), min_size=3, max_size=18))
def test_a_cursor_that_is_taken_is_the_one_form_of_what_it_says(numbers: list[int]) -> None:
    text = cursor_of(numbers)
    with suppress(ApiError):
        cursor = read_batch_cursor(text)
        assert cursor is not None
        assert cursor.encode(with_reasoning=bool(numbers[0] & 16)) == text


@pytest.mark.parametrize("offset", [2**31 - 1, 2**40])
def test_an_offset_that_no_text_can_have_is_refused(offset: int) -> None:
    with pytest.raises(ApiError):
        read_cursor(f"1:{offset}")
    with pytest.raises(ApiError):
        read_batch_cursor(BatchCursor(deltas=True, under_way=[(0, 1, offset, 0)]).encode())


def test_a_cursor_that_stopped_before_the_only_job_with_reasoning_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.watching.batch_cursor._MAX_BYTES", 20)
    under_way = [(place, 1, 100, 0) for place in range(20)] + [(20, 1, 0, 5)]
    given_out = BatchCursor(deltas=True, listed=21, under_way=under_way).encode()
    read = read_batch_cursor(given_out)
    assert read is not None
    assert read.known is not None
    assert read.under_way == under_way[: read.known]


def test_random_cursors_are_refused_or_watched_to_the_end(
    sqlite_api: ApiServer,
    sqlite_database: Database,
    valkey_client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    batch_id, ids = submit_jobs(sqlite_database, _JOBS)
    for job_id in ids:
        writer = Writer(sqlite_database, valkey_client, job_id)
        writer.write("some text, and ünïcödé")
        writer.finish()
    close_batch(sqlite_database, batch_id)
    chance = Random(14)
    answers: list[int] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{sqlite_api.port}", timeout=90) as client:
        for _ in range(200):
            deltas = chance.random() < 0.7
            headers = {"Last-Event-ID": random_cursor(chance, deltas=deltas)}
            answer = client.get(
                f"/v1/batches/{batch_id}/events", params={"deltas": str(deltas).lower()}, headers=headers
            )
            answers.append(answer.status_code)
            if answer.status_code == 200:  # otherwise the stream was cut, which httpx raises
                assert "event: done" in answer.text
    assert set(answers) == {200, 400}
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def random_cursor(chance: Random, *, deltas: bool) -> str:
    """Half of them well formed, but of jobs, attempts and offsets that never were; half of them noise."""
    if chance.random() < 0.5:
        small = [2 * deltas, 1, *(chance.choice([0, 0, 1, 2, 3, 5, 40, 300]) for _ in range(chance.randint(1, 13)))]
        return cursor_of(small)
    cursor = BatchCursor(deltas=deltas, opened_at=chance.randint(0, 9), listed=chance.randint(0, 2 * _JOBS))
    for place in range(chance.randint(0, 2 * _JOBS)):
        kind = chance.randrange(3)
        if kind == 1:
            cursor.shown.add(place, chance.choice([COMPLETED, 1, 4, 900]))
        elif kind == 2 and deltas:
            cursor.under_way.append(
                (place, chance.choice([1, 2, 2**20]), chance.choice([1, 15, 24, 2**31 - 2]), chance.choice([0, 7]))
            )
    return cursor.encode()


def cursor_of(numbers: list[int]) -> str:
    """These numbers as varints in base64url."""
    out = bytearray()
    for number in numbers:
        put_number(out, number)
    return base64.urlsafe_b64encode(out).rstrip(b"=").decode()
