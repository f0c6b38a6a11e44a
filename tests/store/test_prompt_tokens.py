"""The tokens of chat prompts are those that the API counts, and where nobody can count them there is an estimate."""

import pytest

from jobs.tokens import TokenCount, Tokenizers, estimate
from tests.store.counting import CHINESE, ENGLISH, built_in

__all__ = ["built_in"]  # a fixture

# Chat prompts

# From OpenAI's cookbook, "How to count tokens with tiktoken", with what the API itself answered as prompt_tokens.
JARGON = [
    (
        "system",
        None,
        "You are a helpful, pattern-following assistant that translates corporate jargon into plain English.",
    ),
    ("system", "example_user", "New synergies will help drive top-line growth."),
    ("system", "example_assistant", "Things working well together will increase revenue."),
    (
        "system",
        "example_user",
        "Let's circle back when we have more bandwidth to touch base on opportunities for increased leverage.",
    ),
    ("system", "example_assistant", "Let's talk later when we're less busy about how to do better."),
    ("user", None, "This late pivot means we don't have time to boil the ocean for the client deliverable."),
]


@pytest.mark.parametrize(("model", "prompt_tokens"), [("gpt-4", 129), ("gpt-3.5-turbo", 129), ("gpt-4o", 124)])
def test_a_chat_prompt_counts_what_the_api_answered(built_in: Tokenizers, model: str, prompt_tokens: int) -> None:
    messages = [{"role": role, "name": name, "content": content} for role, name, content in JARGON]
    assert built_in.count_messages(model, messages) == TokenCount(prompt_tokens, "tokenizer")


def test_text_parts_count_as_their_texts(built_in: Tokenizers) -> None:
    parts = [{"type": "text", "text": "Write about the sea."}, {"type": "text", "text": "In Chinese."}]
    counted = built_in.count_messages("gpt-4o", [{"role": "user", "content": parts}])
    texts = [built_in.count_text("gpt-4o", text).tokens for text in ("user", "Write about the sea.", "In Chinese.")]
    assert counted == TokenCount(3 + 3 + sum(texts), "tokenizer")


def test_a_part_that_is_no_text_makes_the_count_an_estimate(built_in: Tokenizers) -> None:
    text = {"type": "text", "text": "What is this?"}
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}
    without = built_in.count_messages("gpt-4o", [{"role": "user", "content": [text]}])
    counted = built_in.count_messages("gpt-4o", [{"role": "user", "content": [text, image]}])
    assert counted == TokenCount(without.tokens, "estimate")


def test_tool_calls_are_counted_and_make_the_count_an_estimate(built_in: Tokenizers) -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"where": "北京"}'}}
    plain = built_in.count_messages("gpt-4o", [{"role": "assistant", "content": None}])
    called = built_in.count_messages("gpt-4o", [{"role": "assistant", "content": None, "tool_calls": [call]}])
    assert plain == TokenCount(7, "tokenizer")
    assert called.source == "estimate"
    assert called.tokens > plain.tokens + 10


@pytest.mark.parametrize("model", ["gpt-oss-20b", "unknown"])
def test_a_model_with_a_chat_template_of_its_own_gets_an_estimate(built_in: Tokenizers, model: str) -> None:
    counted = built_in.count_messages(model, [{"role": "user", "content": "one two three"}])
    assert counted == TokenCount(3 + 3 + 1 + 3, "estimate")


@pytest.mark.parametrize("odd", [[], [{}], [{"role": 7}], [{"content": [None, "x", 3, {"text": None}]}], [{"a": b"b"}]])
def test_messages_of_any_shape_are_counted(built_in: Tokenizers, odd: list[dict[str, object]]) -> None:
    assert built_in.count_messages("gpt-4o", odd).tokens >= 3


# The estimate


@pytest.mark.parametrize("text", [ENGLISH, CHINESE, ENGLISH + CHINESE], ids=["English", "Chinese", "both"])
def test_the_estimate_of_prose_is_within_a_fifth_of_the_count(built_in: Tokenizers, text: str) -> None:
    guessed = built_in.count_text("unknown", text)
    counted = built_in.count_text("gpt-4o", text)
    assert guessed.source == "estimate"
    assert guessed.tokens == pytest.approx(counted.tokens, rel=0.2)


def test_no_text_is_no_token_and_any_text_is_at_least_one() -> None:
    assert estimate("") == 0
    assert estimate("a") == estimate("好") == 1
