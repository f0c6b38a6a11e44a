"""The composition root: creates every part of the API process once, joins them and serves them."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from logging import getLogger

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.exc import SQLAlchemyError

from api.access.budget import answer_budget, body_budget, upload_budget
from api.access.keyring import Keyring
from api.access.large_answers import LargeAnswers
from api.access.turns import Turns
from api.access.watch_limiter import WatchLimiter
from api.callers.caller import MAKE_KEY, read_caller
from api.callers.key_first import KeyFirst
from api.callers.opening_gate import WatchGate
from api.callers.watch_tokens import read_watcher
from api.endpoints import (
    batch_events,
    cancel,
    erase,
    health,
    holds,
    job_events,
    me,
    page,
    query,
    reference,
    results,
    retry,
    status,
    upstreams,
    usage,
    watch_tokens,
    webhooks,
)
from api.http.cors import Cors
from api.http.envelope import Envelope
from api.http.errors import add_error_answers
from api.http.listener import listen
from api.looks import Looks
from api.metrics.metrics import ApiMetrics
from api.model_lists.upstream_models import Models
from api.openai import completions, files, models, response_items, responses, text_completions
from api.process import FreeMemory, set_up_process
from api.server import ApiServer
from api.services import Services
from api.shared_reads import SharedReads
from api.shared_task import SharedTask
from api.status_publisher import StatusPublisher
from api.submitting import inputs, submit
from api.submitting.fields import stop_checks
from api.sweeping import sweep_files, sweep_for_ever
from api.watching.hub import Hub
from api.watching.job_rows import JobRows
from api.watching.tails import Tails
from api.watching.watch_reads import WatchReads
from jobs.live.wake import Waker
from jobs.logs import start_logging
from jobs.settings import Settings
from jobs.store.database import driver_message, open_database
from jobs.store.revision import check_revision
from jobs.tokens import Tokenizers
from jobs.upstreams import UpstreamSource
from jobs.upstreams.source import LOOK_SECONDS
from jobs.webhooks.lookups import Lookups

WRITES_AT_ONCE = 16
"""Requests that write to the database, each in a thread; they share few transactions' time anyway."""

READS_AT_ONCE = 12
"""Requests that read the database, each in a thread. Fewer than it has connections: key look-ups, watches and writes
need some, too."""

READS_OF_ONE = 4
"""Of those, for one project: all threads share one interpreter, and what nine of them read kept it for two seconds."""

DOWNLOADS_AT_ONCE = 2
"""Pieces of results and of files that are made at once, each of 64 KiB or one text."""

LISTINGS_AT_ONCE = 2
"""Slices of batches that are read or written out at once; each of them takes turns with the event loop."""

log = getLogger(__name__)


def make_app(services: Services) -> FastAPI:
    """The application over these parts. It connects its hub when it is started and closes nothing that it was given
    but the hub, the tails and the models.
    """
    app = FastAPI(
        title="Longhand",
        summary="A durable batch and background API for any OpenAI-compatible endpoint, whose every job can be watched "
        "while it is being written.",
        version="1",
        lifespan=_lifespan,
        redirect_slashes=False,  # a redirect is sent before the key is read, to any host that the client names
        docs_url=None,  # both would have their scripts loaded from another host; see `reference.py`
        redoc_url=None,
        openapi_url=None,  # as above
    )
    app.state.services = services
    for module in (page, reference, health, status):
        app.include_router(module.routes)
    # A key first of all, before the path, the query or the body is looked at.
    for module in (
        submit, inputs, query, results, cancel, retry, erase, upstreams, usage, me, holds, watch_tokens, webhooks,
        files, completions, text_completions, responses, response_items, models,
    ):  # fmt: skip
        app.include_router(module.routes, dependencies=[Depends(read_caller)])
    for module in (job_events, batch_events):
        app.include_router(module.routes, dependencies=[Depends(read_watcher)])
    add_error_answers(app)
    app.add_middleware(LargeAnswers, budget=services.answer_budget)
    app.add_middleware(WatchGate)
    app.add_middleware(KeyFirst, services=services)
    app.add_middleware(Envelope, counts=services.metrics.counts)
    if services.settings.cors_origins:
        app.add_middleware(Cors, origins=services.settings.cors_origins)  # around it: a stream is sent from there
    return app


