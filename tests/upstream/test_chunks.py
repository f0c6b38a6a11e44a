"""The shapes in which upstreams send chunks."""

import json
import re

import pytest

from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd
from worker.upstream.ending import Ending, ReportedUsage
from worker.upstream.errors import (
    Aborted,
    ContentFiltered,
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    MalformedChunk,
    NotText,
    QuotaSpent,
    RateLimited,
    ReasoningUsedBudget,
    Refusal,
    RejectedInStream,
    TextTooLong,
    Unauthorized,
    UpstreamError,
)
from worker.upstream.lenient import read_leniently
from worker.upstream.usage import UsageReports

FINISH = {"choices": [{"delta": {}, "finish_reason": "stop"}]}


def read_usage(usage: object) -> ReportedUsage | None:
    reports = UsageReports()
    reports.add(usage)
    return reports.read()


def of_delta(delta: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "delta": delta}]}


def take(*payloads: object, max_text_bytes: int = 1000) -> tuple[str, list[bool], Ending]:
    """The text, whether each payload was progress, and the ending."""
    pieces: list[str] = []
    answer = Answer(pieces.append, max_text_bytes)
    progress = [answer.take(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in payloads]
    return "".join(pieces), progress, answer.finish(BodyEnd.ANNOUNCED)


@pytest.mark.parametrize(
    "shape",
    [
        {"choices": []},
        {"choices": None},
        {"choices": [], "usage": None},
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {},
        of_delta(None),
        of_delta({}),
        of_delta({"content": None}),
        of_delta({"content": ""}),
        of_delta({"content": []}),
        of_delta({"role": "assistant", "content": "", "refusal": None, "tool_calls": None}),
        of_delta({"tool_calls": [], "reasoning_content": None, "reasoning": ""}),
        {"choices": [{}]},
        {"choices": [{"index": None, "finish_reason": None}]},
        {"choices": [{"finish_reason": ""}]},
        {"choices": [{"finish_reason": "null"}]},
        {"choices": [{"index": 1, "delta": {"content": "another answer"}, "finish_reason": "stop"}]},
        {"object": "ping", "unknown": {"deep": [1, 2]}},
        b"",
    ],
)
def test_a_chunk_that_says_nothing_is_neither_progress_nor_the_end(shape: object) -> None:
    text, progress, _ = take(shape, of_delta({"content": "x"}), shape, FINISH)
    assert (text, progress) == ("x", [False, True, False, False])
    with pytest.raises(EndedWithoutEnd):
        take(of_delta({"content": "x"}), shape)


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"reasoning": {"text": "hm"}},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_reasoning_is_progress_but_no_text(delta: object) -> None:
    text, progress, _ = take(of_delta(delta), of_delta({"content": "x"}), FINISH)
    assert (text, progress) == ("x", [True, True, False])


def test_content_may_be_a_list_of_text_parts() -> None:
    parts = [{"type": "text", "text": "a"}, {"text": "b"}, {"type": "output_text", "text": "c"}, {"type": "text"}]
    assert take(of_delta({"content": parts}), FINISH)[0] == "abc"


@pytest.mark.parametrize(
    ("delta", "expected"),
    [
        ({"refusal": "I can't."}, Refusal),
        ({"content": [{"type": "image_url", "image_url": {"url": "data:"}}]}, NotText),
    ],
)
def test_content_that_is_not_text_is_progress_and_alone_never_a_success(
    delta: object, expected: type[UpstreamError]
) -> None:
    answer = Answer(lambda _: None, 1000)
    assert answer.take(json.dumps(of_delta(delta)).encode())
    answer.take(
        json.dumps({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"total_tokens": 3}}).encode()
    )
    with pytest.raises(expected) as caught:
        answer.finish(BodyEnd.ANNOUNCED)
    assert not caught.value.retryable
    assert answer.ending().usage == ReportedUsage(None, None, None, None, 3)


