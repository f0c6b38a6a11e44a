"""Ids sort in the order of their making."""

import re
import time
from datetime import UTC, datetime

import pytest

from jobs.model.ids import new_id, new_ids, time_of_id


def test_ids_made_in_one_call_sort_in_the_order_of_the_list() -> None:
    ids = new_ids("job", 50_000)
    assert ids == sorted(ids)
    assert len(set(ids)) == 50_000


def test_ids_made_later_sort_later() -> None:
    first = new_ids("job", 3)
    made_in = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == made_in:
        pass
    assert max(first) < new_id("job")


def test_an_id_says_what_it_is_of_and_is_safe_in_a_path() -> None:
    assert re.fullmatch(r"batch_[0-9a-f]{29}", new_id("batch"))


def test_ids_made_in_the_same_millisecond_are_different() -> None:
    assert len({new_id("job") for _ in range(5000)}) == 5000


def test_more_ids_than_can_be_kept_in_order_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 1048576 ids"):
        new_ids("job", 16**5 + 1)


def test_no_ids_are_no_ids() -> None:
    assert new_ids("job", 0) == []


def test_an_id_says_when_it_was_made_and_no_other_word_does() -> None:
    made_at = datetime(2026, 11, 28, 12, 0, 0, 250_000, tzinfo=UTC)
    assert time_of_id(new_id("job", made_at)) == made_at
    for other in ("job_0", "job_zzz", "job_" + "f" * 29, new_id("job") + "0", new_id("job")[:-1], ""):
        assert time_of_id(other) is None
