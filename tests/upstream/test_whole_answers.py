"""An upstream that ignores `stream: true` and answers with one whole `chat.completion`: it is read, judged and paid."""

import json
import zlib

import pytest

from tests.upstream.reading import read
from tests.upstream.scripted_upstream import (
    PATIENCE_SECONDS,
    Cut,
    Flood,
    Script,
    ScriptedUpstream,
    Stall,
    head,
    http_chunk,
)
from worker.upstream import Clocks, Ending, ReportedUsage, opening, stream
from worker.upstream.errors import (
    Aborted,
    BodyTooLong,
    CutMidStream,
    EmptyCompletion,
    ErrorInStream,
    MalformedChunk,
    ModelRefused,
    NotAStream,
    NotText,
    Stalled,
    TextTooLong,
    UpstreamError,
)

USAGE = {"prompt_tokens": 10, "completion_tokens": 900, "total_tokens": 910}
COUNTED = ReportedUsage(10, None, 900, None, 910)
JSON = "application/json"


def completion(message: object, finish_reason: str | None = "stop", **more: object) -> bytes:
    """A chat.completion as OpenAI sends it."""
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}
    known = {"id": "chatcmpl-1", "object": "chat.completion", "model": "m-1", "choices": [choice], "usage": USAGE}
    return json.dumps(known | more).encode()


def said(content: object) -> bytes:
    return completion({"role": "assistant", "content": content, "refusal": None})


def read_whole(content: bytes, *, max_text_bytes: int = 1 << 20, **headers: str) -> tuple[list[str], Ending]:
    """The pieces and the ending of an answer that comes with its length."""
    pieces: list[str] = []
    headers = {"content_type": JSON, "content_length": str(len(content)), **headers}
    with ScriptedUpstream([head(200, **headers), content]) as upstream:
        ending = read(upstream.url, pieces, max_text_bytes=max_text_bytes)
    assert len(upstream.exchanges) == 1
    assert upstream.last.body["stream"] is True
    return pieces, ending


def test_a_whole_completion_is_the_answer() -> None:
    pieces, ending = read_whole(said("Hello, 写 \u2028 😀."))
    assert pieces == ["Hello, 写 \u2028 😀."]
    assert (ending.finish_reason, ending.usage) == ("stop", COUNTED)
    assert (ending.upstream_id, ending.upstream_model) == ("chatcmpl-1", "m-1")


@pytest.mark.parametrize("content_type", ["text/event-stream", "text/plain"])
def test_its_content_type_does_not_matter(content_type: str) -> None:
    pieces: list[str] = []
    with ScriptedUpstream([head(content_type=content_type), b"\xef\xbb\xbf \r\n", said("One")]) as upstream:
        read(upstream.url, pieces)
    assert pieces == ["One"]


def test_without_a_finish_reason_it_is_whole_all_the_same() -> None:
    pieces, ending = read_whole(completion({"content": "One"}, None))
    assert (pieces, ending.finish_reason) == (["One"], None)


def test_a_text_that_was_cut_short_says_so() -> None:
    _, ending = read_whole(completion({"content": "One"}, "length"))
    assert ending.finish_reason == "length"


def test_content_in_parts_and_halves_of_surrogate_pairs_are_read_as_in_a_stream() -> None:
    assert read_whole(said([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]))[0] == ["ab"]
    assert "".join(read_whole(said("a\ud83d\ude00\ud83d\x00"))[0]) == "a😀\ufffd\ufffd"
    assert read_whole(said("a").replace(b'"a"', b'"a\xff"'))[0] == ["a\ufffd"]


def test_a_long_text_is_given_in_pieces_that_the_channel_can_carry() -> None:
    long = "写😀" * 100_000
    pieces, _ = read_whole(said(long), max_text_bytes=1 << 20)
    assert "".join(pieces) == long
    assert max(map(len, pieces)) == 1 << 16


def test_only_the_first_choice_counts() -> None:
    other = {"index": 1, "message": {"content": "another answer"}, "finish_reason": "stop"}
    first = {"index": 0, "message": {"content": "One"}, "finish_reason": "length"}
    pieces, ending = read_whole(completion({}, choices=[other, first]))
    assert (pieces, ending.finish_reason) == (["One"], "length")


