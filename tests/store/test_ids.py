"""Ids sort in the order of their making."""

import re
import time

import pytest

from jobs.model.ids import new_id, new_ids


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
