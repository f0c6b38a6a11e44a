"""Connections are accepted cheaply, and begun in turn of the addresses that they come from.

The system's own queue is one line: who connects waits behind all who connected before. To begin a connection and its
request takes the loop 0.7 ms, so one address that connected and reset 1,100 times a second kept everybody else waiting
for 1.5 to 5 s. To accept one takes a fiftieth of that. So the line is emptied at once, and the addresses take turns.
"""

import asyncio
import socket
from collections.abc import Callable
from logging import getLogger
from typing import NamedTuple

from jobs.model.project_turns import ProjectTurns

ACCEPTED_AT_ONCE = 256
"""How many connections are accepted in one turn of the loop, in 3 ms. The system gives each API process a line of its
own, so this takes none from its siblings."""

BEGUN_AT_ONCE = 8
"""How many of them are begun in one turn of the loop."""

LOOKED_AT_ONCE = 64
"""How many are looked at for that: those that are gone are only closed."""

PAUSE_SECONDS = 1.0
"""How long nothing is accepted when that fails, as it does without descriptors. The line would wake the loop in each of
its turns."""

log = getLogger(__name__)


class Accepted(NamedTuple):
    """A connection that nobody has read from."""

    address: str
    socket: socket.socket


class Waiting:
    """The connections that wait to be begun. No more than `most`, or the oldest of the address that has most of them is
    closed: it is mostly gone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0
        self._turns = ProjectTurns[Accepted]()  # an address is a project here
        self._addresses: dict[int, dict[str, None]] = {}  # by how many of each wait: few numbers, for many addresses
        self._last = ""

    def __len__(self) -> int:
        return self._count

    def add(self, accepted: Accepted) -> None:
        self._turns.add(accepted.address, accepted)
        self._recount(accepted.address, 1)
        if self._count > self._most:
            crowd = next(iter(self._addresses[max(self._addresses)]))
            oldest = self._turns.first_of(crowd)
            self._turns.remove(crowd, oldest)
            self._recount(crowd, -1)
            oldest.socket.close()

    def next(self) -> socket.socket | None:
        """The oldest of the address whose turn it is."""
        first = self._turns.next(self._last)
        if first is None:
            return None
        self._last = first.address
        self._recount(first.address, -1)
        return first.socket

    def _recount(self, address: str, change: int) -> None:
        self._count += change
        now = self._turns.count(address)
        before = now - change
        if before:
            del self._addresses[before][address]
            if not self._addresses[before]:
                del self._addresses[before]
        if now:
            self._addresses.setdefault(now, {})[address] = None


class Accepting:
    """Accepts on `listener`, and gives each connection a protocol of `make` when its turn has come. It begins at once.

    `name` says whose turn an address takes.
    """

    def __init__(
        self, listener: socket.socket, most: int, name: Callable[[str], str], make: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._name = name
        self._make = make
        self._waiting = Waiting(most)
        self._beginning: set[asyncio.Task[None]] = set()
        self._next_turn: asyncio.Handle | None = None
        self._pause: asyncio.TimerHandle | None = None
        listener.setblocking(False)
        self._go_on()

    async def close(self) -> None:
        """Accept no more, and close what waits. All that were begun have their protocols when this returns."""
        self._loop.remove_reader(self._listener)
        self._listener.close()
        for handle in (self._next_turn, self._pause):
            if handle is not None:
                handle.cancel()
        while (waiting := self._waiting.next()) is not None:
            waiting.close()
        if self._beginning:
            await asyncio.wait(self._beginning)

    def _go_on(self) -> None:
        self._pause = None
        self._loop.add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        try:
            for _ in range(ACCEPTED_AT_ONCE):
                self._accept_one()
        except BlockingIOError:
            pass
        except OSError as error:
            log.warning("no connection can be accepted for %g s: %s", PAUSE_SECONDS, error)
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later(PAUSE_SECONDS, self._go_on)
        if self._next_turn is None:
            self._begin_some()

    def _accept_one(self) -> None:
        try:
            connection, peer = self._listener.accept()
        except ConnectionAbortedError:
            return  # it was reset in the line
        self._waiting.add(Accepted(self._name(peer[0]), connection))

    def _begin_some(self) -> None:
        self._next_turn = None
        begun = 0
        for _ in range(LOOKED_AT_ONCE):
            if begun == BEGUN_AT_ONCE or (connection := self._waiting.next()) is None:
                break
            if _is_gone(connection):
                connection.close()
            else:
                begun += 1
                task = self._loop.create_task(self._begin(connection))
                self._beginning.add(task)
                task.add_done_callback(self._beginning.discard)
        if self._waiting:
            self._next_turn = self._loop.call_soon(self._begin_some)

    async def _begin(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._make, connection)
        except OSError:
            connection.close()  # it has gone meanwhile


def _is_gone(connection: socket.socket) -> bool:
    """It was reset, whatever it has sent before, or it ended without a byte."""
    if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        return True  # `recv` would still give what came before
    try:
        return not connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
