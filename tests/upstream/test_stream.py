"""Reading one completion, from the request to its ending."""

import asyncio
import gzip
import threading
import zlib

import pytest

from tests.upstream.reading import BODY, read, run_with
from tests.upstream.scripted_upstream import (
    DONE,
    FINISH,
    PATIENCE_SECONDS,
    ROLE,
    USAGE,
    Script,
    ScriptedUpstream,
    Signal,
    Stall,
    chunked,
    head,
    http_chunk,
    text,
)
from worker.upstream import Clocks, Ending, Upstream
from worker.upstream.ending import ReportedUsage


def test_a_stream_gives_its_text_and_its_ending() -> None:
    pieces: list[str] = []
    with ScriptedUpstream(chunked(ROLE, text("Hel"), text("lo"), FINISH, USAGE, DONE)) as upstream:
        ending = read(upstream.url, pieces)
    assert pieces == ["Hel", "lo"]
    assert ending == Ending("stop", ReportedUsage(9, 4, 2, None, 11), "chatcmpl-1", "m-1")


def test_the_request_is_the_body_asked_for_as_a_stream_with_usage() -> None:
    with ScriptedUpstream(chunked(text("x"), FINISH, DONE)) as upstream:
        body = {**BODY, "stream": False, "stream_options": {"include_obfuscation": False}}
        read(upstream.url + "/", [], body=body, api_key="sk-canary", idempotency_key="job-1:1")
    asked = upstream.last
    assert (asked.method, asked.path) == ("POST", "/v1/chat/completions")
    options = {"include_obfuscation": False, "include_usage": True}
    assert asked.body == {**BODY, "stream": True, "stream_options": options}
    assert asked.headers["authorization"] == "Bearer sk-canary"
    assert asked.headers["idempotency-key"] == "job-1:1"
    assert asked.headers["accept-encoding"] == "identity"


def test_without_a_key_and_without_usage_neither_is_sent() -> None:
    with ScriptedUpstream(chunked(text("x"), FINISH, DONE)) as upstream:
        read(upstream.url, [], ask_for_usage=False)
    assert "authorization" not in upstream.last.headers
    assert "idempotency-key" not in upstream.last.headers
    assert "stream_options" not in upstream.last.body


@pytest.mark.parametrize(
    ("tail", "path"),
    [
        ("", "/v1/chat/completions"),
        ("/chat/completions", "/v1/chat/completions"),
        ("/?api-version=2", "/v1/chat/completions?api-version=2"),
    ],
)
def test_the_address_is_joined_to_the_base_url(tail: str, path: str) -> None:
    with ScriptedUpstream(chunked(text("x"), FINISH, DONE)) as upstream:
        read(upstream.url + tail, [])
    assert upstream.last.path == path


def test_a_password_in_the_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="LONGHAND_UPSTREAM_API_KEY") as caught:
        Upstream("https://user:canary@example.invalid/v1", None, Clocks())
    assert "canary" not in str(caught.value)


def test_cookies_of_one_stream_are_not_sent_with_the_next() -> None:
    script = [head(transfer_encoding="chunked", set_cookie="who=me"), *chunked(text("x"), FINISH, DONE)[1:]]

    async def story(upstream: Upstream) -> None:
        await upstream.stream(BODY, lambda _: None)
        await upstream.stream(BODY, lambda _: None)

    with ScriptedUpstream(script) as server:
        run_with(server.url, Clocks(), story)
    assert len(server.exchanges) == 2
    assert "cookie" not in server.last.headers


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_a_compressed_stream_is_unpacked(encoding: str) -> None:
    plain = b"".join([ROLE, text("Hél"), text("lo" * 500), FINISH, DONE])
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(plain),
        "deflate": zlib.compress(plain),
        "raw deflate": raw.compress(plain) + raw.flush(),
    }[encoding]
    pieces: list[str] = []
    cut = (packed[i : i + 7] for i in range(0, len(packed), 7))
    script: Script = [head(content_encoding=encoding.removeprefix("raw ")), *cut]
    with ScriptedUpstream(script) as upstream:
        read(upstream.url, pieces)
    assert "".join(pieces) == "Hél" + "lo" * 500


def test_done_ends_the_stream_and_closes_a_connection_that_is_left_open() -> None:
    pieces: list[str] = []
    script: Script = [head(transfer_encoding="chunked"), http_chunk(text("x") + DONE + text("late")), Stall()]
    with ScriptedUpstream(script) as upstream:
        ending = read(upstream.url, pieces)
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Stall"]
    assert (pieces, ending.finish_reason) == (["x"], None)


def test_an_emoji_split_over_two_deltas_arrives_whole() -> None:
    pieces: list[str] = []
    with ScriptedUpstream(chunked(text("a\ud83d"), text("\ude00b"), text("\x00"), FINISH, DONE)) as upstream:
        read(upstream.url, pieces)
    assert pieces == ["a", "😀b", "\ufffd"]


def test_cancelling_the_task_closes_the_connection_and_is_no_clock_error() -> None:
    reading = asyncio.Event()

    async def story(upstream: Upstream) -> None:
        task = asyncio.create_task(upstream.stream(BODY, lambda _: reading.set()))
        await asyncio.wait_for(reading.wait(), PATIENCE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.last.gone.wait, PATIENCE_SECONDS)

    with ScriptedUpstream([head(transfer_encoding="chunked"), http_chunk(text("x")), Stall()]) as server:
        run_with(server.url, Clocks(), story)
    assert server.last.fired == ["Stall"]


def test_cancelling_before_the_answer_began_closes_the_connection_too() -> None:
    async def story(upstream: Upstream) -> None:
        task = asyncio.create_task(upstream.stream(BODY, lambda _: None))
        assert await asyncio.to_thread(asked.wait, PATIENCE_SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.to_thread(server.last.gone.wait, PATIENCE_SECONDS)

    asked = threading.Event()
    with ScriptedUpstream([Signal(asked), Stall()]) as server:
        run_with(server.url, Clocks(), story)
