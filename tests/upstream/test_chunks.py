"""The shapes in which upstreams send chunks."""

import json
import re

import pytest

from tests.upstream.chunk_reading import FINISH, of_delta, take
from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd
from worker.upstream.ending import ReportedUsage
from worker.upstream.errors import (
    EndedWithoutEnd,
    MalformedChunk,
    ModelRefused,
    NotText,
    TextTooLong,
    UpstreamError,
)
from worker.upstream.lean import Budget
from worker.upstream.lenient import read_leniently


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
        ({"refusal": "I can't."}, ModelRefused),
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
    choice = read_leniently(b'{"choices":[{"delta":{"content":"' + escaped + b'"}}]}', Budget()).own_choices[0]
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
        read_leniently(payload, Budget())
    assert len(caught.value.message) < 500


def test_a_name_that_no_database_takes_is_made_storable() -> None:
    _, _, ending = take({**of_delta({"content": "x"}), "id": "a\x00", "model": 5}, FINISH)
    assert (ending.upstream_id, ending.upstream_model) == ("a\ufffd", None)
