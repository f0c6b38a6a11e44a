"""Habits are kept as long as they are read: a client may name another model each time, and each may have some."""

import pytest

from jobs.store import upstream_habits
from jobs.store.upstream_habits import ShownHabit, forget_habits, read_habits, store_habits
from tests.store.store_fixtures import Store, store

__all__ = ["store"]  # a fixture


def note(store: Store, *models: str) -> None:
    for model in models:
        store.clock.advance(1)
        store_habits(store.database, [ShownHabit("default", model, "ends_bare")])


def known(store: Store) -> set[str]:
    return {habit.model for habit in read_habits(store.database, None)[0]}


def test_those_that_were_noted_last_are_kept_and_one_that_is_noted_again_is_as_new(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upstream_habits, "MOST_HABITS", 3)
    monkeypatch.setattr(upstream_habits, "_ROWS_PER_DELETE", 2)
    note(store, "a", "b", "c")
    assert forget_habits(store.database) == 0
    note(store, "d", "e", "f", "a")
    assert [forget_habits(store.database) for _ in range(3)] == [2, 1, 0], "a round is short"
    monkeypatch.undo()
    assert known(store) == {"e", "f", "a"}
