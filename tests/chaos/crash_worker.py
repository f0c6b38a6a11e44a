"""A worker that ends or stops itself at a named point: `python -m tests.chaos.crash_worker`.

It is the product's own worker; the points are patched in here, so that no product code knows of tests. Before it sends
itself the signal, it writes a file that proves that the point was reached. The environment says what to do:

    CHAOS_POINT    one of `POINTS`; none: no crash
    CHAOS_SIGNAL   SIGKILL or SIGSTOP
    CHAOS_PROOF    the file to write
    CHAOS_JOB      crash only for the job with this id
    CHAOS_DELTA    at which delta, for the point `delta`
    CHAOS_VISIBILITY_SECONDS   the broker's visibility timeout
    CHAOS_HEARTBEAT_SECONDS    a heartbeat that may be longer than the lease
    CHAOS_MARK     put this before every delta, so that a test can tell what this worker wrote
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import jobs.lifecycle.close_batch
import jobs.lifecycle.transitions
import jobs.store.stored_texts
import worker.attempt
import worker.finalize
import worker.heartbeat
import worker.main
import worker.webhooks.deliverer
import worker.webhooks.outcomes
from jobs.settings import load_settings
from jobs.store.database import Database
from worker.active_attempts import ActiveAttempts
from worker.recording import Recording

POINTS = ("claim", "delta", "checkpoint", "finish", "commit", "done", "drain")
"""Just after the claim's commit; at a delta; after a checkpoint's commit; before the finish; inside the finish's
transaction, before its commit; after its commit, before `done` is published; while a drain gives the jobs back."""

BATCH_END_POINTS = ("close", "event", "closed", "taken", "sent")
"""Before the last job's worker ends the batch; inside that transaction, after the event for webhooks; after its commit;
after the event's delivery was taken; after it was sent, before that is stored."""

_JOB = os.environ.get("CHAOS_JOB", "")
_once = threading.Lock()
_writing = threading.RLock()
"""Held by whoever writes to the database. A process that stops itself stops outside every transaction but the one in
which its point is: a row that another thread had locked just then would be rescued only when the database gives up the
connection, after 30 s."""


def _crash(job_id: str) -> None:
    """Prove that the point was reached, then send this process the signal. After a SIGCONT it goes on from here."""
    if _JOB and job_id != _JOB:
        return
    if not _once.acquire(blocking=False):
        return
    with _writing if os.environ["CHAOS_SIGNAL"] == "SIGSTOP" else nullcontext():
        _signal(job_id)


def _signal(job_id: str) -> None:
    proof = Path(os.environ["CHAOS_PROOF"])
    partial = proof.with_suffix(".partial")
    partial.write_text(job_id)
    partial.rename(proof)
    os.kill(os.getpid(), getattr(signal, os.environ["CHAOS_SIGNAL"]))


def _replace(owner: Any, name: str, replacement: Callable[..., Any]) -> None:
    """Put `replacement` in the place of a function or method; it is given the original first."""
    original = getattr(owner, name)

    def replaced(*arguments: Any, **named: Any) -> Any:
        return replacement(original, *arguments, **named)

    setattr(owner, name, replaced)


