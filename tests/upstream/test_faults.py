"""What an upstream can do wrong in the middle of an answer, and the error that each fault becomes."""

import asyncio
import socket
import threading

import pytest

from tests.upstream.reading import BODY, read, run_with
from tests.upstream.scripted_upstream import (
    DONE,
    FINISH,
    PATIENCE_SECONDS,
    ROLE,
    USAGE,
    Cut,
    Script,
    ScriptedUpstream,
    Stall,
    Wait,
    chunk,
    chunked,
    event,
    head,
    http_chunk,
    text,
)
from worker.upstream import Clocks, Upstream
from worker.upstream.errors import (
    ConnectFailed,
    ConnectTimedOut,
    CutMidStream,
    EmptyCompletion,
    EndedWithoutEnd,
    ErrorInStream,
    MalformedChunk,
    NameNotFound,
    NotAStream,
    RejectedInStream,
    TextTooLong,
    TLSFailed,
    Unauthorized,
    UpstreamError,
)
from worker.upstream.http import client as transport

WORDS = ["One", " two", " three", " four"]


@pytest.mark.parametrize("deltas", range(len(WORDS) + 1))
def test_a_stream_cut_after_any_delta_is_a_cut_and_gave_the_text_before_it(deltas: int) -> None:
    pieces: list[str] = []
    script: Script = [*chunked(ROLE, *map(text, WORDS[:deltas]))[:-1], Cut()]
    with ScriptedUpstream(script) as upstream, pytest.raises(CutMidStream) as caught:
        read(upstream.url, pieces)
    assert upstream.last.fired == ["Cut"]
    assert pieces == WORDS[:deltas]
    assert caught.value.retryable


@pytest.mark.parametrize("torn", [http_chunk(b'data: {"choices":[{"del'), b"40\r\ndata: {", b"4"])
def test_a_stream_cut_inside_an_event_or_an_http_chunk_is_a_cut(torn: bytes) -> None:
    pieces: list[str] = []
    with ScriptedUpstream([*chunked(text("One"))[:-1], torn, Cut()]) as upstream, pytest.raises(CutMidStream):
        read(upstream.url, pieces)
    assert upstream.last.fired == ["Cut"]
    assert pieces == ["One"]


def test_garbage_between_http_chunks_is_a_cut_at_once() -> None:
    reading = threading.Event()
    script: Script = [*chunked(text("One"))[:-1], Wait(reading), b"garbage\r\n", Stall()]

    async def story(upstream: Upstream) -> None:
        with pytest.raises(CutMidStream, match="before its answer was whole"):
            await upstream.stream(BODY, lambda _: reading.set())

    with ScriptedUpstream(script) as server:
        run_with(server.url, Clocks(), story)
    assert server.last.fired[0] == "Wait"
    assert server.last.sent_bytes > sum(len(step) for step in script if isinstance(step, bytes)) - len(b"garbage\r\n")


def test_a_connection_closed_before_the_answer_is_a_cut() -> None:
    with ScriptedUpstream([Cut()]) as upstream, pytest.raises(CutMidStream):
        read(upstream.url, [])
    assert upstream.last.fired == ["Cut"]


def test_an_answer_that_is_no_http_is_a_retryable_error() -> None:
    with ScriptedUpstream([b"SSH-2.0-OpenSSH_9.9\r\n\r\n"]) as upstream, pytest.raises(CutMidStream):
        read(upstream.url, [])


def test_a_cut_after_the_finish_reason_is_complete() -> None:
    pieces: list[str] = []
    with ScriptedUpstream([*chunked(text("One"), FINISH, USAGE)[:-1], Cut()]) as upstream:
        ending = read(upstream.url, pieces)
    assert upstream.last.fired == ["Cut"]
    assert (pieces, ending.finish_reason) == (["One"], "stop")
    assert ending.usage is not None


def test_a_clean_end_with_neither_finish_reason_nor_done_is_no_end() -> None:
    pieces: list[str] = []
    with ScriptedUpstream(chunked(ROLE, text("One"))) as upstream, pytest.raises(EndedWithoutEnd) as caught:
        read(upstream.url, pieces)
    assert pieces == ["One"]
    assert caught.value.retryable


@pytest.mark.parametrize("end", [[FINISH], [DONE], [b"data: [DONE]"], [FINISH, b"data: [DONE]\n"]])
def test_a_finish_reason_or_done_is_an_end(end: list[bytes]) -> None:
    pieces: list[str] = []
    with ScriptedUpstream(chunked(text("One"), *end)) as upstream:
        read(upstream.url, pieces)
    assert pieces == ["One"]


@pytest.mark.parametrize("reason", ["length", "content_filter"])
def test_a_text_that_the_upstream_cut_short_is_complete_and_says_so(reason: str) -> None:
    with ScriptedUpstream(chunked(text("One"), chunk({}, reason), DONE)) as upstream:
        assert read(upstream.url, []).finish_reason == reason


