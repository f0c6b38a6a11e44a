"""Whether the process is alive, whether it can do its work, and what Prometheus reads."""

import asyncio
from typing import Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from api.callers.caller import is_operator, read_caller, refuse_strangers
from api.http.errors import ApiError, JsonAnswer
from api.services import Services, ServicesDep
from jobs.metrics.page import CONTENT_TYPE, make_registry, render
from jobs.store.database import Database
from jobs.tables import metadata

routes = APIRouter(tags=["health"])

_DATABASE_SECONDS = 3
_REDIS_SECONDS = 1


@routes.get("/healthz", response_class=Response)
async def get_healthz() -> Response:
    """The process lives and answers; nothing else is looked at."""
    return JsonAnswer({"status": "ok"})


@routes.get("/readyz", response_class=Response)
async def get_readyz(services: ServicesDep) -> Response:
    """`ok`; or `degraded` when Redis is away or full (jobs are taken and stored, watching is slower) or the disk of the
    database is full (what is stored can be read and watched); or `unavailable` with 503 when the database is.
    """
    details = await services.readiness.result(lambda: _look(services))
    return JsonAnswer(details, 503 if details["status"] == "unavailable" else 200)


@routes.get("/metrics", response_class=Response)
async def get_metrics(request: Request, services: ServicesDep) -> Response:
    """The metrics of this process and of what all processes share, as Prometheus reads them. Programs on this machine
    need no key; others need one of the project `default`.
    """
    try:
        refuse_strangers(request)
    except ApiError:
        if not is_operator(await read_caller(request, services)):
            raise ApiError(403, "operators_only", "metrics concern all projects: ask from the machine itself, or with"
                           " a key of the project `default`") from None  # fmt: skip
    return Response(await services.metrics_page.result(lambda: _render(services)), media_type=CONTENT_TYPE)


async def _render(services: Services) -> bytes:
    return await run_sync(render, make_registry(services.metrics.read))


async def _look(services: Services) -> dict[str, Any]:
    database, redis, refusal = await asyncio.gather(
        _ask_database(services.database), _ask_redis(services), services.looks.refusal()
    )
    status = "unavailable" if database != "ok" else "ok" if redis == "ok" and refusal is None else "degraded"
    if database == "ok" and refusal is not None:
        database = f"answers and takes no writes: {refusal}"
    return {
        "status": status,
        "database": database,
        "redis": redis,
        "subscriber": "connected" if services.hub.connected else "reconnecting",
        "watchers": services.hub.watching,
    }


async def _ask_database(database: Database) -> str:
    try:
        async with asyncio.timeout(_DATABASE_SECONDS):
            return await run_sync(_look_at_tables, database, abandon_on_cancel=True)
    except TimeoutError:
        return f"does not answer within {_DATABASE_SECONDS} s"


def _look_at_tables(database: Database) -> str:
    try:
        with database.read() as connection:
            for table in metadata.sorted_tables:
                connection.execute(select(table).limit(0))
        # A supervisor asks here often: jobs are due by the database's clock, not by this machine's.
        database.synchronize()
    except SQLAlchemyError as error:
        # The driver's own words may name hosts and users.
        return f"does not answer or is not migrated ({type(error).__name__})"
    return "ok"


async def _ask_redis(services: Services) -> str:
    try:
        await asyncio.wait_for(services.tails.try_write(), _REDIS_SECONDS)
    except TimeoutError:
        return f"does not answer within {_REDIS_SECONDS} s"
    except PermissionError:
        return "answers and takes no writes: it is full or read-only"
    except OSError:
        return "does not answer"
    return "ok"