def _claim(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    claimed = original(*arguments, **named)
    if claimed is not None:
        _crash(claimed.job.id)
    return claimed


def _claim_many(original: Callable[..., Any], *arguments: Any) -> Any:
    claims = original(*arguments)
    for claimed in claims:
        if claimed is not None:
            _crash(claimed.job.id)
    return claims


def _add(original: Callable[..., Any], recording: Any, piece: str) -> None:
    original(recording, piece)
    if recording.deltas == int(os.environ["CHAOS_DELTA"]):
        _crash(recording.job_id)


def _renew(original: Callable[..., Any], database: Any, name: str, running: Any, lease_seconds: float) -> Any:
    kept = original(database, name, running, lease_seconds)
    if grown := [item.job_id for item in running if item.text]:
        _crash(grown[0])
    return kept


def _finish(original: Callable[..., Any], database: Any, job_id: str, *more: Any) -> Any:
    _crash(job_id)
    return original(database, job_id, *more)


def _finish_many(original: Callable[..., Any], database: Any, finished: Any) -> Any:
    for job_id, _, _ in finished:
        _crash(job_id)
    return original(database, finished)


def _store_texts(original: Callable[..., Any], connection: Any, rows: Any, **named: Any) -> None:
    original(connection, rows, **named)
    for row in rows:
        _crash(row["job_id"])


def _finished(original: Callable[..., Any], database: Any, job_id: str, *more: Any) -> Any:
    kept = original(database, job_id, *more)
    _crash(job_id)
    return kept


def _finished_many(original: Callable[..., Any], database: Any, finished: Any) -> Any:
    results = original(database, finished)
    for (job_id, _, _), kept in zip(finished, results, strict=True):
        if kept is not None:
            _crash(job_id)
    return results


def _close(original: Callable[..., Any], database: Any, batch_id: str) -> Any:
    _crash(batch_id)
    return original(database, batch_id)


def _event(original: Callable[..., Any], connection: Any, now: Any, batch_id: str, *more: Any) -> None:
    original(connection, now, batch_id, *more)
    _crash(batch_id)


def _closed(original: Callable[..., Any], database: Any, batch_id: str) -> Any:
    ended = original(database, batch_id)
    if ended:
        _crash(batch_id)
    return ended


def _taken(original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    taken = original(*arguments, **named)
    if taken:
        _crash(taken[0].event_id)
    return taken


def _sent(original: Callable[..., Any], database: Any, outcomes: Any) -> Any:
    for delivery, _ in outcomes[:1]:
        _crash(delivery.event_id)
    return original(database, outcomes)


def _drain(original: Callable[..., Any], running: Any) -> None:
    original(running)
    _crash("")


def _make_celery(original: Callable[..., Any], redis_url: str) -> Any:
    app = original(redis_url)
    app.conf.broker_transport_options["visibility_timeout"] = float(os.environ["CHAOS_VISIBILITY_SECONDS"])
    return app


@contextmanager
def _write(original: Callable[..., Any], database: Database) -> Iterator[Any]:
    with _writing, original(database) as connection:
        yield connection


def _add_marked(original: Callable[..., Any], recording: Any, piece: str) -> None:
    original(recording, os.environ["CHAOS_MARK"] + piece)


_PATCHES: dict[str, Sequence[tuple[Any, str, Callable[..., Any]]]] = {
    "claim": [(worker.attempt, "claim", _claim), (worker.attempt, "claim_many", _claim_many)],
    "delta": [(Recording, "add", _add)],
    "checkpoint": [(worker.heartbeat, "renew", _renew)],
    "finish": [
        (jobs.lifecycle.transitions, "finish", _finish),
        (jobs.lifecycle.transitions, "finish_many", _finish_many),
    ],
    "commit": [
        (jobs.store.stored_texts, "store_completed_texts", _store_texts),
        (jobs.lifecycle.transitions, "store_completed_texts", _store_texts),
    ],
    "done": [
        (jobs.lifecycle.transitions, "finish", _finished),
        (jobs.lifecycle.transitions, "finish_many", _finished_many),
    ],
    "drain": [(ActiveAttempts, "drain", _drain)],
    "close": [(worker.finalize, "close_batch", _close)],
    "event": [(jobs.lifecycle.close_batch, "add_batch_event", _event)],
    "closed": [(worker.finalize, "close_batch", _closed)],
    "taken": [(worker.webhooks.deliverer, "take", _taken)],
    "sent": [(worker.webhooks.outcomes, "store_outcomes", _sent)],
}


def main() -> None:
    """Patch the point in, then run the product's worker."""
    if os.environ.get("CHAOS_VISIBILITY_SECONDS"):
        _replace(worker.main, "make_celery", _make_celery)
    if os.environ.get("CHAOS_MARK"):
        _replace(Recording, "add", _add_marked)
    if os.environ.get("CHAOS_SIGNAL") == "SIGSTOP":
        _replace(Database, "write", _write)
    if point := os.environ.get("CHAOS_POINT"):
        for patch in _PATCHES[point]:
            _replace(*patch)
    settings = load_settings()
    if seconds := os.environ.get("CHAOS_HEARTBEAT_SECONDS"):
        # Longer than the lease, which the settings refuse.
        settings = settings.model_copy(update={"heartbeat_seconds": float(seconds)})
    worker.main.run_worker(settings)


if __name__ == "__main__":
    main()
