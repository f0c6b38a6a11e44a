"""What one worker learns of an upstream, the others know."""

from jobs.store.database import Database
from worker.habits import HabitKeeper
from worker.upstream.dialects.parameters import Change
from worker.upstream.habits import Habit


def test_what_one_process_notes_another_learns(database: Database) -> None:
    one, other = HabitKeeper(database), HabitKeeper(database)
    other.synchronize()
    one.of("u-1").note("m-1", {Habit.GIVES_FINISH_REASON, Habit.SENDS_DONE})
    one.of("u-1").note_change("m-1", Change("stream_options", None))
    one.of("u-1").note_change("m-2", Change("max_tokens", "max_completion_tokens"))
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
    one.of("u-1").note("m-1", {Habit.GIVES_FINISH_REASON, Habit.ENDS_BARE})
    one.synchronize()
    later = HabitKeeper(database)
    later.synchronize()
    assert later.of("u-1").of("m-1") == {Habit.GIVES_FINISH_REASON, Habit.ENDS_BARE}


def test_a_habit_that_two_processes_note_is_stored_once(database: Database) -> None:
    one, other = HabitKeeper(database), HabitKeeper(database)
    for maintenance_db in (one, other):
        maintenance_db.of("u-1").note("m-1", {Habit.SENDS_DONE})
    one.synchronize()
    other.synchronize()
    assert one.of("u-1").of("m-1") == other.of("u-1").of("m-1") == {Habit.SENDS_DONE}