@pytest.mark.parametrize(
    ("delta", "noted"),
    [
        ({"refusal": "I can't."}, {"refusal": "I can't."}),
        ({"function_call": {"name": "", "arguments": ""}}, None),
        ({"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"name": "f", "arguments": ""}}),
        ({"content": [{"type": "reference", "reference_ids": [1]}]},
         {"other_parts": [{"type": "reference", "reference_ids": [1]}]}),
        ({"annotations": [{"type": "url_citation", "url": "https://example.org"}]},
         {"annotations": [{"type": "url_citation", "url": "https://example.org"}]}),
    ],
)  # fmt: skip
def test_what_stands_beside_a_text_is_noted_and_costs_no_text(delta: object, noted: object) -> None:
    text, _, ending = take(of_delta({"content": "some "}), of_delta(delta), of_delta({"content": "text"}), FINISH)
    assert (text, ending.message) == ("some text", noted)


def test_a_text_is_kept_although_the_call_that_its_finish_reason_tells_of_did_not_come() -> None:
    finish = {"choices": [{"delta": {}, "finish_reason": "tool_calls"}]}
    text, _, ending = take(of_delta({"content": "some text"}), finish)
    assert (text, ending.finish_reason, ending.message) == ("some text", "tool_calls", None)


def test_a_call_that_comes_without_an_id_is_given_one() -> None:
    call = {"function": {"name": "f", "arguments": "{}"}}
    _, _, ending = take(of_delta({"tool_calls": [call, call]}), FINISH)
    assert ending.message is not None
    ids = [each["id"] for each in ending.message["tool_calls"]]
    assert len(set(ids)) == 2
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", each) for each in ids)


def test_half_a_call_is_in_no_ending_that_is_an_error() -> None:
    answer = Answer(lambda _: None, 1000)
    answer.take(json.dumps(of_delta({"tool_calls": [{"function": {"name": "f", "arguments": '{"a'}}]})).encode())
    assert answer.ending().message is None


def test_calls_without_end_are_too_large() -> None:
    piece = of_delta({"tool_calls": [{"index": 0, "function": {"arguments": "x" * 1000}}]})
    with pytest.raises(TextTooLong, match="tool calls"):
        take(*[piece] * 2000)


def test_log_probabilities_without_end_cost_no_text() -> None:
    token = {"token": "x" * 1000, "logprob": -1.0}
    choice = {"delta": {"content": "x"}, "logprobs": {"content": [token] * 50}}
    text, _, ending = take(*[{"choices": [choice]}] * 100, FINISH)
    assert (text, ending.message) == ("x" * 100, {"logprobs_dropped": True})


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": [], "refusal": None}, [], "x", {"a": 1}])
def test_empty_log_probabilities_are_none(logprobs: object) -> None:
    chunks = [{"choices": [{"delta": {"content": each}, "logprobs": logprobs}]} for each in "abc"]
    text, _, ending = take(*chunks, FINISH)
    assert (text, ending.message) == ("abc", None)


def test_a_refusal_is_quoted() -> None:
    with pytest.raises(Refusal, match=r"I can't do that\."):
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


def test_the_last_usage_wins_and_unknown_counts_stay_unknown() -> None:
    running = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
    final = {"prompt_tokens": 5, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 2}}
    _, _, ending = take({**of_delta({"content": "x"}), "usage": running}, FINISH, {"choices": [], "usage": final})
    assert ending.usage == ReportedUsage(5, None, 9, 2, 14)


def test_a_total_that_is_not_stated_is_input_and_output() -> None:
    ollama = {"prompt_eval_count": 11, "eval_count": 7}
    assert read_usage(ollama) == ReportedUsage(11, None, 7, None, 18)


ZEROS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}


@pytest.mark.parametrize(
    "usage",
    [
        None,
        [],
        "12",
        {},
        {"prompt_tokens": "9"},
        {"prompt_tokens": -1},
        {"prompt_tokens": True},
        ZEROS,
        {"prompt_tokens": 0},
        {**ZEROS, "prompt_tokens": None, "prompt_tokens_details": {"cached_tokens": 0}},
        {**ZEROS, "total_tokens": "0", "completion_tokens_details": None},
    ],
)
def test_a_usage_that_tells_nothing_is_none(usage: object) -> None:
    assert read_usage(usage) is None


def test_a_usage_of_zeros_is_a_placeholder_and_replaces_no_true_one() -> None:
    true = {"prompt_tokens": 5, "completion_tokens": 9, "total_tokens": 14}
    chunk = {**of_delta({"content": "x"}), "usage": ZEROS}
    assert take(chunk, FINISH)[2].usage is None
    assert take(chunk, {**FINISH, "usage": true}, {"choices": [], "usage": ZEROS})[2].usage == ReportedUsage(
        5, None, 9, None, 14
    )
    cut = Answer(lambda _: None, 1000)
    cut.take(json.dumps(chunk).encode())
    assert cut.ending().usage is None


def test_a_zero_is_a_count_only_where_zero_can_be_true() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 0, "prompt_tokens_details": {"cached_tokens": 0}}
    assert read_usage(usage) == ReportedUsage(5, 0, None, None, None)


def test_a_strange_usage_does_not_spoil_the_rest() -> None:
    usage = {"prompt_tokens": 2**40, "completion_tokens": 4, "prompt_tokens_details": 7, "total_tokens": 4.5}
    assert read_usage(usage) == ReportedUsage(None, None, 4, None, None)


@pytest.mark.parametrize(
    ("escaped", "content"),
    [
        (rb"\ud83d\ude00", "😀"),
        (rb"a\ud83d", "a\ud83d"),
        (rb"\ude00b", "\ude00b"),
        (rb"\ud83dand more", "\ud83dand more"),
        (b"a\xff", "a\ufffd"),
        ("a\u2028b".encode(), "a\u2028b"),
        (rb"\u0000", "\x00"),
    ],
)
def test_content_that_strict_decoders_refuse_is_read(escaped: bytes, content: str) -> None:
    choice = read_leniently(b'{"choices":[{"delta":{"content":"' + escaped + b'"}}]}').first_choice
    assert choice is not None
    assert choice.delta is not None
    assert choice.delta.content == content


@pytest.mark.parametrize(
    "payload",
    [
        b"hello",
        b'{"choices":[{"delta":{"content":"torn',
        b"[1, 2]",
        b'"text"',
        b'{"choices": {"0": 1}}',
        b'{"choices": ["x"]}',
        b'{"choices": [{"delta": {"content": 5}}]}',
        b'{"choices": [{"index": "first"}]}',
        b'{"x":' + b"[" * 100_000,
        b'{"choices": [{"index": ' + b"9" * 5000 + b"}]}",
    ],
)
def test_a_payload_of_another_shape_is_malformed(payload: bytes) -> None:
    with pytest.raises(MalformedChunk) as caught:
        read_leniently(payload)
    assert len(caught.value.message) < 500


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


def test_a_name_that_no_database_takes_is_made_storable() -> None:
    _, _, ending = take({**of_delta({"content": "x"}), "id": "a\x00", "model": 5}, FINISH)
    assert (ending.upstream_id, ending.upstream_model) == ("a\ufffd", None)
