"""Watchers whose machine is gone: no goodbye comes from them, and they must not be kept."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import redis
from starlette.types import Message

from api.http.event_stream import EventStream
from api.main import open_api
from jobs.settings import Settings
from jobs.store.database import Database
from jobs.store.keys import create_key
from tests.api.watchers import WatcherThread
from tests.api.watching import PATIENCE_SECONDS, Writer, submit, wait_until

# Of this process: a run that was killed leaves its cable behind, and two with one address carry nothing.
_NET = f"10.213.{os.getpid() % 256}"
_HERE, _THERE = f"{_NET}.1", f"{_NET}.2"

_CLIENTS = """
import socket, sys
here, port, key, *paths = sys.argv[1:]
opened = []
for path in paths:
    client = socket.create_connection((here, int(port)))
    client.sendall(f"GET {path} HTTP/1.1\\r\\nHost: x\\r\\nAuthorization: Bearer {key}\\r\\n\\r\\n".encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    opened.append(client)
print("watching", flush=True)
sys.stdin.read()
"""


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def another_machine() -> Iterator[str]:
    """A network namespace joined to ours by a cable; its name."""
    name = f"longhand{os.getpid()}"
    cable = f"lh{os.getpid()}"
    try:
        run("ip", "netns", "add", name)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no network namespace can be made here, so no dead network can be played: {error}")
    try:
        run("ip", "link", "add", f"{cable}a", "type", "veth", "peer", "name", f"{cable}b", "netns", name)
        run("ip", "addr", "add", f"{_HERE}/30", "dev", f"{cable}a")
        run("ip", "link", "set", f"{cable}a", "up")
        run("ip", "-n", name, "addr", "add", f"{_THERE}/30", "dev", f"{cable}b")
        run("ip", "-n", name, "link", "set", f"{cable}b", "up")
        yield name
    finally:
        run("ip", "netns", "del", name)  # and the cable with it


@pytest.mark.chaos  # it cuts a cable; and while a network comes or goes, Chromium breaks off what it loads
def test_two_hundred_dead_clients_are_freed_within_twenty_seconds_and_the_living_stay(
    sqlite_url: str, redis_url: str, sqlite_database: Database, valkey_client: redis.Redis
) -> None:
    _, key = create_key(sqlite_database)  # clients on another machine are served with a key only
    given = Settings(database_url=sqlite_url, redis_url=redis_url)
    with another_machine() as name, open_api(given, "0.0.0.0", 0) as server:  # noqa: S104  # both ends of the cable are ours
        thread = threading.Thread(target=server.serve_here, name="api")
        thread.start()
        try:
            written, idle = submit(sqlite_database), submit(sqlite_database)
            writer = Writer(sqlite_database, valkey_client, written)
            writer.write("before, ")
            living = WatcherThread(server.port, written, key=key)
            paths = [f"/v1/jobs/{job_id}/events" for job_id in (written, idle)] * 100
            python = [sys.executable, "-c", _CLIENTS, _HERE, str(server.port), key, *paths]
            command = ["ip", "netns", "exec", name, *python]
            with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as clients:
                try:
                    assert clients.stdout is not None
                    assert clients.stdout.readline() == b"watching\n"
                    wait_until(lambda: server.hub.watching == 201)
                    # From now on nothing comes back from there, not even an acknowledgement.
                    run("ip", "-n", name, "route", "add", "blackhole", f"{_HERE}/32")
                    began = time.monotonic()
                    writer.write("after")
                    wait_until(lambda: server.hub.watching == 1, seconds=20)
                    assert time.monotonic() - began > 5  # they were gone, not closed
                    assert clients.poll() is None
                finally:
                    clients.kill()
            assert living.shown.text == "before, after"
            writer.finish()
            assert living.join().done is not None
        finally:
            server.should_exit = True
            thread.join()


def test_a_watch_whose_client_is_gone_reads_its_text_no_further() -> None:
    """300 of them read 16 MB each to its end: for 100 s everybody's watches took seconds to open."""

    class Endless:
        stopped = False
        read = 0

        def stop(self) -> None:
            self.stopped = True

        async def frames(self) -> AsyncGenerator[bytes, None]:
            while True:
                self.read += 1
                yield b"data: x\n\n"
                await asyncio.sleep(0)

    async def watch() -> Endless:
        endless, gone = Endless(), asyncio.Event()
        sent: list[Message] = []

        async def receive() -> Message:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if len(sent) == 3:
                gone.set()

        stream = EventStream(endless, slot=nullcontext())
        await stream({}, receive, send)
        async with asyncio.timeout(PATIENCE_SECONDS):
            await stream.send(receive, send)
        return endless

    ended = asyncio.run(watch())
    assert ended.stopped
    assert ended.read < 100
