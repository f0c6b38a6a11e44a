"""What Prometheus reads."""

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request
from starlette.responses import Response

from api.callers.caller import is_operator, read_caller, refuse_strangers
from api.http.errors import ApiError
from api.services import ServicesDep
from jobs.metrics.page import CONTENT_TYPE, make_registry, render

routes = APIRouter(tags=["health"])


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
    page = await run_sync(render, make_registry(services.metrics.read))
    return Response(page, media_type=CONTENT_TYPE)
