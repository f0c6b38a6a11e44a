"""Reasoning: given by each of its names, apart from the text, cut anywhere."""

import json
from typing import Any

import pytest

from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd
from worker.upstream.errors import TextTooLong

THOUGHTS = ["They want ", "tea – 🍵", "."]


def read(*deltas: dict[str, Any], think_tags: bool = False, most: int = 1 << 20) -> tuple[str, str]:
    """The text and the reasoning of a stream of these deltas."""
    texts: list[str] = []
    thoughts: list[str] = []
    answer = Answer(texts.append, most, think_tags=think_tags, on_reasoning=thoughts.append)
    for delta in deltas:
        answer.take(json.dumps({"id": "c", "choices": [{"index": 0, "delta": delta}]}).encode())
    answer.take(b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}')
    answer.take(b"[DONE]")
    answer.finish(BodyEnd.ANNOUNCED)
    return "".join(texts), "".join(thoughts)


@pytest.mark.parametrize(
    "delta_of",
    [
        lambda thought: {"reasoning_content": thought},
        lambda thought: {"content": "", "reasoning": thought},
        lambda thought: {"reasoning": thought, "reasoning_content": thought},
        lambda thought: {"reasoning": thought, "reasoning_details": [{"type": "reasoning.text", "text": thought}]},
        lambda thought: {"reasoning_details": [{"type": "reasoning.summary", "summary": thought}]},
        lambda thought: {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": thought}]}]},
        lambda thought: {"content": [{"type": "thinking", "thinking": thought}]},
        lambda thought: {"thinking_blocks": [{"type": "thinking", "thinking": thought, "signature": "x"}]},
    ],
)
def test_reasoning_by_any_name_is_given_once_and_apart(delta_of: Any) -> None:
    deltas = [delta_of(thought) for thought in THOUGHTS]
    assert read(*deltas, {"content": "Tea."}, {"content": " More."}) == ("Tea. More.", "".join(THOUGHTS))


def test_encrypted_reasoning_has_no_text() -> None:
    details = [{"type": "reasoning.encrypted", "data": "c2VjcmV0"}]
    assert read({"reasoning_details": details}, {"content": "Tea."}) == ("Tea.", "")


def test_reasoning_between_pieces_of_text_stays_apart() -> None:
    deltas = [{"content": "One"}, {"reasoning": "Hm."}, {"content": " two"}, {"reasoning": " So."}, {"content": "."}]
    assert read(*deltas) == ("One two.", "Hm. So.")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_think_tags_that_are_cut_anywhere_part_the_thoughts_from_the_text(size: int) -> None:
    content = "<think>\nIs 1 < 2? </ yes.\n</think>\n\nTea is good."
    deltas = [{"content": content[start : start + size]} for start in range(0, len(content), size)]
    assert read(*deltas, think_tags=True) == ("Tea is good.", "Is 1 < 2? </ yes.\n")


def test_a_surrogate_pair_that_is_cut_in_the_reasoning_is_joined() -> None:
    assert read({"reasoning": "a\ud83d"}, {"reasoning": "\ude42\x00"}, {"content": "T"}) == ("T", "a🙂\ufffd")


def test_reasoning_without_end_ends_the_answer() -> None:
    with pytest.raises(TextTooLong, match="The reasoning is longer than 100 bytes"):
        read(*[{"reasoning": "x" * 30}] * 4, most=100)
