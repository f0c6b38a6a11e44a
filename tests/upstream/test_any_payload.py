"""Whatever an upstream sends, reading it ends well or in an `UpstreamError` that can be stored."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.upstream.answer import Answer
from worker.upstream.end_signs import BodyEnd
from worker.upstream.ending import Ending
from worker.upstream.errors import UpstreamError
from worker.upstream.failures import error_of_body, error_of_status, parse
from worker.upstream.sse import SSEParser

MAX_LINE_BYTES = 4000
LONGEST_MESSAGE = 800

NASTY = [
    b"null",
    b"true",
    b"7",
    b"-1",
    b"9223372036854775808",
    b"9" * 400,
    b"9" * 5000,
    b"1e400",
    b"NaN",
    b"-Infinity",
    b'""',
    b'"x"',
    b'"stop"',
    b'"error"',
    b'"429"',
    b'"a\xff"',
    b'"\xed\xa0\x80"',
    rb'"\ud83d"',
    rb'"\ude00\u0000\u2028"',
    b"[]",
    b"{}",
    b"[null]",
    b'{"":{}}',
    b'[{"type":"text","text":"x"},{"type":["text"]},{"type":null,"text":5},"y",5]',
    b'{"message":["x"],"type":{"a":1},"code":[429]}',
    b'{"prompt_tokens":1e9,"completion_tokens":true,"prompt_tokens_details":{"cached_tokens":"1"}}',
    b"[" * 70 + b"]" * 70,
    b"[" * 990 + b"]" * 990,
    b"[" * 100_000,
    b'{"a":' * 990 + b"1" + b"}" * 990,
    b"[1,",
    b"",
]
VALUES = st.sampled_from(NASTY)


def objects(**fields: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """JSON objects with any of these fields, each with its own values or with a nasty one."""
    drawn: dict[str, st.SearchStrategy[bytes]] = {name: own | VALUES for name, own in fields.items()}
    return st.fixed_dictionaries({}, optional=drawn).map(
        lambda found: b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in found.items()) + b"}"
    )


TEXTS = st.text(max_size=5).map(lambda text: json.dumps(text).encode())
DELTAS = objects(content=TEXTS, refusal=TEXTS, reasoning=TEXTS, tool_calls=VALUES, function_call=VALUES)
CHOICES = objects(
    index=st.just(b"0"), delta=DELTAS, message=DELTAS, finish_reason=st.sampled_from([b'"stop"', b"null", b'"error"'])
)
ERRORS = objects(message=TEXTS, type=TEXTS, code=VALUES, status=VALUES, detail=TEXTS)
PAYLOADS = objects(
    choices=st.lists(CHOICES, max_size=2).map(lambda choices: b"[" + b",".join(choices) + b"]"),
    id=TEXTS,
    model=TEXTS,
    usage=objects(prompt_tokens=VALUES, total_tokens=VALUES, completion_tokens_details=VALUES),
    error=ERRORS,
    object=TEXTS,
    message=TEXTS,
)


def judge(answer: Answer) -> Ending:
    """The end of an answer, checked: what is stored of it can be."""
    try:
        ending = answer.finish(BodyEnd.ANNOUNCED)
    except UpstreamError as error:
        check(error)
        ending = answer.ending()
    for noted in (ending.finish_reason, ending.upstream_id, ending.upstream_model):
        assert is_storable(noted or "")
    return ending


def check(error: UpstreamError) -> None:
    assert is_storable(error.message)
    assert 0 < len(error.message) < LONGEST_MESSAGE


def is_storable(text: str) -> bool:
    return "\x00" not in text and text.encode().decode() == text


@given(payloads=st.lists(PAYLOADS | st.just(b"[DONE]") | st.binary(max_size=20), max_size=4), size=st.integers(1, 5000))
def test_any_stream_ends_well_or_in_an_error_that_can_be_stored(payloads: list[bytes], size: int) -> None:
    stream = b"".join(b"data: " + payload + b"\n\n" for payload in payloads)
    size = max(size, len(stream) // 1000)
    pieces: list[str] = []
    answer = Answer(pieces.append, 1000)
    parser = SSEParser(MAX_LINE_BYTES)
    try:
        for start in range(0, len(stream), size):
            for payload in parser.feed(stream[start : start + size]):
                answer.take(payload)
        for payload in parser.close():
            answer.take(payload)
    except UpstreamError as error:
        check(error)
    judge(answer)
    assert all(map(is_storable, pieces))


@given(body=PAYLOADS)
def test_any_body_is_an_answer_or_an_error_that_can_be_stored(body: bytes) -> None:
    pieces: list[str] = []
    answer = Answer(pieces.append, 1000)
    found: Any = parse(body)
    if isinstance(found, dict):
        try:
            answer.take_whole(found)
        except UpstreamError as error:
            check(error)
        judge(answer)
    check(error_of_body("application/json", body, found))
    assert all(map(is_storable, pieces))


@given(body=PAYLOADS | ERRORS, status=st.sampled_from([302, 400, 401, 402, 404, 408, 429, 500, 599]))
def test_any_refusal_is_an_error_that_can_be_stored(body: bytes, status: int) -> None:
    check(error_of_status(status, body, retry_after_seconds=None, location="\ud83d"))


@pytest.mark.parametrize("value", NASTY, ids=lambda value: repr(value[:20]))
@pytest.mark.parametrize("name", ["content", "refusal", "reasoning", "tool_calls", "finish_reason", "index", "usage"])
def test_any_value_of_any_field_is_read_or_refused(name: str, value: bytes) -> None:
    fields = {"content": b'"x"', "finish_reason": b'"stop"', "index": b"0", "usage": b"null", name: value}
    delta = b",".join(
        b'"%s":%s' % (field.encode(), fields[field])
        for field in ("content", "refusal", "reasoning", "tool_calls")
        if field in fields
    )
    payload = b'{"choices":[{"index":%s,"finish_reason":%s,"delta":{%s}}],"usage":%s}' % (
        fields["index"],
        fields["finish_reason"],
        delta,
        fields["usage"],
    )
    answer = Answer(lambda _: None, 1000)
    try:
        answer.take(payload)
    except UpstreamError as error:
        check(error)
    judge(answer)
