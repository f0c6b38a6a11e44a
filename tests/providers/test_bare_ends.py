"""Answers that end in order and say nothing of their end: from the second one on the text is kept, and never called
whole.
"""

import pytest

from tests.providers.case import stream
from tests.providers.feeding import feed
from tests.upstream.scripted_upstream import DONE, FINISH, chunk, text
from worker.upstream.ending import Ending
from worker.upstream.errors import EndedWithoutEnd
from worker.upstream.habits import Habits

TEXTS = ["Tea is good.", "w0 w1 w2 ", "茶很好。\n", "चाय अच्छी है।", "ชาดี", "الشاي جيد؟", "Tea 🍵", "Three: 3"]


def ask(habits: Habits, *events: bytes) -> object:
    """What comes of one answer with these events, whose body ends in order."""
    pieces = [each for each in stream(*events) if isinstance(each, bytes)]
    return feed(pieces, habits=habits, body={"messages": []}).outcomes[0][0]


def is_unsaid(outcome: object) -> bool:
    assert isinstance(outcome, Ending)
    return outcome.is_unsaid


@pytest.mark.parametrize("said", TEXTS)
def test_a_bare_end_is_tried_again_once_and_then_kept_however_the_text_ends(said: str) -> None:
    """A server broke off twice behind a gateway that ended the bodies in order, and half a text was called whole."""
    habits = Habits()
    assert isinstance(ask(habits, text(said)), EndedWithoutEnd)
    assert [is_unsaid(ask(habits, text(said))) for _ in range(2)] == [True, True]


@pytest.mark.parametrize("sign", [FINISH, DONE])
def test_a_model_that_ended_bare_and_then_gives_a_sign_is_held_to_it(sign: bytes) -> None:
    habits = Habits()
    assert isinstance(ask(habits, text("w0 w1")), EndedWithoutEnd)
    assert is_unsaid(ask(habits, text("w0 w1")))
    assert not is_unsaid(ask(habits, text("w0 w1"), sign))
    assert isinstance(ask(habits, text("w0 w1")), EndedWithoutEnd)


def test_a_reason_that_stands_in_every_chunk_says_nothing_of_the_end() -> None:
    habits = Habits()
    always = [chunk({"content": word}, "stop") for word in ("Tea ", "is ", "good.")]
    assert is_unsaid(ask(habits, *always))
    assert is_unsaid(ask(habits, *always[:1])), "cut after the first one, it would look like a whole text of one chunk"
    assert not is_unsaid(ask(habits, *always, FINISH))
    assert not is_unsaid(ask(habits, *always, DONE))
    assert isinstance(ask(habits, *always), EndedWithoutEnd), "by now it is known to send [DONE]"
