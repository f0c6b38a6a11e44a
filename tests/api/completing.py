"""For the tests of completions: clients that wait for one or stream it, and the job that it is."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import redis

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from tests.api.watching import Writer, wait_until

ASK = {"model": "played", "messages": [{"role": "user", "content": "Write."}]}
PATH = "/v1/chat/completions"


class Asking:
    """A client that waits for a completion. It has its own thread."""

    def __init__(self, port: int, path: str = PATH, **sent: Any) -> None:
        self._url = f"http://127.0.0.1:{port}{path}"
        self._sent = sent
        self.answer: httpx.Response | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with httpx.Client(timeout=60) as client:
            self.answer = client.post(self._url, **self._sent)

    def join(self) -> httpx.Response:
        """Wait for the answer."""
        self._thread.join(60)
        assert self.answer is not None
        return self.answer


def only_job(database: Database) -> str:
    """The id of the one job there is; waits for it."""

    def there() -> bool:
        return bool(list_jobs(database, JobFilter(), project=None, after=None, limit=2)[0])

    wait_until(there)
    found, _ = list_jobs(database, JobFilter(), project=None, after=None, limit=2)
    assert len(found) == 1
    return found[0].id


def newest(database: Database) -> str:
    """The id of the newest job that is queued, or nothing."""
    found, _ = list_jobs(database, JobFilter(), project=None, after=None, limit=1)
    return found[0].id if found and found[0].status == "queued" else ""


@contextmanager
def streaming(
    api: ApiServer, database: Database, client: redis.Redis, headers: dict[str, str] | None = None, thinks: str = ""
) -> Iterator[tuple[Writer, httpx.Response]]:
    """A completion that is streamed, and has begun, with a text or with this reasoning."""
    sent: list[httpx.Response] = []
    with httpx.Client(base_url=f"http://127.0.0.1:{api.port}", timeout=60, headers=headers) as http:

        def ask() -> None:
            request = http.build_request("POST", PATH, json={**ASK, "stream": True})
            sent.append(http.send(request, stream=True))

        thread = threading.Thread(target=ask)
        thread.start()
        wait_until(lambda: bool(newest(database)))
        writer = Writer(database, client, newest(database))
        if thinks:
            writer.think(thinks)
        else:
            writer.write("begun ")
        thread.join(30)
        assert sent[0].headers["x-job-id"] == writer.job_id
        try:
            yield writer, sent[0]
        finally:
            sent[0].close()


def contents(lines: Iterator[str]) -> Iterator[Any]:
    """What the events of a stream hold."""
    for line in lines:
        if line.startswith("data: "):
            data = line.removeprefix("data: ")
            yield data if data == "[DONE]" else json.loads(data)
