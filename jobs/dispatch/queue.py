"""The queue: Celery over Redis, which carries hints and nothing else.

A hint says "this job may be ready". It may be lost or doubled: the claim decides. So no setting here tries to keep a
message; they keep a worker from hoarding, hanging or giving up. Each was measured on Celery 5.7.
"""

import ssl
from collections.abc import Callable, Iterable, Sequence
from logging import getLogger
from typing import Any

from celery import Celery, bootsteps
from kombu.entity import Queue
from kombu.exceptions import BatchPublishError, OperationalError

from jobs.live.background_sender import BackgroundSender

RUN_TASK = "longhand.run"
QUEUE = "longhand"

log = getLogger(__name__)


class _NoAcks(bootsteps.StartStopStep):  # type: ignore[misc]  # Celery has no types
    """Lets a worker's consumer acknowledge nothing.

    With `no_ack` kombu keeps no message in Redis, but for each one it still asks Redis to forget it, and waits for the
    reply. docs/decisions.md says what that costs.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, parent: Any) -> None:
        """Called with each connection's consumer, before it takes its first message."""
        parent.task_consumer.channel.basic_ack = lambda *_, **__: None


def make_celery(redis_url: str) -> Celery:
    """The Celery application of a process. Nothing connects before it is used."""
    app = Celery("longhand", broker=redis_url, set_as_current=False)
    app.steps["consumer"].add(_NoAcks)
    app.conf.update(
        task_default_queue=QUEUE,
        # A hint is gone once it is taken, and may be lost: to keep it in Redis until it is acknowledged is for nothing.
        task_queues=(Queue(QUEUE, no_ack=True),),  # type: ignore[no-untyped-call]  # so in kombu
        # The lease rescues what a dead worker held. With late acks, a task longer than the visibility timeout was
        # started 6 times, 4 of them at once.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        # Otherwise hints wait in a process that has no free stream, and start while it drains.
        worker_prefetch_multiplier=1,
        worker_disable_prefetch=True,
        # Results live in SQL.
        task_ignore_result=True,
        result_backend=None,
        # A blink of Redis must not cut streams that have nothing to do with it.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # the default gives up after 100
        **_tls(redis_url),
        # An error reply is no lost connection, and would end the consumer for good: when Redis fails over, the old
        # primary sends one to every worker at once.
        broker_channel_error_retry=True,
        broker_transport_options={
            "socket_timeout": 10,  # without it a submit hung on a frozen Redis for more than 60 s
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "global_keyprefix": "longhand:",
        },
        # Fail fast: dispatch hints again.
        task_publish_retry_policy={"max_retries": 1, "interval_start": 0, "interval_max": 0.2},
        accept_content=["json"],
        task_serializer="json",
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
    )
    return app


def _tls(redis_url: str) -> dict[str, Any]:
    """kombu verifies no certificate unless it is told to; what the URL itself says comes first."""
    return {"broker_use_ssl": {"ssl_cert_reqs": ssl.CERT_REQUIRED}} if redis_url.startswith("rediss://") else {}


def send_hints(app: Celery, job_ids: Iterable[str]) -> None:
    """Hint these jobs now, in one call. Raises `kombu.exceptions.OperationalError` when the broker is away."""
    hinted = list(job_ids)
    try:
        _send_many(app, hinted)
    except BatchPublishError:
        # Mostly one connection was cut, and the next one is good. A hint may be doubled.
        try:
            _send_many(app, hinted)
        except BatchPublishError as error:
            raise OperationalError(str(error.__cause__)) from error


def _send_many(app: Celery, job_ids: Iterable[str]) -> None:
    with app.producer_pool.acquire(block=True, timeout=5) as producer, producer.batch():
        for job_id in job_ids:
            app.send_task(RUN_TASK, args=(job_id,), producer=producer, ignore_result=True, argsrepr="-", kwargsrepr="-")


class Hinter:
    """Sends hints from its own thread.

    Jobs whose hints the broker does not take, because it is away or full, are given to `run_here`. Without it they are
    dropped: dispatch hints the jobs again.
    """

    def __init__(self, app: Celery, run_here: Callable[[Sequence[str]], None] = lambda _: None) -> None:
        self._app = app
        self._run_here = run_here
        self._sender = BackgroundSender("hinter", self._send)

    def hint(self, job_ids: Iterable[str]) -> None:
        """Hint these jobs soon; returns at once and never raises."""
        if not self._sender.put(list(job_ids)):
            log.warning("hints dropped, the broker is behind; dispatch will hint these jobs again")

    def close(self) -> None:
        """Stop after the last hint."""
        self._sender.close()

    def _send(self, job_ids: list[str]) -> None:
        try:
            send_hints(self._app, job_ids)
        except Exception as error:  # whatever it is: the jobs are reserved here, and nobody else runs them soon
            log.warning("hint failed: %s: %s", type(error).__name__, error)
            self._run_here(job_ids)
