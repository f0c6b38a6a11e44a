"""An upstream that is reached through a proxy, as `HTTPS_PROXY` names it."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trustme
import uvloop

from jobs.proxy import find_proxy
from jobs.settings import SettingsError
from tests.conftest import free_port
from tests.upstream.reading import BODY
from tests.upstream.test_tls import WHOLE, authority, serving
from worker.upstream import Clocks, Upstream
from worker.upstream.errors import ConnectFailed, NameNotFound

__all__ = ["authority"]  # a fixture

REFUSAL = b"HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
HOST = "upstream.invalid"
"""Nobody but the proxy knows where it is."""


class TunnelingProxy:
    """Connects everybody to one port, and remembers what it was asked."""

    def __init__(self, port: int, answer: bytes) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self._to = port
        self._answer = answer

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        for byte in self._answer:
            writer.write(bytes([byte]))
            await writer.drain()
        if b" 200 " in self._answer:
            beyond_reader, beyond_writer = await asyncio.open_connection("localhost", self._to)
            async with asyncio.TaskGroup() as both:
                both.create_task(_pipe(reader, beyond_writer))
                both.create_task(_pipe(beyond_reader, writer))
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
    except ConnectionError:
        pass  # one side has hung up
    writer.close()


@asynccontextmanager
async def proxying(
    port: int, answer: bytes = b"HTTP/1.1 200 Connected\r\nvia: us\r\n\r\n"
) -> AsyncIterator[TunnelingProxy]:
    """A proxy to this port of localhost."""
    proxy = TunnelingProxy(port, answer)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()


async def read_through(address: str, host: str, port: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """Read one completion through the proxy at this address, as a worker does."""
    monkeypatch.setenv("HTTPS_PROXY", address)
    url = f"https://{host}:{port}/v1"
    pieces: list[str] = []
    upstream = Upstream(url, None, Clocks(), proxy=find_proxy(url))
    try:
        await upstream.stream(BODY, pieces.append)
    finally:
        await upstream.aclose()
    return "".join(pieces)


def test_a_text_comes_through_the_proxy_from_an_upstream_that_only_the_proxy_knows(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with serving(authority.issue_cert(HOST), WHOLE) as server, proxying(server.port) as proxy:
            address = f"http://who:p%40ss@127.0.0.1:{proxy.port}"
            assert await read_through(address, HOST, server.port, monkeypatch) == "One two"
            assert server.asked == 1
            (head,) = proxy.heads
            lines = head.decode().split("\r\n")
            assert lines[0] == f"CONNECT {HOST}:{server.port} HTTP/1.1"
            assert f"Proxy-Authorization: Basic {b64encode(b'who:p@ss').decode()}" in lines

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (REFUSAL, r"to upstream\.invalid:443: the proxy .* refuses it \(407 .*Set its user and password"),
        (
            b"HTTP/1.1 403 Forbidden\r\n\r\n",
            r"refuses it \(403 Forbidden\).*Check `proxy` in the upstreams file, or HTTPS_PROXY",
        ),
        (b"220 mail.example ESMTP\r\n", "No valid answer from the proxy"),
        (b"", "No valid answer from the proxy"),
    ],
)
def test_a_proxy_that_does_not_connect_is_named_and_its_password_is_not(
    answer: bytes, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        async with proxying(0, answer) as proxy:
            with pytest.raises(ConnectFailed, match=says) as refused:
                await read_through(f"http://who:canary@127.0.0.1:{proxy.port}", HOST, 443, monkeypatch)
            assert len(proxy.heads) == 1
            assert f"127.0.0.1:{proxy.port}" in refused.value.message
            assert "canary" not in refused.value.message

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        with pytest.raises(ConnectFailed, match=rf"No connection to the proxy 127\.0\.0\.1:{port}"):
            runner.run(read_through(f"127.0.0.1:{port}", HOST, 443, monkeypatch))
        with pytest.raises(
            NameNotFound, match=r"the proxy proxy\.invalid:3128 .*Check `proxy` in the upstreams file, or HTTPS_PROXY"
        ):
            runner.run(read_through("http://proxy.invalid:3128", HOST, 443, monkeypatch))


@pytest.mark.parametrize(
    ("environment", "url", "found"),
    [
        ({}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://p:1"}, "https://api.example/v1", ("p", 1)),
        ({"https_proxy": "p"}, "https://api.example/v1", ("p", 80)),
        ({"ALL_PROXY": "http://[::1]:2"}, "https://api.example/v1", ("::1", 2)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "other,.example"}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "api.example"}, "https://api.example/v1", None),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ample"}, "https://api.example/v1", ("p", 1)),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, "https://api.example/v1", None),
        ({"HTTP_PROXY": "http://p:1", "ALL_PROXY": "socks5://p:1"}, "http://vllm:8000/v1", None),
    ],
)
def test_the_environment_says_which_upstream_is_reached_through_which_proxy(
    environment: dict[str, str], url: str, found: tuple[str, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy = find_proxy(url)
    assert (proxy and (proxy.host, proxy.port)) == found


@pytest.mark.parametrize("address", ["socks5://who:canary@p:1", "https://p:1", "http://p:port", "http://", "http://[p"])
def test_a_proxy_that_cannot_be_used_is_refused_at_the_start(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", address)
    with pytest.raises(SettingsError, match=r"http://proxy\.example:3128.*NO_PROXY=api\.example") as refused:
        find_proxy("https://api.example/v1")
    assert "canary" not in str(refused.value)
