"""The cursor of a batch's watch: what is written is read again, in few bytes."""

import base64
import random
from contextlib import suppress
from itertools import pairwise
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.errors import ApiError
from api.watching.batch_cursor import COMPLETED, BatchCursor, read_batch_cursor, tag_of
from api.watching.batch_shown import Shown
from jobs.model.status import JobStatus

_PLACES = st.integers(0, 300)
_TAGS = st.integers(0, 12)


@given(st.lists(st.tuples(_PLACES, st.none() | _TAGS), max_size=200))
def test_runs_say_of_every_place_what_was_last_said_of_it(changes: list[tuple[int, int | None]]) -> None:
    shown, plain = Shown(), dict[int, int]()
    for place, tag in changes:
        if tag is None:
            shown.remove(place)
            plain.pop(place, None)
        else:
            shown.add(place, tag)
            plain[place] = tag
    assert [shown.tag(place) for place in range(301)] == [plain.get(place) for place in range(301)]
    runs = list(shown.runs())
    assert all(one[1] < two[0] or (one[1] == two[0] and one[2] != two[2]) for one, two in pairwise(runs))


_ITEMS = st.tuples(st.booleans(), st.integers(1, 40), st.integers(1, 10**9), st.integers(0, 10))


@given(
    st.dictionaries(_PLACES, _ITEMS, max_size=100),
    st.booleans(), st.booleans(), st.booleans(), st.integers(0, 2**42), st.integers(0, 50_000), st.none() | _PLACES,
)  # fmt: skip
def test_a_cursor_is_read_as_it_was_written(
    items: dict[int, tuple[bool, int, int, int]],
    deltas: bool,
    only_running: bool,
    done: bool,
    opened_at: int,
    listed: int,
    known: int | None,
) -> None:
    places = {place: item for place, item in items.items() if known is None or place < known}
    places = {place: item for place, item in places.items() if deltas or not item[0]}  # parts come with texts alone
    under_way = sorted((place, one, two, three) for place, (runs, one, two, three) in places.items() if runs)
    written = BatchCursor(deltas, only_running, done, opened_at, listed, known, Shown(), under_way)
    for place, (runs, tag, *_) in places.items():
        if not runs:
            written.shown.add(place, tag)
    read = read_batch_cursor(written.encode())
    assert read is not None
    assert list(read.shown.runs()) == list(written.shown.runs())
    assert (read.under_way, read.listed, read.opened_at, read.done) == (under_way, listed, opened_at, done)
    assert (read.deltas, read.only_running, read.known) == (deltas, only_running, known)


_CHANGES = st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(0, 2), st.booleans()), max_size=40)


@given(_CHANGES, st.sampled_from([5, 17, 40, 5600]), st.none() | st.integers(0, 40))
def test_whatever_changed_before_a_cursor_is_its_items_in_order_up_to_where_it_is_full(
    changes: list[tuple[int, bool, int, bool]], most: int, known: int | None
) -> None:
    cursor = BatchCursor(deltas=True, known=known)
    with patch("api.watching.batch_cursor._MAX_BYTES", most):
        for place, ends, tag, encodes in changes:
            cursor.shown.remove(place)
            cursor.under_way = [item for item in cursor.under_way if item[0] != place]
            if ends:
                cursor.shown.add(place, tag)
            elif tag:
                cursor.under_way = sorted([*cursor.under_way, (place, tag, place * 100, 0)])
            if encodes:
                assert cursor.encode() == plainly(cursor, most)
        assert cursor.encode() == plainly(cursor, most)


def plainly(cursor: BatchCursor, most: int) -> str:
    """The same id, all of it made at once."""
    items = [(place, place + 1, attempt << 1 | 1, offset) for place, attempt, offset, _ in cursor.under_way]
    items += [(start, stop, tag << 1, stop - start) for start, stop, tag in cursor.shown.runs()]
    body = bytearray()
    end, stopped = 0, cursor.known
    for start, stop, first, second in sorted(items):
        if len(body) > most or (cursor.known is not None and start >= cursor.known):
            stopped = start
            break
        for number in (start - end, first, second):
            body += varint(number)
        end = stop
    head = varint(2 | (8 if stopped is not None else 0)) + varint(0) + varint(0)
    head += b"" if stopped is None else varint(stopped)
    return base64.urlsafe_b64encode(head + body).rstrip(b"=").decode()


def varint(number: int) -> bytes:
    low = [number >> shift & 0x7F for shift in range(0, max(1, number.bit_length()), 7)]
    return bytes([byte | 0x80 for byte in low[:-1]] + low[-1:])


def test_a_cursor_that_is_longer_than_any_header_is_refused_unread() -> None:
    with pytest.raises(ApiError, match="Last-Event-ID"):
        read_batch_cursor("A" * 9000)


def test_five_hundred_jobs_under_way_fit_into_a_header_line() -> None:
    chance = random.Random(1)
    places = sorted(chance.sample(range(50_000), 500))
    cursor = BatchCursor(deltas=True, listed=50_000, opened_at=1_800_000_000_000)
    for place in range(50_000):
        if place not in places:
            cursor.shown.add(place, COMPLETED)
    cursor.under_way = [(place, 1, chance.randint(1, 60_000), 0) for place in places]
    assert len(cursor.encode()) < 6500
    together = BatchCursor(deltas=True, listed=500, under_way=[(place, 1, 60_000, 0) for place in range(500)])
    assert len(together.encode()) < 4200


def test_a_cursor_that_would_be_too_long_says_from_where_on_it_says_nothing() -> None:
    cursor = BatchCursor(deltas=True, listed=50_000)
    for place in range(0, 50_000, 2):
        cursor.shown.add(place, tag_of(JobStatus.FAILED, place % 7))
    encoded = cursor.encode()
    assert len(encoded) < 8000
    read = read_batch_cursor(encoded)
    assert read is not None
    assert read.known is not None
    assert read.known > 1000
    for place in range(read.known):
        assert read.shown.tag(place) == cursor.shown.tag(place)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(encoded: bytes) -> None:
    text = encoded.decode(errors="replace") or "x"
    with suppress(ApiError):  # anything else is a server error
        assert read_batch_cursor(text) is not None


def test_only_an_end_that_cannot_be_retried_is_the_same_for_every_attempt() -> None:
    assert tag_of(JobStatus.COMPLETED, 1) == tag_of(JobStatus.COMPLETED, 2) == COMPLETED
    endings = (JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.EXPIRED)
    ends = [tag_of(status, attempt) for attempt in range(3) for status in endings]
    assert len({COMPLETED, *ends}) == 10


def test_no_cursor_is_the_beginning() -> None:
    assert read_batch_cursor(None) is None
    assert read_batch_cursor("") is None
    with pytest.raises(ApiError):
        read_batch_cursor("1:2")
