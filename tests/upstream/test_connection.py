"""HTTP as upstreams speak it, well and badly, and how they are reached."""

import asyncio
import contextlib
import socket
from typing import Any

import pytest

from tests.upstream.reading import BODY, read, run_with
from tests.upstream.scripted_upstream import (
    DONE,
    FINISH,
    PATIENCE_SECONDS,
    Flood,
    Script,
    ScriptedUpstream,
    Stall,
    chunked,
    head,
    http_chunk,
    text,
)
from worker.upstream import Clocks, Upstream
from worker.upstream.errors import (
    ConnectFailed,
    CutMidStream,
    EndedWithoutEnd,
    RateLimited,
    ServerError,
    UpstreamError,
)
from worker.upstream.http import client as transport
from worker.upstream.http.connection import MAX_BARE_BYTES

WHOLE = text("One") + text(" two") + FINISH + DONE
INTERIM = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\ncontent-length: 0\r\n\r\n"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(head(transfer_encoding="chunked") + http_chunk(WHOLE) + http_chunk(b""), id="chunked"),
        pytest.param(head(content_length=str(len(WHOLE))) + WHOLE, id="content-length"),
        pytest.param(head() + WHOLE, id="until the connection ends"),
        pytest.param(INTERIM + INTERIM + head() + WHOLE, id="after interim answers"),
        pytest.param(head().replace(b"HTTP/1.1", b"HTTP/1.0") + WHOLE, id="HTTP/1.0"),
        pytest.param(head(content_length=str(len(WHOLE))) + WHOLE + b"and more\r\n", id="and bytes after its end"),
    ],
)
def test_an_answer_is_read_however_its_bytes_are_cut(answer: bytes, size: int) -> None:
    pieces: list[str] = []
    with ScriptedUpstream([answer[start : start + size] for start in range(0, len(answer), size)]) as upstream:
        assert read(upstream.url, pieces).finish_reason == "stop"
    assert "".join(pieces) == "One two"


@pytest.mark.parametrize(
    "unasked",
    [
        pytest.param(head(400, content_length="7") + b"unasked", id="a refusal"),
        pytest.param(head(content_length="7") + b"unasked", id="a body"),
        pytest.param(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n", id="another protocol"),
    ],
)
@pytest.mark.parametrize("status", [429, 200])
def test_what_a_server_says_after_its_answer_changes_nothing_of_it(status: int, unasked: bytes) -> None:
    said = head(status, content_length="5") + b"slow " + unasked
    with ScriptedUpstream([said]) as upstream, pytest.raises(UpstreamError) as caught:
        read(upstream.url, [])
    assert upstream.last.sent_bytes == len(said)
    assert isinstance(caught.value, RateLimited if status == 429 else EndedWithoutEnd)
    assert "unasked" not in caught.value.message


@pytest.mark.parametrize("status", [104, 0])
def test_the_body_of_an_interim_answer_is_no_text(status: int) -> None:
    body = text("Not this. ")
    interim = head(content_length=str(len(body))).replace(b"200 Scripted", b"%03d Interim" % status) + body
    pieces: list[str] = []
    answer = interim + head(content_length=str(len(WHOLE))) + WHOLE
    with ScriptedUpstream([answer]) as upstream, contextlib.suppress(CutMidStream):
        read(upstream.url, pieces)
    assert upstream.last.sent_bytes == len(answer)
    assert "".join(pieces) in ("", "One two")


CHUNK = http_chunk(WHOLE)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(head().replace(b"\r\n", b"\n") + WHOLE, id="line feeds alone"),
        pytest.param(
            head(transfer_encoding="chunked") + CHUNK.replace(b"\r\n", b" \r\n", 1) + b"0 \r\n\r\n",
            id="spaces after a chunk size",
        ),
        pytest.param(head(x_folded="one\r\n two", content_length=str(len(WHOLE))) + WHOLE, id="a folded header"),
        pytest.param(head(x_odd="a\x01b", content_length=str(len(WHOLE))) + WHOLE, id="a control character"),
        pytest.param(INTERIM.replace(b"HTTP/1.1", b"HTTP/1.0") + head() + WHOLE, id="an interim answer that closes"),
        pytest.param(head(content_length="7", transfer_encoding="chunked") + CHUNK + http_chunk(b""), id="two lengths"),
    ],
)
def test_an_answer_that_other_clients_read_is_read_although_it_breaks_a_rule(answer: bytes, size: int) -> None:
    pieces: list[str] = []
    with ScriptedUpstream([answer[start : start + size] for start in range(0, len(answer), size)]) as upstream:
        assert read(upstream.url, pieces).finish_reason == "stop"
    assert "".join(pieces) == "One two"


