"""Who connects waits behind those of the same address, and not behind all who connected before."""

import asyncio
import resource
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import httpx
import pytest
import uvloop

from api.http import accepting
from api.http.accepting import Accepted, Accepting, Waiting
from api.http.connections import connections_of_process, waiting_of_process
from api.server import ApiServer

NEAR, FAR, THIRD = "127.0.0.2", "127.0.0.3", "127.0.0.4"
PATIENCE_SECONDS = 60


class Coming:
    """A listener on the loop of the test, and who has been begun there, by the ports that they come from."""

    def __init__(self, most: int) -> None:
        self.begun: list[int] = []
        self._exits = ExitStack()
        self.listener = self._exits.enter_context(socket.create_server(("127.0.0.1", 0), backlog=512))
        self.room = Accepting(self.listener, most, str, self._make)
        self.address = self.listener.getsockname()

    async def __aenter__(self) -> "Coming":
        return self

    async def __aexit__(self, *_: object) -> None:
        with self._exits:
            if self.listener.fileno() >= 0:
                await self.room.close()

    def _make(self) -> asyncio.Protocol:
        begun = self.begun

        class Begun(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                begun.append(transport.get_extra_info("peername")[1])

        return Begun()

    def connect(self, source: str, sent: bytes = b"") -> socket.socket:
        """Connect from this address: the system does it, while nothing of the loop runs."""
        line = self._exits.enter_context(socket.create_connection(self.address, 20, source_address=(source, 0)))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # who closes it resets it
        line.sendall(sent)
        return line


def on_a_loop(test: Callable[[Coming], Awaitable[None]], most: int = 100) -> None:
    async def run() -> None:
        async with Coming(most) as coming:
            await asyncio.wait_for(test(coming), PATIENCE_SECONDS)

    uvloop.run(run())


async def until(seen: Callable[[], bool]) -> None:
    while not seen():  # noqa: ASYNC110  # each turn of the loop is looked at
        await asyncio.sleep(0)


def port_of(line: socket.socket) -> int:
    return int(line.getsockname()[1])


async def is_closed(line: socket.socket) -> bool:
    line.setblocking(False)
    try:
        return not await asyncio.get_running_loop().sock_recv(line, 1)
    except ConnectionResetError:
        return True


def test_who_connects_is_begun_in_turn_with_the_other_addresses() -> None:
    async def test(coming: Coming) -> None:
        many = [coming.connect(NEAR) for _ in range(40)]
        late = coming.connect(FAR)
        await until(lambda: len(coming.begun) == 41)
        assert coming.begun.index(port_of(late)) == 1
        assert [port for port in coming.begun if port != port_of(late)] == [port_of(line) for line in many]

    on_a_loop(test)


def test_a_few_are_begun_in_one_turn_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = list[int]()

    def begin_some(room: Accepting) -> None:
        before = len(room._waiting)
        original(room)
        turns.append(before - len(room._waiting))

    original = Accepting._begin_some
    monkeypatch.setattr(Accepting, "_begin_some", begin_some)

    async def test(coming: Coming) -> None:
        for _ in range(20):
            coming.connect(NEAR)
        await until(lambda: len(coming.begun) == 20)
        assert turns == [8, 8, 4]

    on_a_loop(test)


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
def test_who_has_been_reset_is_closed_and_no_protocol_is_made(sent: bytes) -> None:
    """Of what has been sent before that, the system would still give all."""

    async def test(coming: Coming) -> None:
        for _ in range(50):
            coming.connect(NEAR, sent).close()
        stays = coming.connect(NEAR, sent)
        await until(lambda: bool(coming.begun))
        assert coming.begun == [port_of(stays)]

    on_a_loop(test)


def test_who_ended_without_a_byte_is_closed_and_who_has_sent_something_is_begun() -> None:
    async def test(coming: Coming) -> None:
        silent, asking = coming.connect(NEAR), coming.connect(NEAR, b"GET / HTTP/1.1\r\n\r\n")
        for line in (silent, asking):
            line.shutdown(socket.SHUT_WR)
        await until(lambda: bool(coming.begun))
        assert await is_closed(silent)
        assert coming.begun == [port_of(asking)]

    on_a_loop(test)


def test_of_too_many_the_oldest_of_the_address_that_has_most_is_closed_unread() -> None:
    async def test(coming: Coming) -> None:
        many = [coming.connect(NEAR) for _ in range(15)]
        few = [coming.connect(FAR) for _ in range(3)]
        last = coming.connect(NEAR)
        await until(lambda: len(coming.begun) == 10)
        assert [await is_closed(line) for line in many[:9]] == [True] * 9
        assert set(coming.begun) == {port_of(line) for line in [*many[9:], *few, last]}

    on_a_loop(test, most=10)


def test_the_address_that_has_most_is_found_however_they_come_and_go() -> None:
    waiting = Waiting(3)
    with ExitStack() as exits:

        def add(address: str) -> socket.socket:
            one = exits.enter_context(socket.socket())
            waiting.add(Accepted(address, one))
            return one

        first, second = add(NEAR), add(NEAR)
        assert waiting.next() is first
        far = [add(FAR), add(FAR)]
        third = add(THIRD)  # the fourth
        assert [one.fileno() == -1 for one in (second, *far, third)] == [False, True, False, False]
        assert [waiting.next() for _ in range(4)] == [far[1], second, third, None]
        assert len(waiting) == 0
        assert not waiting._addresses


def test_without_descriptors_the_loop_rests_and_goes_on_when_there_are_some(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = list[float]()

    def accept_one(room: Accepting) -> None:
        tries.append(time.monotonic())
        original(room)

    original = Accepting._accept_one
    monkeypatch.setattr(Accepting, "_accept_one", accept_one)
    monkeypatch.setattr(accepting, "PAUSE_SECONDS", 0.2)

    async def test(coming: Coming) -> None:
        coming.connect(NEAR)
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
        try:
            await until(lambda: len(tries) == 2)
            assert not coming.begun
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        await until(lambda: bool(coming.begun))
        assert tries[1] - tries[0] > 0.15

    on_a_loop(test)


def test_when_the_server_ends_what_waits_is_closed_and_what_was_begun_has_its_protocol() -> None:
    async def test(coming: Coming) -> None:
        lines = [coming.connect(NEAR) for _ in range(20)]
        await until(lambda: bool(coming.room._beginning))
        assert not coming.begun
        await coming.room.close()
        assert coming.begun == [port_of(line) for line in lines[:8]]
        assert [await is_closed(line) for line in lines[8:]] == [True] * 12
        with pytest.raises(ConnectionRefusedError):
            coming.connect(FAR)

    on_a_loop(test)


@pytest.mark.parametrize(("limit", "waiting", "open_at_most"), [(800, 100, 500), (1_048_576, 8_192, 65_536)])
def test_what_waits_has_descriptors_of_its_own(
    monkeypatch: pytest.MonkeyPatch, limit: int, waiting: int, open_at_most: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert waiting_of_process() == waiting
    assert connections_of_process()._most == open_at_most


def test_hundreds_of_connections_from_one_address_keep_another_one_waiting_for_a_few(sqlite_api: ApiServer) -> None:
    """One that connected and reset 1,100 times a second made everybody else wait for 1.5 to 5 s."""
    assert httpx.get(f"http://127.0.0.1:{sqlite_api.port}/healthz").status_code == 200  # it has begun
    loop = sqlite_api._accepting._loop
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        held.set()
        assert go_on.wait(PATIENCE_SECONDS)

    def connect(source: str) -> socket.socket:
        line = lines.enter_context(
            socket.create_connection(("127.0.0.1", sqlite_api.port), PATIENCE_SECONDS, source_address=(source, 0))
        )
        line.sendall(b"GET /v1/jobs/none HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return line

    with ExitStack() as lines:
        loop.call_soon_threadsafe(hold)
        assert held.wait(PATIENCE_SECONDS)
        for _ in range(400):
            connect(NEAR)
        last = connect(FAR)
        go_on.set()
        assert last.recv(1 << 16).startswith(b"HTTP/1.1 ")
        assert sqlite_api.server_state.total_requests < 200
