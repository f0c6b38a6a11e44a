"""An API and a worker in threads of this process: all that a view needs whose subject is not how a stack runs."""

from collections.abc import Iterator
from contextlib import contextmanager

from jobs.store.database import Database
from tests.conftest import serve_api
from tests.worker.worker_fixtures import open_worker, small_settings


@contextmanager
def working(database: Database, database_url: str, redis_url: str, upstream_url: str) -> Iterator[str]:
    """The URL of an API whose jobs are written by this upstream."""
    with (
        serve_api(database_url, redis_url, LONGHAND_UPSTREAM_URL=upstream_url) as api,
        open_worker(database, small_settings(redis_url, upstream_url)) as worker,
    ):
        worker.dispatch.start()
        yield f"http://127.0.0.1:{api.port}"