@contextmanager
def open_api(settings: Settings, host: str, port: int, *, share_port: bool = False) -> Iterator[ApiServer]:
    """A server that listens and is ready to `serve_here`. Port 0 takes any free one; `port` of the server says which.
    With `share_port` other processes may listen on it, too, and the system shares the connections out.

    Raises `SettingsError` without a Redis URL or with wrong upstreams, and OSError when the address cannot be had.
    """
    redis_url = settings.require_redis_url()
    source = UpstreamSource(settings, port, needs_keys=False)
    listener = listen(host, port, share_port=share_port)
    database = open_database(settings.database)
    waker = Waker(redis_url)
    status_publisher = StatusPublisher(redis_url)
    try:
        hub, tails = Hub(redis_url), Tails(redis_url)
        services = Services(
            settings,
            database,
            waker,
            status_publisher,
            hub,
            tails,
            JobRows(database),
            Keyring(database),
            watch_limiter=WatchLimiter(settings.max_watchers_per_key),
            body_budget=body_budget(settings.max_body_bytes),
            answer_budget=answer_budget(),
            upload_budget=upload_budget(),
            file_batches=Turns(4, of_one=1, abandon=True),
            small_files=Turns(4, of_one=1, abandon=True),
            large_batches=Turns(2),
            large_bodies=Turns(2),
            listings=WatchReads(database, LISTINGS_AT_ONCE),
            watch_reads=WatchReads(database),
            writes=Turns(WRITES_AT_ONCE, of_clients=True),
            downloads=Turns(DOWNLOADS_AT_ONCE),
            searches=Turns(4, of_one=1, of_clients=True),
            uploads=Turns(2),
            large_reads=Turns(2, of_clients=True),
            reads=Turns(READS_AT_ONCE, of_one=READS_OF_ONE, of_clients=True),
            overviews=SharedReads(2),
            lookups=Lookups(),
            models=Models(source),
            upstreams=source,
            tokenizers=Tokenizers(settings.tokenizers),
            metrics=ApiMetrics(hub, database, source, settings.hint_seconds),
            looks=Looks(database, tails),
            readiness=SharedTask(),
            metrics_page=SharedTask(),
            description=SharedTask(keep=True),
        )
        yield ApiServer(make_app(services), hub, services.keyring, listener)
    finally:
        listener.close()
        status_publisher.close()
        waker.close()
        database.close()


def run_api(settings: Settings, host: str, port: int, *, share_port: bool = False) -> None:
    """Serve until SIGTERM or SIGINT; returns within 5 s of it, watchers or not.

    Raises as `open_api`, and `RevisionError` when the tables are not this version's.
    """
    start_logging("api", settings.log_format)
    set_up_process()
    check_revision(settings.database)
    with open_api(settings, host, port, share_port=share_port) as server:
        log.info("listening on http://%s:%d", f"[{host}]" if ":" in host else host, server.port)
        server.serve_here()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    services.hub.start()
    await run_in_threadpool(sweep_files, services)
    await _log_who_is_served(services)
    tasks = [
        asyncio.create_task(services.watch_limiter.clear_for_ever(services.keyring)),
        asyncio.create_task(_follow_file(services.upstreams)),
        asyncio.create_task(sweep_for_ever(services)),
        asyncio.create_task(FreeMemory().look_for_ever()),
    ]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        services.hub.close()
        stop_checks()
        await services.tails.close()
        await services.models.close()


async def _follow_file(source: UpstreamSource) -> None:
    """Look at the upstreams file also while nobody asks: a change counts once two looks have found the same."""
    while source.file is not None:
        await asyncio.sleep(LOOK_SECONDS)
        await run_in_threadpool(source.current)


async def _log_who_is_served(services: Services) -> None:
    try:
        if not await services.keyring.requires_keys():
            log.warning("no API key is set up: only this machine is served; to serve others, %s", MAKE_KEY)
    except SQLAlchemyError as error:
        log.warning("the database does not answer: %s", driver_message(error))
