"""Celery in a worker: its consumer receives the hints, and its thread pool runs them."""

import warnings
from collections.abc import Callable
from logging import getLogger
from typing import Any

from celery import Celery, signals
from celery.platforms import SecurityWarning

from jobs.dispatch.queue import QUEUE, RUN_TASK

log = getLogger(__name__)


def consume(
    app: Celery,
    worker: str,
    streams: int,
    run_job: Callable[[str], object],
    drain: Callable[[], None],
    *,
    heartbeats: bool = False,
) -> int:
    """Take hints until a signal or an error ends the consumer; the exit status. Call it in the main thread.

    `drain` is called first of all when the end begins, and maybe again: the consumer waits for every job that runs.
    """

    @app.task(name=RUN_TASK)  # type: ignore[untyped-decorator]  # Celery has no types
    def run(job_id: str) -> None:
        run_job(job_id)

    @signals.setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]  # as above
    def leave_logging_alone(**_: object) -> None:
        """Celery configures the root logger unless somebody listens here."""

    @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]  # as above
    def drain_at_signal(**_: object) -> None:
        drain()

    class Consumer(app.Worker):  # type: ignore[misc]  # as above
        def stop(self, *arguments: Any, **named: Any) -> None:
            """After an error there was no signal, and nothing else would cut the streams."""
            drain()
            super().stop(*arguments, **named)

    # Celery warns of root at length; in a container of its own that is for the operator to decide.
    warnings.simplefilter("ignore", SecurityWarning)
    consumer = Consumer(
        pool="threads",
        concurrency=streams,
        hostname=f"longhand@{worker}",
        queues=QUEUE,
        quiet=True,
        # Each of these keeps a chatter between workers going that nothing here needs.
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=not heartbeats,
    )
    try:
        consumer.start()
    except SystemExit:
        log.debug("celery has ended")
    return int(consumer.exitcode or 0)