@pytest.mark.parametrize(
    "said", [head(transfer_encoding="chunked"), head(content_length="7", transfer_encoding="chunked")]
)
def test_chunks_that_end_without_the_last_one_are_a_cut_whatever_else_was_said(said: bytes) -> None:
    script = [said, http_chunk(text("One"))]
    with ScriptedUpstream(script) as upstream, pytest.raises(CutMidStream, match="before its answer was whole"):
        read(upstream.url, [])
    assert upstream.last.sent_bytes == len(b"".join(script))


def test_a_body_shorter_than_it_said_is_a_cut() -> None:
    content = text("One")
    script = [head(content_length=str(len(content) + 1)), content]
    with ScriptedUpstream(script) as upstream, pytest.raises(CutMidStream, match="before its answer was whole"):
        read(upstream.url, [])
    assert upstream.last.sent_bytes == len(b"".join(script))


@pytest.mark.parametrize(
    ("begun", "flood"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"x-more: and more\r\n", id="headers"),
        pytest.param(b"HTTP/1.1 200 OK\r\nx-one: ", b"x" * 1000, id="one header"),
        pytest.param(b"", INTERIM, id="interim answers"),
        pytest.param(head(transfer_encoding="chunked") + b"0\r\nx-one: ", b"x" * 1000, id="a trailer"),
        pytest.param(head(transfer_encoding="chunked") + b"5;", b"x" * 1000, id="a chunk extension"),
    ],
)
def test_an_upstream_that_sends_headers_without_end_is_hung_up_on(begun: bytes, flood: bytes) -> None:
    with ScriptedUpstream([begun, Flood(flood, 1 << 28)]) as upstream:
        with pytest.raises(CutMidStream, match="bytes of headers"):
            read(upstream.url, [])
        assert upstream.last.gone.wait(PATIENCE_SECONDS)
    assert upstream.last.fired == ["Flood"]
    assert MAX_BARE_BYTES < upstream.last.sent_bytes < 1 << 26


def test_an_upstream_that_changes_the_protocol_has_not_answered() -> None:
    script: Script = [b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n", Stall()]
    with ScriptedUpstream(script) as upstream, pytest.raises(CutMidStream, match="No valid answer"):
        read(upstream.url, [])


def test_a_refusal_that_comes_before_all_of_the_request_is_read() -> None:
    body: dict[str, object] = {**BODY, "messages": [{"role": "user", "content": "x" * (8 << 20)}]}
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer_early() -> None:
            accepted, _ = server.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(head(503, content_length="4") + b"full")
                with contextlib.suppress(ConnectionError):
                    while accepted.recv(1 << 20):
                        pass

        async def story(upstream: Upstream) -> None:
            answering = asyncio.create_task(asyncio.to_thread(answer_early))
            with pytest.raises(ServerError, match=r"HTTP 503.*full"):
                await upstream.stream(body, lambda _: None)
            await answering

        run_with(f"http://127.0.0.1:{server.getsockname()[1]}/v1", Clocks(), story)


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> list[str]:
    """Let every name have these addresses; gives the names that were looked up."""
    looked_up = []

    async def look_up(host: str, _: int) -> list[Any]:
        looked_up.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", address) for address in addresses]

    monkeypatch.setattr(transport, "look_up", look_up)
    return looked_up


def test_an_address_that_refuses_leads_to_the_next_one_and_each_has_its_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        socket.socket() as nobody_listens,
        ScriptedUpstream(chunked(WHOLE)) as one,
        ScriptedUpstream(chunked(WHOLE)) as other,
    ):
        nobody_listens.bind(("127.0.0.1", 0))
        places = [nobody_listens.getsockname()[1], *(int(it.url.split(":")[2].split("/")[0]) for it in (one, other))]
        looked_up = resolve_to(monkeypatch, *(("127.0.0.1", port) for port in places))

        async def story(upstream: Upstream) -> None:
            await asyncio.gather(*(upstream.stream(BODY, lambda _: None) for _ in range(9)))

        run_with("http://several.invalid/v1", Clocks(), story)
        assert looked_up == ["several.invalid"]
        assert len(one.exchanges) + len(other.exchanges) == 9
        assert min(len(one.exchanges), len(other.exchanges)) >= 3


def test_when_every_address_refuses_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as one, socket.socket() as other:
        for silent in (one, other):
            silent.bind(("127.0.0.1", 0))
        resolve_to(monkeypatch, one.getsockname(), other.getsockname())
        with pytest.raises(ConnectFailed, match=r"No connection to http://several\.invalid"):
            read("http://several.invalid/v1", [])
