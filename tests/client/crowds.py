"""Many watchers at once, by either client, that believe nothing."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256

from longhand import AsyncClient, BatchDone, Client, Delta, Done, Reset
from longhand.client.events import Event
from tests.api.watching import wait_until


class Seen:
    """What came of each job: a hash, as the rule of a watch says. After `Done` it must be what the job says."""

    def __init__(self, resource_id: str) -> None:
        self._id = resource_id
        self.texts: dict[str, bytearray] = {}
        self.proved: dict[str, str] = {}
        self.has_ended = False
        self.resets = 0

    def take(self, event: Event) -> None:
        """Take one event."""
        assert not self.has_ended
        match event:
            case Delta(job_id=job_id, offset=offset, text=text):
                had = self.texts.setdefault(job_id, bytearray())
                assert offset == len(had), "a byte lost or doubled"
                had += text.encode()
            case Reset(job_id=job_id):
                self.resets += 1
                self.texts[job_id] = bytearray()
            case Done(job=job):
                whole = self.texts.get(job["id"], bytearray())
                assert (len(whole), sha256(whole).hexdigest()) == (event.bytes, event.sha256)
                self.proved[job["id"]] = event.sha256
                self.has_ended = job["id"] == self._id
            case BatchDone():
                self.has_ended = True


class Crowd:
    """Watchers that begin at random instants. `wait` gives what each of them saw."""

    def __init__(self, port: int, resource_ids: list[str]) -> None:
        self.seen = [Seen(resource_id) for resource_id in resource_ids]
        self.lost = 0
        self.errors: list[BaseException] = []
        self._resource_ids = resource_ids
        self._url = f"http://127.0.0.1:{port}"

    def note(self, _line: str) -> None:
        """A watcher has lost its connection."""
        self.lost += 1

    def wait_ended(self) -> None:
        """Wait until all are at their end, or one has failed."""
        wait_until(lambda: bool(self.errors) or all(seen.has_ended for seen in self.seen))
        assert self.errors == []

    def watching(self, may_begin: list[threading.Event]) -> AbstractContextManager[None]:
        """Watch while the block lasts and until the end, each from when it may begin."""
        raise NotImplementedError


class ThreadCrowd(Crowd):
    """A hundred threads with one client."""

    @contextmanager
    def watching(self, may_begin: list[threading.Event]) -> Iterator[None]:
        with Client(self._url, on_retry=self.note) as client:

            def follow(resource_id: str, seen: Seen, begin: threading.Event) -> None:
                try:
                    assert begin.wait(60)
                    for event in client.watch(resource_id):
                        seen.take(event)
                except BaseException as error:
                    self.errors.append(error)

            threads = [
                threading.Thread(target=follow, args=each)
                for each in zip(self._resource_ids, self.seen, may_begin, strict=True)
            ]
            for thread in threads:
                thread.start()
            yield
            for thread in threads:
                thread.join(60)
        assert self.errors == []


class TaskCrowd(Crowd):
    """A hundred tasks with one client, on an event loop in a thread."""

    @contextmanager
    def watching(self, may_begin: list[threading.Event]) -> Iterator[None]:
        thread = threading.Thread(target=lambda: asyncio.run(self._follow_all(may_begin)))
        thread.start()
        yield
        thread.join(60)
        assert self.errors == []

    async def _follow_all(self, may_begin: list[threading.Event]) -> None:
        async with AsyncClient(self._url, on_retry=self.note) as client:
            tasks = [
                asyncio.create_task(self._follow(client, *each))
                for each in zip(self._resource_ids, self.seen, may_begin, strict=True)
            ]
            await asyncio.gather(*tasks)

    async def _follow(self, client: AsyncClient, resource_id: str, seen: Seen, begin: threading.Event) -> None:
        try:
            while not await asyncio.to_thread(begin.wait, 0.01):
                pass
            async for event in client.watch(resource_id):
                seen.take(event)
        except BaseException as error:
            self.errors.append(error)


CROWDS = {"sync": ThreadCrowd, "async": TaskCrowd}
