"""For the tests of retry: a batch that has ended with failures, and workers that finish what runs again."""

import pytest
import redis

from api.server import ApiServer
from jobs.store.database import Database
from jobs.store.queries import read_batch
from tests.api.batch_watching import submit_jobs
from tests.api.watching import Writer


@pytest.fixture
def failed(api: ApiServer, database: Database, valkey_client: redis.Redis) -> tuple[str, list[str]]:
    """A batch that has ended: its first job completed, the other two failed with a part of their texts."""
    batch_id, ids = submit_jobs(database, 3)
    for place, job_id in enumerate(ids):
        writer = Writer(database, valkey_client, job_id)
        writer.write(f"text {place}")
        writer.fail() if place else writer.finish()
    batch = read_batch(database, batch_id, project=None)
    assert batch is not None
    assert batch.status == "completed"
    return batch_id, ids


def finish_all(database: Database, client: redis.Redis, ids: list[str]) -> None:
    for job_id in ids:
        writer = Writer(database, client, job_id)
        writer.write("now whole")
        writer.finish()
