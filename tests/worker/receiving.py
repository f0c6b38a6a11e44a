"""A receiver of webhooks that answers as a test wants, and a delivery to it."""

import asyncio
import base64
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

from jobs.webhooks.addresses import LookUp, look_up
from jobs.webhooks.deliveries import Delivery, Outcome
from tests.store.store_fixtures import START
from worker.webhooks.sender import Sender

LOOPBACK = (ip_network("127.0.0.0/8"),)
SECRET = "whsec_" + base64.b64encode(b"the first secret").decode()
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass
class Received:
    """One request: its path, headers and body."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """Answers each request with the next of `answers`, the last one again and again. None: not at all."""

    port: int
    answers: list[bytes | None] = field(default_factory=lambda: [TAKEN])
    received: list[Received] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    freed: threading.Event = field(default_factory=threading.Event)
    """Set at the end: those that were not answered are hung up."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def wait_for(self, count: int, seconds: float = 60) -> list[Received]:
        """Wait for so many requests. Raises `TimeoutError`."""
        with self.came:
            if not self.came.wait_for(lambda: len(self.received) >= count, seconds):
                raise TimeoutError(f"{len(self.received)} of {count} webhooks came")
            return list(self.received)

    def serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(60)
            stream = connection.makefile("rb")
            path = stream.readline().split(b" ")[1].decode()
            headers: dict[str, str] = {}
            while line := stream.readline().strip():
                name, _, value = line.decode().partition(": ")
                headers[name.lower()] = value
            body = stream.read(int(headers["content-length"]))
            with self.came:
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                self.received.append(Received(path, headers, body))
                self.came.notify_all()
            if answer is None:
                self.freed.wait(60)
                return
            connection.sendall(answer)
            if not answer.endswith(b"\r\n\r\n"):  # an answer that does not end
                self.freed.wait(60)


@contextmanager
def receiving(*answers: bytes | None) -> Iterator[Receiver]:
    """A receiver on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        receiver = Receiver(listener.getsockname()[1])
        if answers:
            receiver.answers = list(answers)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=receiver.serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        try:
            yield receiver
        finally:
            receiver.freed.set()
            listener.shutdown(socket.SHUT_RDWR)


def delivery_to(url: str, body: str = '{"id":"evt_1"}', secrets: Sequence[str] = (SECRET,)) -> Delivery:
    """A delivery that was taken."""
    return Delivery("wh_1", "evt_1", "default", url, body, 1, secrets, fails=False)


def send(url: str, find: LookUp = look_up, allowed: Sequence[object] = LOOPBACK, **more: object) -> Outcome:
    """Send one, as of `START`."""
    sender = Sender(allowed, find=find)  # type: ignore[arg-type]
    return asyncio.run(sender.send(delivery_to(url, **more), START))  # type: ignore[arg-type]
