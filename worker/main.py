"""The composition root of a worker process: creates every part once and passes it on."""

import logging
import os
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import datetime
from functools import partial
from secrets import token_hex

from sqlalchemy import make_url

from jobs.dispatch.lanes import Lanes
from jobs.dispatch.queue import Hinter, make_celery
from jobs.live.wake import WakeListener, Waker
from jobs.logs import start_logging
from jobs.model.ids import worker_name
from jobs.settings import Settings
from jobs.store.database import DATABASE_ERRORS, Database, open_database
from jobs.store.revision import check_revision
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSource
from worker.active_attempts import ActiveAttempts
from worker.answer_check import AnswerCheck
from worker.attempt import AttemptRunner
from worker.consumer import consume
from worker.counts import WorkerCounts
from worker.dispatch import Dispatch
from worker.event_loop import EventLoop
from worker.habits import HabitKeeper
from worker.heartbeat import Heartbeat
from worker.lost import LostCounter
from worker.metrics import WorkerMetrics, serve_metrics
from worker.recorder import Recorder
from worker.registry import UpstreamRegistry, opener
from worker.reports import LaneReporter
from worker.signs import SignsOfLife
from worker.sweeper import Sweeper
from worker.traces import open_tracing
from worker.unhinted import UnhintedJobs
from worker.webhooks.deliverer import Deliverer
from worker.webhooks.sender import Sender

log = logging.getLogger(__name__)


def run_worker(settings: Settings, mark: str | None = None) -> None:  # noqa: PLR0915  # the composition root: a line for each part
    """Run one worker process until SIGTERM or SIGINT; then drain and return. `mark`: a random word, as `longhand up`
    gives one to each worker, to know its jobs by when it dies.

    Raises `SystemExit` when it ends by an error, so that whatever watches the process starts it again; `SettingsError`
    when the Redis or the upstreams are not set, or wrong; and `RevisionError` when the tables are not those of this
    version.
    """
    start_logging("worker", settings.log_format)
    redis_url = settings.require_redis_url()
    source = UpstreamSource(settings)
    check_revision(settings.database)
    worker = worker_name(socket.gethostname(), os.getpid(), mark or token_hex(4))
    database, maintenance_db = open_databases(settings.database)
    running = ActiveAttempts()
    counts = WorkerCounts()
    exits = ExitStack()
    loop = EventLoop()
    recorder = loop.run(_open_recorder(redis_url, settings, maintenance_db.now))
    habits = HabitKeeper(maintenance_db)
    with suppress(*DATABASE_ERRORS):  # then dispatch does it
        habits.synchronize()
    upstreams = UpstreamRegistry(source, opener(settings, habits.of))
    app = make_celery(redis_url)

    unhinted = UnhintedJobs(lambda job_id: runner.run(job_id), settings.streams)  # noqa: PLW0108  # it is made below
    hinter = Hinter(app, unhinted.start)

    def publish(job_id: str, message: bytes) -> None:
        loop.call(recorder.publish, job_id, message)

    lanes = Lanes(maintenance_db, settings.hint_seconds, source.current)
    waker = Waker(redis_url)
    answer_check = AnswerCheck()
    dispatch = Dispatch(
        maintenance_db,
        running,
        lanes,
        settings,
        hinter.hint,
        publish,
        waker.wake,
        habits.synchronize,
        counts,
        partial(answer_check.behind, settings.streams),
    )
    wakes = WakeListener(redis_url, dispatch.wake)
    heartbeat = Heartbeat(maintenance_db, running, worker, settings)
    tokenizers = Tokenizers(settings.tokenizers)
    signs = SignsOfLife(maintenance_db, running, worker, settings)
    deliverer = Deliverer(database, Sender(settings.webhook_allow))
    lost = LostCounter(database, tokenizers, settings.heartbeat_seconds, source.current)

    def on_free() -> None:
        dispatch.wake()
        deliverer.wake()

    runner = AttemptRunner(
        database=database,
        loop=loop,
        upstreams=upstreams,
        recorder=recorder,
        tokenizers=tokenizers,
        running=running,
        reporter=LaneReporter(lanes, maintenance_db.now, dispatch.wake),
        worker=worker,
        settings=settings,
        answer_check=answer_check,
        on_free=on_free,
        counts=counts,
        tracing=exits.enter_context(open_tracing()),
    )

    def drain() -> None:
        if not running.draining:
            log.info("drain: %d streams", len(running))
            running.drain()
            _end_after_grace(settings.grace_seconds)

    if port := settings.worker_metrics_port:
        metrics = WorkerMetrics(counts, running, settings.streams)
        exits.callback(serve_metrics(metrics, settings.worker_metrics_host, port))
    loops = (heartbeat, dispatch, wakes, lost, deliverer, signs, Sweeper(database))
    for each in loops:
        each.start()
    log.info("worker %s takes up to %d streams", worker, settings.streams)
    try:
        status = consume(app, worker, settings.streams, runner.run, drain, heartbeats=settings.celery_events)
    finally:
        for each in reversed(loops):
            each.stop()
        unhinted.close()
        runner.close()
        exits.close()  # attempts that end in the drain have spans, too
        waker.close()
        hinter.close()
        loop.run(recorder.aclose())
        loop.run(upstreams.aclose())
        loop.close()
        maintenance_db.close()
        database.close()
        log.info("worker %s has ended", worker)
    if status:
        raise SystemExit(status)


def open_databases(url: str, clock: Callable[[], datetime] | None = None) -> tuple[Database, Database]:
    """The database as the jobs' threads use it, and as the heartbeat and dispatch do; both go by one clock.

    The second has its own pool: the first may be taken by hundreds of ending jobs. With SQLite they are the same:
    there is one writer at a time anyway, and the turns are kept inside one `Database`.
    """
    if make_url(url).get_backend_name() == "sqlite":
        database = open_database(url, clock=clock)
        return database, database
    maintenance_db = open_database(url, connections=2, clock=clock)
    with suppress(*DATABASE_ERRORS):  # then the first round of dispatch does it
        maintenance_db.synchronize()
    return open_database(url, clock=maintenance_db.now), maintenance_db


async def _open_recorder(redis_url: str, settings: Settings, now: Callable[[], datetime]) -> Recorder:
    return Recorder(redis_url, settings.tail_seconds, now)


def _end_after_grace(grace_seconds: float) -> None:
    """End the process when its drain has not, for instance because the database is away: the lease covers the rest."""

    def end() -> None:
        log.error("drain took longer than %s s, ending now; the leases will be rescued", grace_seconds)
        logging.shutdown()
        os._exit(1)

    timer = threading.Timer(grace_seconds, end)
    timer.daemon = True
    timer.start()
