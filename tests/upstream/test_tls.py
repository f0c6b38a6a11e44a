"""An upstream behind TLS: whose certificate is trusted, and what becomes of a connection that is cut."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trustme
import uvloop

from tests.upstream.reading import BODY
from tests.upstream.scripted_upstream import DONE, FINISH, chunked, head, http_chunk, text
from worker.upstream import Clocks, Upstream
from worker.upstream.errors import CutMidStream, EndedWithoutEnd, TLSFailed
from worker.upstream.http.client import HttpClient

WHOLE = b"".join(chunked(text("One"), text(" two"), FINISH, DONE))
PATIENCE_SECONDS = 30


class TLSServer:
    """Answers every request with the same bytes and ends the connection: with TLS's own goodbye, or cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.asked = 0
        self.open = 0
        self.was_asked = asyncio.Event()
        self.all_gone = asyncio.Event()

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}/v1"


@asynccontextmanager
async def serving(certificate: trustme.LeafCert, answer: bytes, *, cut: bool = False) -> AsyncIterator[TLSServer]:
    """A server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    tasks: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        it.open += 1
        it.all_gone.clear()
        try:
            head_of_request = await reader.readuntil(b"\r\n\r\n")
            length = int(head_of_request.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            it.asked += 1
            it.was_asked.set()
            writer.write(answer)
            await writer.drain()
            if cut:
                writer.transport.abort()
            elif not answer:
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client hung up
        finally:
            it.open -= 1
            if not it.open:
                it.all_gone.set()
            writer.close()

    server = await asyncio.start_server(serve, "localhost", 0, ssl=context)
    it = TLSServer(server.sockets[0].getsockname()[1])
    for extra in server.sockets[1:]:  # the other address family has another port
        extra.close()
    try:
        yield it
    finally:
        server.close()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.gather(*(task for task in tasks if task), return_exceptions=True)


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """Who is trusted, by SSL_CERT_FILE."""
    trusted = trustme.CA()
    trusted.cert_pem.write_to_path(tmp_path / "trusted.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "trusted.pem"))
    return trusted


def read_from(
    certificate: trustme.LeafCert, answers: Sequence[bytes], check: Callable[[TLSServer, list[str]], None], cut: bool
) -> None:
    """Read one completion that consists of `answers`, and check what the server saw."""

    async def run() -> None:
        pieces: list[str] = []
        async with serving(certificate, b"".join(answers), cut=cut) as server:
            upstream = Upstream(server.url, None, Clocks(), ask_for_usage=False)
            try:
                await upstream.stream(BODY, pieces.append)
            finally:
                await upstream.aclose()
                check(server, pieces)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def was_asked(server: TLSServer, _: list[str]) -> None:
    assert server.asked == 1


def was_not_asked(server: TLSServer, _: list[str]) -> None:
    assert server.asked == 0


def test_a_certificate_of_a_trusted_authority_is_good(authority: trustme.CA) -> None:
    def check(server: TLSServer, pieces: list[str]) -> None:
        assert (server.asked, "".join(pieces)) == (1, "One two")

    read_from(authority.issue_cert("localhost"), [WHOLE], check, cut=False)


def test_a_certificate_of_somebody_else_is_not_trusted_and_nothing_is_asked(authority: trustme.CA) -> None:
    del authority  # only who is trusted matters
    with pytest.raises(TLSFailed, match=r"certificate.*SSL_CERT_FILE"):
        read_from(trustme.CA().issue_cert("localhost"), [WHOLE], was_not_asked, cut=False)


def test_a_certificate_for_another_name_is_not_trusted_and_nothing_is_asked(authority: trustme.CA) -> None:
    with pytest.raises(TLSFailed, match="localhost"):
        read_from(authority.issue_cert("example.org"), [WHOLE], was_not_asked, cut=False)


def test_the_certificates_of_one_upstreams_own_file_are_trusted_for_it_alone(tmp_path: Path) -> None:
    own = trustme.CA()
    own.cert_pem.write_to_path(tmp_path / "own.pem")

    async def run() -> None:
        async with serving(own.issue_cert("localhost"), WHOLE) as server:
            url = httpx.URL(server.url)
            response = await HttpClient(url, server.url, ca_file=tmp_path / "own.pem").post({}, b"{}")
            assert response.status == 200
            response.close()
            with pytest.raises(TLSFailed, match="ca_file"):
                await HttpClient(url, server.url).post({}, b"{}")
            assert server.asked == 1

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_a_connection_that_is_cut_in_the_text_is_a_cut(authority: trustme.CA) -> None:
    with pytest.raises(CutMidStream):
        read_from(authority.issue_cert("localhost"), chunked(text("One"))[:-1], was_asked, cut=True)


@pytest.mark.parametrize("cut", [False, True])
def test_a_body_that_ends_with_its_connection_is_whole_only_when_the_text_says_so(
    authority: trustme.CA, cut: bool
) -> None:
    certificate = authority.issue_cert("localhost")
    read_from(certificate, [head(), text("One"), FINISH], was_asked, cut)
    with pytest.raises((EndedWithoutEnd, CutMidStream)):
        read_from(certificate, [head(), text("One")], was_asked, cut)


def test_an_answer_larger_than_what_a_socket_holds_comes_whole(authority: trustme.CA) -> None:
    pieces = [f"{number:08d}" for number in range(60_000)]
    answer = [
        head(transfer_encoding="chunked"),
        *(http_chunk(text(piece)) for piece in pieces),
        http_chunk(DONE),
        http_chunk(b""),
    ]

    def check(_: TLSServer, read: list[str]) -> None:
        assert read == pieces

    read_from(authority.issue_cert("localhost"), answer, check, cut=False)


@pytest.mark.parametrize("says_its_length", [True, False])
def test_what_waits_when_a_server_hangs_up_without_goodbye_is_read(
    authority: trustme.CA, says_its_length: bool
) -> None:
    written = "words " * 400_000  # more than is taken at once
    answer = json.dumps({"choices": [{"message": {"content": written}, "finish_reason": "stop"}]}).encode()
    first = head(content_length=str(len(answer))) if says_its_length else head()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def serve(listening: socket.socket) -> None:
        plain, _ = listening.accept()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 23)  # the end is to come right behind the answer
        with context.wrap_socket(plain, server_side=True) as accepted:
            asked = b""
            while not asked.endswith(b"}"):  # unread bytes would make it a reset
                asked += accepted.recv(1 << 16)
            accepted.sendall(first + answer)

    async def run() -> str:
        pieces: list[str] = []
        with socket.create_server(("localhost", 0)) as listening:
            serving = asyncio.create_task(asyncio.to_thread(serve, listening))
            upstream = Upstream(f"https://localhost:{listening.getsockname()[1]}/v1", None, Clocks())
            try:
                await upstream.stream(BODY, pieces.append)
            finally:
                await upstream.aclose()
                await serving
        return "".join(pieces)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(run()) == written


def test_a_stream_that_is_cancelled_at_any_moment_leaves_no_connection(authority: trustme.CA) -> None:
    async def run() -> None:
        async with serving(authority.issue_cert("localhost"), b"") as server:
            upstream = Upstream(server.url, None, Clocks(), ask_for_usage=False)
            for turns in range(40):  # of the loop, until the cancel: connecting, greeting, waiting for the answer
                streaming = asyncio.create_task(upstream.stream(BODY, lambda _: None))
                for _ in range(turns):
                    await asyncio.sleep(0)
                streaming.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await streaming
            last = asyncio.create_task(upstream.stream(BODY, lambda _: None))
            async with asyncio.timeout(PATIENCE_SECONDS):
                await server.was_asked.wait()
                last.cancel()
                await server.all_gone.wait()
            await upstream.aclose()
            assert last.cancelled() or last.cancelling()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())
