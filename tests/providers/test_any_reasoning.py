"""Kind J: reasoning of any source is progress, wherever it stands, and never text; comments are neither."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.providers.feeding import cut, feed
from tests.providers.test_any_fault import PLACES, wire_of
from tests.upstream.scripted_upstream import DONE, chunk
from worker.upstream import Ending
from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=6)
SOURCES = ["reasoning_content", "reasoning", "reasoning_text", "thinking"]


def _delta_of(source: int, words: str) -> dict[str, Any]:
    if source < len(SOURCES):
        return {SOURCES[source]: words}
    parts = [{"type": "reasoning.text", "text": words}]
    others: list[dict[str, Any]] = [
        {"reasoning_details": parts},
        {"thinking_blocks": parts},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": words}]}]},
        {"content": [{"type": "reasoning", "text": words}]},
    ]
    return others[source - len(SOURCES)]


REASONING = st.builds(_delta_of, st.integers(0, len(SOURCES) + 3), WORDS)


@given(before=st.lists(REASONING, min_size=1, max_size=5), after=st.lists(REASONING, max_size=3))
def test_each_delta_of_reasoning_is_progress_and_none_is_text(
    before: list[dict[str, Any]], after: list[dict[str, Any]]
) -> None:
    given_text: list[str] = []
    answer = Answer(given_text.append, 1000)

    def take(delta: object, finish_reason: str | None = None) -> bool:
        found = {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}
        return answer.take(json.dumps(found).encode())

    assert all(map(take, before))
    assert given_text == []
    assert take({"content": "Tea."})
    assert all(map(take, after))
    assert not take({"role": "assistant", "content": "", "reasoning_content": ""})
    assert not take({}, "stop")
    assert answer.finish(BodyEnd.ANNOUNCED).finish_reason == "stop"
    assert given_text == ["Tea."]


@given(reasoning=st.lists(REASONING, max_size=4), comments=st.integers(0, 3), places=PLACES)
def test_reasoning_and_comments_before_a_text_change_nothing_of_it(
    reasoning: list[dict[str, Any]], comments: int, places: list[int]
) -> None:
    waits = [b": keep-alive\n\n"] * comments
    wire = wire_of(*waits, *map(chunk, reasoning), *waits, chunk({"content": "Tea."}), chunk({}, "stop"), DONE)
    found, text = feed(cut(wire, places)).outcomes[0]
    assert isinstance(found, Ending)
    assert text == "Tea."
