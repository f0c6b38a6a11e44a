"""The state of the whole at one glance."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError
from starlette.responses import Response

from api.callers.caller import CALLER, Caller, InReference, is_operator
from api.http.errors import JsonAnswer
from api.http.parameters import v1_routes
from api.looks import LookAnswer
from api.schemas.status import StatusObject
from api.services import Services, ServicesDep
from api.status_report import UNKNOWN, report_status
from jobs.live.worker_signs import WorkerSign
from jobs.store.revision import REVISION
from jobs.version import read_version

routes = v1_routes("status")

_ROWS_SECONDS = 3.0


@routes.get("/status", responses={200: {"model": StatusObject}})
async def get_status(request: Request, services: ServicesDep, _shown: InReference = None) -> Response:
    """What runs, what waits and why, at this moment: workers, queue, holds and upstreams, and how fast the database and
    Redis answer. It answers within seconds also while either does not: what is unknown then is null.

    A key of the project `default` sees the queue of all projects, any other only its own.
    """
    caller: Caller | None = request.scope.get(CALLER)  # not known while the database does not tell
    database, redis = await asyncio.gather(services.looks.at_database(), services.looks.at_redis())
    make = partial(_make_answer, services, caller, database, redis)
    if caller is not None and database.state == "ok":
        with suppress(TimeoutError, SQLAlchemyError):
            body = await services.overviews.read(_ROWS_SECONDS, lambda: bytes(make(with_rows=True).body))
            return Response(body, media_type=JsonAnswer.media_type)
    return make(with_rows=False)


def _make_answer(
    services: Services,
    caller: Caller | None,
    database: LookAnswer[str],
    redis: LookAnswer[Mapping[str, WorkerSign]],
    *,
    with_rows: bool,
) -> JsonAnswer:
    found = report_status(services, caller, redis, with_rows=with_rows) if caller else UNKNOWN
    return JsonAnswer(
        {
            "object": "status",
            "version": read_version(),
            "at": round(services.database.now().timestamp(), 3),
            "project": caller.project if caller else None,
            "is_operator": is_operator(caller) if caller else None,
            "database": {**_look_json(database), "revision": database.found, "needed_revision": REVISION},
            "redis": _look_json(redis),
            **found,
        }
    )


def _look_json(answer: LookAnswer[Any]) -> dict[str, Any]:
    milliseconds = None if answer.seconds is None else round(1000 * answer.seconds, 2)
    return {"state": answer.state, "latency_ms": milliseconds}
