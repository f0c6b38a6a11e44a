"""Answers that end in order and say nothing of their end, from a model of an upstream whose other models say it."""

import pytest

from tests.providers.case import stream
from tests.providers.feeding import feed
from tests.upstream.scripted_upstream import text
from worker.upstream.ending import Ending
from worker.upstream.habits import Habit, Habits


@pytest.mark.parametrize("others_end_well", [True, False])
@pytest.mark.parametrize(("said", "has_end"), [("Tea is good.", True), ("w0 w1 w2 ", False), ("茶很好。\n", True)])
def test_a_bare_end_is_believed_the_second_time_if_the_text_ends_as_texts_do(
    said: str, has_end: bool, others_end_well: bool
) -> None:
    """A server broke off twice behind a gateway that ended the bodies in order, and half a text was completed."""
    habits = Habits()
    if others_end_well:
        habits.note("another", {Habit.SENDS_DONE})
    believed = []
    for _ in range(3):
        fed = feed(
            [each for each in stream(text(said)) if isinstance(each, bytes)], habits=habits, body={"messages": []}
        )
        believed.append(isinstance(fed.outcomes[0][0], Ending))
    is_end = has_end or not others_end_well
    assert believed == [False, is_end, is_end]