def test_a_packed_one_is_unpacked() -> None:
    packer = zlib.compressobj(wbits=31)
    content = packer.compress(said("One")) + packer.flush()
    assert read_whole(content, content_encoding="gzip")[0] == ["One"]


@pytest.mark.parametrize(
    ("content", "expected", "retryable"),
    [
        (completion({"content": None, "refusal": "I can't."}), ModelRefused, False),
        (completion({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls"), EmptyCompletion, True),
        (completion({"content": [{"type": "image_url"}]}), NotText, False),
        (completion({"content": ""}), EmptyCompletion, True),
        (completion({"content": "One"}, "error"), Aborted, True),
        (completion({"content": "x" * 1001}), TextTooLong, False),
    ],
)
def test_it_is_judged_as_a_stream_is_and_its_usage_is_owed(
    content: bytes, expected: type[UpstreamError], retryable: bool
) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_whole(content, max_text_bytes=1000)
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable
    assert caught.value.ending is not None
    assert caught.value.ending.usage == COUNTED


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"choices": []}', EmptyCompletion),
        (b'{"choices": [{}]}', EmptyCompletion),
        (b'{"choices": null}', EmptyCompletion),
        (b'{"choices": {}}', EmptyCompletion),
        (b'{"choices": [{"message": {"content": 5}}]}', MalformedChunk),
        (b'{"choices": [{"message": {"content": "x"}}], "error": {"message": "boom"}}', ErrorInStream),
        (b'{"choices": [{"message": {"content": "torn', NotAStream),
        (b'{"result": "x"}', NotAStream),
        (b'{"choices":' + b"[" * 100_000, NotAStream),
    ],
)
def test_what_is_no_completion_is_its_typed_error(content: bytes, expected: type[UpstreamError]) -> None:
    with pytest.raises(UpstreamError) as caught:
        read_whole(content)
    assert type(caught.value) is expected


def test_one_that_is_cut_gives_nothing_and_is_a_cut() -> None:
    pieces: list[str] = []
    script: Script = [head(content_type=JSON, content_length="100000"), said("x" * 90_000)[:-50], Cut()]
    with ScriptedUpstream(script) as upstream, pytest.raises(CutMidStream):
        read(upstream.url, pieces)
    assert upstream.last.fired == ["Cut"]
    assert pieces == []


def test_one_that_comes_in_small_pieces_is_read_to_its_end() -> None:
    long = said("words " * 20_000)
    pieces: list[str] = []
    cut = [http_chunk(long[start : start + 1000]) for start in range(0, len(long), 1000)]
    with ScriptedUpstream([head(content_type=JSON, transfer_encoding="chunked"), *cut, http_chunk(b"")]) as upstream:
        read(upstream.url, pieces)
    assert "".join(pieces) == "words " * 20_000


def test_one_that_stops_coming_is_a_stall(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "QUOTED_SECONDS", 0.05)
    script: Script = [head(content_type=JSON, transfer_encoding="chunked"), http_chunk(said("One")[:-9]), Stall()]
    with ScriptedUpstream(script) as upstream:
        with pytest.raises(Stalled):
            read(upstream.url, [], clocks=Clocks(between_deltas_seconds=0.3))
        assert upstream.last.gone.wait(PATIENCE_SECONDS)


def test_one_whose_connection_stays_open_is_the_answer_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "QUOTED_SECONDS", 0.05)
    pieces: list[str] = []
    script: Script = [head(content_type=JSON, transfer_encoding="chunked"), http_chunk(said("One")), Stall()]
    with ScriptedUpstream(script) as upstream:
        read(upstream.url, pieces)
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert pieces == ["One"]


def test_an_endless_one_is_read_to_its_cap_and_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "AROUND_TEXT_BYTES", 1000)
    beginning = said("x").partition(b"x")[0]
    with ScriptedUpstream([head(content_type=JSON), beginning, Flood(b"x" * 65536, 1 << 28)]) as upstream:
        with pytest.raises(BodyTooLong, match=r"stream: true.*LONGHAND_MAX_TEXT_BYTES") as caught:
            read(upstream.url, [], max_text_bytes=1 << 20)
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert not caught.value.retryable
    assert upstream.last.fired == ["Flood"]
    assert upstream.last.sent_bytes < 1 << 27