@pytest.mark.parametrize(
    ("content_type", "content", "expected"),
    [
        ("text/event-stream", text("x") + event({"error": {"message": "boom"}}) + DONE, ErrorInStream),
        ("text/event-stream", event({"error": {"type": "invalid_request_error"}}), RejectedInStream),
        ("text/event-stream", b"event: error\n" + event({"message": "boom"}), ErrorInStream),
        ("text/event-stream", DONE, EmptyCompletion),
        ("text/event-stream", ROLE + FINISH + DONE, EmptyCompletion),
        ("text/event-stream", b"", EndedWithoutEnd),
        ("text/event-stream", b": only comments\n\n", EndedWithoutEnd),
        ("text/event-stream", b"data: hello\n\n", MalformedChunk),
        ("text/event-stream", chunk({"tool_calls": [{"index": 0}]}, "tool_calls") + DONE, EmptyCompletion),
        ("application/json", b'{"error": {"message": "boom", "type": "server_error"}}', ErrorInStream),
        ("application/json", b'\n {"error": {"message": "no", "code": "invalid_api_key"}}', Unauthorized),
        ("text/event-stream", b'{"error": {"message": "boom", "type": "server_error"}}', ErrorInStream),
        ("application/json", b"[]", NotAStream),
        ("text/html", b"<!doctype html><title>Welcome</title>", NotAStream),
        ("text/event-stream", b"\xef\xbb\xbf  <html>", NotAStream),
        ("text/plain", b"upstream connect error", NotAStream),
        ("text/plain", b"dat", NotAStream),
        ("text/plain", b"", NotAStream),
    ],
)
def test_an_error_inside_a_200_is_its_typed_error(
    content_type: str, content: bytes, expected: type[UpstreamError]
) -> None:
    script = [head(content_type=content_type), content]
    with ScriptedUpstream(script) as upstream, pytest.raises(UpstreamError) as caught:
        read(upstream.url, [])
    assert type(caught.value) is expected
    assert upstream.last.sent_bytes == len(head(content_type=content_type) + content)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json", "application/octet-stream"])
def test_an_event_stream_with_the_wrong_content_type_is_read(content_type: str) -> None:
    pieces: list[str] = []
    script: Script = [
        head(content_type=content_type),
        b"\n",
        b"da",
        b"ta: ",
        text("One").removeprefix(b"data: "),
        FINISH,
        DONE,
    ]
    with ScriptedUpstream(script) as upstream:
        read(upstream.url, pieces)
    assert pieces == ["One"]


def test_an_answer_packed_in_an_unknown_way_is_refused() -> None:
    script = [head(content_encoding="br"), b"\x0b\x02\x80"]
    with ScriptedUpstream(script) as upstream, pytest.raises(NotAStream, match="'br'"):
        read(upstream.url, [])


def test_a_broken_packed_answer_is_a_cut() -> None:
    with ScriptedUpstream([head(content_encoding="gzip"), b"data: {}"]) as upstream, pytest.raises(CutMidStream):
        read(upstream.url, [])


def test_a_text_over_its_cap_fails_and_hangs_up() -> None:
    script: Script = [
        head(transfer_encoding="chunked"),
        http_chunk(text("x" * 600)),
        http_chunk(text("y" * 600)),
        Stall(),
    ]
    with ScriptedUpstream(script) as upstream:
        with pytest.raises(TextTooLong):
            read(upstream.url, [], max_text_bytes=1000)
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Stall"]


def test_a_refused_connection_is_a_failed_connect() -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed, match="Check that it is running"):
            read(f"http://127.0.0.1:{nobody_listens.getsockname()[1]}/v1", [])


def test_a_host_without_an_address_is_named() -> None:
    with pytest.raises(NameNotFound, match=r"no\.such\.host\.invalid"):
        read("http://no.such.host.invalid/v1?key=canary", [])


def test_an_upstream_that_speaks_no_tls_is_a_tls_failure() -> None:
    with ScriptedUpstream([b""]) as upstream, pytest.raises(TLSFailed):
        read(upstream.url.replace("http:", "https:"), [])
    assert upstream.tls_greetings == 1


def test_an_upstream_that_never_answers_the_tls_greeting_is_a_connect_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as nobody_accepts, pytest.raises(ConnectTimedOut):
        read(f"https://127.0.0.1:{nobody_accepts.getsockname()[1]}/v1", [])


def test_an_error_of_the_caller_passes_through_and_hangs_up() -> None:
    class FullError(OSError):
        pass

    def refuse(_: str) -> None:
        raise FullError

    async def story(upstream: Upstream) -> None:
        with pytest.raises(FullError):
            await upstream.stream(BODY, refuse)
        assert await asyncio.to_thread(server.last.gone.wait, PATIENCE_SECONDS)

    script: Script = [head(transfer_encoding="chunked"), http_chunk(text("x")), Stall()]
    with ScriptedUpstream(script) as server:
        run_with(server.url, Clocks(), story)
    assert server.last.fired == ["Stall"]
