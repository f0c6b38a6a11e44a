"""Jobs with rules for their texts, and an upstream that writes what keeps or breaks them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from jobs.model.records import Attempt
from jobs.store.database import Database
from tests.upstream.scripted_upstream import DONE, FINISH, ROLE, Script, ScriptedUpstream, chunk, chunked
from tests.upstream.scripted_upstream import text as delta
from tests.worker.ear import listening
from tests.worker.test_continuation import Watcher, run_twice
from tests.worker.worker_fixtures import WorkerParts, open_worker, small_settings

RULES = {"min_words": 4, "ends_well": True}
BAD, WORSE, GOOD = "It rains today, and then", "It rains", "It rains all day."


def writes(text: str, output_tokens: int = 7) -> Script:
    """An answer with this text, and its usage."""
    usage = {"prompt_tokens": 20, "completion_tokens": output_tokens, "total_tokens": 20 + output_tokens}
    return chunked(ROLE, delta(text), FINISH, chunk({}, usage=usage), DONE)


@contextmanager
def worker_on(database: Database, redis_url: str, upstream: ScriptedUpstream, **settings: Any) -> Iterator[WorkerParts]:
    with open_worker(database, small_settings(redis_url, upstream.url, **settings)) as worker:
        yield worker


def run_through(database: Database, redis_url: str, job_id: str, *answers: Script) -> tuple[Watcher, list[Any]]:
    """Run a job to its end while an upstream writes these answers; what a watcher saw, and what was asked for."""
    with (
        ScriptedUpstream(*answers) as upstream,
        worker_on(database, redis_url, upstream) as worker,
        listening(redis_url, job_id) as ear,
    ):
        watcher = run_twice(worker, ear, job_id)
        return watcher, [exchange.body for exchange in upstream.exchanges]


def outcomes(attempts: list[Attempt]) -> list[str | None]:
    return [attempt.outcome for attempt in attempts]
