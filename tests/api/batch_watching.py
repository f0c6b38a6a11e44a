"""For the tests of watching a batch: a watcher that believes nothing."""

from hashlib import sha256
from typing import Any

from jobs.intake.submission import NewJob, submit_batch
from jobs.store.database import Database
from jobs.store.search import JobFilter, list_jobs
from tests.api.watchers import WatcherThread, assert_reasoning_is
from tests.api.watching import REQUEST

FINAL = ("completed", "failed", "cancelled", "expired")


class BatchShown:
    """What a watcher of a batch has been shown. A byte that is lost or doubled in any job fails the test at once, and
    so does a job that is shown as ended before its text is exactly what is stored.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self.whole = whole
        """Whether all texts are asked for."""
        self.texts: dict[str, str] = {}
        self.reasoning: dict[str, str] = {}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.batch: dict[str, Any] = {}
        self.progress: dict[str, Any] = {}
        self.cursor: str | None = None
        self.done: dict[str, Any] | None = None
        self.events: list[str] = []
        self.jobs_per_event: list[int] = []
        self.resets: list[tuple[str, int]] = []
        self.statuses: dict[str, list[str]] = {}
        self.proved = 0
        self.comments = 0
        self.longest_cursor = 0

    def take(self, name: str, shown: dict[str, Any], cursor: str) -> None:
        """Take one event."""
        assert self.done is None
        self.events.append(name)
        self.cursor = cursor
        self.longest_cursor = max(self.longest_cursor, len(cursor))
        getattr(self, f"_take_{name}")(shown)

    def names(self) -> list[str]:
        """The events' names, one for each run of equal ones."""
        return [name for place, name in enumerate(self.events) if place == 0 or self.events[place - 1] != name]

    def bytes(self) -> int:
        """How much text there is."""
        return sum(len(text) for text in self.texts.values())

    def _take_batch(self, shown: dict[str, Any]) -> None:
        assert shown["object"] == "batch"
        self.batch = shown

    def _take_progress(self, shown: dict[str, Any]) -> None:
        assert set(shown) == {"status", "request_counts", "usage"}
        self.progress = shown

    def _take_done(self, shown: dict[str, Any]) -> None:
        assert shown["object"] == "batch"
        self.done = shown

    def _take_reset(self, shown: dict[str, Any]) -> None:
        self.resets.append((shown["id"], shown["attempt"]))
        self.texts[shown["id"]] = ""
        self.reasoning[shown["id"]] = ""

    def _take_deltas(self, shown: dict[str, Any]) -> None:
        for delta in shown.get("reasoning", ()):
            had = self.reasoning.get(delta["id"], "") if delta["offset"] else ""
            assert delta["offset"] == len(had.encode()), f"a byte of the reasoning lost or doubled: {delta}"
            self.reasoning[delta["id"]] = had + delta["text"]
        for delta in shown["deltas"]:
            had = self.texts.get(delta["id"], "")
            assert delta["offset"] == len(had.encode()), f"a byte lost or doubled: {delta}"
            self.texts[delta["id"]] = had + delta["text"]

    def _take_jobs(self, shown: dict[str, Any]) -> None:
        assert 0 < len(shown["jobs"]) <= 500
        self.jobs_per_event.append(len(shown["jobs"]))
        for job in shown["jobs"]:
            assert not {"request", "text"} & job.keys()
            self.jobs[job["id"]] = job
            self.statuses.setdefault(job["id"], []).append(job["status"])
            if job["status"] in FINAL and (self.whole or job["id"] in self.texts):
                encoded = self.texts.get(job["id"], "").encode()
                assert (len(encoded), sha256(encoded).hexdigest()) == (job["bytes"], job["sha256"]), job
                assert_reasoning_is(self.reasoning.get(job["id"], ""), job)
                self.proved += 1


class BatchWatcher(WatcherThread):
    """A real client of a batch's event stream in a thread of its own."""

    shown: BatchShown

    def __init__(
        self,
        port: int,
        batch_id: str,
        *,
        query: str = "?deltas=true",
        cursor: str | None = None,
        shown: BatchShown | None = None,
        key: str | None = None,
    ) -> None:
        chosen = shown or BatchShown(whole=query == "?deltas=true")
        path = f"/v1/batches/{batch_id}/events{query}"
        super().__init__(port, batch_id, cursor=cursor, shown=chosen, path=path, key=key)


def submit_jobs(database: Database, count: int, **fields: Any) -> tuple[str, list[str]]:
    """A batch of so many jobs: its id, and theirs in input order."""
    batch_id = submit_batch(database, [NewJob(request=REQUEST, **fields) for _ in range(count)]).id
    return batch_id, ids_of(database, batch_id)


def ids_of(database: Database, batch_id: str) -> list[str]:
    """The jobs of a batch in input order."""
    found, _ = list_jobs(
        database, JobFilter(batch_id=batch_id), after=None, limit=100_000, newest_first=False, project=None
    )
    return [job.id for job in found]
