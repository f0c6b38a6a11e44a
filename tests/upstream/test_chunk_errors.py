"""Chunks that make of an answer a typed error: refusals, error objects, and ends without a text or above its cap."""

import pytest

from tests.upstream.chunk_reading import FINISH, of_delta, take
from worker.upstream.errors import (
    Aborted,
    ContentFiltered,
    EmptyCompletion,
    ErrorInStream,
    ModelRefused,
    QuotaSpent,
    RateLimited,
    ReasoningUsedBudget,
    RejectedInStream,
    TextTooLong,
    Unauthorized,
    UpstreamError,
)


def test_a_refusal_is_quoted() -> None:
    with pytest.raises(ModelRefused, match=r"I can't do that\."):
        take(of_delta({"refusal": "I can't "}), of_delta({"refusal": "do that."}), FINISH)


@pytest.mark.parametrize("end", [FINISH, b"[DONE]", b" [DONE] "])
def test_an_end_without_text_is_an_empty_completion(end: object) -> None:
    with pytest.raises(EmptyCompletion) as caught:
        take(end)
    assert caught.value.retryable


@pytest.mark.parametrize(("reason", "expected"), [("length", ReasoningUsedBudget), ("content_filter", ContentFiltered)])
def test_an_answer_that_was_cut_before_any_text_is_no_success_and_would_end_so_again(
    reason: str, expected: type[UpstreamError]
) -> None:
    with pytest.raises(expected) as caught:
        take(of_delta({"reasoning_content": "hm"}), {"choices": [{"delta": {}, "finish_reason": reason}]})
    assert not caught.value.retryable


def test_a_budget_that_went_into_reasoning_is_told_by_its_counts() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 64}}
    with pytest.raises(ReasoningUsedBudget, match="64 of 64 tokens went into reasoning"):
        take({"choices": [{"delta": {}, "finish_reason": "length"}]}, {"choices": [], "usage": usage})


def test_a_finish_reason_error_is_an_error() -> None:
    with pytest.raises(Aborted):
        take(of_delta({"content": "x"}), {"choices": [{"finish_reason": "error"}]})


@pytest.mark.parametrize(
    ("found", "expected", "retryable"),
    [
        ({"error": {"message": "overloaded", "type": "server_error"}}, ErrorInStream, True),
        ({"error": {"message": "overloaded", "code": 503}, "choices": []}, ErrorInStream, True),
        ({"error": "it broke"}, ErrorInStream, True),
        ({"error": ["it", "broke"]}, ErrorInStream, True),
        ({"error": True}, ErrorInStream, True),
        ({"object": "error", "message": "it broke", "code": 50001}, ErrorInStream, True),
        ({"detail": "it broke"}, ErrorInStream, True),
        ({"error": {"message": "bad", "type": "invalid_request_error"}}, RejectedInStream, False),
        ({"error": {"message": "long", "code": "context_length_exceeded"}}, RejectedInStream, False),
        ({"object": "error", "message": "bad", "type": "BadRequestError", "code": 400}, RejectedInStream, False),
        ({"error": {"message": "key", "code": "invalid_api_key"}}, Unauthorized, False),
        ({"error": {"message": "slow down", "code": 429}}, RateLimited, True),
        ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, RateLimited, True),
        ({"error": {"message": "pay", "code": "insufficient_quota"}}, QuotaSpent, False),
    ],
)
def test_an_error_object_is_its_typed_error(found: object, expected: type[UpstreamError], retryable: bool) -> None:
    with pytest.raises(UpstreamError) as caught:
        take(of_delta({"content": "x"}), found)
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable


@pytest.mark.parametrize("error", [None, {}, "", False])
def test_an_empty_error_is_none(error: object) -> None:
    assert take({**of_delta({"content": "x"}), "error": error}, FINISH)[0] == "x"


def test_after_the_finish_reason_an_error_spoils_nothing() -> None:
    assert take(of_delta({"content": "x"}), FINISH, {"error": "no usage today"}, b"{torn", b"[DONE]")[0] == "x"


def test_a_text_over_its_cap_is_refused_at_its_first_byte_too_many() -> None:
    assert take(of_delta({"content": "é" * 5}), FINISH, max_text_bytes=10)[0] == "é" * 5
    with pytest.raises(TextTooLong) as caught:
        take(of_delta({"content": "é" * 5}), of_delta({"content": "x"}), FINISH, max_text_bytes=10)
    assert not caught.value.retryable
