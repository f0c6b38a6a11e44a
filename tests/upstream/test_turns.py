"""An upstream that sends fast has its turn, and the others have theirs."""

import asyncio
from itertools import pairwise

from worker.upstream.http.connection import AT_ONCE_BYTES, Connection


def test_what_comes_at_once_is_given_in_turns_with_the_others_and_in_order() -> None:
    body = bytes(range(256)) * 1024
    given: list[bytes] = []
    given_before_each_turn: list[int] = []

    async def run() -> None:
        connection = Connection("an upstream")
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body))

        def take(piece: bytes) -> bool:
            given.append(piece)
            return True

        relaying = asyncio.create_task(connection.relay(take))
        await asyncio.sleep(0)
        connection.data_received(body[:-300])
        for rest in range(len(body) - 300, len(body), 100):
            connection.data_received(body[rest : rest + 100])
        while not relaying.done():
            given_before_each_turn.append(sum(map(len, given)))
            await asyncio.sleep(0)
        await relaying

    asyncio.run(run())
    assert b"".join(given) == body
    assert given_before_each_turn[0] == 0
    assert max(map(len, given)) <= AT_ONCE_BYTES
    turns = pairwise(given_before_each_turn)
    assert max(after - before for before, after in turns) <= AT_ONCE_BYTES


def test_a_little_is_given_as_it_comes() -> None:
    given: list[bytes] = []

    async def run() -> None:
        connection = Connection("an upstream")
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n")

        def take(piece: bytes) -> bool:
            given.append(piece)
            return True

        relaying = asyncio.create_task(connection.relay(take))
        await asyncio.sleep(0)
        connection.data_received(b"data: one\n\n")
        assert given == [b"data: one\n\n"]
        relaying.cancel()

    asyncio.run(run())


def test_the_error_of_a_piece_ends_the_reading_before_the_next_one() -> None:
    given: list[bytes] = []

    def refuse(piece: bytes) -> bool:
        given.append(piece)
        raise ValueError("no more of it")

    async def run() -> None:
        connection = Connection("an upstream")
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (4 * AT_ONCE_BYTES))
        try:
            await connection.relay(refuse)
        except ValueError:
            given.append(b"raised")

    asyncio.run(run())
    assert given == [b"x" * AT_ONCE_BYTES, b"raised"]
