"""The bare connection to Redis: each command gets its own reply, or an error that says why there is none."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import hiredis
import pytest
import redis as redis_py
import trustme
import uvloop

from jobs.live.redis_connection import RedisConnection, connect, handshake_commands

PATIENCE_SECONDS = 30


def run(redis_url: str, story: Callable[[RedisConnection], Awaitable[None]]) -> None:
    """Run `story` with a connection to this server."""

    async def told() -> None:
        connection = await connect(redis_url, RedisConnection)
        try:
            await story(connection)
        finally:
            connection.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(told())


@pytest.fixture
def server() -> Iterator[socket.socket]:
    """A server that takes connections and does what the test makes it do."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def url_of(server: socket.socket) -> str:
    return f"redis://127.0.0.1:{server.getsockname()[1]}"


def answer_once(server: socket.socket, commands: int, answer: bytes) -> threading.Thread:
    """Take one connection, read so many PINGs, answer with these bytes, and hang up."""

    def serve() -> None:
        accepted, _ = server.accept()
        with accepted:
            heard = b""
            while heard.count(b"PING\r\n") < commands:  # unread bytes would make it a reset
                heard += accepted.recv(1000)
            accepted.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_commands_sent_at_the_same_time_get_their_own_replies(redis_url: str) -> None:
    async def story(connection: RedisConnection) -> None:
        words = [f"word {number}" for number in range(500)]
        asked = (connection.ask("ECHO", word, seconds=PATIENCE_SECONDS) for word in words)
        assert [reply.decode() for reply in await asyncio.gather(*asked)] == words

    run(redis_url, story)


def test_an_error_reply_is_raised_and_the_connection_goes_on(redis_url: str) -> None:
    async def story(connection: RedisConnection) -> None:
        with pytest.raises(hiredis.ReplyError, match="unknown command"):
            await connection.ask("NONSENSE", seconds=PATIENCE_SECONDS)
        assert await connection.ask("PING", seconds=PATIENCE_SECONDS) == b"PONG"

    run(redis_url, story)


def test_who_gave_up_takes_no_reply_from_the_next(redis_url: str) -> None:
    async def story(connection: RedisConnection) -> None:
        given_up = asyncio.create_task(connection.ask("ECHO", "first", seconds=PATIENCE_SECONDS))
        await asyncio.sleep(0)  # it has sent its command
        given_up.cancel()
        assert await connection.ask("ECHO", "second", seconds=PATIENCE_SECONDS) == b"second"
        assert given_up.cancelled()

    run(redis_url, story)


def test_the_database_and_the_password_of_the_url_are_used(redis_url: str, valkey_client: redis_py.Redis) -> None:
    name = "test-of-the-connection"
    valkey_client.acl_setuser("reader", enabled=True, passwords="+pass word", commands=["+@all"], keys=["*"])
    try:
        url = f"redis://reader:pass%20word@{urlsplit(redis_url).netloc}/5"

        async def story(connection: RedisConnection) -> None:
            for command in handshake_commands(url, name):
                await connection.ask(*command, seconds=PATIENCE_SECONDS)
            told = (await connection.ask("CLIENT", "INFO", seconds=PATIENCE_SECONDS)).decode()
            assert {"user=reader", "db=5", f"name={name}"} <= set(told.split())

        run(url, story)
    finally:
        valkey_client.acl_deluser("reader")


def test_a_server_that_does_not_answer_in_time_is_an_error_that_says_so(server: socket.socket) -> None:
    async def story(connection: RedisConnection) -> None:
        with pytest.raises(TimeoutError, match=r"no answer within 0\.05 seconds"):
            await connection.ask("PING", seconds=0.05)

    run(url_of(server), story)


@pytest.mark.parametrize(("answer", "said"), [(b"", "closed by the server"), (b"HTTP/1.1 400\r\n", "speaks nonsense")])
def test_a_server_that_hangs_up_or_is_none_is_an_error_for_all_who_wait_and_come_later(
    server: socket.socket, answer: bytes, said: str
) -> None:
    thread = answer_once(server, 3, answer)

    async def story(connection: RedisConnection) -> None:
        asked = [connection.ask("PING", seconds=PATIENCE_SECONDS) for _ in range(3)]
        failures = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(failure) for failure in failures] == [ConnectionError] * 3
        with pytest.raises(ConnectionError, match=said):
            await connection.ask("PING", seconds=PATIENCE_SECONDS)

    run(url_of(server), story)
    thread.join(PATIENCE_SECONDS)


def test_bytes_that_nobody_asked_for_end_the_connection(server: socket.socket) -> None:
    thread = answer_once(server, 1, b"+PONG\r\n+PONG\r\n")

    async def story(connection: RedisConnection) -> None:
        assert await connection.ask("PING", seconds=PATIENCE_SECONDS) == b"PONG"
        with pytest.raises(ConnectionError, match="speaks nonsense"):
            await connection.ask("PING", seconds=PATIENCE_SECONDS)

    run(url_of(server), story)
    thread.join(PATIENCE_SECONDS)


@pytest.mark.parametrize("way", ["ssl_ca_certs", "SSL_CERT_FILE", "ssl_cert_reqs", "none of these"])
@pytest.mark.parametrize("both_sides", [False, True])
def test_a_server_behind_tls_must_have_a_certificate_that_is_trusted(
    way: str, both_sides: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    trusted, own = tmp_path / "trusted.pem", tmp_path / "own.pem"
    authority.cert_pem.write_to_path(trusted)
    authority.issue_cert("client.invalid").private_key_and_cert_chain_pem.write_to_path(own)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    query = {"ssl_ca_certs": f"ssl_ca_certs={trusted}", "ssl_cert_reqs": "ssl_cert_reqs=none"}.get(way, "")
    if way == "SSL_CERT_FILE":
        monkeypatch.setenv(way, str(trusted))
    if both_sides:
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        query += f"&ssl_certfile={own}&ssl_keyfile={own}"

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"PING\r\n")
        writer.write(b"+PONG\r\n")
        writer.close()

    async def story() -> None:
        server = await asyncio.start_server(answer, "localhost", 0, ssl=context)
        async with server:
            url = f"rediss://localhost:{server.sockets[0].getsockname()[1]}?{query}"
            if way == "none of these":
                with pytest.raises(ssl.SSLCertVerificationError):
                    await connect(url, RedisConnection)
                return
            connection = await connect(url, RedisConnection)
            assert await connection.ask("PING", seconds=PATIENCE_SECONDS) == b"PONG"
            connection.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(story())
