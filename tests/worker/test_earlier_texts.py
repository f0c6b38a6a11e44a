"""What earlier attempts have left is written or deleted, too: it counts where long texts are kept apart."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import func, select

from jobs.lifecycle.transitions import release
from jobs.model.status import JobStatus
from jobs.store.database import Database
from jobs.store.kept_texts import read_kept_text
from jobs.tables import longest_texts
from longhand.simulator import ServedSimulator
from tests.store.reserving import claim_now
from tests.store.store_fixtures import written
from tests.text_so_far import read_text_so_far
from tests.worker.ear import listening
from tests.worker.worker_fixtures import (
    DELTAS,
    TEXT,
    WAITS,
    WorkerParts,
    job_and_text,
    note_renewals,
    open_worker,
    small_settings,
    submit,
)
from worker import heartbeat as heartbeat_module
from worker.group_commit import GroupCommit

EARLIER = "a long text 🙂 " * 100


@pytest.fixture
def worker(database: Database, redis_url: str, simulator: ServedSimulator) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, simulator.url, between_deltas_seconds=60)) as parts:
        yield parts


def submit_later(database: Database, simulate: dict[str, Any]) -> str:
    """A job whose first attempt has left a text, here or in a process that is gone."""
    job_id = submit(database, simulate)
    assert claim_now(database, job_id, "w0", 60) is not None
    assert release(database, job_id, 1, written(EARLIER))
    return job_id


def test_a_first_checkpoint_that_copies_a_long_text_is_stored_alone(
    worker: WorkerParts, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a drain, 50 of three letters each copied 50 texts of 6 MB in one transaction of 10 s."""
    stored = note_renewals(monkeypatch)
    monkeypatch.setattr(heartbeat_module, "MOST_BYTES_AT_ONCE", len(EARLIER.encode()))
    ids = [submit_later(worker.database, WAITS | {"key": key}) for key in "ab"]
    for job_id in ids:
        with listening(redis_url, job_id) as ear:
            worker.start(job_id)
            ear.wait_for_bytes(len(TEXT.encode()))
    worker.heartbeat._beat(worker.running.all())
    assert stored == [[False] * 2, [True], [True]]
    assert [read_text_so_far(worker.database, job_id) for job_id in ids] == [(2, TEXT)] * 2
    assert [read_kept_text(worker.database, job_id, 1, "text") for job_id in ids] == [EARLIER] * 2
    stored.clear()
    for attempt in worker.running.all():
        assert attempt.recording is not None
        attempt.recording.text.extend(b"!")
    worker.heartbeat._beat(worker.running.all())
    assert stored == [[True] * 2]  # they are copied


@pytest.mark.parametrize("beats", [False, True], ids=["overwritten", "copied"])
def test_an_end_that_deletes_a_long_text_counts_it(
    worker: WorkerParts, monkeypatch: pytest.MonkeyPatch, beats: bool
) -> None:
    """SQLite overwrites what it deletes: 50 ends of four letters took 2.7 s together."""
    sizes: list[int] = []
    as_it_is = GroupCommit.submit

    def note(shared: Any, item: Any) -> Any:
        if hasattr(item, "size"):
            sizes.append(item.size)
            if beats:
                worker.heartbeat._beat(worker.running.all())
        return as_it_is(shared, item)

    monkeypatch.setattr(GroupCommit, "submit", note)
    job_id = submit_later(worker.database, {"deltas": DELTAS})
    worker.run(job_id)
    alone = submit(worker.database, {"deltas": DELTAS})
    worker.run(alone)
    assert sizes == [len((EARLIER + TEXT).encode()), len(TEXT.encode())]
    job, text = job_and_text(worker.database, job_id)
    assert (job.status, text, job.attempt) == (JobStatus.COMPLETED, TEXT, 2)
    with worker.database.read() as connection:
        assert connection.scalar(select(func.count()).select_from(longest_texts)) == 0
