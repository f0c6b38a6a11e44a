"""What one worker learns of an upstream, the others know."""

from datetime import timedelta
from time import monotonic

import pytest
from sqlalchemy import update

from jobs.store.database import Database
from jobs.store.upstream_habits import forget_habits
from jobs.tables import upstream_habits
from worker.habits import HabitKeeper
from worker.upstream.dialects.parameters import Change
from worker.upstream.habits import CHANGE_SECONDS, NOTED_AGAIN_SECONDS, Habit

REFUSED = Change("max_tokens", "max_completion_tokens")


def test_what_one_process_notes_another_learns(database: Database) -> None:
    one, other = HabitKeeper(database), HabitKeeper(database)
    other.synchronize()
    one.of("u-1").note("m-1", {Habit.GIVES_FINISH_REASON, Habit.SENDS_DONE})
    one.of("u-1").note_changes("m-1", [Change("stream_options", None)])
    one.of("u-1").note_changes("m-2", [Change("max_tokens", "max_completion_tokens")])
    one.synchronize()
    other.synchronize()
    assert other.of("u-1").of("m-1") == {Habit.GIVES_FINISH_REASON, Habit.SENDS_DONE}
    assert other.of("u-1").changes_of("m-1") == (Change("stream_options", None),)
    assert other.of("u-1").changes_of("m-2") == (Change("max_tokens", "max_completion_tokens"),)
    assert other.of("u-2").of("m-1") == frozenset()


def test_a_process_that_starts_later_knows_all_of_it(database: Database) -> None:
    one = HabitKeeper(database)
    one.of("u-1").note("m-1", {Habit.GIVES_FINISH_REASON})
    one.synchronize()
    one.of("u-1").note("m-1", {Habit.GIVES_FINISH_REASON, Habit.FINISHES_EARLY})
    one.synchronize()
    later = HabitKeeper(database)
    later.synchronize()
    assert later.of("u-1").of("m-1") == {Habit.GIVES_FINISH_REASON, Habit.FINISHES_EARLY}


def test_a_habit_that_two_processes_note_is_stored_once(database: Database) -> None:
    one, other = HabitKeeper(database), HabitKeeper(database)
    for maintenance_db in (one, other):
        maintenance_db.of("u-1").note("m-1", {Habit.SENDS_DONE})
    one.synchronize()
    other.synchronize()
    assert one.of("u-1").of("m-1") == other.of("u-1").of("m-1") == {Habit.SENDS_DONE}


def age(database: Database, **by: float) -> None:
    """Let all habits have been noted so much earlier."""
    with database.write() as connection:
        connection.execute(update(upstream_habits).values(noted_at=database.now() - timedelta(**by)))


def test_a_refused_parameter_that_was_noted_yesterday_is_asked_for_again(database: Database) -> None:
    """Before, one that was noted wrongly stayed for good."""
    one, later, last = (HabitKeeper(database) for _ in range(3))
    one.of("u-1").note_changes("m-1", [REFUSED])
    one.of("u-1").note("m-1", {Habit.SENDS_DONE})
    one.synchronize()
    age(database, hours=23)
    later.synchronize()
    assert later.of("u-1").changes_of("m-1") == (REFUSED,)
    age(database, hours=25)
    last.synchronize()
    assert last.of("u-1").changes_of("m-1") == ()
    assert last.of("u-1").of("m-1") == {Habit.SENDS_DONE}


def test_a_process_forgets_a_refused_parameter_after_a_day_and_learns_it_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = HabitKeeper(database), HabitKeeper(database)
    habits = one.of("u-1")
    habits.note_changes("m-1", [REFUSED])
    one.synchronize()
    age(database, hours=30)
    now = monotonic()
    monkeypatch.setattr("worker.upstream.habits.monotonic", lambda: now + CHANGE_SECONDS + 1)
    assert habits.changes_of("m-1") == ()
    habits.note_changes("m-1", [REFUSED])
    one.synchronize()
    other.synchronize()
    assert habits.changes_of("m-1") == other.of("u-1").changes_of("m-1") == (REFUSED,)


def test_a_habit_that_still_shows_is_noted_again_each_hour_so_that_others_do_not_push_it_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the names of models that somebody makes up push out what an answer in use is judged by."""
    monkeypatch.setattr("jobs.store.upstream_habits.MOST_HABITS", 3)
    one, later = HabitKeeper(database), HabitKeeper(database)
    habits = one.of("u-1")
    habits.note("m-1", {Habit.SENDS_DONE})
    one.synchronize()
    age(database, hours=2)
    habits.note("m-1", {Habit.SENDS_DONE})
    assert habits.take_new() == [], "it was noted a moment ago"
    now = monotonic()
    monkeypatch.setattr("worker.upstream.habits.monotonic", lambda: now + NOTED_AGAIN_SECONDS)
    for name in ("made-up-1", "made-up-2", "made-up-3", "m-1", "made-up-4"):
        habits.note(name, {Habit.SENDS_DONE})
        one.synchronize()
    habits.note("m-1", {Habit.REPEATS_TEXT})
    assert habits.take_new() == [("m-1", "repeats_text", None)], "each by itself, however often another one shows"
    while forget_habits(database):
        pass
    later.synchronize()
    assert later.of("u-1").of("m-1") == {Habit.SENDS_DONE}
